"""Picture files: PNG, JPEG and BMP, decoded by OpenCV.

OpenCV reads a picture of any size, and not every version notices all damage. So the file is checked first for
everything that OpenCV 4.10 to 5.0 accept (tests/unit/sources/test_source_files.py shows each); what OpenCV
refuses by itself is not checked here:

| format | refused here | why |
|---|---|---|
| all | more than 4096 pixels a side | a file of a few kilobytes can claim a gigapixel |
| PNG | less or more pixel data than the header says | a picture with another header's rows |
| PNG | kinds other than grey of 8 or 16 bit and RGB of 8 bit; interlaced | OpenCV converts them |
| PNG | more chunks than any picture has | each takes time |
| JPEG | four channels (CMYK) | OpenCV converts them |
| JPEG | no end of the picture | OpenCV 4 fills the missing part with grey |
| BMP | fewer than 24 bit | OpenCV converts them |

OpenCV gets the chunks of a PNG that hold its pixels, and no other: it would unpack texts, for seconds a MiB,
and turn a transparent colour into a channel. The orientation tag of a JPEG is ignored: depth files have none.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from faceid_fast.checks import checked_path
from faceid_fast.errors import SourceError
from faceid_fast.frame import MAX_SIDE_PX

from .bounded import MAX_PICTURE_BYTES, read_bounded

_PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_PNG_CHANNELS: Final = {0: 1, 2: 3, 6: 4}
"""Accepted colour types and their channels: grey, RGB, and RGBA, whose alpha channel is dropped."""
_PNG_CRITICAL: Final = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
"""The chunks without which a picture cannot be shown; a palette beside RGB is a suggestion."""
_MAX_CHUNKS: Final = 2**16
_ANCILLARY_BIT: Final = 0x20
_JPEG_START: Final = b"\xff\xd8"
_JPEG_END: Final = b"\xff\xd9"
_JPEG_FRAMES: Final = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""Markers of segments that hold the picture's size; the excluded ones of that range are not frame headers."""
_JPEG_CHANNELS: Final = frozenset({1, 3})
_MAX_SEGMENTS: Final = 2**12
_FILL: Final = re.compile(rb"\xff*")
_BMP_HEADER: Final = struct.Struct("<2s12xIiiHH")


def read_png(path: str | Path) -> NDArray[Any]:
    """Read a whole PNG: (H, W) uint8 or uint16, or (H, W, 3) uint8 RGB.

    Raises
    ------
    SourceError
        If the file is missing, truncated, damaged, too large, or of another kind of PNG.
    InvalidInputError
        If `path` is not usable as a path.
    """
    return _read(path, "PNG", _PNG_SIGNATURE, _png_pixels)


def read_jpeg(path: str | Path) -> NDArray[Any]:
    """Read a whole JPEG of 8 bit: (H, W) uint8, or (H, W, 3) uint8 RGB, as it is stored.

    Raises
    ------
    SourceError
        If the file is missing, truncated, damaged, too large, or of another kind of JPEG.
    InvalidInputError
        If `path` is not usable as a path.
    """
    return _read(path, "JPEG", _JPEG_START, _whole(_jpeg_size))


def read_bmp(path: str | Path) -> NDArray[np.uint8]:
    """Read a whole BMP of 24 or 32 bit: (H, W, 3) uint8 RGB.

    Raises
    ------
    SourceError
        If the file is missing, truncated, damaged, too large, or of another kind of BMP.
    InvalidInputError
        If `path` is not usable as a path.
    """
    return _read(path, "BMP", b"BM", _whole(_bmp_size), least=_BMP_HEADER.size)


def _read(
    path: str | Path,
    kind: str,
    start: bytes,
    checked: Callable[[bytes, Path], tuple[bytes, tuple[int, int]]],
    least: int = 0,
) -> NDArray[Any]:
    """Read and decode a file of a kind: of at least so many bytes, the first of which are `start`.

    Parameters
    ----------
    checked : checks the content; returns what OpenCV is to decode, and the (height, width) of it.
    """
    path = checked_path("path", path)
    content = read_bounded(path, MAX_PICTURE_BYTES)
    if not content.startswith(start) or len(content) < least:
        got = "something else" if content else "an empty one"
        message = f"{path}: expected a {kind} file, got {got}"
        raise SourceError(message)
    return _decoded(*checked(content, path), path)


def _whole(
    size_of: Callable[[bytes, Path], tuple[int, int]],
) -> Callable[[bytes, Path], tuple[bytes, tuple[int, int]]]:
    """Make a check, of which the whole content is decoded, from one that returns (height, width)."""
    return lambda content, path: (content, size_of(content, path))


def _decoded(content: bytes, size: tuple[int, int], path: Path) -> NDArray[Any]:
    """Decode a picture whose header says (height, width); colour becomes RGB."""
    import cv2  # noqa: PLC0415  # its system libraries may be missing: loaded only when a picture is read

    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        message = f"{path}: not decodable: {error!s:.200}"
        raise SourceError(message) from error
    if image is None:
        message = f"{path}: truncated or damaged: OpenCV cannot decode it"
        raise SourceError(message)
    if image.shape[:2] != size:
        message = f"{path}: damaged: not of the size that its header says"
        raise SourceError(message)
    return image if image.ndim == 2 else np.ascontiguousarray(image[..., 2::-1])  # from BGR or BGRA


