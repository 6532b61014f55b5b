"""Layout ``vap``: the VAP RGB-D face database of Aalborg University, the set of the 2018 notebook.

A folder a person (``(2012-05-16)(151751)`` ...), in it for each capture ``STEM`` + ``d.dat``, depth as
text (480 lines of 640 numbers, millimetres), and ``STEM`` + ``c.bmp``, colour of 640 x 480 or a whole
multiple of it (the set has 1280 x 960). Depth is taken as registered to colour, as the notebook does.

The set names no camera. It was taken with a Kinect for Windows, whose nominal focal length stands
here; a ``camera.json`` in the set's folder (fx, fy, cx, cy in pixels of 640 x 480, depth_unit_m) goes
before it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from faceid_fast.errors import InvalidInputError, SourceError
from faceid_fast.frame import MAX_SIDE_PX, Frame, Intrinsics
from faceid_fast.sources.bounded import read_bounded
from faceid_fast.sources.png import read_camera
from training.layouts.capture import Found, folders, found_or_error

VAP_HEIGHT, VAP_WIDTH = 480, 640
VAP_DEPTH_MISSING: Final = -1
VAP_DEPTH_CAP_MM: Final = 1200
"""Both as the notebook has them. It set what lies beyond the cap *to* the cap; here it is missing, as the
background is, and no wall stands at 1200 mm."""

VAP_DEPTH_UNIT_M: Final = 0.001
VAP_FOCAL_PX: Final = 571.26
"""Kinect for Windows SDK: NUI_CAMERA_DEPTH_NOMINAL_FOCAL_LENGTH_IN_PIXELS, 285.63 at 320 x 240."""

_DEPTH_END, _COLOR_END = "d.dat", "c.bmp"
_MAX_TEXT_BYTES = 8 * 2**20
_BMP_HEADER = struct.Struct("<2s4x4xIIiiHHI")


def captures(root: Path) -> Iterator[Found]:
    """Yield every capture below a folder; a file that is damaged or lacks its partner as an error.

    Raises
    ------
    SourceError
        The folder cannot be listed, or its ``camera.json`` is damaged.
    """
    camera = root / "camera.json"
    if camera.exists():
        intrinsics, unit = read_camera(camera)
    else:
        center = (VAP_WIDTH - 1) / 2, (VAP_HEIGHT - 1) / 2
        intrinsics, unit = Intrinsics(VAP_FOCAL_PX, VAP_FOCAL_PX, *center), VAP_DEPTH_UNIT_M
    for folder in folders(root):
        for depth in sorted(folder.glob(f"*{_DEPTH_END}")):
            stem = depth.name.removesuffix(_DEPTH_END)
            yield from found_or_error(
                folder.name, stem.rstrip("_"), _read(depth, folder / f"{stem}{_COLOR_END}", intrinsics, unit)
            )


def _read(depth: Path, color: Path, intrinsics: Intrinsics, unit: float) -> Iterator[Frame]:
    samples, picture = read_dat(depth), read_bmp(color)
    try:
        yield Frame(depth=samples, depth_unit_m=unit, color=picture, intrinsics=intrinsics)
    except InvalidInputError as error:
        message = f"{depth}: {error}"
        raise SourceError(message) from error


def read_dat(path: Path) -> NDArray[np.uint16]:
    """Read a depth text: (480, 640) uint16, 0 where missing or beyond `VAP_DEPTH_CAP_MM`.

    Raises
    ------
    SourceError
        The file is missing, too long, or not 480 x 640 whole numbers.
    """
    words = read_bounded(path, _MAX_TEXT_BYTES).split()
    if len(words) != VAP_HEIGHT * VAP_WIDTH:
        message = f"{path}: expected {VAP_HEIGHT} x {VAP_WIDTH} numbers, got {len(words)}"
        raise SourceError(message)
    try:
        depth = np.array(words).astype(np.int64).reshape(VAP_HEIGHT, VAP_WIDTH)
    except (ValueError, OverflowError) as error:
        message = f"{path}: expected whole numbers: {error!s:.100}"
        raise SourceError(message) from error
    depth[(depth <= VAP_DEPTH_MISSING) | (depth > VAP_DEPTH_CAP_MM)] = 0
    return depth.astype(np.uint16)


def read_bmp(path: Path) -> NDArray[np.uint8]:
    """Read a colour picture, reduced to the depth's size: (480, 640, 3) uint8 RGB.

    Raises
    ------
    SourceError
        The file is missing, truncated, compressed, of another kind, or of another aspect.
    """
    content = read_bounded(path, 64 * 2**20)
    if len(content) < _BMP_HEADER.size or not content.startswith(b"BM"):
        message = f"{path}: expected a BMP file, got something else"
        raise SourceError(message)
    # OpenCV gives the rest of a truncated picture some colour: what the header promises is checked here.
    _, start, _, width, height, _, bits, compression = _BMP_HEADER.unpack_from(content)
    if bits not in {24, 32} or compression not in {0, 3}:
        message = f"{path}: expected 24 or 32 bit, not compressed, got {bits} bit, compression {compression}"
        raise SourceError(message)
    factor = width // VAP_WIDTH
    if not 0 < width <= MAX_SIDE_PX or (width, abs(height)) != (factor * VAP_WIDTH, factor * VAP_HEIGHT):
        message = f"{path}: expected a multiple of {VAP_WIDTH} x {VAP_HEIGHT}, got {width} x {abs(height)}"
        raise SourceError(message)
    if len(content) < start + (width * bits // 8 + 3) // 4 * 4 * abs(height):
        message = f"{path}: truncated: the file ends before the picture does"
        raise SourceError(message)
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        message = f"{path}: not decodable: {error!s:.200}"
        raise SourceError(message) from error
    if image is None or image.shape != (abs(height), width, 3):
        message = f"{path}: not decodable"
        raise SourceError(message)
    if factor > 1:
        image = cv2.resize(image, (VAP_WIDTH, VAP_HEIGHT), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(image[..., ::-1])
