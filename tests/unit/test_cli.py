from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from faceid_fast import Embedder, __version__
from faceid_fast.cli import app
from faceid_fast.sources.png import read_png
from faceid_fast.sources.renders import bundled_renders
from stand_ins import StandInEmbedder

FIGURES = {
    "eer",
    "tar_at_far",
    "genuine_mean",
    "impostor_mean",
    "far_at_threshold",
    "frr_at_threshold",
    "n_genuine",
    "n_impostor",
    "failure_to_acquire",
}


def faceid(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Lay the bundled renders out as captures: enrolment as expression 2, probes as others of pose 4."""
    root = tmp_path / "data"
    for render in bundled_renders():
        number = {"enroll": render.number * 6 + 2, "probe": 24 + 3 * render.number}.get(render.kind)
        if number is None:
            continue
        person = root / render.person
        person.mkdir(parents=True, exist_ok=True)
        shutil.copy(render.infrared, person / f"{number:02d}_ir.png")
        shutil.copy(render.depth, person / f"{number:02d}_depth.png")
    return root


@pytest.fixture
def indifferent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a model in place to which all faces are one."""

    class Same(StandInEmbedder):
        def embed(self, tensors: Any) -> Any:
            return super().embed(tensors * 0)

    monkeypatch.setattr(Embedder, "bundled", staticmethod(Same))


def test_version() -> None:
    result = faceid("--version")
    assert (result.exit_code, result.stdout) == (0, f"faceid-fast {__version__}\n")


def test_demo_unlocks_the_right_people(tmp_path: Path) -> None:
    picture, record = tmp_path / "new" / "unlock.png", tmp_path / "demo.json"
    result = faceid("demo", "--out", picture, "--json", record)
    assert result.exit_code == 0, result.output
    assert "7 of 7 as expected" in result.output
    assert read_png(picture).shape[2] == 3
    attempts = json.loads(record.read_text())["attempts"]
    assert [attempt["outcome"] for attempt in attempts if attempt["kind"] == "print"] == ["spoof"]
    assert {attempt["outcome"] for attempt in attempts if attempt["kind"] == "probe"} == {"accepted"}


def test_demo_on_captures(data: Path, tmp_path: Path) -> None:
    result = faceid("demo", "--data", data, "--out", tmp_path / "unlock.png", "--json", "-")
    assert result.exit_code in (0, 1), result.output
    record = json.loads(result.stdout)
    assert set(record["enrolled"]) == {"ada", "ben", "cleo"}
    assert len(record["attempts"]) == 6


@pytest.mark.usefixtures("indifferent")
def test_demo_says_so_when_strangers_get_in(tmp_path: Path) -> None:
    result = faceid("demo", "--out", tmp_path / "unlock.png")
    assert result.exit_code == 1
    assert "1 of 7 as expected" in result.output  # the print is seen through without the model


def test_evaluate_writes_every_figure(data: Path, tmp_path: Path) -> None:
    (data / "landmarks.csv").write_text("never read")
    record = tmp_path / "figures.json"
    result = faceid("evaluate", data, "--layout", "kinect_v2", "--json", record)
    assert result.exit_code == 0, result.output
    protocols = json.loads(record.read_text())["protocols"]
    assert list(protocols) == ["frontal", "yaw0", "all", "unlock"]
    for figures in protocols.values():
        assert set(figures) == FIGURES
        assert set(figures["tar_at_far"]) == {"1e-1", "1e-2", "1e-3"}
    # Captures 24, 26 (of pose 4) and 27 of three people; 2, 8, 14, 20 are turned or tilted.
    assert (protocols["frontal"]["n_genuine"], protocols["frontal"]["n_impostor"]) == (9, 27)
    assert protocols["unlock"]["n_genuine"] == 6
    assert protocols["frontal"]["tar_at_far"]["1e-2"] is None


@pytest.mark.usefixtures("indifferent")
def test_evaluate_of_an_indifferent_model(data: Path) -> None:
    result = faceid("evaluate", data, "--json", "-")
    frontal = json.loads(result.stdout)["protocols"]["frontal"]
    assert frontal["eer"] == 0.5
    assert frontal["far_at_threshold"] == 1.0
    assert frontal["tar_at_far"]["1e-1"] == 0.0


def test_doctor_is_content() -> None:
    result = faceid("doctor", "--json", "-")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record["problems"] == []
    assert set(record["models"]) == {"head.npz", "faceid.onnx"}
    assert set(record["verify_ms"]) == {"align", "liveness", "embed", "match", "total"}


def test_bench() -> None:
    result = faceid("bench", "--repeats", 5, "--json", "-")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert all(row["gallery_us"] > 0 for row in record["match"])
    assert record["verify_ms"]["total"] > 0


def one_line(result: Any) -> str:
    """Return the only line on stderr of a run that failed as it should."""
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert "Traceback" not in result.output
    return str(line)


def test_errors_are_one_line(data: Path, tmp_path: Path) -> None:
    assert "not readable" in one_line(faceid("evaluate", tmp_path / "none"))
    (tmp_path / "empty").mkdir()
    assert "expected folders of NN_depth.png and NN_ir.png" in one_line(
        faceid("evaluate", tmp_path / "empty")
    )
    assert "threshold: expected" in one_line(faceid("evaluate", data, "--threshold", "nan"))
    assert "--json: " in one_line(faceid("bench", "--repeats", 5, "--json", tmp_path / "no" / "a.json"))
    assert "--out: " in one_line(faceid("demo", "--out", data))


def test_a_truncated_capture_is_an_error_that_names_it(data: Path) -> None:
    depth = data / "ada" / "02_depth.png"
    depth.write_bytes(depth.read_bytes()[:500])
    assert "02_depth.png: truncated" in one_line(faceid("evaluate", data))


def test_demo_needs_somebody_to_enrol(data: Path) -> None:
    for person in data.iterdir():
        for reference in person.glob("[02468]*"):
            reference.unlink()
    assert "expected captures" in one_line(faceid("demo", "--data", data))


def test_wrong_usage() -> None:
    assert faceid("evaluate").exit_code == 2
    assert faceid("evaluate", ".", "--layout", "unheard_of").exit_code == 2
    assert faceid("fly").exit_code == 2
