from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from faceid_fast import read_frames
from faceid_fast.errors import InvalidInputError, SourceError, SourceWarning
from faceid_fast.sources.files.images import read_png
from faceid_fast.sources.layouts.camera_file import read_camera
from faceid_fast.sources.layouts.kinect_v2 import PRINCIPAL_DEVIATION_PX, capture_of, captures, captures_of
from faceid_fast.sources.layouts.pairs import read_frame
from faceid_fast.sources.recognized import shots_at
from faceid_fast.sources.renders import bundled_renders

CAMERA = {"fx": 365.0, "fy": 365.0, "cx": 31.5, "cy": 29.5, "depth_unit_m": 0.001}


def picture(dtype: Any = np.uint16, shape: tuple[int, ...] = (60, 64)) -> NDArray[Any]:
    return np.random.default_rng(3).integers(0, np.iinfo(dtype).max, shape).astype(dtype)


def write(path: Path, image: NDArray[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    encoded, content = cv2.imencode(".png", image)
    assert encoded
    path.write_bytes(content.tobytes())
    return path


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(
    width: int, height: int, *, bits: int = 8, color: int = 0, interlaced: int = 0, rows: bytes = b""
) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, interlaced)
    chunks = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey(tmp_path: Path, dtype: Any) -> None:
    image = picture(dtype)
    got = read_png(write(tmp_path / "a.png", image))
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, image)


def test_color_is_rgb(tmp_path: Path) -> None:
    image = picture(np.uint8, (60, 64, 3))
    np.testing.assert_array_equal(read_png(write(tmp_path / "a.png", image[..., ::-1])), image)
    with_opacity = np.dstack([image[..., ::-1], picture(np.uint8)])
    np.testing.assert_array_equal(read_png(write(tmp_path / "b.png", with_opacity)), image)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "expected a PNG file"),
        (b"\xff\xd8\xff\xe0" + bytes(100), "expected a PNG file"),
        (b"\x89PNG\r\n\x1a\n", "truncated"),
        (b"\x89PNG\r\n\x1a\n" + chunk(b"IEND", b""), "expected the header first"),
        (png(12000, 12000), "at most 4096 pixels a side, got 12000 x 12000"),
        (png(0, 10), "at most 4096 pixels"),
        (png(64, 60, color=3), "colour type 3 of 8 bit"),
        (png(64, 60, color=4), "colour type 4 of 8 bit"),
        (png(64, 60, color=6, bits=16), "colour type 6 of 16 bit"),
        (png(64, 60, color=2, bits=16), "colour type 2 of 16 bit"),
        (png(64, 60, bits=4), "of 4 bit"),
        (png(64, 60, interlaced=1), "interlaced"),
        (png(64, 60, rows=bytes(65 * 59)), "truncated"),
        (png(64, 60, rows=bytes(65 * 61)), "more pixels than its header says"),
        (png(64, 60, rows=bytes(10**7)), "more pixels than its header says"),
    ],
)
def test_damaged_or_foreign_files(tmp_path: Path, content: bytes, part: str) -> None:
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    with pytest.raises(SourceError) as caught:
        read_png(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert part in str(caught.value)
    assert isinstance(caught.value, OSError)


@pytest.mark.parametrize("reader", [read_png, read_camera, shots_at, captures, captures_of, capture_of])
@pytest.mark.parametrize("path", [None, 7, b"depth.png", "a\0b", "\ud800", "x" * 5000])
def test_what_is_no_path(reader: Callable[[Any], object], path: Any) -> None:
    with pytest.raises(InvalidInputError, match="expected a str or Path of at most 4096 characters"):
        reader(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize("reader", [read_png, read_camera])
def test_a_pipe_is_not_waited_for(tmp_path: Path, reader: Callable[[Any], object]) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceError, match="not a regular file"):
        reader(tmp_path / "pipe")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="not readable"):
        captures_of(tmp_path / "none")
    with pytest.raises(SourceError, match="not readable"):
        read_png(tmp_path / "none.png")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write(tmp_path_factory.mktemp("png") / "a.png", picture()).read_bytes()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1, exclude_max=True))
