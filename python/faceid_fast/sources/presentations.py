"""Presentations for measuring presentation attack detection: bona fide ones, and attacks by species.

| layout | files and folders |
|---|---|
| ``species`` | a folder ``bona_fide`` and a folder for each attack species; either may be left out. Below each, at any depth, pairs and camera files (see `pairs`); a camera file may also be in a folder above, up to the root |
| ``plain`` | frames of live people in a layout that `recognized` knows, in the folder itself and in its subfolders: everything is bona fide |

Files beside the folders, names that begin with a dot, and files of a system (``Thumbs.db``) are ignored.
Nothing else is left out of ``species``: an attack that is left out would count as one that was detected. What
is left out of ``plain`` is named in a `SourceWarning`.
"""  # noqa: E501  # a table

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from faceid_fast.checks import checked_path
from faceid_fast.errors import SourceError
from faceid_fast.frame import Frame
from faceid_fast.sources.files.bounded import below_named_folders, folders_in, listing
from faceid_fast.sources.layouts import pairs
from faceid_fast.sources.layouts.shot import (
    Listing,
    Shot,
    checked_picture,
    checked_turn,
    joined,
    turned,
    warn_of,
)
from faceid_fast.sources.recognized import LAYOUTS, contents_of, listing_in, wanted_by

BONA_FIDE: Final = "bona_fide"
"""Name of the folder of bona fide presentations."""
_PAIR: Final = "NAME_depth.png with NAME_color.png, NAME_rgb.png or NAME_ir.png"


@dataclass(frozen=True, slots=True)
class Presentation:
    """One frame of a bona fide presentation or of a presentation attack.

    Attributes
    ----------
    species : of the attack; None if the presentation is bona fide.
    read : reads the frame; `SourceError` if a file is damaged.
    """

    species: str | None
    read: Callable[[], Frame]


def is_by_species(directory: str | Path) -> bool:
    """Whether a folder has the layout ``species``, that is a folder ``bona_fide``.

    Raises
    ------
    SourceError
        If it cannot be listed, or ``bona_fide`` is misspelt.
    """
    root = checked_path("directory", directory)
    return any(folder.name == BONA_FIDE for folder in _folders(root))


def by_species(directory: str | Path, *, picture: str | None = None, turn_deg: int = 0) -> list[Presentation]:
    """List the presentations of a folder in the layout ``species``, by species and name.

    Parameters
    ----------
    directory : the folder.
    picture, turn_deg : as for `faceid_fast.sources.recognized.read_frames`.

    Raises
    ------
    SourceError
        If it cannot be listed or holds no folder; if a folder holds no pair, or depth without a picture or
        without a camera file, or a picture without depth; or if ``bona_fide`` is misspelt.
    InvalidInputError
        If an argument is not usable.

    Warns
    -----
    SourceWarning
        If one of two pictures is taken.
    """
    found = listing_by_species(directory, picture=picture, turn_deg=turn_deg)
    warn_of(found)
    return presentations_of(found.shots)


def listing_by_species(directory: str | Path, *, picture: str | None = None, turn_deg: int = 0) -> Listing:
    """List the same as `by_species`, without a warning; ``person`` of a shot is the name of its folder."""
    root = checked_path("directory", directory)
    chosen, turn = checked_picture(picture), checked_turn(turn_deg)
    folders = _folders(root)
    if not folders:
        message = f"{root}: expected folders of attacks, or a folder {BONA_FIDE}, with {_PAIR}; got no folder"
        raise SourceError(message)
    found = joined(_of_species(folder, root, chosen) for folder in folders)
    return replace(found, shots=[turned(shot, turn) for shot in found.shots])


def live_people(
    directory: str | Path, *, picture: str | None = None, turn_deg: int = 0
) -> list[Presentation]:
    """List the presentations of a folder in the layout ``plain``, by folder and name.

    Single folders may be without frames.

    Parameters
    ----------
    directory : the folder.
    picture, turn_deg : as for `faceid_fast.sources.recognized.read_frames`.

    Raises
    ------
    SourceError
        If the folder cannot be listed, or there is no frame at all.
    InvalidInputError
        If an argument is not usable.

    Warns
    -----
    SourceWarning
        If frames were left out, or one of two pictures is taken.
    """
    found = listing_of_live_people(directory, picture=picture, turn_deg=turn_deg)
    warn_of(found)
    return presentations_of(found.shots)


def listing_of_live_people(
    directory: str | Path, *, picture: str | None = None, turn_deg: int = 0
) -> Listing:
    """List the same as `live_people`, without a warning; ``person`` of a shot is `BONA_FIDE`."""
    root = checked_path("directory", directory)
    chosen, turn = checked_picture(picture), checked_turn(turn_deg)
    with listing(root):
        root = below_named_folders(root)
        folders = (root, *folders_in(root))
        found = joined(listing_in(folder, folder.parent, picture=chosen) for folder in folders)
        if not found.shots:
            message = (
                f"{root}: expected {wanted_by(LAYOUTS)}, there or in folders, or a folder {BONA_FIDE} beside "
                f"folders of attacks; got {contents_of(root)}"
            )
            raise SourceError(message)
    return replace(found, shots=[replace(turned(shot, turn), person=BONA_FIDE) for shot in found.shots])


def presentations_of(shots: Iterable[Shot]) -> list[Presentation]:
    """Make presentations of shots, whose ``person`` is the name of the folder of a species or `BONA_FIDE`."""
    return [Presentation(None if shot.person == BONA_FIDE else shot.person, shot.read) for shot in shots]


def _folders(root: Path) -> list[Path]:
    """List the folders of species, and check the name of ``bona_fide``."""
    with listing(root):
        found = folders_in(root)
    for folder in found:
        # A misspelt name would make live people count as attacks, or the reverse.
        letters = "".join(each for each in folder.name.casefold() if each.isalpha())
        if letters == BONA_FIDE.replace("_", "") and folder.name != BONA_FIDE:
            message = f"{folder}: expected the folder of live people to be named {BONA_FIDE}; rename it"
            raise SourceError(message)
    return found


def _of_species(folder: Path, root: Path, picture: str | None) -> Listing:
    """List the pairs of a folder and of those below it; SourceError if one lacks a file."""
    with listing(folder):
        found = joined(pairs.listing_in(each, root, picture) for each in _folders_below(folder, set()))
    if found.left_out:
        message = (
            f"{found.first_left_out(1)}: add what is missing, or take the rest away: nothing is left out here"
        )
        raise SourceError(message)
    if not found.shots:
        message = f"{folder}: expected {_PAIR}, got none; add some, or take the folder away"
        raise SourceError(message)
    return replace(found, shots=[replace(shot, person=folder.name) for shot in found.shots])


def _folders_below(folder: Path, seen: set[Path]) -> Iterator[Path]:
    """Yield a folder and those below it; each once, wherever links lead."""
    if (real := folder.resolve()) in seen:
        return
    seen.add(real)
    yield folder
    for entry in folders_in(folder):
        yield from _folders_below(entry, seen)
