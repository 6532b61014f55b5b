"""Presentations for measuring presentation attack detection: bona fide ones, and attacks by species.

| layout | files and folders |
|---|---|
| ``species`` | a folder ``bona_fide`` and a folder for each attack species; either may be left out. Below each, at any depth, pairs and camera files (see `pairs`); a camera file may also be in a folder above, up to the root |
| ``plain`` | frames of live people in a layout that `recognized` knows, in the folder itself and in its subfolders: everything is bona fide |

Files beside the folders, and names that begin with a dot, are ignored. Nothing else is left out silently: an
attack that is left out would count as one that was detected.
"""  # noqa: E501  # a table

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from faceid_fast.checks import checked_path
from faceid_fast.errors import SourceError
from faceid_fast.frame import Frame
from faceid_fast.sources.files.bounded import listing
from faceid_fast.sources.layouts.camera_file import CAMERA_NAME, camera_file_of
from faceid_fast.sources.layouts.pairs import DEPTH_ENDINGS, image_of, label_of, read_frame
from faceid_fast.sources.recognized import LAYOUTS, contents_of, shots_in, wanted_by

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


def by_species(directory: str | Path) -> list[Presentation]:
    """List the presentations of a folder in the layout ``species``, by species and name.

    Raises
    ------
    SourceError
        If it cannot be listed or holds no folder; if a folder holds no pair, or depth without a picture or
        without a camera file; or if ``bona_fide`` is misspelt.
    """
    root = checked_path("directory", directory)
    folders = _folders(root)
    if not folders:
        message = f"{root}: expected folders of attacks, or a folder {BONA_FIDE}, with {_PAIR}; got no folder"
        raise SourceError(message)
    return [each for folder in folders for each in _of_species(folder, root)]


def live_people(directory: str | Path) -> list[Presentation]:
    """List the presentations of a folder in the layout ``plain``, by folder and name.

    Single folders may be without frames.

    Raises
    ------
    SourceError
        If the folder cannot be listed, or there is no frame at all.
    """
    root = checked_path("directory", directory)
    with listing(root):
        folders = (root, *_subfolders(root))
        shots = [shot for folder in folders for shot in shots_in(folder, folder.parent)]
        if not shots:
            message = (
                f"{root}: expected {wanted_by(LAYOUTS)}, there or in folders, or a folder {BONA_FIDE} beside "
                f"folders of attacks; got {contents_of(root)}"
            )
            raise SourceError(message)
    return [Presentation(None, shot.read) for shot in shots]


def _folders(root: Path) -> list[Path]:
    """List the folders of species, and check the name of ``bona_fide``."""
    with listing(root):
        found = _subfolders(root)
    for folder in found:
        # A misspelt name would make live people count as attacks, or the reverse.
        letters = "".join(each for each in folder.name.casefold() if each.isalpha())
        if letters == BONA_FIDE.replace("_", "") and folder.name != BONA_FIDE:
            message = f"{folder}: expected the folder of live people to be named {BONA_FIDE}; rename it"
            raise SourceError(message)
    return found


def _of_species(folder: Path, root: Path) -> list[Presentation]:
    species = None if folder.name == BONA_FIDE else folder.name
    with listing(folder):
        depths = list(_depths(folder, set()))
        found = [Presentation(species, _reader(depth, root)) for depth in depths]
    if not found:
        message = f"{folder}: expected {_PAIR}, got none; add some, or take the folder away"
        raise SourceError(message)
    return found


def _depths(folder: Path, seen: set[Path]) -> Iterator[Path]:
    """Yield the depth files of a folder and of those below it; each folder once, wherever links lead."""
    if (real := folder.resolve()) in seen:
        return
    seen.add(real)
    entries = sorted(folder.iterdir())
    yield from (entry for entry in entries if entry.name.endswith(DEPTH_ENDINGS) and not _is_hidden(entry))
    for entry in entries:
        if entry.is_dir() and not _is_hidden(entry):
            yield from _depths(entry, seen)


def _reader(depth: Path, root: Path) -> Callable[[], Frame]:
    label = label_of(depth)
    assert label is not None  # noqa: S101  # it was listed by its name
    image = image_of(depth.parent, label)
    if image is None:
        message = (
            f"{depth}: expected {label}_color.png, {label}_rgb.png or {label}_ir.png beside it, got none; "
            "add the picture or take the depth away"
        )
        raise SourceError(message)
    camera = camera_file_of(depth.parent, label, root)
    if camera is None:
        message = (
            f"{depth.parent}: expected a {CAMERA_NAME} with fx, fy, cx, cy and depth_unit_m there or in a "
            f"folder above, up to {root}, got none"
        )
        raise SourceError(message)
    return partial(read_frame, image, depth, camera)


def _subfolders(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if entry.is_dir() and not _is_hidden(entry))


def _is_hidden(entry: Path) -> bool:
    return entry.name.startswith(".")