def test_every_truncation_is_noticed(tmp_path: Path, whole: bytes, share: float) -> None:
    path = tmp_path / "cut.png"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(SourceError, match=r"cut\.png: (truncated|expected a PNG)"):
        read_png(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_no_changed_bit_changes_the_picture(tmp_path: Path, whole: bytes, place: float, bit: int) -> None:
    changed = bytearray(whole)
    changed[int(len(whole) * place)] ^= 1 << bit
    path = tmp_path / "changed.png"
    path.write_bytes(changed)
    try:
        read = read_png(path)
    except SourceError:
        return
    np.testing.assert_array_equal(read, picture())  # a bit that says nothing of the picture


def test_frame_of_a_pair(tmp_path: Path) -> None:
    depth, infrared = picture(), picture()
    camera = tmp_path / "camera.json"
    camera.write_text(json.dumps(CAMERA))
    frame = read_frame(write(tmp_path / "ir.png", infrared), write(tmp_path / "depth.png", depth), camera)
    np.testing.assert_array_equal(frame.depth, depth)
    np.testing.assert_array_equal(frame.picture, infrared)
    assert frame.intrinsics.cx == 31.5
    assert frame.intrinsics.principal_deviation_px == 0.0
    camera.write_text(json.dumps({**CAMERA, "principal_deviation_px": 20}))
    assert read_camera(camera)[0].principal_deviation_px == 20.0
    color = write(tmp_path / "rgb.png", picture(np.uint8, (60, 64, 3)))
    assert read_frame(color, tmp_path / "depth.png", camera).color is not None


def test_pair_that_does_not_fit(tmp_path: Path) -> None:
    camera = tmp_path / "camera.json"
    camera.write_text(json.dumps(CAMERA))
    infrared = write(tmp_path / "ir.png", picture())
    depth = write(tmp_path / "depth.png", picture(shape=(60, 65)))
    with pytest.raises(
        SourceError, match=r"ir\.png.*depth\.png: depth: expected depth registered to infrared"
    ):
        read_frame(infrared, depth, camera)
    shallow = write(tmp_path / "depth8.png", picture(np.uint8))
    with pytest.raises(SourceError, match="uint16"):
        read_frame(infrared, shallow, camera)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "7", "[" * 100_000, '{"fx": 1, "fy": 1, "cx": 0, "cy": 0}']
    + [
        json.dumps({**CAMERA, **change})
        for change in ({"fx": "365"}, {"fy": -1}, {"depth_unit_m": None}, {"principal_deviation_px": "?"})
    ],
)
def test_bad_camera_files(tmp_path: Path, text: str) -> None:
    path = tmp_path / "camera.json"
    path.write_text(text)
    with pytest.raises(SourceError, match=r"camera\.json: "):
        read_camera(path)


def person(root: Path, name: str, numbers: list[int]) -> None:
    for number in numbers:
        write(root / name / f"{number:02d}_depth.png", picture())
        write(root / name / f"{number:02d}_ir.png", picture())


def test_kinect_layout(tmp_path: Path) -> None:
    person(tmp_path, "p01", [0, 28, 53])
    person(tmp_path, "Någon annan", [25])
    (tmp_path / "empty").mkdir()
    (tmp_path / "landmarks.csv").write_bytes(b"\xff not read")
    write(tmp_path / "p01" / "99_depth.png", picture())
    write(tmp_path / "p01" / "30_depth.png", picture())  # without its infrared: missing
    with pytest.warns(SourceWarning, match=r"left out: .*30_depth\.png: no infrared beside it$"):
        found = captures(tmp_path)
    assert [(shot.person, shot.number) for shot in found] == [
        ("Någon annan", 25),
        ("p01", 0),
        ("p01", 28),
        ("p01", 53),
    ]
    last = found[-1]
    assert (last.pose, last.expression, last.yaw, last.pitch) == (8, 5, 2, 2)
    assert (found[2].pose, found[2].expression, found[2].yaw, found[2].pitch) == (4, 4, 1, 1)
    frame = last.read()
    assert (frame.intrinsics.fx, frame.intrinsics.cx, frame.intrinsics.cy) == (365.0, 31.5, 29.5)
    assert frame.intrinsics.principal_deviation_px == PRINCIPAL_DEVIATION_PX
    assert frame.depth_unit_m == 0.001


def nothing(root: Path) -> None:
    (root / "p01").mkdir()


def absent(root: Path) -> None:
    root.rmdir()


@pytest.mark.parametrize("prepare", [nothing, absent])
def test_kinect_layout_without_captures(tmp_path: Path, prepare: Callable[[Path], None]) -> None:
    prepare(tmp_path)
    with pytest.raises(SourceError):
        captures(tmp_path)


def test_damaged_capture_names_the_file(tmp_path: Path) -> None:
    person(tmp_path, "p01", [0])
    path = tmp_path / "p01" / "00_depth.png"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(SourceError, match=r"00_depth\.png: truncated"):
        captures(tmp_path)[0].read()


def test_frames_are_read_by_a_public_name(tmp_path: Path) -> None:
    folder = bundled_renders()[0].depth.parent
    frames = read_frames(folder)
    assert len(frames) == 8
    (one,) = read_frames(folder / "enroll_0_depth.png")
    np.testing.assert_array_equal(one.depth, frames[0].depth)
    with pytest.raises(SourceError, match="expected frames as pairs"):
        read_frames(tmp_path)