def _checked_size(width: int, height: int, path: Path) -> tuple[int, int]:
    """Return (height, width) if it is a size that a frame may have; SourceError if not."""
    if not (1 <= width <= MAX_SIDE_PX and 1 <= height <= MAX_SIDE_PX):
        message = f"{path}: expected at most {MAX_SIDE_PX} pixels a side, got {width} x {height}"
        raise SourceError(message)
    return height, width


def _png_pixels(content: bytes, path: Path) -> tuple[bytes, tuple[int, int]]:
    """Return a PNG of nothing but header and pixels, and (height, width), once the pixels were counted."""
    chunks = _png_chunks(content, path)
    kind, header = next(chunks)
    if kind != b"IHDR" or len(header) != 25:
        message = f"{path}: damaged: expected the header first, got chunk {kind!a}"
        raise SourceError(message)
    width, height, bits, color, _, _, interlaced = struct.unpack_from(">IIBBBBB", header, 8)
    size = _checked_size(width, height, path)
    if color not in _PNG_CHANNELS or bits not in {8, 16} or interlaced or (color != 0 and bits == 16):
        message = (
            f"{path}: expected grey of 8 or 16 bit or RGB of 8 bit, not interlaced, "
            f"got colour type {color} of {bits} bit{', interlaced' if interlaced else ''}: save it as one of "
            "these"
        )
        raise SourceError(message)
    data: list[bytes] = []
    before, end = kind, b""
    for kind, end in chunks:  # the last one ends the picture
        if kind == b"IHDR" or (kind == b"IDAT" and data and before != kind):
            message = f"{path}: damaged: chunk {kind!a} where none may be"
            raise SourceError(message)
        if kind == b"IDAT":
            data.append(end)
        before = kind
    wanted = height * (1 + width * _PNG_CHANNELS[color] * bits // 8)  # one filter byte a row
    try:
        pixels = len(zlib.decompressobj().decompress(b"".join(chunk[8:-4] for chunk in data), wanted + 1))
    except zlib.error as error:
        message = f"{path}: damaged: {error}"
        raise SourceError(message) from error
    if pixels != wanted:
        problem = "truncated: fewer" if pixels < wanted else "damaged: more"
        message = f"{path}: {problem} pixels than its header says"
        raise SourceError(message)
    return b"".join((_PNG_SIGNATURE, header, *data, end)), size


def _png_chunks(content: bytes, path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Yield kind and bytes of each chunk up to the last, of those that need not be read no bytes.

    OpenCV compares the checksums of those that it gets.
    """
    at, kind = len(_PNG_SIGNATURE), b""
    for _ in range(_MAX_CHUNKS):
        if at + 12 > len(content):
            raise _truncated(path)
        length, kind = struct.unpack_from(">I4s", content, at)
        end = at + 12 + length
        if end > len(content):
            raise _truncated(path)
        is_critical = kind in _PNG_CRITICAL
        if not is_critical and not kind[0] & _ANCILLARY_BIT:
            message = f"{path}: damaged: expected chunks of a PNG, got {kind!a}"
            raise SourceError(message)
        yield kind, content[at:end] if is_critical else b""
        if kind == b"IEND":
            return
        at = end
    message = f"{path}: expected at most {_MAX_CHUNKS} chunks, got more"
    raise SourceError(message)


def _jpeg_size(content: bytes, path: Path) -> tuple[int, int]:
    """Return (height, width) of the first picture, after a check that its end is there."""
    at = len(_JPEG_START)
    for _ in range(_MAX_SEGMENTS):
        at = _FILL.match(content, at).end()  # type: ignore[union-attr]  # a marker may be preceded by several
        # Marker, length of the segment; of a frame bits, height and width, behind which its channels are.
        head = content[at : at + 8]
        if len(head) < 8:
            raise _truncated(path)
        marker, length, _, height, width = struct.unpack(">BHBHH", head)
        if marker in _JPEG_FRAMES:
            break
        at += 1 + length
    else:
        message = f"{path}: expected at most {_MAX_SEGMENTS} segments before the picture, got more"
        raise SourceError(message)
    if content.find(_JPEG_END, at + 9) < 0:
        raise _truncated(path)
    if (channels := content[at + 8]) not in _JPEG_CHANNELS:
        message = f"{path}: expected grey or RGB, got {channels} channels, as CMYK has: save it as RGB"
        raise SourceError(message)
    return _checked_size(width, height, path)


def _bmp_size(content: bytes, path: Path) -> tuple[int, int]:
    """Return (height, width); a negative height in the file means that rows go from top to bottom."""
    _, _, width, height, _, bits = _BMP_HEADER.unpack_from(content)
    size = _checked_size(width, abs(height), path)
    if bits < 24:
        message = f"{path}: expected 24 or 32 bit, got {bits} bit"
        raise SourceError(message)
    return size


def _truncated(path: Path) -> SourceError:
    return SourceError(f"{path}: truncated: the file ends before the picture does")
