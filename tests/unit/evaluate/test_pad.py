"""Attack detection: counted right, bounded exactly, read from anyone's folders."""

from __future__ import annotations

import importlib
import json
import math
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import cv2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from typer.testing import CliRunner

from faceid_fast.calibration.binomial import clopper_pearson
from faceid_fast.cli import app
from faceid_fast.errors import InvalidInputError, SourceError
from faceid_fast.evaluate.pad import Classified, PadReport, Presentation, Response, classify, count
from faceid_fast.evaluate.report.pad_picture import draw_measured
from faceid_fast.face.aligner import FaceAligner
from faceid_fast.face.crop import FaceCrop, NoFace
from faceid_fast.face.liveness import LivenessCheck
from faceid_fast.face.liveness_limits import FIGURES
from faceid_fast.frame import Frame
from faceid_fast.outcome import Outcome
from faceid_fast.sources.files.images import read_png
from faceid_fast.sources.orientation import rotated
from faceid_fast.sources.presentations import by_species, is_by_species, live_people
from faceid_fast.sources.renders import Render, bundled_renders
from stand_ins import LIVE_LIMITS, crop_of, frame_of

pad_verb = importlib.import_module("faceid_fast.cli.pad")

LIVE, ATTACK, FLAT, NOBODY = range(1, 5)
ENTRY = {"presentations", "not_acquired", "interval", "reasons", "failures"}


@dataclass(frozen=True)
class Shown:
    """A presentation whose frame says what it is."""

    species: str | None
    code: int

    def read(self) -> Frame:
        return frame_of(self.code)


@dataclass(frozen=True)
class Turned:
    """A presentation of a camera on its side."""

    species: str | None
    frame: Frame

    def read(self) -> Frame:
        return self.frame


class CodeAligner:
    """Finds what the code of a frame says."""

    def align(self, frame: Frame) -> FaceCrop | NoFace:
        code = int(frame.picture.flat[0])
        if code == FLAT:
            return NoFace(Outcome.SPOOF, ("flat",), ("0.3 mm from a plane",))
        if code == NOBODY:
            return NoFace(Outcome.TOO_FAR, ("the nearest head is at 1712 mm",))
        return crop_of(code, live=code == LIVE)


def classified(shown: Sequence[Presentation], progress: Callable[[int], None] = lambda _: None) -> Any:
    aligner, liveness = cast("FaceAligner", CodeAligner()), LivenessCheck(LIVE_LIMITS)
    return classify(shown, aligner, liveness, progress)


def report_of(*shown: tuple[str | None, int]) -> PadReport:
    return count(classified([Shown(*each) for each in shown]))


def test_every_presentation_is_classified() -> None:
    shown = [Shown("mask", code) for code in (LIVE, ATTACK, FLAT, NOBODY)]
    done: list[int] = []
    found = classified(shown, done.append)
    assert done == [1, 2, 3, 4]
    assert [each.response for each in found] == ["bona_fide", "attack", "attack", "none"]
    assert [each.measured is not None for each in found] == [True, True, False, False]
    assert set(found[0].measured) == set(FIGURES)
    assert found[2].reasons == ("flat",)
    assert found[3].reasons == ("too_far",)


@pytest.mark.parametrize("quarters", [1, 3])
def test_an_attack_that_is_live_in_another_turn_counts_as_accepted(quarters: int) -> None:
    """The authenticator tries other turns: rates that leave them out would be too good."""
    frame = rotated(renders("probe")[0].read(), quarters)
    aligner, liveness = FaceAligner.bundled(), LivenessCheck(LIVE_LIMITS)
    shown = [Turned("mask", frame)]
    (found,) = classify(shown, aligner, liveness)
    assert found.response is Response.BONA_FIDE
    (upright,) = classify(shown, aligner, liveness, try_turns=False)
    assert upright.response is not Response.BONA_FIDE


def test_a_print_is_an_attack_in_every_turn() -> None:
    frame = renders("print")[0].read()
    for quarters in range(4):
        (found,) = classify(
            [Turned("print", rotated(frame, quarters))], FaceAligner.bundled(), LivenessCheck(LIVE_LIMITS)
        )
        assert found.response is not Response.BONA_FIDE


