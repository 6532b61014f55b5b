from __future__ import annotations

import importlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from faceid_fast import Embedder, FaceIDError, __version__
from faceid_fast.cli import app
from faceid_fast.cli.bench.matching import check_agreement
from faceid_fast.cli.demo.story import ring
from faceid_fast.cli.output import check_writable
from faceid_fast.sources.files.images import read_png
from faceid_fast.sources.recognized import LAYOUTS
from faceid_fast.sources.renders import bundled_renders
from stand_ins import StandInEmbedder

bench_verb, demo_verb, doctor_verb, evaluate_verb = (
    importlib.import_module(f"faceid_fast.cli.{verb}")
    for verb in ("bench.command", "demo.command", "doctor", "evaluate")
)

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
    "intervals",
    "n_person_pairs",
    "support",
    "refused_by",
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
        def embed(self, tensors: Any, chips: Any) -> Any:
            return super().embed(tensors * 0, chips)

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
    written = json.loads(record.read_text())
    assert written["all_as_expected"] is True
    attempts = written["attempts"]
    assert [attempt["outcome"] for attempt in attempts if attempt["kind"] == "print"] == ["spoof"]
    assert {attempt["outcome"] for attempt in attempts if attempt["kind"] == "probe"} == {"accepted"}


def test_demo_tells_a_story(tmp_path: Path) -> None:
    shown = " ".join(faceid("demo", "--out", tmp_path / "unlock.png").stdout.split())
    record = tmp_path / "demo.json"
    assert faceid("demo", "--out", tmp_path / "unlock.png", "--json", record).exit_code == 0
    story = json.loads(record.read_text())["story"]
    assert [(scene["frame"], scene["claim"], scene["outcome"]) for scene in story] == [
        ("ada probe 0", "ada", "accepted"),
        ("cleo probe 0", "ada", "no_match"),
        ("ada print 0", "ada", "spoof"),
        ("cleo probe 1", "ada", "locked_out"),
        ("ada probe 1", "ada", "locked_out"),
        ("ada probe 1", "ada", "accepted"),
        ("ben beard 0", "ben", "accepted"),
        ("ben beard 1", "ben", "accepted"),
        ("ben beard 2", "ben", "accepted"),
        ("ben beard 3", "ben", "accepted"),
        ("ben beard 4", "ben", "accepted"),
        ("ada probe 0", "ben", "no_match"),
        ("cleo probe 0", "ben", "no_match"),
    ]
    assert "the beard is never refused: there is nothing to keep" in shown
    assert "up (*) left (*) frontal (*) right (*) down (*)" in shown
    assert "13 of 13 in the story" in shown


def test_the_poses_that_are_missing_are_drawn_open() -> None:
    drawn = " ".join(str(ring(("frontal", "left"))).split())
    assert drawn == "up ( ) left (*) frontal (*) right ( ) down ( )"


def test_demo_on_captures(data: Path, tmp_path: Path) -> None:
    result = faceid("demo", "--data", data, "--out", tmp_path / "unlock.png", "--json", "-")
    record = json.loads(result.stdout)
    assert set(record["enrolled"]) == {"ada", "ben", "cleo"}
    assert len(record["attempts"]) == 6
    # The layout's camera is not the one that rendered these, so who is let in is not known; but what is
    # said must fit the distances that are shown, and the exit code must fit what is said.
    for attempt in record["attempts"]:
        near = {name for name, far in attempt["distances"].items() if far <= record["threshold"]}
        assert attempt["as_expected"] <= (attempt["identity"] == attempt["person"])
        assert (attempt["outcome"] == "accepted") == (attempt["identity"] is not None)
        assert {attempt["identity"]} - {None} <= near  # the keys may refuse who is near
    everybody = all(attempt["as_expected"] for attempt in record["attempts"])
    assert record["all_as_expected"] == everybody
    assert result.exit_code == 0, result.output
    rates = record["rates"]
    assert (rates["genuine"]["attempts"], rates["impostor"]["attempts"]) == (6, 12)
    right = sum(attempt["identity"] == attempt["person"] for attempt in record["attempts"])
    assert rates["identified"] == {"accepted": right, "attempts": 6}
    for kind, count in (("genuine", 6), ("impostor", 12)):
        assert re.search(rf"{kind}s? accepted {rates[kind]['accepted']} of {count} \(", result.stderr)


def blank(depth: Path) -> None:
    cv2.imwrite(str(depth), np.zeros_like(read_png(depth)))


@pytest.mark.usefixtures("indifferent")
def test_demo_on_captures_reports_rates_whatever_they_are(data: Path, tmp_path: Path) -> None:
    for number in (2, 8, 14, 20, 26):
        blank(data / "cleo" / f"{number:02d}_depth.png")
    asked = ("demo", "--data", data, "--out", tmp_path / "unlock.png")
    result = faceid(*asked)
    assert result.exit_code == 0, result.output
    assert "genuine accepted 4 of 4 (100.0%), impostors accepted 8 of 8 (100.0%)" in result.stdout
    assert "named rightly " in result.stdout
    assert "not enrolled, since no face was found in their captures: cleo\n" in result.stdout
    for depth in data.glob("*/*_depth.png"):
        blank(depth)
    assert "expected captures of which somebody can be enrolled" in one_line(faceid(*asked))


