"""Frames of one person in a file or a folder; the layout is recognised by the names of the files.

| layout | files and folders |
|---|---|
| ``pairs`` | ``NAME_depth.png`` (or ``.npy``), ``NAME_color``, ``NAME_rgb`` or ``NAME_ir``, and a camera file, see `pairs` |
| ``kinect_v2`` | ``NN_depth.png`` and ``NN_ir.png`` without a camera file, see `kinect_v2` |
| ``vap`` | ``X_d.dat`` and ``X_c.bmp``, see `vap` |
| ``tum`` | ``rgb.txt`` and ``depth.txt`` beside the folders of the files that they list, see `tum` |
| ``open3d`` | ``color/``, ``depth/`` and ``camera_intrinsic.json`` or ``intrinsic.json``, see `open3d` |
| ``npz`` | ``NAME.npz``, see `npz` |

A folder with frames in several layouts is refused: it is not clear which ones are meant.
"""  # noqa: E501  # a table

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from faceid_fast.checks import checked_path
from faceid_fast.errors import SourceError
from faceid_fast.frame import Frame
from faceid_fast.sources.files.bounded import listing
from faceid_fast.sources.layouts.shot import Shot

from .layouts import kinect_v2, npz, open3d, pairs, tum, vap

_KINDS_NAMED: Final = 4
_MAX_KIND_CHARS: Final = 12


@dataclass(frozen=True, slots=True)
class Layout:
    """A layout of the frames of one person.

    Attributes
    ----------
    name : for options and messages.
    wanted : the files that it is recognised by, for messages.
    shots_in : lists the frames of a folder; none if the folder has another layout. The second argument is the
        topmost folder in which to look for a camera file. OSError if the folder cannot be listed.
    shot_of : finds the frame that a file belongs to, with the same second argument; None if there is none.
    """

    name: str
    wanted: str
    shots_in: Callable[[Path, Path], list[Shot]]
    shot_of: Callable[[Path, Path], Shot | None]


LAYOUTS: Final = tuple(
    Layout(module.LAYOUT, wanted, module.shots_in, module.shot_of)
    for module, wanted in (
        (pairs, "NAME_depth.png, NAME_color.png or _ir.png, camera.json"),
        (kinect_v2, "NN_depth.png, NN_ir.png"),
        (vap, "X_d.dat, X_c.bmp"),
        (tum, "rgb.txt, depth.txt"),
        (open3d, "color/, depth/, camera_intrinsic.json"),
        (npz, "NAME.npz"),
    )
)


def read_frames(path: str | Path) -> list[Frame]:
    """Read the frames of a folder, or the frame that a file belongs to; the layout is recognised.

    Parameters
    ----------
    path : a folder of frames of one person, or a file of a frame, such as ``ada/0_depth.png``. For the
        layouts see `faceid_fast.sources.recognized`.

    Returns
    -------
    list of Frame, by name; at least one.

    Raises
    ------
    SourceError
        If there is no frame in a known layout, there are frames in several layouts, or a file is damaged.
    InvalidInputError
        If `path` is not usable as a path.
    """
    return [shot.read() for shot in shots_at(path)]


def shots_at(path: str | Path) -> list[Shot]:
    """List the frames of a folder by name, or the frame that a file belongs to; at least one.

    Raises
    ------
    SourceError
        If there is no frame in a known layout, or there are frames in several layouts.
    """
    place = checked_path("path", path)
    with listing(place):
        if place.is_dir():
            found = shots_in(place, place.parent)
        elif place.exists():
            shots = (layout.shot_of(place, place.parent.parent) for layout in LAYOUTS)
            found = [shot for shot in shots if shot is not None][:1]
        else:
            message = f"{place}: expected a file or a folder, got none"
            raise SourceError(message)
        if not found:
            message = f"{place}: expected {wanted_by(LAYOUTS)}; got {contents_of(place)}"
            raise SourceError(message)
    return found


def shots_in(folder: Path, root: Path, layouts: tuple[Layout, ...] = LAYOUTS) -> list[Shot]:
    """List the frames of a folder by name; there may be none. OSError if it cannot be listed.

    Parameters
    ----------
    folder : the folder.
    root : the topmost folder in which to look for a camera file: `folder` or one above it.
    layouts : the layouts to look for.

    Raises
    ------
    SourceError
        If there are frames in several layouts.
    """
    found = [shots for layout in layouts if (shots := layout.shots_in(folder, root))]
    if len(found) > 1:
        counts = ", ".join(f"{shots[0].layout} ({len(shots)})" for shots in found)
        message = f"{folder}: expected frames in one layout, got {counts}; put them into folders of their own"
        raise SourceError(message)
    return found[0] if found else []


def wanted_by(layouts: tuple[Layout, ...]) -> str:
    """Describe the layouts that were looked for, in a message."""
    return "frames as " + "; ".join(f"{layout.name} ({layout.wanted})" for layout in layouts)


def contents_of(place: Path) -> str:
    """Describe the content of a folder in a message: kinds of files and their numbers."""
    if not place.is_dir():
        return "another file"
    kinds: Counter[str] = Counter()
    for entry in place.iterdir():
        ending = ascii(entry.suffix)[1:-1][:_MAX_KIND_CHARS] or "without an ending"
        kinds["folders" if entry.is_dir() else ending] += 1
    named = [f"{kind}: {count}" for kind, count in kinds.most_common(_KINDS_NAMED)]
    if len(kinds) > _KINDS_NAMED:
        named.append("others")
    return ", ".join(named) or "an empty folder"
