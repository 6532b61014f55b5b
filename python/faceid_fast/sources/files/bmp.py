"""BMP files: colour, not compressed. The header is checked before anything is decoded.

OpenCV gives the rest of a truncated picture some colour: what the header promises must be there.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from faceid_fast.checks import checked_path
from faceid_fast.errors import SourceError
from faceid_fast.frame import MAX_SIDE_PX

from .bounded import MAX_PICTURE_BYTES, read_bounded

_HEADER: Final = struct.Struct("<2s4x4xIIiiHHI")
_BIT_FIELDS: Final = 3
"""Not compressed either: says which bits are red, green and blue."""


def read_bmp(path: str | Path) -> NDArray[np.uint8]:
    """Read a whole BMP of 24 or 32 bit: (H, W, 3) uint8 RGB.

    Raises
    ------
    SourceError
        If the file is missing, truncated, damaged, too large, compressed, or of another kind of BMP.
    """
    import cv2  # noqa: PLC0415  # as in `png`

    path = checked_path("path", path)
    content = read_bounded(path, MAX_PICTURE_BYTES)
    width, height = _check_header(content, path)
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        message = f"{path}: not decodable: {error!s:.200}"
        raise SourceError(message) from error
    if image is None or image.shape != (height, width, 3):
        message = f"{path}: expected {width} x {height} pixels as its header says, got something else"
        raise SourceError(message)
    return np.ascontiguousarray(image[..., ::-1]).astype(np.uint8, copy=False)


def _check_header(content: bytes, path: Path) -> tuple[int, int]:
    """Width and height; a negative height in the file means that its rows go downwards."""
    if len(content) < _HEADER.size or not content.startswith(b"BM"):
        message = f"{path}: expected a BMP file, got something else"
        raise SourceError(message)
    _, start, _, width, height, _, bits, compression = _HEADER.unpack_from(content)
    height = abs(height)
    if bits not in {24, 32} or compression not in {0, _BIT_FIELDS}:
        message = f"{path}: expected 24 or 32 bit, not compressed, got {bits} bit, compression {compression}"
        raise SourceError(message)
    if not (1 <= width <= MAX_SIDE_PX and 1 <= height <= MAX_SIDE_PX):
        message = f"{path}: expected at most {MAX_SIDE_PX} pixels a side, got {width} x {height}"
        raise SourceError(message)
    row_bytes = (width * bits // 8 + 3) // 4 * 4
    if len(content) < start + row_bytes * height:
        message = f"{path}: truncated: the file ends before the picture does"
        raise SourceError(message)
    return width, height
