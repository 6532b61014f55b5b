"""Files that seem to be read and are not what they seem: refused, with what to do."""

from __future__ import annotations

import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from faceid_fast import SourceWarning, read_frames
from faceid_fast.errors import InvalidInputError, SourceError
from faceid_fast.sources.files.images import read_jpeg, read_png
from faceid_fast.sources.layouts import kinect_v2
from faceid_fast.sources.layouts.camera_file import read_camera

CAMERA = {"fx": 365.0, "fy": 365.0, "cx": 31.5, "cy": 31.5, "depth_unit_m": 0.001}
GREY = np.full((64, 64), 700, np.uint16)


def put_pair(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for kind in ("depth", "ir"):
        assert cv2.imwrite(str(folder / f"{name}_{kind}.png"), GREY)
    return folder


def jpeg_of(channels: int) -> bytes:
    """A JPEG of OpenCV's, in whose frame header another number of channels is written."""
    picture = np.zeros((64, 64, 3), np.uint8)
    content = bytearray(cv2.imencode(".jpg", picture)[1].tobytes())
    content[content.index(b"\xff\xc0") + 9] = channels
    return bytes(content)


@pytest.mark.parametrize("channels", [2, 4])
def test_a_jpeg_of_other_channels_is_refused(tmp_path: Path, channels: int) -> None:
    """OpenCV would convert CMYK by a rule of its own."""
    (tmp_path / "a.jpg").write_bytes(jpeg_of(channels))
    with pytest.raises(SourceError, match=f"expected grey or RGB, got {channels} channels.*: save it as RGB"):
        read_jpeg(tmp_path / "a.jpg")


def test_a_cmyk_jpeg_is_refused(tmp_path: Path) -> None:
    pillow = pytest.importorskip("PIL.Image", reason="Pillow writes the JPEG")
    content = io.BytesIO()
    pillow.new("CMYK", (64, 64)).save(content, "JPEG")
    (tmp_path / "a.jpg").write_bytes(content.getvalue())
    with pytest.raises(SourceError, match="got 4 channels, as CMYK has"):
        read_jpeg(tmp_path / "a.jpg")


def test_a_jpeg_that_ends_in_its_header_is_truncated(tmp_path: Path) -> None:
    for end in (b"\xff\xd9", b"\xff\xd9\x01", b""):
        (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff\xc0\x00\x08\x08\x00\x40" + end)
        with pytest.raises(SourceError, match=r"truncated|at most"):
            read_jpeg(tmp_path / "a.jpg")


def test_an_empty_picture_is_called_empty(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(SourceError, match="expected a PNG file, got an empty one"):
        read_png(tmp_path / "a.png")


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999"])
@pytest.mark.parametrize("key", ["depth_unit_m", "depth_scale"])
def test_a_unit_that_is_no_number_is_called_so(tmp_path: Path, key: str, value: str) -> None:
    camera = {each: number for each, number in CAMERA.items() if each != "depth_unit_m"}
    (tmp_path / "camera.json").write_text(json.dumps(camera)[:-1] + f', "{key}": {value}}}')
    with pytest.raises(SourceError, match=f"{key}: expected a (finite )?number.*, got (nan|inf)"):
        read_camera(tmp_path / "camera.json")


@pytest.mark.parametrize("nothing", [None, "", []])
def test_a_matrix_of_other_things_than_numbers_is_refused(tmp_path: Path, nothing: object) -> None:
    matrix = [365.0, nothing, 0, 0, 365.0, 0, 31.5, 31.5, 1]
    record = {"width": 64, "height": 64, "intrinsic_matrix": matrix, "depth_unit_m": 0.001}
    (tmp_path / "camera.json").write_text(json.dumps(record))
    with pytest.raises(SourceError, match="nine numbers"):
        read_camera(tmp_path / "camera.json")


def test_two_camera_files_of_one_frame_are_refused(tmp_path: Path) -> None:
    put_pair(tmp_path, "0")
    (tmp_path / "0_camera.json").write_text(json.dumps(CAMERA))
    (tmp_path / "camera_0.json").write_text(json.dumps({**CAMERA, "fx": 700.0}))
    with pytest.raises(SourceError, match=r"one camera file for frame '0', got .*camera_0.*: take one away"):
        read_frames(tmp_path)


def test_a_camera_file_that_some_frames_lack_is_named_as_the_reason(tmp_path: Path) -> None:
    put_pair(put_pair(tmp_path, "00"), "01")
    (tmp_path / "00_camera.json").write_text(json.dumps(CAMERA))
    with pytest.raises(SourceError, match="some have a camera file and some have none: give all of them one"):
        read_frames(tmp_path)


def test_depth_beside_frames_of_another_layout_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", depth=GREY, infrared=GREY, **CAMERA)  # type: ignore[arg-type]
    assert cv2.imwrite(str(tmp_path / "b_depth.png"), GREY)
    with pytest.warns(SourceWarning, match=r"left out: .*b_depth\.png: no picture beside it"):
        assert len(read_frames(tmp_path)) == 1


def test_a_folder_that_cannot_be_listed_is_an_error_of_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_pair(tmp_path / "ada", "00")
    calls = []

    def entries_of(folder: Path) -> list[Path]:
        calls.append(folder)
        if len(calls) > 1:
            raise PermissionError(13, "Permission denied", str(folder))
        return sorted(folder.iterdir())

    for name in ("folders_in", "entries_of"):
        monkeypatch.setattr(kinect_v2, name, entries_of)
    with pytest.raises(SourceError, match="ada: not readable"):
        kinect_v2.captures(tmp_path)


def test_both_files_of_a_capture_are_named(tmp_path: Path) -> None:
    put_pair(tmp_path / "ada", "00")
    assert cv2.imwrite(str(tmp_path / "ada" / "00_ir.png"), GREY[:60])
    with pytest.raises(SourceError, match=r"00_ir\.png, .*00_depth\.png: "):
        read_frames(tmp_path / "ada")


def test_a_device_is_no_frame() -> None:
    with pytest.raises(SourceError, match=r"/dev/null: expected frames as .*; got another file"):
        read_frames("/dev/null")


def test_a_turn_may_be_a_number_of_numpy(tmp_path: Path) -> None:
    put_pair(tmp_path, "00")
    assert len(read_frames(tmp_path, turn_deg=np.int64(90))) == 1  # type: ignore[arg-type]
    for refused in (True, 90.0, np.float64(90), "90", 45):
        with pytest.raises(InvalidInputError, match="turn_deg: expected 0, 90, 180, 270"):
            read_frames(tmp_path, turn_deg=refused)  # type: ignore[arg-type]
