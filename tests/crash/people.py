"""Who is enrolled, who is not, and how to tell that nothing has happened to them."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import faceid_fast as faceid
from damaged_files import FILES, PIPE
from faceid_fast import api
from faceid_fast.face.crop import TENSOR_SHAPE
from faceid_fast.sources.renders import bundled_renders
from faceid_fast.storage.store import get
from faceid_fast.vault import Vault
from story import KEY, digest_of

PEOPLE = ("ada", "ben")


@dataclass
class World:
    """Two people who are enrolled behind three doors, a stranger, a print, and files.

    Parameters
    ----------
    place : for files.
    """

    place: Path
    frames: dict[tuple[str, str, int], faceid.Frame] = field(init=False)

    def __post_init__(self) -> None:
        self.frames = {(r.person, r.kind, r.number): r.read() for r in bundled_renders()}
        self._write_files()
        self.vault = Vault.open(self.place / "people", key=KEY, create=True)
        module = api.default_authenticator(create=True)
        for name in module.identities:
            module.remove(name)
        self.doors = {
            "module": module,
            "memory": faceid.Authenticator(lockout=False, diagnostics=True),
            "vault": faceid.Authenticator(store=self.vault),
        }
        for door in self.doors.values():
            for name in PEOPLE:
                assert door.enroll(name, self.of(name, "enroll")).enrolled
        self.memory = self.doors["memory"]._store
        self.kept = {name: get(self.memory, name) for name in PEOPLE}
        self.gallery = faceid.Gallery(dim=128)
        for name in PEOPLE:
            self.gallery.add(name, self.kept[name].vectors)
        self.gallery_bytes = self.gallery.to_bytes()
        (self.place / "gallery.bin").write_bytes(self.gallery_bytes)
        crop = faceid.FaceAligner.bundled().align(self.frames["cleo", "probe", 0])
        assert isinstance(crop, faceid.FaceCrop)
        assert crop.tensor.shape == TENSOR_SHAPE
        self.crop = crop
        self.tensors, self.chips = crop.tensor[None], crop.chip[None]
        self.stranger = faceid.Embedder.bundled().embed(self.tensors, self.chips)
        self.faces = [
            *(kept.vectors for kept in self.kept.values()),
            *(self.stranger.joined, self.stranger.shape, self.stranger.picture),
            *(self.tensors, self.chips),
        ]
        self.before = self.state()

    def state(self) -> list[dict[str, str]]:
        """Names and digests of everything kept, behind every door."""
        stores = (door._store for door in self.doors.values())
        return [{name: digest_of(kept) for name, kept in kept_in.snapshot().items()} for kept_in in stores]

    def settle(self) -> None:
        """Remove who was enrolled under another name, and forget failures."""
        for name, door in self.doors.items():
            if (now := door.identities) != PEOPLE:
                for other in set(now) - set(PEOPLE):
                    door.remove(other)
            if name != "memory" and door._store.amend(lambda ledger: (ledger, ())).tallies:
                door.unlock()

    def is_unharmed(self) -> bool:
        """Whether everybody, and nobody else, is still known and verified."""
        good = [(name, frame) for name in PEOPLE for frame in self.of(name, "probe")]
        return (
            self.state() == self.before
            and self.gallery.to_bytes() == self.gallery_bytes
            and all(door.verify(frame, name).accepted for door in self.doors.values() for name, frame in good)
        )

    def of(self, person: str, kind: str) -> list[faceid.Frame]:
        """Frames of one person and kind."""
        return [frame for key, frame in self.frames.items() if key[:2] == (person, kind)]

    def _write_files(self) -> None:
        for name, content in FILES.items():
            (self.place / name).parent.mkdir(parents=True, exist_ok=True)
            (self.place / name).write_bytes(content)
        os.mkfifo(self.place / PIPE)
        here = bundled_renders()[0]
        folder = self.place / "shots" / "ada"
        folder.mkdir(parents=True)
        for number, render in enumerate(bundled_renders()[:2]):
            for file, ending in ((render.infrared, "ir.png"), (render.depth, "depth.png")):
                shutil.copy(file, folder / f"{number:02}_{ending}")
        self.files = [self.place / name for name in ("ir.png", "depth.png", "camera.json")]
        for file, copy in zip((here.infrared, here.depth, here.camera), self.files, strict=True):
            shutil.copy(file, copy)
