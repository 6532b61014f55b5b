"""Error rates on real people: no figures, as they trained what ships, but what must not be lost."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from faceid_fast.cli import app


@pytest.fixture(scope="module")
def protocols(kinect_v2: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    record = tmp_path_factory.mktemp("real") / "figures.json"
    result = CliRunner().invoke(app, ["evaluate", str(kinect_v2), "--json", str(record)])
    assert result.exit_code == 0, result.output
    figures: dict[str, Any] = json.loads(record.read_text())["protocols"]
    return figures


@pytest.mark.parametrize(("protocol", "most"), [("frontal", 0.0), ("all", 0.004)])
def test_failure_to_acquire(protocols: dict[str, Any], protocol: str, most: float) -> None:
    assert protocols[protocol]["failure_to_acquire"] <= most


@pytest.mark.parametrize(
    ("protocol", "most"), [("frontal", 0.01), ("yaw0", 0.01), ("all", 0.03), ("unlock", 0.01)]
)
def test_equal_error_rate(protocols: dict[str, Any], protocol: str, most: float) -> None:
    assert protocols[protocol]["eer"] <= most


def test_every_pair_counts(protocols: dict[str, Any]) -> None:
    pairs = {name: (figures["n_genuine"], figures["n_impostor"]) for name, figures in protocols.items()}
    assert pairs == {
        "frontal": (90, 540),
        "yaw0": (918, 4860),
        "all": (8586, 43740),
        "unlock": (270, 1350),
    }


def test_people_without_landmarks_and_with_other_names(
    kinect_v2: Path, tmp_path: Path, protocols: dict[str, Any]
) -> None:
    for number, folder in enumerate(sorted(path for path in kinect_v2.iterdir() if path.is_dir())):
        shutil.copytree(folder, tmp_path / "data" / f"somebody {number}")
    record = tmp_path / "figures.json"
    result = CliRunner().invoke(app, ["evaluate", str(tmp_path / "data"), "--json", str(record)])
    assert result.exit_code == 0, result.output
    assert json.loads(record.read_text())["protocols"] == protocols


def test_the_page_about_real_people(kinect_v2: Path, tmp_path: Path) -> None:
    html = tmp_path / "report.html"
    result = CliRunner().invoke(app, ["evaluate", str(kinect_v2), "--html", str(html), "--crops"])
    assert result.exit_code == 0, result.output
    page = html.read_text("utf-8")
    assert page.count('<img src="data:image/png;base64,') >= 12
    assert page.count("<img") == page.count("src=") == page.count("alt=")
    assert "http" not in page.replace("http-equiv", "")
    assert "cannot be claimed with this data" in page  # six people show nothing at 1e-4


def test_demo_on_real_people(kinect_v2: Path, tmp_path: Path) -> None:
    picture = tmp_path / "unlock.png"
    result = CliRunner().invoke(app, ["demo", "--data", str(kinect_v2), "--out", str(picture), "--json", "-"])
    record = json.loads(result.stdout)
    attempts = record["attempts"]
    assert len(attempts) == 30
    assert picture.stat().st_size > 10_000
    for attempt in attempts:
        near = {name for name, far in attempt["distances"].items() if far <= record["threshold"]}
        assert near <= {attempt["person"]}, attempt  # nobody gets in as somebody else
        assert attempt["identity"] is None or attempt["identity"] in near, (
            attempt
        )  # keys may refuse who is near
        assert attempt["as_expected"] == (attempt["identity"] == attempt["person"])
    let_in = sum(attempt["as_expected"] for attempt in attempts)
    assert let_in >= 20, f"{let_in} of 30 were let in"
    assert result.exit_code == 0, result.output  # of real people it is not known what must come of them
    assert record["rates"]["genuine"]["attempts"] == 30


def test_six_people_carry_no_threshold_for_a_thousandth(kinect_v2: Path, tmp_path: Path) -> None:
    out = tmp_path / "calibration.json"
    refused = CliRunner().invoke(
        app, ["calibrate", str(kinect_v2), "--target-far", "1e-3", "--out", str(out)]
    )
    assert refused.exit_code == 2
    assert "are 78 people, got 15 pairs of 6 people: try --target-far 0.2" in refused.stderr
    assert not out.exists()


def test_what_six_people_carry(kinect_v2: Path, tmp_path: Path, protocols: dict[str, Any]) -> None:
    out = tmp_path / "calibration.json"
    result = CliRunner().invoke(app, ["calibrate", str(kinect_v2), "--target-far", "0.2", "--out", str(out)])
    assert result.exit_code == 0, result.output
    record = json.loads(out.read_text())
    assert (record["people"], record["person_pairs"], record["matched_person_pairs"]) == (6, 15, 0)
    assert record["fmr_upper"] == pytest.approx(0.1810, abs=1e-4)
    assert record["threshold"] < protocols["unlock"]["impostor_mean"]
