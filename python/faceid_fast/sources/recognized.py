"""Frames of one person, wherever they lie: the layout is recognised, and named.

| layout | what is there |
|---|---|
| ``pairs`` | ``NAME_depth.png``, ``NAME_color.png``, ``NAME_rgb.png`` or ``NAME_ir.png``, and a camera file (see `png.read_camera`): ``NAME_camera.json``, or ``camera.json`` beside them or in the folder above |
| ``kinect_v2`` | ``NN_depth.png`` and ``NN_ir.png`` without a camera file, see `kinect_v2` |
"""  # noqa: E501  # a table

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from faceid_fast.errors import SourceError
from faceid_fast.frame import Frame
from faceid_fast.paths import checked_path
from faceid_fast.sources import kinect_v2
from faceid_fast.sources.png import read_frame

DEPTH_ENDING: Final = "_depth.png"
IMAGE_ENDINGS: Final = ("_color.png", "_rgb.png", "_ir.png")


@dataclass(frozen=True, slots=True)
class Shot:
    """One frame that can be read.

    Attributes
    ----------
    label : its name without what the layout adds.
    layout : ``pairs`` or ``kinect_v2``.
    read : reads the frame; `SourceError` if a file is damaged.
    """

    label: str
    layout: str
    read: Callable[[], Frame]


def shots_at(path: str | Path) -> list[Shot]:
    """List the frames of a folder by name, or the one that a file belongs to.

    Raises
    ------
    SourceError
        If there is none in a layout that is known.
    """
    place = checked_path("path", path)
    try:
        if place.is_dir():
            return _in_folder(place)
        return [_of_file(place)]
    except OSError as error:
        if isinstance(error, SourceError):
            raise
        message = f"{error.filename or place}: not readable ({error.strerror})"
        raise SourceError(message) from error


def shots_in(folder: Path) -> list[Shot]:
    """List the frames of a folder by name; there may be none. OSError if it cannot be listed."""
    depths = sorted(entry for entry in folder.iterdir() if entry.name.endswith(DEPTH_ENDING))
    return [shot for depth in depths if (shot := _shot_of(depth)) is not None]


def image_of(depth: Path) -> Path | None:
    """Return the picture of a depth file: colour where it has two, none where it has none."""
    label = depth.name.removesuffix(DEPTH_ENDING)
    images = (depth.with_name(label + ending) for ending in IMAGE_ENDINGS)
    return next((image for image in images if image.is_file()), None)


def _in_folder(folder: Path) -> list[Shot]:
    found = shots_in(folder)
    if not found:
        raise _unknown(folder)
    return found


def _of_file(file: Path) -> Shot:
    if not file.exists():
        message = f"{file}: expected a file or a folder, got none"
        raise SourceError(message)
    ending = next((ending for ending in (DEPTH_ENDING, *IMAGE_ENDINGS) if file.name.endswith(ending)), None)
    if ending is None:
        raise _unknown(file)
    shot = _shot_of(file.with_name(file.name.removesuffix(ending) + DEPTH_ENDING))
    if shot is None:
        raise _unknown(file)
    return shot


def _shot_of(depth: Path) -> Shot | None:
    """The frame that a depth file belongs to."""
    label, image = depth.name.removesuffix(DEPTH_ENDING), image_of(depth)
    if image is None or not depth.is_file():
        return None
    beside = (depth.with_name(f"{label}_camera.json"), depth.parent / "camera.json")
    cameras = [camera for camera in (*beside, depth.parent.parent / "camera.json") if camera.is_file()]
    if cameras:
        return Shot(label, "pairs", partial(read_frame, image, depth, cameras[0]))
    capture = kinect_v2.capture_of(depth)
    return None if capture is None else Shot(label, "kinect_v2", capture.read)


def _unknown(place: Path) -> SourceError:
    return SourceError(
        f"{place}: expected NAME_depth.png with NAME_color.png or NAME_ir.png and a camera file "
        "(NAME_camera.json or camera.json), or NN_depth.png with NN_ir.png of a Kinect v2; got neither"
    )
