"""Camera files of other programs, and small text files as editors write them."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceid_fast import Intrinsics, read_frames
from faceid_fast.calibration.evidence import read as read_evidence
from faceid_fast.checks import text_of
from faceid_fast.errors import SourceError
from faceid_fast.sources.layouts.camera_file import read_camera
from faceid_fast.sources.recognized import shots_at
from written_files import (
    CAMERA,
    COLOR,
    COLUMNS,
    DEPTH,
    ROWS,
    camera,
    pair,
    put,
    recorded,
    sequence,
)

# --- cameras


def test_keys_of_librealsense(tmp_path: Path) -> None:
    path = camera(tmp_path / "camera.json", cx=None, cy=None, ppx=31.5, ppy=29.5, width=64, height=60)
    assert read_camera(path) == (Intrinsics(600.0, 601.0, 31.5, 29.5), 0.001)
    assert read_camera(camera(path, depth_unit_m=None, depth_scale=0.00025))[1] == 0.00025
    assert read_camera(camera(path, depth_unit_m=None, depth_scale=5000))[1] == pytest.approx(1 / 5000)
    with pytest.raises(SourceError, match="got cx and ppx, which differ"):
        read_camera(camera(path, ppx=40.0, ppy=29.5))


@pytest.mark.parametrize(
    ("changed", "part"),
    [
        ({"cx": None}, "got no cx"),
        (
            {"cx": None, "K": [1] * 9},
            "got no cx: take fx, fy, cx, cy out of K (its elements 11, 22, 13 and 23)",
        ),
        ({"fx": None, "camera_matrix": {}}, "out of camera_matrix"),
        ({"depth_unit_m": None}, "got no depth_unit_m: metres per unit"),
        ({"depth_scale": 4000}, "got two units of depth"),
        ({"depth_unit_m": None, "depth_scale": 0}, "depth_scale: expected a number above 0, got 0"),
        ({"depth_unit_m": None, "depth_scale": "1000"}, "depth_scale: expected a number above 0, got '1000'"),
        (
            {"depth_unit_m": None, "depth_scale": float("nan")},
            "depth_scale: expected a number above 0, got nan",
        ),
        ({"depth_unit_m": None, "depth_scale": True}, "depth_scale: expected a number above 0, got bool"),
    ],
)
def test_cameras_that_are_refused(tmp_path: Path, changed: dict[str, Any], part: str) -> None:
    with pytest.raises(SourceError) as caught:
        read_camera(camera(tmp_path / "camera.json", **changed))
    assert str(caught.value).startswith(f"{tmp_path / 'camera.json'}: ")
    assert part in str(caught.value)


@pytest.mark.parametrize(
    "size",
    [
        {"width": 1280, "height": 720},
        {"width": 60, "height": 64},
        {"width": 64},
        {"width": "64", "height": 60},
    ],
)
def test_the_camera_of_other_pictures_is_refused(tmp_path: Path, size: dict[str, Any]) -> None:
    """A focal length of 1280 pixels makes a head of 640 half as large."""
    pair(tmp_path / "pairs")
    sequence(tmp_path / "tum", [1.0], [1.0])
    recorded(tmp_path / "open3d")
    np.savez(tmp_path / "a.npz", depth=DEPTH, color=COLOR, **CAMERA)  # type: ignore[arg-type]
    for path in (tmp_path / "pairs", tmp_path / "tum", tmp_path / "open3d", tmp_path / "a.npz"):
        camera((path if path.is_dir() else path.parent) / "camera.json", width=64, height=60)
        assert len(read_frames(path)) == 1
        camera((path if path.is_dir() else path.parent) / "camera.json", **size)
        with pytest.raises(
            SourceError, match=r"camera of pictures of \(height, width\) = \(60, 64\), got \("
        ):
            read_frames(path)


def test_the_unit_of_open3d(tmp_path: Path) -> None:
    folder = recorded(tmp_path / "a")
    assert read_frames(folder)[0].depth_unit_m == 0.001
    assert read_frames(recorded(folder, depth_scale=4000.0))[0].depth_unit_m == 0.00025
    assert read_frames(recorded(folder, depth_scale=1000))[0].depth_unit_m == 0.001
    assert read_frames(recorded(folder, depth_unit_m=0.002))[0].depth_unit_m == 0.002
    with pytest.raises(SourceError, match="depth_scale: expected a number above 0, got -1"):
        read_frames(recorded(folder, depth_scale=-1))


def test_matrices_of_open3d(tmp_path: Path) -> None:
    wanted = Intrinsics(600.0, 601.0, 31.5, 29.5)
    assert read_frames(recorded(tmp_path / "a"))[0].intrinsics == wanted
    nested = [ROWS[:3], ROWS[3:6], ROWS[6:]]  # of numpy, whose rows cannot be mistaken
    assert read_frames(recorded(tmp_path / "a", nested))[0].intrinsics == wanted
    with pytest.raises(SourceError, match=r"intrinsic.json: intrinsic_matrix: .*written row by row"):
        read_frames(recorded(tmp_path / "a", ROWS))
    for wrong in (
        [*COLUMNS[:8], 2],
        [*COLUMNS[:1], 1, *COLUMNS[2:]],
        [list(COLUMNS[:3])] * 3,
        [float("nan")] * 9,
    ):
        with pytest.raises(SourceError, match=r"intrinsic\.json: "):
            read_frames(recorded(tmp_path / "a", wrong))


def test_several_cameras_of_open3d(tmp_path: Path) -> None:
    folder = recorded(tmp_path)
    content = (folder / "intrinsic.json").read_text()
    (folder / "intrinsic.json").rename(folder / "camera_primesense.json")
    assert read_frames(folder)[0].intrinsics.fx == 600.0
    (folder / "camera_intrinsic.json").write_text(content)
    assert len(read_frames(folder)) == 1  # which say the same
    (folder / "camera_intrinsic.json").write_text(content.replace("600.0", "525.0"))
    with pytest.raises(
        SourceError, match=r"got camera_intrinsic.json and camera_primesense.json, which differ"
    ):
        read_frames(folder)
    (folder / "camera_intrinsic.json").unlink()
    (folder / "camera.json").write_text(content.replace("600.0", "610.0"))  # Open3D's own name for it, too
    assert read_frames(folder)[0].intrinsics.fx == 610.0
    assert read_frames(folder)[0].depth_unit_m == 0.001
    with pytest.raises(
        SourceError, match="got no depth_unit_m"
    ):  # outside of its layout, nothing says the unit
        read_camera(folder / "camera.json")


# --- small text files, as editors write them

WRITTEN: dict[str, Callable[[str], bytes]] = {
    "UTF-8": str.encode,
    "a byte order mark": lambda text: codecs.BOM_UTF8 + text.encode(),
    "UTF-16": lambda text: text.encode("utf-16"),
    "UTF-16, big end first": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    "Windows' lines": lambda text: text.replace("\n", "\r\n").encode(),
    "blanks behind": lambda text: (text.replace("\n", " \t\n") + " \n\n").encode(),
}


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
def test_text_files_as_editors_write_them(tmp_path: Path, written: Callable[[str], bytes]) -> None:
    folder = sequence(tmp_path / "tum", [1.0, 2.0], [1.0, 2.0])
    for name in ("rgb.txt", "depth.txt"):
        text = "# a comment\n\n" + (folder / name).read_text()
        (folder / name).write_bytes(written(text))
    camera(folder / "camera.json")
    (folder / "camera.json").write_bytes(written((folder / "camera.json").read_text()))
    assert len(read_frames(folder)) == 2
    golden = Path(__file__).parents[2] / "golden" / "calibration-1.json"
    (tmp_path / "calibration.json").write_bytes(written(golden.read_text("utf-8")))
    assert read_evidence(tmp_path / "calibration.json") == read_evidence(golden)


@given(text=st.text())
@settings(max_examples=50)
def test_text_is_decoded_whatever_wrote_it(text: str) -> None:
    text = text.removeprefix("\ufeff")
    for write in ("UTF-8", "a byte order mark", "UTF-16", "UTF-16, big end first"):
        try:
            content = WRITTEN[write](text)
        except UnicodeEncodeError:
            continue
        if write == "UTF-8" and content[:2] in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}:
            continue
        assert text_of(content) == text


def test_lists_of_tum(tmp_path: Path) -> None:
    folder = sequence(tmp_path / "a", [1.0], [1.0])
    put(folder / "rgb" / "in two words.png", COLOR)
    (folder / "rgb.txt").write_text("1.0 rgb\\in two words.png # the first\n")
    assert [shot.label for shot in shots_at(folder)] == ["in two words"]
    for name in ("C:\\x.png", "..\\x.png", "/x.png"):
        (folder / "rgb.txt").write_text(f"1.0 {name}\n")
        with pytest.raises(SourceError, match="line 1: expected a time and the name of a file below"):
            shots_at(folder)


@pytest.mark.parametrize("factor", [1e3, 1e6, 1e9])
def test_times_that_are_no_seconds(tmp_path: Path, factor: float) -> None:
    sequence(tmp_path, [1.7e9 * factor], [1.7e9 * factor])
    with pytest.raises(SourceError, match=r"rgb\.txt: line 1: times must be seconds, got 17"):
        shots_at(tmp_path)


def test_times_that_are_too_far_apart(tmp_path: Path) -> None:
    sequence(tmp_path / "a", [1.0, 2.0], [1.03, 2.05])
    with pytest.raises(
        SourceError, match=r"2 of 2 pictures .*the nearest depths .* are 0.03 to 0.05 s away$"
    ):
        shots_at(tmp_path / "a")
    sequence(tmp_path / "b", [0.0, 33.0], [5.0, 38.0])  # milliseconds since the start
    with pytest.raises(SourceError, match=r"5 to 5 s away: times must be seconds"):
        shots_at(tmp_path / "b")
    sequence(tmp_path / "c", [0.0], [])
    with pytest.raises(SourceError, match=r"1 of 1 pictures have no depth of their own$"):
        shots_at(tmp_path / "c")