def test_rates_are_of_what_was_acquired() -> None:
    report = report_of(
        *[("mask", LIVE)] * 1, *[("mask", ATTACK)] * 2, *[("mask", FLAT)] * 1, *[("mask", NOBODY)] * 6,
        *[(None, LIVE)] * 3, (None, FLAT), (None, NOBODY),
    )  # fmt: skip
    record = report.record()
    mask, live = record["species"]["mask"], record["bona_fide"]
    assert (mask["presentations"], mask["accepted"], mask["not_acquired"]) == (10, 1, 6)
    assert mask["apcer"] == 0.25
    assert mask["reasons"]["flat"] == 1
    assert mask["reasons"]["the face is flat: a picture, not a face"] == 2
    assert mask["failures"] == {"too_far": 6}
    assert (live["presentations"], live["rejected"], live["not_acquired"]) == (5, 1, 1)
    assert live["bpcer"] == 0.25
    assert set(mask) == ENTRY | {"accepted", "apcer"}
    assert set(live) == ENTRY | {"rejected", "bpcer"}
    assert tuple(mask["interval"]) == clopper_pearson(1, 4)


def test_the_worst_species() -> None:
    assert report_of(("a", ATTACK), ("b", LIVE), ("b", ATTACK)).worst_species() == "b"
    # Of two that let nothing in, less is known of the one that was tried less.
    assert report_of(*[("a", ATTACK)] * 9, ("b", ATTACK), ("c", ATTACK)).worst_species() == "b"
    assert report_of(("a", NOBODY), ("b", ATTACK)).worst_species() == "b"
    assert report_of(("a", NOBODY)).worst_species() is None
    assert report_of((None, LIVE)).worst_species() is None


def test_nothing_acquired_is_no_rate() -> None:
    record = report_of(("a", NOBODY)).record()
    for entry, rate in ((record["species"]["a"], "apcer"), (record["bona_fide"], "bpcer")):
        assert entry[rate] is None
        assert entry["interval"] is None


RESPONSES = st.tuples(st.sampled_from([None, "print", "mask", "$\n["]), st.sampled_from(list(Response)))


@given(st.lists(RESPONSES, max_size=40))
@example([])
def test_counts_add_up(responses: list[tuple[str | None, Response]]) -> None:
    report = count([Classified(species, response, (str(response),)) for species, response in responses])
    assert set(report.species) == {species for species, _ in responses} - {None}
    total = 0
    for species, tally in (*report.species.items(), (None, report.bona_fide)):
        assert tally.bona_fide + tally.attack + tally.not_acquired == tally.presentations
        assert tally.presentations == sum(each == species for each, _ in responses)
        assert sum(tally.reasons.values()) == tally.attack
        assert sum(tally.failures.values()) == tally.not_acquired
        total += tally.presentations
    assert total == len(responses)
    record = json.loads(json.dumps(report.record(), allow_nan=False))
    assert record == report.record()
    rates = [entry["apcer"] for entry in record["species"].values() if entry["apcer"] is not None]
    if rates:
        assert record["species"][record["worst_species"]]["apcer"] == max(rates)
    for entry in (*record["species"].values(), record["bona_fide"]):
        rate = entry.get("apcer", entry.get("bpcer"))
        if rate is not None:
            assert 0.0 <= entry["interval"][0] <= rate <= entry["interval"][1] <= 1.0


@pytest.mark.parametrize(
    ("errors", "trials", "wanted"),
    [
        (0, 1000, (0.0, 0.0036820838968657)),
        (5, 100, (0.0164318791820521, 0.1128349111054630)),
        (50, 100, (0.3983211295033016, 0.6016788704966984)),
        (0, 1, (0.0, 0.975)),
        (1, 1, (0.025, 1.0)),
        (3, 100_000, (6.1867639584931e-06, 8.7670202569191e-05)),
    ],
)
def test_exact_intervals(errors: int, trials: int, wanted: tuple[float, float]) -> None:
    assert clopper_pearson(errors, trials) == pytest.approx(wanted, rel=1e-9)


