"""PNG and JPEG files with more in them than a picture."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from faceid_fast.errors import SourceError
from faceid_fast.sources.files.images import read_jpeg, read_png
from written_files import (
    COLOR,
    DEPTH,
    GREY,
)

# --- PNGs


def chunk(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_chunks(image: NDArray[Any], *chunks: bytes, at: bytes = b"IDAT") -> bytes:
    """A PNG with more chunks before one of a kind."""
    encoded, content = cv2.imencode(".png", image if image.ndim == 2 else image[..., ::-1])
    assert encoded
    whole: bytes = content.tobytes()
    place = whole.index(at) - 4
    return whole[:place] + b"".join(chunks) + whole[place:]


@pytest.mark.parametrize(
    ("image", "transparent"),
    [(COLOR, bytes(6)), (GREY, bytes(2)), (DEPTH, b"\x03\x00"), (COLOR, b"\x00\x01" * 3)],
)
def test_a_transparent_colour_is_a_colour(tmp_path: Path, image: NDArray[Any], transparent: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(with_chunks(image, chunk(b"tRNS", transparent)))
    read = read_png(path)
    np.testing.assert_array_equal(read, image)
    assert read.dtype == image.dtype


def test_chunks_without_pixels_are_not_handed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unpacking texts takes seconds a MiB of file: nobody asked for them."""
    bomb = zlib.compress(bytes(2**22))
    texts = [
        chunk(b"zTXt", b"a\0\0" + bomb),
        chunk(b"iTXt", b"a\0\1\0\0\0" + bomb),
        chunk(b"iCCP", b"a\0\0" + bomb),
    ]
    others = [
        chunk(b"gAMA", struct.pack(">I", 1)),
        chunk(b"PLTE", bytes(768)),
        chunk(b"tEXt", b"a\0" + bytes(999)),
    ]
    path = tmp_path / "a.png"
    path.write_bytes(with_chunks(COLOR, *texts, *others))
    handed = []
    decode = cv2.imdecode
    monkeypatch.setattr(
        cv2, "imdecode", lambda given, *a: handed.append(given.tobytes()) or decode(given, *a)
    )
    np.testing.assert_array_equal(read_png(path), COLOR)
    for kind in (b"zTXt", b"iTXt", b"iCCP", b"tEXt", b"gAMA", b"PLTE"):
        assert kind not in handed[0]
    assert len(handed[0]) < 2 * COLOR.nbytes


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (with_chunks(GREY, chunk(b"ABCD")), "expected chunks of a PNG, got b'ABCD'"),
        (with_chunks(GREY, chunk(b"IDAT", b""), chunk(b"tEXt", b"a\0")), "chunk b'IDAT' where none may be"),
        (with_chunks(GREY, chunk(b"IHDR", bytes(13))), "chunk b'IHDR' where none may be"),
        (with_chunks(GREY, *[chunk(b"teXt")] * 2**16), "expected at most 65536 chunks, got more"),
    ],
)
def test_pngs_that_are_refused(tmp_path: Path, content: bytes, part: str) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(SourceError) as caught:
        read_png(tmp_path / "a.png")
    assert part in str(caught.value)


def test_jpegs_of_nothing_but_segments_are_refused(tmp_path: Path) -> None:
    encoded, content = cv2.imencode(".jpg", COLOR)
    assert encoded
    whole = content.tobytes()
    path = tmp_path / "a.jpg"
    path.write_bytes(whole[:2] + b"\xff\xfe\0\2" * 10_000 + whole[2:])
    with pytest.raises(SourceError, match="at most 4096 segments"):
        read_jpeg(path)
    path.write_bytes(whole[:2] + b"\xff" * 2**20 + whole[2:])
    assert read_jpeg(path).shape == COLOR.shape
