"""Folders and files by short paths: what is above them, and what they are called, counts all the same."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from faceid_fast import read_frames
from faceid_fast.sources.files.bounded import below_named_folders
from faceid_fast.sources.layouts.tum import CAMERAS
from faceid_fast.sources.presentations import live_people

CAMERA = {"fx": 365.0, "fy": 365.0, "cx": 31.5, "cy": 31.5, "depth_unit_m": 0.001}
DEPTH = np.full((64, 64), 700, np.uint16)


def write(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), picture)


@pytest.fixture
def ada(tmp_path: Path) -> Path:
    """A person's folder, whose camera file is in the folder above."""
    folder = tmp_path / "people" / "ada"
    write(folder / "x_depth.png", DEPTH)
    write(folder / "x_ir.png", DEPTH)
    (folder.parent / "camera.json").write_text(json.dumps(CAMERA))
    (folder / "sub").mkdir()
    return folder


@pytest.mark.parametrize(
    ("cwd", "path"),
    [
        (".", "."),
        (".", "x_depth.png"),
        (".", "./x_ir.png"),
        ("sub", ".."),
        ("sub", "../x_depth.png"),
        (".", "sub/.."),
        (".", "sub/../x_ir.png"),
        ("..", "ada"),
        ("..", "ada/x_depth.png"),
        ("../..", "people/ada"),
    ],
)
def test_the_camera_file_of_the_folder_above_is_found(
    ada: Path, monkeypatch: pytest.MonkeyPatch, cwd: str, path: str
) -> None:
    monkeypatch.chdir(ada / cwd)
    (frame,) = read_frames(path)
    assert frame.intrinsics.fx == CAMERA["fx"]


def test_live_people_of_the_working_directory_have_the_camera_above(
    ada: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ada)
    (presentation,) = live_people(".")
    assert presentation.read().intrinsics.fx == CAMERA["fx"]


@pytest.mark.parametrize(("cwd", "path"), [(".", "."), (".", "rgb/1.png"), ("rgb", "1.png"), ("rgb", "..")])
def test_a_sequence_has_the_camera_that_its_name_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cwd: str, path: str
) -> None:
    folder = tmp_path / "rgbd_dataset_freiburg1_face"
    write(folder / "rgb" / "1.png", np.zeros((64, 64, 3), np.uint8))
    write(folder / "depth" / "1.png", DEPTH)
    for name in ("rgb", "depth"):
        (folder / f"{name}.txt").write_text(f"1.0 {name}/1.png\n")
    monkeypatch.chdir(folder / cwd)
    (frame,) = read_frames(path)
    assert frame.intrinsics == CAMERAS["freiburg1"]


def test_a_link_is_not_followed_to_find_what_is_above(ada: Path, tmp_path: Path) -> None:
    link = tmp_path / "here" / "ada"
    link.parent.mkdir()
    link.symlink_to(ada, target_is_directory=True)
    assert below_named_folders(link) == link
    (link.parent / "camera.json").write_text(json.dumps({**CAMERA, "fx": 500.0}))
    assert read_frames(link)[0].intrinsics.fx == 500.0


def test_paths_that_lead_nowhere_stay_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "loop").symlink_to("loop")
    monkeypatch.chdir(tmp_path)
    for path in ("loop", "../" + tmp_path.name + "/loop", "loop/x_depth.png", "no", "../no/no"):
        with pytest.raises(Exception, match=r"expected|readable") as raised:
            read_frames(path)
        assert type(raised.value).__name__ == "SourceError"
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(Exception, match=r"expected|readable") as raised:
        read_frames(".")
    assert type(raised.value).__name__ == "SourceError"
    monkeypatch.chdir(tmp_path)