@given(st.integers(1, 400).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials))))
def test_intervals_are_where_the_tails_are(case: tuple[int, int]) -> None:
    errors, trials = case

    def up_to(most: int, rate: float) -> float:
        return math.fsum(math.comb(trials, k) * rate**k * (1 - rate) ** (trials - k) for k in range(most + 1))

    low, high = clopper_pearson(errors, trials)
    assert 0.0 <= low < high <= 1.0
    assert low <= errors / trials <= high
    if errors:
        assert 1.0 - up_to(errors - 1, low) == pytest.approx(0.025, abs=1e-9)
    if errors < trials:
        assert up_to(errors, high) == pytest.approx(0.025, abs=1e-9)
    mirrored = clopper_pearson(trials - errors, trials)
    assert (1.0 - mirrored[1], 1.0 - mirrored[0]) == pytest.approx((low, high), abs=1e-9)


@pytest.mark.parametrize(("errors", "trials"), [(-1, 5), (6, 5), (0, 0), (1, 0)])
def test_no_interval_of_impossible_counts(errors: int, trials: int) -> None:
    with pytest.raises(InvalidInputError, match="errors, trials: expected"):
        clopper_pearson(errors, trials)


# --- folders ---------------------------------------------------------------------------------------------


def put(render: Render, folder: Path, *, camera: bool = True) -> None:
    """Copy a render as a pair with its camera.json."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{render.person}_{render.kind}_{render.number}"
    shutil.copy(render.infrared, folder / f"{name}_ir.png")
    shutil.copy(render.depth, folder / f"{name}_depth.png")
    if camera:
        shutil.copy(render.camera, folder / "camera.json")


def renders(*kinds: str) -> list[Render]:
    found = [render for render in bundled_renders() if render.person == "ada" and render.kind in kinds]
    assert found
    return found


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two live frames, three prints of one and a live face that claims to be a mask."""
    root = tmp_path / "data"
    for render in renders("probe"):
        put(render, root / "bona_fide" / "ada")
    for copy in range(3):
        put(renders("print")[0], root / "flat_print" / f"session {copy}", camera=False)
    shutil.copy(renders("print")[0].camera, root / "flat_print" / "camera.json")
    put(renders("probe")[0], root / "mask")
    (root / "README.txt").write_text("left alone")
    (root / ".git").mkdir()
    return root


@pytest.fixture(autouse=True)
def stand_in_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LivenessCheck, "bundled", staticmethod(lambda: LivenessCheck(LIVE_LIMITS)))


