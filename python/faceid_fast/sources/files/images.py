"""PNG files: depth of 16 bit, infrared, and colour.

A PNG of a few kilobytes can claim a hundred megapixels, and OpenCV returns the top of a truncated
file as if it were all of it. So the header and every chunk are checked before anything is decoded.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from faceid_fast.checks import checked_path
from faceid_fast.errors import SourceError
from faceid_fast.frame import MAX_SIDE_PX

from .bounded import MAX_PICTURE_BYTES, read_bounded

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_CHANNELS: Final = {0: 1, 2: 3, 6: 4}
"""Colour types taken, and their channels: grey, RGB, and RGB with an opacity, which is left out."""


def read_png(path: str | Path) -> NDArray[Any]:
    """Read a whole PNG: (H, W) uint8 or uint16, or (H, W, 3) uint8 RGB.

    Raises
    ------
    SourceError
        If the file is missing, truncated, damaged, too large, or of another kind of PNG.
    """
    import cv2  # noqa: PLC0415  # what it needs of the system may be missing: only once a picture is read

    path = checked_path("path", path)
    content = read_bounded(path, MAX_PICTURE_BYTES)
    width, height, bits, channels = _check_png(content, path)
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        message = f"{path}: not decodable: {error!s:.200}"
        raise SourceError(message) from error
    shape = (height, width) if channels == 1 else (height, width, channels)
    dtype = np.dtype(np.uint8 if bits == 8 else np.uint16)
    if image is None or image.shape != shape or image.dtype != dtype:
        message = f"{path}: expected {dtype} {shape} as its header says, got something else"
        raise SourceError(message)
    return image if channels == 1 else np.ascontiguousarray(image[..., 2::-1])  # from BGR or BGRA


def _check_png(content: bytes, path: Path) -> tuple[int, int, int, int]:
    """Check header, chunks and the size of the pixel data; return width, height, bits, channels."""
    if not content.startswith(_SIGNATURE):
        message = f"{path}: expected a PNG file, got something else"
        raise SourceError(message)
    chunks = _chunks(content, path)
    width, height, bits, channels = _check_header(*next(chunks), path)
    inflate = zlib.decompressobj()
    wanted = height * (1 + width * channels * bits // 8)  # one filter byte a row
    try:
        pixels = inflate.decompress(b"".join(body for kind, body in chunks if kind == b"IDAT"), wanted + 1)
    except zlib.error as error:
        message = f"{path}: damaged: {error}"
        raise SourceError(message) from error
    if len(pixels) < wanted:
        raise _truncated(path)
    if len(pixels) > wanted:
        message = f"{path}: damaged: more pixels than its header says"
        raise SourceError(message)
    return width, height, bits, channels


def _chunks(content: bytes, path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Yield kind and body of each chunk up to the last, every checksum checked."""
    at, kind = len(_SIGNATURE), b""
    while kind != b"IEND":
        if at + 12 > len(content):
            raise _truncated(path)
        length, kind = struct.unpack_from(">I4s", content, at)
        end = at + 12 + length
        if end > len(content):
            raise _truncated(path)
        body = content[at + 8 : end - 4]
        if zlib.crc32(kind + body) != struct.unpack_from(">I", content, end - 4)[0]:
            message = f"{path}: damaged: wrong checksum in chunk {kind!a}"
            raise SourceError(message)
        yield kind, body
        at = end


def _check_header(kind: bytes, body: bytes, path: Path) -> tuple[int, int, int, int]:
    if kind != b"IHDR" or len(body) != 13:
        message = f"{path}: damaged: expected the header first, got chunk {kind!a}"
        raise SourceError(message)
    width, height, bits, color, _, _, interlaced = struct.unpack(">IIBBBBB", body)
    if not (1 <= width <= MAX_SIDE_PX and 1 <= height <= MAX_SIDE_PX):
        message = f"{path}: expected at most {MAX_SIDE_PX} pixels a side, got {width} x {height}"
        raise SourceError(message)
    wide_color = color != 0 and bits == 16
    if color not in _CHANNELS or bits not in {8, 16} or interlaced or wide_color:
        message = (
            f"{path}: expected grey of 8 or 16 bit or RGB of 8 bit, not interlaced, "
            f"got colour type {color} of {bits} bit{', interlaced' if interlaced else ''}"
        )
        raise SourceError(message)
    return width, height, bits, _CHANNELS[color]


def _truncated(path: Path) -> SourceError:
    return SourceError(f"{path}: truncated: the file ends before the picture does")
