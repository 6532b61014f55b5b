"""Read untrusted files and folders: a file only up to a limit, errors as `SourceError`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from faceid_fast.checks import open_file
from faceid_fast.errors import SourceError

MAX_PICTURE_BYTES: Final = 64 * 2**20
"""Longest picture file; no camera writes a longer one of `faceid_fast.frame.MAX_SIDE_PX`."""
MAX_ARRAY_BYTES: Final = 192 * 2**20
"""Largest array or archive: more than a frame of that size needs, with depth in float64 and colour."""

_OF_SYSTEMS: Final = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx"})
"""Names, in lower case, that Windows and macOS give to files and folders of their own."""


def is_hidden(entry: Path) -> bool:
    """Whether a name is one that a system keeps for itself: it begins with a dot, or is ``Thumbs.db``.

    macOS writes ``._NAME`` beside every NAME on a disk of another system: as long as a picture, but none.
    """
    return entry.name.startswith(".") or entry.name.casefold() in _OF_SYSTEMS


def entries_of(folder: Path) -> list[Path]:
    """List a folder by name, without what `is_hidden`; OSError if it cannot be listed."""
    return sorted(entry for entry in folder.iterdir() if not is_hidden(entry))


def folders_in(folder: Path) -> list[Path]:
    """List the folders of a folder by name, as `entries_of` does."""
    return [entry for entry in entries_of(folder) if entry.is_dir()]


def below_named_folders(place: Path) -> Path:
    """Return a folder or file by a path of which its folder, and the folder above a file's, have names.

    ``.``, ``..`` and ``0_depth.png`` say neither which folder is above nor what this one is called, both of
    which count: a camera file is looked for above, and a sequence's name says its camera.
    """
    is_folder = place.is_dir()
    folders = (place,) if is_folder else (place.parent, place.parent.parent)
    if all(folder.name not in {"", ".."} for folder in folders) or not place.exists():
        return place
    whole = place.absolute()
    if ".." not in whole.parts:
        return whole
    return Path(os.path.realpath(whole)) if is_folder else Path(os.path.realpath(whole.parent), whole.name)


@contextmanager
def listing(place: Path) -> Iterator[None]:
    """Turn an OSError within into a SourceError that names the file or folder."""
    try:
        yield
    except SourceError:
        raise
    except OSError as error:
        message = f"{error.filename or place}: not readable ({error.strerror})"
        raise SourceError(message) from error


def read_bounded(path: Path, limit: int) -> bytes:
    """Read a whole file.

    Raises
    ------
    SourceError
        If the file is missing, not regular, not readable, or longer than ``limit`` bytes.
    """
    try:
        with open_file(path) as file:
            # Not simply limit + 1: that much memory would be allocated at once.
            content = file.read(min(limit, os.fstat(file.fileno()).st_size) + 1)
    except OSError as error:
        message = f"{path}: not readable ({error.strerror})"
        raise SourceError(message) from error
    if len(content) > limit:
        message = f"{path}: expected at most {limit} bytes, got more"
        raise SourceError(message)
    return content
