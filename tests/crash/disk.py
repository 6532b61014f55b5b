"""Disks that fail: under SQLite by a VFS, under the rest by what the vault's own files ask of the system."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw
import pytest

from faceid_fast import private_files
from faceid_fast.vault import directory

SECTOR = 512
ASIDE = ".made"
"""In folders named so, databases are made; nobody looks for them there."""
BASE = apsw.vfs_names()[0]
_made = iter(range(1_000_000))


class _File(apsw.VFSFile):
    def __init__(self, vfs: WatchedVFS, name: Any, flags: list[int]) -> None:
        self._path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        self._vfs = vfs
        super().__init__(BASE, name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802  # SQLite's name
        self._vfs.watch("write", self._path, (offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, size: int) -> None:  # noqa: N802
        self._vfs.watch("truncate", self._path, size)
        super().xTruncate(size)

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._vfs.watch("sync", self._path, None)
        super().xSync(flags)


class WatchedVFS(apsw.VFS):
    """The system's files, each change told before it is made: the teller may raise, or end the process."""

    def __init__(self, watch: Callable[[str, str, Any], None]) -> None:
        self.watch = watch
        super().__init__(f"watched {next(_made)}", BASE, makedefault=True)

    def xOpen(self, name: Any, flags: list[int]) -> _File:  # noqa: N802
        return _File(self, name, flags)

    def xDelete(self, name: str, sync: bool) -> None:  # noqa: N802
        self.watch("unlink", name, None)
        super().xDelete(name, sync)


class _WatchedSystem:
    """The module `os` as those who write files see it."""

    def __init__(self, watch: Callable[[str, str, Any], None]) -> None:
        self._watch = watch

    def __getattr__(self, name: str) -> Any:
        called = getattr(os, name)
        if name not in ("fsync", "open", "link", "replace"):
            return called

        def watched(*arguments: Any, **keywords: Any) -> Any:
            self._watch(name, str(arguments[0]), arguments[1] if name == "replace" else None)
            return called(*arguments, **keywords)

        return watched


@contextlib.contextmanager
def watched(watch: Callable[[str, str, Any], None]) -> Iterator[None]:
    """Tell of every change of a file while this lasts."""
    vfs = WatchedVFS(watch)
    with pytest.MonkeyPatch.context() as patch:
        for module in (directory, private_files):
            patch.setattr(module, "os", _WatchedSystem(watch))
        try:
            yield
        finally:
            vfs.unregister()


class Fault:
    """Does something at one of the changes, and counts them."""

    def __init__(self, at: int, strike: Callable[[str], None]) -> None:
        self._at = at
        self._strike = strike
        self.seen = 0

    def __call__(self, action: str, _path: str, _detail: Any) -> None:
        self.seen += 1
        if self.seen - 1 == self._at:
            self._strike(action)


OF_SQLITE = ("write", "sync", "truncate", "unlink")


def input_output_error(action: str) -> None:
    if action in OF_SQLITE:
        raise apsw.IOError
    raise OSError(5, "Input/output error")


def no_space(action: str) -> None:
    if action in OF_SQLITE:
        raise apsw.FullError
    raise OSError(28, "No space left on device")


@dataclass
class Medium:
    """What a disk holds for certain, and what it may hold besides, if the power goes now."""

    synced: dict[str, bytes] = field(default_factory=dict)
    waiting: dict[str, list[tuple[str, Any]]] = field(default_factory=dict)

    def watch(self, action: str, path: str, detail: Any) -> None:
        if path.endswith("-shm") or action in ("open", "link", "fsync"):
            return
        if action == "replace":
            if path in self.synced:  # a database that was made aside
                self.synced[str(Path(path).parent.parent / detail)] = self.synced.pop(path)
            return
        if action == "sync":
            self.synced[path] = _applied(self.synced.get(path, b""), self.waiting.pop(path, []))
        elif action == "unlink":
            self.synced.pop(path, None)
            self.waiting.pop(path, None)
        else:
            self.waiting.setdefault(path, []).append((action, detail))

    def copy(self) -> Medium:
        return Medium(dict(self.synced), {path: list(changes) for path, changes in self.waiting.items()})

    def after_power_loss(self, rng: random.Random) -> dict[str, bytes]:
        """Files as they may be found: of what was not synchronised, any sectors."""
        paths = {p for p in self.synced.keys() | self.waiting.keys() if ASIDE not in Path(p).parent.name}
        kept = rng.choice((0.0, 0.5, 0.9))
        return {
            path: _applied(self.synced.get(path, b""), list(_torn(self.waiting.get(path, []), rng, kept)))
            for path in paths
        }


def _torn(changes: list[tuple[str, Any]], rng: random.Random, kept: float) -> Iterator[tuple[str, Any]]:
    for action, detail in changes:
        if action == "truncate":
            if rng.random() < kept:
                yield action, detail
            continue
        offset, data = detail
        at = 0
        while at < len(data):
            size = min(len(data) - at, SECTOR - (offset + at) % SECTOR)
            if rng.random() < kept:
                yield action, (offset + at, data[at : at + size])
            at += size


def _applied(content: bytes, changes: list[tuple[str, Any]]) -> bytes:
    result = bytearray(content)
    for action, detail in changes:
        if action == "truncate":
            del result[detail:]
            continue
        offset, data = detail
        result.extend(bytes(max(0, offset + len(data) - len(result))))
        result[offset : offset + len(data)] = data
    return bytes(result)
