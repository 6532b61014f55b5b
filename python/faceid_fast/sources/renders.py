"""The rendered frames of this package: people who do not exist, for the demo and for timings.

The folder of a person holds ``KIND_N_ir.png``, ``KIND_N_depth.png`` and ``KIND_N_camera.json``. KIND is
``enroll``, ``probe``, ``print`` (a flat picture of the person held to the camera) or ``beard`` (the person
on later days, with a growing beard).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

from faceid_fast.errors import SourceError
from faceid_fast.frame import Frame
from faceid_fast.sources.layouts.pairs import read_frame

EVERYDAY: Final = ("enroll", "probe", "print")
KINDS: Final = (*EVERYDAY, "beard")
_IMAGE_NAME: Final = re.compile(rf"({'|'.join(KINDS)})_(\d+)_ir\.png")


@dataclass(frozen=True, slots=True)
class Render:
    """One rendered frame.

    Attributes
    ----------
    person : an invented name.
    kind : one of `KINDS`.
    number : number of the frame among those of one person and kind.
    infrared, depth, camera : the files.
    """

    person: str
    kind: str
    number: int
    infrared: Path
    depth: Path
    camera: Path

    def read(self) -> Frame:
        """Read the frame; `SourceError` if a file is missing or damaged."""
        return read_frame(self.infrared, self.depth, self.camera)


def bundled_renders(kinds: Sequence[str] = EVERYDAY) -> list[Render]:
    """List the renders of this package, by person, kind and number.

    Parameters
    ----------
    kinds : some of `KINDS`; by default without the beards, with which a face no longer matches.

    Raises
    ------
    SourceError
        If there is no such render.
    """
    root = Path(str(resources.files(__package__) / "demo_frames"))
    found = [
        Render(
            person=image.parent.name,
            kind=match[1],
            number=int(match[2]),
            infrared=image,
            depth=image.with_name(image.name.replace("_ir.png", "_depth.png")),
            camera=image.with_name(image.name.replace("_ir.png", "_camera.json")),
        )
        for image in root.glob("*/*_ir.png")
        if (match := _IMAGE_NAME.fullmatch(image.name)) and match[1] in kinds
    ]
    if not found:
        message = f"{root}: expected the renders of this package, got none; reinstall faceid-fast"
        raise SourceError(message)
    return sorted(found, key=lambda render: (render.person, KINDS.index(render.kind), render.number))
