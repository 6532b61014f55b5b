"""Data sets of people: one folder for each person, with frames in any layout that `recognized` knows.

>>> captures("faces")  # faces/ada/0_depth.png ..., faces/ben/...  # doctest: +SKIP

The people's folders are in the set's folder, or in its folder ``identities``. Frames may be in a person's
folder or below it: ``ada/session 1/...``. Every folder may have a different layout. Names that begin with a
dot, and files beside the people's folders, are ignored, except a camera file, see `camera_file`. A link to a
folder below a person's is not followed. That, and frames of which a file is missing, are named in a
`SourceWarning`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from faceid_fast.checks import checked_path
from faceid_fast.errors import InvalidInputError, SourceError
from faceid_fast.sources.files.bounded import folders_in, listing
from faceid_fast.sources.layouts.shot import (
    Listing,
    Shot,
    checked_picture,
    checked_turn,
    joined,
    turned,
    warn_of,
)
from faceid_fast.sources.recognized import LAYOUTS, Layout, contents_of, listing_in, wanted_by

IDENTITIES: Final = "identities"
_MAX_DEPTH: Final = 8
_FILES_NAMED: Final = 3


def captures(
    directory: str | Path, layout: str | None = None, *, picture: str | None = None, turn_deg: int = 0
) -> list[Shot]:
    """List the frames of everybody, by person and label.

    Parameters
    ----------
    directory : of the set.
    layout : name of the only layout to look for, one of `recognized.LAYOUTS`; None: all of them.
    picture, turn_deg : as for `faceid_fast.sources.recognized.read_frames`.

    Returns
    -------
    list of Shot
        ``person`` is the name of the person's folder; ``label`` begins with the names of folders below it.

    Raises
    ------
    InvalidInputError
        If there is no such layout, or an argument is not usable.
    SourceError
        If the directory cannot be listed or holds no frame of a person, or a folder has frames in several
        layouts.

    Warns
    -----
    SourceWarning
        If frames were left out, or one of two pictures is taken.
    """
    found = listing_of(directory, layout, picture=picture, turn_deg=turn_deg)
    warn_of(found)
    return list(found.shots)


def listing_of(
    directory: str | Path, layout: str | None = None, *, picture: str | None = None, turn_deg: int = 0
) -> Listing:
    """List the same as `captures`, and without a warning what was left out."""
    root = checked_path("directory", directory)
    layouts = LAYOUTS if layout is None else (_named(layout),)
    chosen, turn = checked_picture(picture), checked_turn(turn_deg)
    with listing(root):
        people = root / IDENTITIES if (root / IDENTITIES).is_dir() else root
        found = joined(_of_person(person, root, layouts, chosen) for person in folders_in(people))
        if not found.shots:
            lacking = f"; {found.first_left_out(_FILES_NAMED)}" if found.left_out else ""
            message = (
                f"{people}: expected a folder for each person, in it {wanted_by(layouts)}; "
                f"got {contents_of(people)}, and no frame in a folder{lacking}"
            )
            raise SourceError(message)
    return replace(found, shots=[turned(shot, turn) for shot in found.shots])


def _of_person(person: Path, root: Path, layouts: tuple[Layout, ...], picture: str | None) -> Listing:
    every = []
    for folder in _below(person):
        if folder.is_symlink() and folder != person:
            why = "a link to a folder, which is not followed: put the folder there"
            every.append(Listing((), (f"{folder}: {why}",)))
            continue
        found = listing_in(folder, root, layouts, picture=picture)
        inner = folder.relative_to(person).parts
        shots = [
            replace(shot, person=person.name, label="/".join((*inner, shot.label))) for shot in found.shots
        ]
        every.append(replace(found, shots=shots))
    return joined(every)


def _named(layout: object) -> Layout:
    names = [known.name for known in LAYOUTS]
    if isinstance(layout, str) and layout in names:
        return LAYOUTS[names.index(layout)]
    got = ascii(layout)[:40] if isinstance(layout, str) else type(layout).__name__
    message = f"layout: expected one of {', '.join(names)}, got {got}"
    raise InvalidInputError(message)


def _below(folder: Path, depth: int = 0) -> Iterator[Path]:
    """Yield a folder and those below it, links too; those are not followed, so that the walk ends."""
    yield folder
    if depth < _MAX_DEPTH:
        for entry in folders_in(folder):
            if entry.is_symlink():
                yield entry
            else:
                yield from _below(entry, depth + 1)
