"""JPEG files: their segments are walked to the end before anything is decoded.

OpenCV gives what is missing of a truncated picture some grey, and turns a picture as its camera wished it to
be shown, which its depth knows nothing of: both are ruled out here.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from faceid_fast.checks import checked_path
from faceid_fast.errors import SourceError
from faceid_fast.frame import MAX_SIDE_PX

from .bounded import MAX_PICTURE_BYTES, read_bounded

_START: Final = b"\xff\xd8"
_END_MARKER: Final = 0xD9
_SCAN_MARKER: Final = 0xDA
_HUFFMAN_FRAMES: Final = {0xC0, 0xC1, 0xC2}
"""Baseline, extended and progressive; the others are lossless or arithmetic, which OpenCV does not read."""
_AFTER_SCAN: Final = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")
"""In the data of a scan, 0xff stands before a 0 or a restart marker; before anything else, it is over."""


def read_jpeg(path: str | Path) -> NDArray[Any]:
    """Read a whole JPEG of 8 bit: (H, W) uint8, or (H, W, 3) uint8 RGB, as it is stored.

    Raises
    ------
    SourceError
        If the file is missing, truncated, damaged, too large, or of another kind of JPEG.
    """
    import cv2  # noqa: PLC0415  # as in `png`

    path = checked_path("path", path)
    content = read_bounded(path, MAX_PICTURE_BYTES)
    height, width, channels = _check(content, path)
    how = cv2.IMREAD_GRAYSCALE if channels == 1 else cv2.IMREAD_COLOR
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), how | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        message = f"{path}: not decodable: {error!s:.200}"
        raise SourceError(message) from error
    if image is None or image.shape[:2] != (height, width):
        message = f"{path}: expected {width} x {height} pixels as its header says, got something else"
        raise SourceError(message)
    return image if channels == 1 else np.ascontiguousarray(image[..., ::-1])


def _check(content: bytes, path: Path) -> tuple[int, int, int]:
    """Walk the segments from start to end; return height, width and channels."""
    if not content.startswith(_START):
        message = f"{path}: expected a JPEG file, got something else"
        raise SourceError(message)
    found, at = None, len(_START)
    while True:
        marker, at = _marker(content, at, path)
        if marker == _END_MARKER:
            break
        body = _body(content, at, path)
        at += 2 + len(body)
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:  # a frame, not a table
            if found is not None:
                message = f"{path}: expected one picture, got several"
                raise SourceError(message)
            found = _check_frame(marker, body, path)
        elif marker == _SCAN_MARKER:
            after = _AFTER_SCAN.search(content, at)
            if after is None:
                raise _truncated(path)
            at = after.start()
    if found is None:
        message = f"{path}: damaged: no picture in it"
        raise SourceError(message)
    return found


def _marker(content: bytes, at: int, path: Path) -> tuple[int, int]:
    """The kind of the segment here, and where its body begins; fill bytes may stand before it."""
    start = at
    while content[at : at + 1] == b"\xff":
        at += 1
    if at == len(content):
        raise _truncated(path)
    if at == start:
        message = f"{path}: damaged: expected a marker at byte {at}, got something else"
        raise SourceError(message)
    return content[at], at + 1


def _body(content: bytes, at: int, path: Path) -> bytes:
    if at + 2 > len(content):
        raise _truncated(path)
    length = int.from_bytes(content[at : at + 2], "big")
    if length < 2:
        message = f"{path}: damaged: a segment of {length} bytes"
        raise SourceError(message)
    if at + length > len(content):
        raise _truncated(path)
    return content[at + 2 : at + length]


def _check_frame(marker: int, body: bytes, path: Path) -> tuple[int, int, int]:
    bits, height, width, channels = struct.unpack_from(">BHHB", body.ljust(6, b"\0"))
    if marker not in _HUFFMAN_FRAMES or bits != 8 or channels not in {1, 3}:
        message = (
            f"{path}: expected grey or colour of 8 bit, baseline or progressive, "
            f"got {channels} channels of {bits} bit, kind {marker:#x}"
        )
        raise SourceError(message)
    if not (1 <= width <= MAX_SIDE_PX and 1 <= height <= MAX_SIDE_PX):
        message = f"{path}: expected at most {MAX_SIDE_PX} pixels a side, got {width} x {height}"
        raise SourceError(message)
    return height, width, channels


def _truncated(path: Path) -> SourceError:
    return SourceError(f"{path}: truncated: the file ends before the picture does")
