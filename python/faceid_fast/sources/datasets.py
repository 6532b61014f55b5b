"""Data sets of people: one folder for each person, with frames in any layout that `recognized` knows.

>>> captures("faces")  # faces/ada/0_depth.png ..., faces/ben/...  # doctest: +SKIP

The people's folders are in the set's folder, or in its folder ``identities``. Frames may be in a person's
folder or below it: ``ada/session 1/...``. Every folder may have a different layout. Names that begin with a
dot, and files beside the people's folders, are ignored, except a camera file, see `camera_file`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from faceid_fast.checks import checked_path
from faceid_fast.errors import InvalidInputError, SourceError
from faceid_fast.sources.files.bounded import listing
from faceid_fast.sources.layouts.shot import Shot
from faceid_fast.sources.recognized import LAYOUTS, Layout, contents_of, shots_in, wanted_by

IDENTITIES: Final = "identities"
_MAX_DEPTH: Final = 8


def captures(directory: str | Path, layout: str | None = None) -> list[Shot]:
    """List the frames of everybody, by person and label.

    Parameters
    ----------
    directory : of the set.
    layout : name of the only layout to look for, one of `recognized.LAYOUTS`; None: all of them.

    Returns
    -------
    list of Shot
        ``person`` is the name of the person's folder; ``label`` begins with the names of folders below it.

    Raises
    ------
    InvalidInputError
        If there is no such layout.
    SourceError
        If the directory cannot be listed or holds no frame of a person, or a folder has frames in several
        layouts.
    """
    root = checked_path("directory", directory)
    layouts = LAYOUTS if layout is None else (_named(layout),)
    with listing(root):
        people = root / IDENTITIES if (root / IDENTITIES).is_dir() else root
        found = [
            replace(shot, person=person.name, label="/".join((*folder.relative_to(person).parts, shot.label)))
            for person in _subfolders(people)
            for folder in _below(person)
            for shot in shots_in(folder, root, layouts)
        ]
        if not found:
            message = (
                f"{people}: expected a folder for each person, in it {wanted_by(layouts)}; "
                f"got {contents_of(people)}, and no frame in a folder"
            )
            raise SourceError(message)
    return found


def _named(layout: object) -> Layout:
    names = [known.name for known in LAYOUTS]
    if isinstance(layout, str) and layout in names:
        return LAYOUTS[names.index(layout)]
    got = ascii(layout)[:40] if isinstance(layout, str) else type(layout).__name__
    message = f"layout: expected one of {', '.join(names)}, got {got}"
    raise InvalidInputError(message)


def _below(folder: Path, depth: int = 0) -> Iterator[Path]:
    """Yield a folder and those below it; links are not followed, so that the walk ends."""
    yield folder
    if depth < _MAX_DEPTH:
        for entry in _subfolders(folder):
            if not entry.is_symlink():
                yield from _below(entry, depth + 1)


def _subfolders(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