def faceid(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_picture_s_file_is_no_kind_of_picture(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere ``--picture infrared`` takes that picture; here it would draw a file of that name."""
    monkeypatch.chdir(data)
    for kind in ("infrared", "color", "auto"):
        said = one_line(faceid("pad-report", data, "--picture", kind))
        assert "--modality" in said
        assert not (data / kind).exists()


def test_the_verb_tries_turns_unless_one_is_named(data: Path) -> None:
    for file in (data / "mask").glob("*.png"):
        cv2.imwrite(
            str(file), cv2.rotate(cv2.imread(str(file), cv2.IMREAD_UNCHANGED), cv2.ROTATE_90_CLOCKWISE)
        )
    out = data / "out.json"
    for words, accepted in (((), 1), (("--turn", "270"), 1), (("--turn", "180"), 0)):
        assert faceid("pad-report", data, *words, "--json", out).exit_code == 0
        assert json.loads(out.read_text())["species"]["mask"]["accepted"] == accepted


def one_line(result: Any) -> str:
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    return str(line)


def test_folders_are_read_by_species(data: Path) -> None:
    assert is_by_species(data)
    found = by_species(data)
    assert [each.species for each in found] == [None, None, *["flat_print"] * 3, "mask"]
    assert all(isinstance(each.read(), Frame) for each in found)


def test_links_in_circles_end(data: Path) -> None:
    (data / "mask" / "again").symlink_to(data / "mask", target_is_directory=True)
    assert len(by_species(data)) == 6


def test_the_camera_nearest_counts(data: Path) -> None:
    print_camera = json.loads((data / "flat_print" / "camera.json").read_text())
    (data / "camera.json").write_text(json.dumps({**print_camera, "fx": 700.0}))
    assert by_species(data)[2].read().intrinsics.fx == print_camera["fx"]
    (data / "flat_print" / "camera.json").unlink()
    assert by_species(data)[2].read().intrinsics.fx == 700.0
    render = "ada_print_0"
    own = data / "flat_print" / "session 0" / f"{render}_camera.json"
    own.write_text(json.dumps({**print_camera, "fx": 600.0}))
    assert by_species(data)[2].read().intrinsics.fx == 600.0
    # Above the folder that was given nothing is looked for.
    (data / "camera.json").replace(data.parent / "camera.json")
    own.unlink()
    with pytest.raises(
        SourceError, match=r"session 0/ada_print_0_depth\.png: no camera file: expected a camera\.json"
    ):
        by_species(data)


def test_nothing_is_left_out_in_silence(data: Path) -> None:
    (data / "mask" / "ada_probe_0_ir.png").unlink()
    with pytest.raises(SourceError, match=r"ada_probe_0_depth\.png: no picture beside it"):
        by_species(data)
    (data / "mask" / "ada_probe_0_depth.png").unlink()
    with pytest.raises(SourceError, match=r"mask: expected NAME_depth\.png with"):
        by_species(data)


@pytest.mark.parametrize("name", ["Bona_Fide", "bonafide", "bona-fide", "bona fide"])
def test_bona_fide_misspelt_is_no_attack(data: Path, name: str) -> None:
    (data / "bona_fide").rename(data / name)
    for reading in (is_by_species, by_species):
        with pytest.raises(SourceError, match="expected the folder of live people to be named bona_fide"):
            reading(data)


def test_live_people_in_known_layouts(tmp_path: Path) -> None:
    for number, render in enumerate(renders("enroll")):
        folder = tmp_path / "kinect" / "p01"
        put(render, folder, camera=False)
        for ending in ("_ir.png", "_depth.png"):
            (folder / f"ada_enroll_{render.number}{ending}").rename(folder / f"{number:02d}{ending}")
    (tmp_path / "kinect" / "p02").mkdir()
    (tmp_path / "kinect" / "landmarks.csv").write_text("never read")
    assert not is_by_species(tmp_path / "kinect")
    found = live_people(tmp_path / "kinect")
    assert [each.species for each in found] == [None] * 5
    assert isinstance(found[0].read(), Frame)
    put(renders("probe")[0], tmp_path / "pairs")
    assert len(live_people(tmp_path / "pairs")) == 1
    with pytest.raises(SourceError, match="expected frames as"):
        live_people(tmp_path / "kinect" / "p02")


# --- the verb --------------------------------------------------------------------------------------------


def test_a_report(data: Path, tmp_path: Path) -> None:
    record, picture = tmp_path / "report.json", tmp_path / "report.png"
    result = faceid("pad-report", data, "--json", record, "--picture", picture)
    assert result.exit_code == 0, result.output
    found = json.loads(record.read_text())
    flat, mask, live = found["species"]["flat_print"], found["species"]["mask"], found["bona_fide"]
    assert (flat["presentations"], flat["accepted"], flat["not_acquired"]) == (3, 0, 0)
    assert flat["reasons"] == {"what is there is flat: a picture, not a face": 3}
    assert (mask["presentations"], mask["accepted"], mask["apcer"]) == (1, 1, 1.0)
    assert (live["presentations"], live["rejected"], live["not_acquired"]) == (2, 0, 0)
    assert found["worst_species"] == "mask"
    assert found["model"] == {"id": "stand-in", "training_commit": "none"}
    assert (found["layout"], found["level"]) == ("species", 0.95)
    assert read_png(picture).shape[2] == 3
    shown = " ".join(result.output.split())
    assert "worst species: mask, APCER 100.00% (1 of 1), 2.50-100.00" in shown
    assert "0 accepted of 3 only shows a rate below the upper bound, 70.76%" in shown
    assert max(len(line) for line in result.output.splitlines() if line.startswith("│")) <= 80


def test_a_report_for_programs(data: Path) -> None:
    result = faceid("pad-report", data, "--json", "-")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["worst_species"] == "mask"
    assert "worst species: mask" in result.stderr


def test_attacks_only(data: Path) -> None:
    shutil.rmtree(data / "bona_fide")
    result = faceid("pad-report", data, "--layout", "species", "--json", "-")
    assert result.exit_code == 0, result.output
    live = json.loads(result.stdout)["bona_fide"]
    assert (live["presentations"], live["bpcer"], live["interval"]) == (0, None, None)
    assert "BPCER" not in result.stderr


def test_bona_fide_only(data: Path) -> None:
    shutil.rmtree(data / "flat_print")
    shutil.rmtree(data / "mask")
    result = faceid("pad-report", data, "--json", "-")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["species"], found["worst_species"]) == ({}, None)
    assert found["bona_fide"]["presentations"] == 2
    # And in the other layout: what a folder holds directly is somebody's frames.
    plain = faceid("pad-report", data / "bona_fide", "--json", "-")
    assert json.loads(plain.stdout)["bona_fide"] == found["bona_fide"]
    assert json.loads(plain.stdout)["layout"] == "plain"
    assert "everything was taken for bona fide" in plain.stderr


def test_limits_that_nobody_reaches(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    strict = replace(LIVE_LIMITS, least={**LIVE_LIMITS.least, "contrast": 1e5})
    monkeypatch.setattr(LivenessCheck, "bundled", staticmethod(lambda: LivenessCheck(strict)))
    found = json.loads(faceid("pad-report", data, "--json", "-").stdout)
    assert found["bona_fide"]["bpcer"] == 1.0
    assert found["bona_fide"]["reasons"] == {"the picture is empty": 2}
    assert found["species"]["mask"]["accepted"] == 0


def test_errors_are_one_line(data: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "not readable" in one_line(faceid("pad-report", tmp_path / "none"))
    assert "got an empty folder" in one_line(faceid("pad-report", tmp_path / "empty"))
    assert "got no folder" in one_line(faceid("pad-report", tmp_path / "empty", "--layout", "species"))
    (data / "mask" / "camera.json").unlink()
    assert "no camera file: expected a camera.json with fx, fy" in one_line(faceid("pad-report", data))
    (data / "camera.json").write_text("{}")
    assert "camera.json: expected JSON with fx" in one_line(faceid("pad-report", data))
    assert faceid("pad-report", data, "--layout", "unheard_of").exit_code == 2


def test_a_truncated_file_is_an_error_that_names_it(data: Path) -> None:
    depth = data / "mask" / "ada_probe_0_depth.png"
    depth.write_bytes(depth.read_bytes()[:500])
    assert "ada_probe_0_depth.png: truncated" in one_line(faceid("pad-report", data))


def test_what_cannot_be_written_is_found_before_the_work(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(*_: object, **__: object) -> None:
        pytest.fail("worked before looking where the result goes")

    monkeypatch.setattr(pad_verb, "classify", work)
    for option in ("--json", "--picture"):
        for target in (tmp_path / "no" / "file", tmp_path):
            assert f"{option}: " in one_line(faceid("pad-report", data, option, target))
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    missing = one_line(faceid("pad-report", data, "--picture", tmp_path / "report.png"))
    assert "install faceid-fast[report]" in missing
    assert not (tmp_path / "report.png").exists()


def test_names_are_shown_as_they_are(data: Path, tmp_path: Path) -> None:
    """Folder names come from elsewhere: neither rich nor matplotlib must take them for markup."""
    for name in ("[red]mask", "_$x^$", "面具", "a\x07b"):
        put(renders("probe")[0], data / name)
    result = faceid("pad-report", data, "--json", tmp_path / "a.json", "--picture", tmp_path / "a.png")
    assert result.exit_code == 0, result.output
    assert "[red]mask" in result.output
    assert "\x07" not in result.output
    assert len(json.loads((tmp_path / "a.json").read_text())["species"]) == 6


def test_a_picture_of_little(tmp_path: Path) -> None:
    """Groups without a face, figures that are not finite, more species than colours."""
    one = dict.fromkeys(FIGURES, 0.1)
    found = [
        Classified("$\udcff", Response.ATTACK),
        Classified(None, Response.BONA_FIDE, (), one),
        Classified("odd", Response.ATTACK, (), {**one, "agreement": math.nan, "relief_mm": math.inf}),
        *(Classified(f"species {number}", Response.ATTACK, (), one) for number in range(12)),
    ]
    for case in (found, found[:1]):
        picture = tmp_path / "picture.png"
        picture.write_bytes(draw_measured(case, LIVE_LIMITS.least))
        assert read_png(picture).shape[2] == 3