def test_names_are_shown_as_they_are(data: Path, tmp_path: Path) -> None:
    """Paths come from elsewhere: rich must not take them for markup."""
    picture = tmp_path / "[bold]unlock[/y].png"
    result = faceid("demo", "--data", data, "--out", picture)
    assert result.exit_code == 0, result.output
    shown = "".join(result.output.split())
    assert "[bold]unlock[/y].png" in shown
    assert picture.is_file()


@pytest.mark.usefixtures("indifferent")
def test_demo_says_so_when_strangers_get_in(tmp_path: Path) -> None:
    result = faceid("demo", "--out", tmp_path / "unlock.png")
    assert result.exit_code == 2  # 1 is a rejection, and nothing else
    assert "1 of 7 as expected" in result.output  # the print is seen through without the model
    assert "NOT AS IT SHOULD BE" in result.output


def test_evaluate_writes_every_figure(data: Path, tmp_path: Path) -> None:
    (data / "landmarks.csv").write_text("never read")
    record = tmp_path / "figures.json"
    result = faceid("evaluate", data, "--layout", "kinect_v2", "--json", record)
    assert result.exit_code == 0, result.output
    written = json.loads(record.read_text())
    protocols = written["protocols"]
    assert set(written["key_limits"]) == {"shape", "picture"}
    assert "at the threshold both keys must agree, too: shape up to" in result.output
    assert "genuine comparisons of unlock are refused by the distance" in result.output
    assert list(protocols) == ["frontal", "yaw0", "all", "unlock"]
    for figures in protocols.values():
        assert set(figures) == FIGURES
        assert set(figures["refused_by"]["genuine"]) == {"distance", "shape", "picture"}
        assert set(figures["tar_at_far"]) == {"1e-1", "1e-2", "1e-3", "1e-4"}
    # Captures 24, 26 (of pose 4) and 27 of three people; 2, 8, 14, 20 are turned or tilted.
    assert (protocols["frontal"]["n_genuine"], protocols["frontal"]["n_impostor"]) == (9, 27)
    assert protocols["unlock"]["n_genuine"] == 6
    assert protocols["frontal"]["tar_at_far"]["1e-2"] is None
    for figures in protocols.values():
        assert set(figures["intervals"]) <= FIGURES
        assert set(figures["support"].values()) == {"none", "comparisons_only"} - (
            {"comparisons_only"} if figures["n_impostor"] < 30 else set()
        )
        low, high = figures["intervals"]["impostor_mean"]
        assert 0 < low <= figures["impostor_mean"] <= high < 2
    assert protocols["frontal"]["n_person_pairs"] == 3
    assert max(len(line) for line in result.output.splitlines() if "│" in line) <= 80
    assert "bootstrap over people" in result.output
    assert "nothing can be claimed" in result.output


def test_evaluate_says_what_no_false_accept_shows(data: Path) -> None:
    result = faceid("evaluate", data, "--threshold", "0.001")
    assert result.exit_code == 0, result.output
    assert "< 63.16%" in result.output  # three pairs of people show little
    assert "0 of 147" in result.output
    assert "6 of 6" in result.output  # every genuine comparison of unlock is beyond it
    assert "no false match was seen" in " ".join(result.output.split())


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
    assert set(record["models"]) == {"head.npz", "liveness.json", "faceid.onnx"}
    assert set(record["verify_ms"]) == {*("align", "liveness", "charge", "embed", "match", "refund", "total")}


def test_bench() -> None:
    result = faceid("bench", "--repeats", 5, "--largest", 1000, "--json", "-")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert {row["references"] for row in record["match"]} == {16, 1_000}
    for row in record["match"]:
        for figure in ("gallery_us", "numpy_us", "ratio"):
            assert 0 < row[figure]["q1"] <= row[figure]["median"] <= row[figure]["q3"]
    total = record["verify_ms"]["total"]["median"]
    assert total >= record["verify_ms"]["align"]["median"] > 0


def test_bench_compares_equal_answers_only() -> None:
    right = np.array([0.5, 0.25])
    check_agreement(right, right.astype(np.float32))
    for wrong in (right + 1e-3, right * np.nan):
        with pytest.raises(FaceIDError, match="differs from numpy"):
            check_agreement(wrong, right.astype(np.float32))


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
    assert "expected a folder for each person" in one_line(faceid("evaluate", tmp_path / "empty"))
    assert "threshold: expected" in one_line(faceid("evaluate", data, "--threshold", "nan"))
    assert "--out: " in one_line(faceid("demo", "--out", data))
    assert "--out: " in one_line(faceid("demo", "--out", data / "ada" / "02_ir.png" / "unlock.png"))


