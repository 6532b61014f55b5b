from __future__ import annotations

import importlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from faceid_fast.cli import app
from faceid_fast.errors import SourceError
from faceid_fast.frame import Frame, held_bytes
from faceid_fast.sources.cameras.base import Source
from faceid_fast.sources.orientation import rotated
from faceid_fast.sources.recording import record
from faceid_fast.sources.renders import bundled_renders

doctor_verb = importlib.import_module("faceid_fast.cli.doctor")
camera_part = importlib.import_module("faceid_fast.cli.doctor_camera")
ADA = [render for render in bundled_renders() if render.person == "ada" and render.kind == "enroll"]


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor_verb, "time_stages", lambda _repeats: {"total": {"median": 1.0}})
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


class Camera(Source):
    """A camera before which somebody stands still."""

    name = "Record3D"

    def __init__(self, frame: Frame, fails_after: int = 1000) -> None:
        self._frame, self._left = frame, fails_after
        self.read = self.released = 0

    def _read(self) -> Frame:
        if self.read == self._left:
            message = "Record3D: the device has stopped streaming"
            raise SourceError(message)
        self.read += 1
        return self._frame

    def _release(self) -> None:
        self.released += 1


def doctor(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["doctor", *map(str, arguments)])


def plugged(monkeypatch: pytest.MonkeyPatch, camera: Camera) -> Camera:
    monkeypatch.setattr(camera_part, "opened_source", lambda *_: camera)
    return camera


def test_a_camera_is_measured_and_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = plugged(monkeypatch, Camera(ADA[0].read()))
    done = doctor("--source", "record3d", "--frames", 7, "--json", "-")
    assert done.exit_code == 0
    told = json.loads(done.stdout)["camera"]
    assert (camera.read, camera.released) == (12, 1)  # five to warm up
    assert (told["source"], told["kind"], told["frames_left_out"]) == ("Record3D", "truedepth", 0)
    assert (told["figures"]["frames"], told["figures"]["shape"]) == (7, list(ADA[0].read().shape))
    assert told["figures"]["frames_per_s"] > 0
    checks = {check["name"]: check["ok"] for check in told["checks"]}
    assert checks["median distance"] is True
    assert checks["noise in time"] is False  # the same frame over and over
    assert told["face"]["frames"] == 5
    assert told["face"]["said"].startswith("at 0.")
    assert "counts as computed" in done.stderr
    assert "not as expected" in done.stderr


def test_a_turned_camera_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    plugged(monkeypatch, Camera(rotated(ADA[0].read(), 1)))
    done = doctor("--source", "record3d", "--frames", 5)
    assert done.exit_code == 0
    assert "turned by 90 degrees clockwise" in done.stdout


def test_a_folder_of_frames_has_no_rate(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for render in ADA:
        for file in (render.infrared, render.depth, render.camera):
            shutil.copy(file, folder)
    done = doctor("--source", folder, "--kind", "kinect_v2", "--json", "-")
    told = json.loads(done.stdout)["camera"]
    sizes = [render.read().shape for render in ADA]
    assert (told["kind"], told["figures"]["frames_per_s"]) == ("kinect_v2", None)
    assert told["frames_left_out"] == len(sizes) - sizes.count(sizes[0])
    assert "frames of files have no times" in done.stderr


def test_a_recording_has_the_rate_at_which_it_was_recorded(tmp_path: Path) -> None:
    ticks = iter(range(100))
    record(Camera(ADA[0].read()), tmp_path / "recorded", frames=9, clock=lambda: next(ticks) / 20.0)
    told = json.loads(doctor("--source", tmp_path / "recorded", "--frames", 6, "--json", "-").stdout)[
        "camera"
    ]
    assert told["figures"]["frames_per_s"] == pytest.approx(20.0)
    assert (told["figures"]["frames"], told["figures"]["dropped"]) == (6, 0)


def test_a_camera_that_fails_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = plugged(monkeypatch, Camera(ADA[0].read(), fails_after=8))
    done = doctor("--source", "record3d", "--json", "-")
    assert (done.exit_code, camera.released) == (2, 1)
    told = json.loads(done.stdout)
    assert (told["camera"], told["problems"]) == (None, ["Record3D: the device has stopped streaming"])


def test_a_source_that_is_not_there_is_broken() -> None:
    missing = doctor("--source", "no such place")
    assert missing.exit_code == 2
    assert "source: expected realsense" in missing.stdout
    assert "all well" not in missing.stdout


def test_frames_are_taken_as_far_as_memory_is_meant_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of frames of 4096 pixels a side would take gigabytes to measure."""
    frame = ADA[0].read()
    monkeypatch.setattr(camera_part, "_MOST_BYTES", 3 * held_bytes([frame]) + 1)
    plugged(monkeypatch, Camera(frame))
    told = json.loads(doctor("--source", "record3d", "--frames", 30, "--json", "-").stdout)["camera"]
    assert told["figures"]["frames"] == 3
    monkeypatch.setattr(camera_part, "_MOST_BYTES", 1)
    plugged(monkeypatch, Camera(frame))
    told = json.loads(doctor("--source", "record3d", "--frames", 30, "--json", "-").stdout)["camera"]
    assert told["figures"]["frames"] == 1


def test_where_a_library_does_not_load_the_rest_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        message = "libGL.so.1: cannot open shared object file"
        raise ImportError(message, name="cv2")

    monkeypatch.setattr(doctor_verb, "examined_camera", broken)
    done = doctor("--source", "record3d", "--json", "-")
    told = json.loads(done.stdout)
    assert (told["camera"], bool(told["versions"])) == (None, True)


def test_no_kind_of_that_name() -> None:
    refused = doctor("--source", "oak", "--kind", "webcam")
    assert refused.exit_code == 2
    assert "--kind: expected any, kinect_v1" in refused.stderr


def test_without_a_source_no_camera_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(camera_part, "opened_source")
    done = doctor("--json", "-")
    assert done.exit_code == 0
    assert "camera" not in json.loads(done.stdout)
