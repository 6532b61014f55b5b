"""Layout ``vap``: the VAP RGB-D face database of Aalborg University (2012), which the notebook of 2018 used.

Each person has a folder (``(2012-05-16)(151751)`` ...). Each capture has ``STEM`` + ``d.dat``, depth as text
(480 lines of 640 numbers, millimetres, a tab behind each), and ``STEM`` + ``c.bmp``, colour of 640 x 480 or a
whole multiple of it (the set has 1280 x 960), which is reduced to the size of depth. Depth is assumed to be
registered to colour, as in the notebook.

The set names no camera. It was taken with a Kinect for Windows, whose nominal focal length is used; a camera
file takes precedence, see `camera_file`. The names of the files encode poses, but the code is not documented,
so shots have no pose.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from faceid_fast._core import depth_text
from faceid_fast.checks import checked_path
from faceid_fast.errors import InvalidInputError, SourceError
from faceid_fast.frame import Frame, Intrinsics
from faceid_fast.sources.files.bounded import entries_of, is_hidden, read_bounded
from faceid_fast.sources.files.images import read_bmp
from faceid_fast.sources.files.pictures import frame_of

from .camera_file import camera_file_of, read_camera
from .shot import Listing, Shot, checked_picture

LAYOUT: Final = "vap"
MODALITY: Final = "color"
VAP_HEIGHT: Final = 480
VAP_WIDTH: Final = 640
VAP_DEPTH_MISSING: Final = -1
VAP_DEPTH_CAP_MM: Final = 1200
"""The sentinel and the cap of the notebook. It set missing depth and depth beyond the cap *to* the cap; here
both count as missing, since there is no wall at 1200 mm."""
VAP_DEPTH_UNIT_M: Final = 0.001
VAP_FOCAL_PX: Final = 571.26
"""Kinect for Windows SDK: NUI_CAMERA_DEPTH_NOMINAL_FOCAL_LENGTH_IN_PIXELS, 285.63 at 320 x 240."""

DEPTH_ENDING: Final = "d.dat"
COLOR_ENDING: Final = "c.bmp"
_MAX_TEXT_BYTES: Final = 8 * 2**20


def listing_in(folder: Path, root: Path, picture: str | None = None) -> Listing:
    """List the captures of a folder by name. OSError if it cannot be listed."""
    return _listed(entries_of(folder), root, picture)


def listing_of(file: Path, root: Path, picture: str | None = None) -> Listing:
    """List the capture that a file belongs to; none if its name does not fit."""
    split = _split(file)
    if split is None:
        return Listing()
    entries = entries_of(file.parent)
    return _listed([each for each in entries if (_split(each) or ("",))[0] == split[0]], root, picture)


def _listed(entries: list[Path], root: Path, picture: str | None) -> Listing:
    files = {split: entry for entry in entries if (split := _split(entry)) is not None}
    shots, left_out = [], []
    for (stem, ending), file in files.items():
        other = COLOR_ENDING if ending == DEPTH_ENDING else DEPTH_ENDING
        partner = files.get((stem, other))
        if partner is None:
            left_out.append(f"{file}: no {stem}{other} beside it")
        elif ending == DEPTH_ENDING:
            label = stem.rstrip("_") or stem
            camera = camera_file_of(file.parent, label, root)
            shots.append(
                Shot(
                    file.parent.name,
                    label,
                    LAYOUT,
                    partial(read_capture, file, partner, camera, picture=picture),
                )
            )
    return Listing(shots, tuple(left_out))


def _split(file: Path) -> tuple[str, str] | None:
    """Return the stem and the ending of a file of a capture; None if its name does not fit."""
    for ending in (DEPTH_ENDING, COLOR_ENDING):
        if file.name.lower().endswith(ending) and not is_hidden(file) and file.is_file():
            return file.name[: -len(ending)], ending
    return None


def read_capture(
    depth: str | Path, color: str | Path, camera: str | Path | None = None, *, picture: str | None = None
) -> Frame:
    """Read one frame; a camera file takes precedence over the nominal camera.

    Parameters
    ----------
    depth, color : the two files.
    camera : a camera file, see `camera_file`.
    picture : ``infrared``: the picture, of three equal channels, is infrared; by default it is colour.

    Raises
    ------
    SourceError
        If a file is missing or damaged.
    InvalidInputError
        If an argument is not usable.
    """
    channel = checked_picture(picture) or MODALITY
    if camera is None:
        center = (VAP_WIDTH - 1) / 2, (VAP_HEIGHT - 1) / 2
        intrinsics, unit = Intrinsics(VAP_FOCAL_PX, VAP_FOCAL_PX, *center), VAP_DEPTH_UNIT_M
    else:
        intrinsics, unit = read_camera(camera, (VAP_HEIGHT, VAP_WIDTH))
    depth, color = checked_path("depth", depth), checked_path("color", color)
    return frame_of(channel, read_color(color), read_dat(depth), unit, intrinsics, color, depth)


def read_dat(path: str | Path) -> NDArray[np.uint16]:
    """Read depth from text: (480, 640) uint16 millimetres, 0 where missing or beyond `VAP_DEPTH_CAP_MM`.

    Decimals are rounded to whole millimetres.

    Raises
    ------
    SourceError
        If the file is missing, too long, or not 480 lines of 640 numbers; the message names line and column.
    """
    path = checked_path("path", path)
    text = read_bounded(path, _MAX_TEXT_BYTES)
    try:
        return depth_text(text, VAP_HEIGHT, VAP_WIDTH, missing=VAP_DEPTH_MISSING, cap_mm=VAP_DEPTH_CAP_MM)
    except InvalidInputError as error:
        message = f"{path}: {error}"
        raise SourceError(message) from error


def read_color(path: str | Path) -> NDArray[np.uint8]:
    """Read a colour picture, reduced to the size of depth by area averaging: (480, 640, 3) uint8 RGB.

    Raises
    ------
    SourceError
        If the file is missing or damaged, or its size is not a whole multiple of that of depth.
    """
    path = checked_path("path", path)
    image = read_bmp(path)
    height, width = image.shape[:2]
    factor = max(width // VAP_WIDTH, 1)
    if (width, height) != (factor * VAP_WIDTH, factor * VAP_HEIGHT):
        message = f"{path}: expected a multiple of {VAP_WIDTH} x {VAP_HEIGHT} pixels, got {width} x {height}"
        raise SourceError(message)
    if factor == 1:
        return image
    import cv2  # noqa: PLC0415  # as in `files.images`

    return cv2.resize(image, (VAP_WIDTH, VAP_HEIGHT), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]