@pytest.mark.parametrize("verb", ["bench", "evaluate", "doctor", "demo"])
def test_an_unwritable_json_is_found_before_the_work(
    verb: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(*_: object, **__: object) -> None:
        pytest.fail("worked before looking where the result goes")

    for module, name in (
        (bench_verb, "time_matching"),
        (evaluate_verb, "acquire"),
        (doctor_verb, "time_stages"),
        (demo_verb, "Authenticator"),
    ):
        monkeypatch.setattr(module, name, work)
    arguments = [data] if verb == "evaluate" else []
    for target in (tmp_path / "no" / "a.json", tmp_path):
        assert "--json: " in one_line(faceid(verb, *arguments, "--json", target))


def test_looking_whether_a_file_can_be_written_changes_nothing(tmp_path: Path) -> None:
    kept, fresh = tmp_path / "kept.json", tmp_path / "fresh.json"
    kept.write_text("before")
    for target in (kept, fresh):
        check_writable("--json", target)
    assert kept.read_text() == "before"
    assert not fresh.exists()


def refused(result: Any) -> dict[str, str]:
    """What a program was told on standard output, beside the line on standard error."""
    error: dict[str, str] = json.loads(result.stdout)["error"]
    assert result.exit_code == 2
    assert result.stdout.count("\n") == 1
    assert result.stderr.splitlines()[-1] == f"error: {error['message']}"
    return error


def test_an_error_is_json_where_json_was_asked_for(data: Path, tmp_path: Path) -> None:
    none = tmp_path / "none"
    for arguments, kind, message in (
        (("evaluate", none), "SourceError", f"{none}: not readable (No such file or directory)"),
        (("list", "--vault", none), "VaultMissingError", f"vault: expected one in '{none}'"),
        (("evaluate", data, "--threshold", "nan"), "InvalidInputError", "threshold: expected"),
        (("evaluate", data, "--html", tmp_path), "InvalidInputError", "--html: "),
        (("list", "--jsn"), "NoSuchOption", "No such option: --jsn"),
        (("evaluate",), "MissingParameter", "Missing argument 'DIRECTORY'."),
        (("evaluate", data, "--layout", "unheard_of"), "BadParameter", "Invalid value for '--layout': "),
    ):
        for asked in (("--json", "-"), ("--json=-",)):
            error = refused(faceid(*arguments, *asked))
            assert (error["kind"], error["message"].startswith(message)) == (kind, True), error
        file = tmp_path / "answer.json"
        assert faceid(*arguments, "--json", file).exit_code == 2
        assert json.loads(file.read_text())["error"] == error
        assert file.stat().st_mode & 0o077 == 0
        assert faceid(*arguments).stdout == ""
    assert refused(faceid("export", "ada", "--vault", none))["kind"] == "VaultMissingError"  # asks by itself
    assert faceid("evaluate", none, "--", "--json", "-").stdout == ""


def test_a_bug_is_json_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_repeats: int) -> None:
        message = "a\nbug"
        raise ZeroDivisionError(message)

    monkeypatch.setattr(doctor_verb, "time_stages", broken)
    result = faceid("doctor", "--json", "-")
    assert json.loads(result.stdout) == {"error": {"kind": "ZeroDivisionError", "message": "a bug"}}
    assert "Traceback" in result.stderr


def test_a_bug_is_an_error_not_a_rejection(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_repeats: int) -> None:
        message = "a bug"
        raise ZeroDivisionError(message)

    monkeypatch.setattr(doctor_verb, "time_stages", broken)
    result = faceid("doctor")
    assert result.exit_code == 2
    assert "Traceback" in result.stderr
    assert "ZeroDivisionError: a bug" in result.stderr


def test_an_interruption_is_no_rejection(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_repeats: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor_verb, "time_stages", interrupted)
    assert faceid("doctor").exit_code == 130


def test_an_error_line_has_no_control_characters(tmp_path: Path) -> None:
    line = one_line(faceid("evaluate", tmp_path / "a\x07\x1b"))
    assert line.isprintable()


def test_a_truncated_capture_is_an_error_that_names_it(data: Path) -> None:
    depth = data / "ada" / "02_depth.png"
    depth.write_bytes(depth.read_bytes()[:500])
    assert "02_depth.png: truncated" in one_line(faceid("evaluate", data))


def test_demo_needs_somebody_to_enrol(data: Path) -> None:
    for person in data.iterdir():
        for reference in person.glob("[02468]*"):
            reference.unlink()
    assert "expected captures" in one_line(faceid("demo", "--data", data))


def test_every_layout_can_be_named() -> None:
    assert list(evaluate_verb.Layout) == ["auto", *(layout.name for layout in LAYOUTS)]


def test_wrong_usage() -> None:
    assert faceid("evaluate").exit_code == 2
    assert faceid("evaluate", ".", "--layout", "unheard_of").exit_code == 2
    assert faceid("fly").exit_code == 2
