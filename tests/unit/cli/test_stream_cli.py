from __future__ import annotations

import importlib
import io
import itertools
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from faceid_fast.cli import app
from faceid_fast.cli.stream.verdict import verdict_of
from faceid_fast.cli.stream.window import draw
from faceid_fast.errors import InvalidInputError, SourceError
from faceid_fast.face.aligner import FaceAligner
from faceid_fast.frame import Frame
from faceid_fast.matching.decision import Decision
from faceid_fast.outcome import Outcome
from faceid_fast.sources.cameras.base import Source
from faceid_fast.sources.cameras.newest import Newest
from faceid_fast.sources.orientation import rotated
from faceid_fast.sources.recording import playback
from faceid_fast.sources.renders import bundled_renders
from faceid_fast.stream import Moment, watch
from stand_ins import crop_of, frame_of, no_face

stream_verb = importlib.import_module("faceid_fast.cli.stream.command")
ADA = Path(str(bundled_renders()[0].infrared.parent))
SEVERAL = ("--votes", "2")


def faceid(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[object, ...]:
    """A vault that Ada is in."""
    key = tmp_path / "key"
    key.write_text("5e" * 32)
    key.chmod(0o600)
    monkeypatch.setenv("FACEID_KEY_FILE", str(key))
    vault = ("--vault", tmp_path / "vault")
    assert faceid("enroll", "ada", folder(tmp_path, "ada", "enroll"), *vault).exit_code == 0
    return vault


def folder(root: Path, person: str, kind: str) -> Path:
    made = root / f"{person}-{kind}"
    made.mkdir(exist_ok=True)
    for render in bundled_renders():
        if (render.person, render.kind) == (person, kind):
            for file in (render.infrared, render.depth, render.camera):
                shutil.copy(file, made)
    return made


class Endless(Source):
    """A camera before which somebody moves away: one render, with more noise and 1 mm farther each time.

    It is interrupted 40 frames after something was written to a file, however busy the host is: frames that
    nobody has time for are dropped.
    """

    name = "endless"

    def __init__(self, frame: Frame, interrupted_by: Path | None) -> None:
        self._frame, self._interrupted_by, self._left = frame, interrupted_by, 40
        self._rng, self._taken = np.random.default_rng(0), itertools.count()
        self.released = 0

    def _read(self) -> Frame:
        if self._left == 0:
            raise KeyboardInterrupt
        if (file := self._interrupted_by) is not None and file.exists() and file.stat().st_size:
            self._left -= 1
        seen = self._frame
        noise = self._rng.integers(0, 3, seen.depth.shape).astype(np.uint16)
        away = noise + next(self._taken) % 50
        return Frame(
            depth=np.where(seen.depth > 0, seen.depth + away, 0).astype(np.uint16),
            depth_unit_m=seen.depth_unit_m,
            infrared=seen.picture + noise.astype(seen.picture.dtype),
            intrinsics=seen.intrinsics,
        )

    def _release(self) -> None:
        self.released += 1


@pytest.fixture
def camera(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Endless]:
    def plugged(interrupted_by: Path | None = None) -> Endless:
        probe = next(render for render in bundled_renders() if render.kind == "probe").read()
        made = Endless(probe, interrupted_by)
        monkeypatch.setattr(stream_verb, "opened_source", lambda *_: made)
        return made

    return plugged


def test_a_folder_of_ada(at: Any, tmp_path: Path) -> None:
    probes = folder(tmp_path, "ada", "probe")
    done = faceid("stream", "ada", "--source", probes, *at, *SEVERAL, "--json", "-")
    assert done.exit_code == 0
    (attempt,) = map(json.loads, done.stdout.splitlines())
    assert attempt["attempt"] == 1
    assert (attempt["accepted"], attempt["identity"], attempt["outcome"]) == (True, "ada", "accepted")
    assert attempt["frames"] == ["accepted", "accepted"]
    assert attempt["dropped"] == 0
    assert "accepted: ada" in done.stderr


def test_once_says_by_its_exit_code(at: Any, tmp_path: Path) -> None:
    ada, ben = folder(tmp_path, "ada", "probe"), folder(tmp_path, "ben", "probe")
    assert faceid("stream", "--identify", "--source", ada, *at, "--once").exit_code == 0
    assert faceid("stream", "--identify", "--source", ben, *at, "--once").exit_code == 1
    spoof = faceid("stream", "ada", "--source", folder(tmp_path, "ada", "print"), *at, "--once")
    assert spoof.exit_code == 1
    assert "rejected: spoof" in spoof.stdout
    # Without it, a stream that ends well is well.
    assert faceid("stream", "--identify", "--source", ben, *at).exit_code == 0


def test_once_with_nobody_there_is_a_rejection(at: Any, camera: Any) -> None:
    made = camera()
    made._frame = frame_of(1)
    done = faceid("stream", "ada", "--source", "endless", *at, "--once", "--timeout", "0.1")
    assert (done.exit_code, done.stdout) == (1, "rejected: nobody showed their face\n")
    assert made.released == 1


def test_a_turned_camera_is_told_once_where_no_line_changes(at: Any, camera: Any) -> None:
    """In a pipe or a log nothing else would say why nobody is seen."""
    made = camera()
    made._frame = rotated(made._frame, 1)
    done = faceid("stream", "ada", "--source", "endless", *at, "--once", "--timeout", "0.5")
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (1, "rejected: nobody showed their face")
    assert done.stdout.count("turned by 90 degrees clockwise") == 1


def test_a_camera_is_one_attempt_as_long_as_somebody_stays(at: Any, camera: Any, tmp_path: Path) -> None:
    camera()
    once = faceid("stream", "ada", "--source", "endless", *at, *SEVERAL, "--once")
    assert (once.exit_code, once.stdout.endswith("accepted: ada\n")) == (0, True)
    out = tmp_path / "attempts.jsonl"
    made = camera(interrupted_by=out)
    done = faceid("stream", "--identify", "--source", "endless", *at, *SEVERAL, "--json", out)
    assert done.exit_code == 130  # as of Ctrl-C
    assert made.released == 1
    (attempt,) = map(json.loads, out.read_text("utf-8").splitlines())
    assert attempt["identity"] == "ada"
    assert len(attempt["frames"]) == 2


@pytest.mark.parametrize("to", ["file", "-"])
def test_an_error_follows_what_was_decided(at: Any, camera: Any, tmp_path: Path, to: str) -> None:
    target = tmp_path / "attempts.jsonl" if to == "file" else "-"
    made = camera()

    seen = itertools.count()

    def pulled() -> Frame:
        if next(seen) > 40 and (to == "-" or (tmp_path / "attempts.jsonl").stat().st_size):
            message = "endless: expected a frame, got none"
            raise InvalidInputError(message)  # no loose plug, which would be waited for
        return Endless._read(made)

    made._read = pulled
    done = faceid("stream", "ada", "--source", "endless", *at, "--json", target)
    assert done.exit_code == 2
    lines = (done.stdout if to == "-" else (tmp_path / "attempts.jsonl").read_text()).splitlines()
    *attempts, error = map(json.loads, lines)
    assert error["error"] == {
        "kind": "InvalidInputError",
        "message": done.stderr.splitlines()[-1][len("error: ") :],
    }
    assert all("attempt" in each for each in attempts)
    assert to == "-" or attempts


class Loose(Source):
    """A camera that gives two renders of somebody, and then drops out."""

    name = "loose"

    def __init__(self, renders: list[Frame], lost: str = "loose: gone") -> None:
        self._frames, self._lost = iter(renders), lost
        self.released = 0

    def _read(self) -> Frame:
        frame = next(self._frames, None)
        if frame is None:
            raise SourceError(self._lost)
        return frame

    def _release(self) -> None:
        self.released += 1


def one_by_one(source: Source) -> Newest:
    """Read every frame of a camera: which one is the newest depends on how busy the host is."""
    source.live = False
    made = Newest(source)
    source.live = True
    return made


def probes_of(person: str) -> list[Frame]:
    return [r.read() for r in bundled_renders() if (r.person, r.kind) == (person, "probe")]


def test_a_camera_that_drops_out_is_opened_again(at: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame from before and one from after make no attempt: others may have come."""
    monkeypatch.setattr(stream_verb, "Newest", one_by_one)
    ada, ben = probes_of("ada"), probes_of("ben")
    opened = [Loose(ada[:1]), Loose(ben)]
    plugged = iter(opened)
    monkeypatch.setattr(stream_verb, "opened_source", lambda *_: next(plugged))
    done = faceid("stream", "ada", "--source", "loose", *at, *SEVERAL, "--once")
    assert done.exit_code == 1
    assert "accepted" not in done.stdout
    assert done.stdout.count("loose: gone: opening it again until it answers") == 1
    assert done.stdout.count("loose: back after") == 1
    assert [each.released for each in opened] == [1, 1]


def test_the_time_that_was_given_ends_the_wait_for_a_camera(at: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what went wrong: a camera that is away says nothing about who stands there."""
    monkeypatch.setattr(stream_verb, "Newest", one_by_one)
    monkeypatch.setattr(stream_verb, "opened_source", lambda *_: Loose([frame_of(1)]))
    done = faceid("stream", "ada", "--source", "loose", *at, "--once", "--timeout", "0.1")
    assert (done.exit_code, done.stderr) == (2, "error: loose: gone\n")


def test_what_cannot_be_streamed(at: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr(stream_verb.sys, "platform", "linux")
    for arguments, message in (
        (("--source", ADA), "expected a NAME or --identify, got neither"),
        (("ada", "--identify", "--source", ADA), "expected a NAME or --identify, got both"),
        (("bob", "--source", ADA), "expected somebody enrolled, got 'bob'"),
        (("ada", "--source", "webcam"), "source: expected realsense, oak"),
        (("ada", "--source", tmp_path), "expected frames as pairs"),
        (("ada", "--source", ADA, "--option", "infrared"), "--option: expected KEY=VALUE, got 'infrared'"),
        (("ada", "--source", "obsensor", "--option", "fps=60"), "options of obsensor: expected index"),
        (("ada", "--source", ADA, "--window"), "--window: expected a display, got none"),
    ):
        done = faceid("stream", *arguments, *at)
        assert (done.exit_code, message in done.stderr) == (2, True), done.stderr


def test_settings_are_json_or_words(monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module("faceid_fast.cli.stream.camera")
    given: list[Any] = []
    monkeypatch.setattr(module, "open_source", lambda source, **options: given.append((source, options)))
    module.opened_source("oak", ["fps=60", "infrared=true", "emitter=off", "serial=a=b", 'device="7"'])
    wanted = {"fps": 60, "infrared": True, "emitter": "off", "serial": "a=b", "device": "7"}
    assert given == [("oak", wanted)]


def test_record_and_play(tmp_path: Path, at: Any) -> None:
    out = tmp_path / "recorded"
    done = faceid("record", out, "--source", folder(tmp_path, "ada", "probe"), "--frames", 2, "--json", "-")
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert (told["directory"], told["source"], told["frames"]) == (str(out), "ada-probe", 2)
    assert "they show people" in done.stderr
    assert len(list(playback(out))) == 2
    assert faceid("stream", "ada", "--source", out, *at, "--once", *SEVERAL).exit_code == 0
    again = faceid("record", out, "--source", ADA)
    assert again.exit_code == 2
    assert "expected an empty folder" in again.stderr


def test_a_recording_goes_on_when_its_camera_is_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record_verb = importlib.import_module("faceid_fast.cli.stream.record")
    plugged = iter([Loose(probes_of("ada")), Loose(probes_of("ben")), Loose([])])
    monkeypatch.setattr(record_verb, "opened_source", lambda *_: next(plugged))
    done = faceid("record", tmp_path / "out", "--source", "loose", "--frames", 3)
    assert done.exit_code == 0
    assert "loose: gone: opening it again until it answers" in done.stdout
    assert "loose: back after" in done.stdout
    assert len(list(playback(tmp_path / "out"))) == 3
    monkeypatch.setattr(record_verb, "opened_source", lambda *_: Loose(probes_of("ada")))
    ended = faceid("record", tmp_path / "ended", "--source", "loose", "--seconds", "0.2")
    assert (ended.exit_code, ended.stderr) == (2, "error: loose: gone\n")
    assert len(list(playback(tmp_path / "ended"))) == 2  # what was recorded is kept


def decision(outcome: Outcome) -> Decision:
    return Decision(outcome, "ada" if outcome is Outcome.ACCEPTED else None, 0.5, reasons=("because",))


def moment(look: Any, standing: Decision | None = None, frame: Frame | None = None) -> Moment:
    return Moment(frame or frame_of(30), look, 2, None, standing, 1.0, 29.7)


def test_the_verdict_in_words() -> None:
    assert verdict_of(moment(no_face())) == "nothing there"
    assert verdict_of(moment(crop_of(1))) == "hold still (2)"
    assert verdict_of(moment(crop_of(1), decision(Outcome.ACCEPTED))) == "accepted: ada"
    refused = "rejected: no_match: because; step away to try again"
    assert verdict_of(moment(no_face(), decision(Outcome.NO_MATCH))) == refused
    for look in (no_face(), crop_of(1)):  # whose verdict has ended, but who has not gone
        assert verdict_of(replace(moment(look), attempted=True)) == "step away to try again"


def test_the_picture_shows_the_verdict_and_where_the_nose_points() -> None:
    green, red = (80, 200, 60), (60, 60, 230)
    accepted = draw(moment(crop_of(1, yaw_deg=20.0), decision(Outcome.ACCEPTED)), 3)
    refused = draw(moment(crop_of(1, yaw_deg=-20.0), decision(Outcome.NO_MATCH)), 3)
    nobody = draw(moment(no_face()), 3)
    assert accepted.shape == (512, 512, 3)

    def shows(picture: Any, color: tuple[int, int, int], at: tuple[int, int] | None = None) -> bool:
        part = picture if at is None else picture[at[1], at[0]]
        return bool(np.all(part == color, axis=-1).any())

    assert shows(accepted, green)
    assert not shows(accepted, red)
    assert shows(refused, red)
    assert not shows(nobody, green)
    assert not shows(nobody, red)
    center, radius = 256, 256 // 3
    left, right = (center - radius * 2 // 3, center), (center + radius * 2 // 3, center)
    assert shows(accepted, green, left)
    assert not shows(accepted, green, right)
    assert shows(refused, red, right)
    for modality in ("infrared", "color"):
        assert draw(moment(no_face(), frame=frame_of(30, modality)), 0).dtype == np.uint8


def test_a_rendered_face_is_outlined() -> None:
    frames = [render.read() for render in bundled_renders()[:2]]
    seen = list(watch(frames, lambda _: decision(Outcome.ACCEPTED), aligner=FaceAligner.bundled()))
    assert draw(seen[-1], 0).shape[0] >= 480


def test_a_terminal_shows_what_happens() -> None:
    screen = Console(file=io.StringIO(), force_terminal=True, width=80)
    with stream_verb._terminal(screen) as view:
        assert view.show(moment(no_face()), 3)
    assert "30 frames/s, 3 dropped: nothing there" in screen.file.getvalue()  # type: ignore[attr-defined]
    quiet = Console(file=io.StringIO(), force_terminal=False)
    with stream_verb._terminal(quiet) as view:
        assert view.show(moment(no_face()), 3)
    assert quiet.file.getvalue().strip() == ""  # type: ignore[attr-defined]


def test_the_window(at: Any, camera: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []
    keys = iter([-1, -1, ord("q")])
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(cv2, "namedWindow", lambda _: shown.append("opened"))
    monkeypatch.setattr(cv2, "destroyWindow", lambda _: shown.append("closed"))
    monkeypatch.setattr(cv2, "imshow", lambda _, picture: shown.append(picture.shape))
    monkeypatch.setattr(cv2, "waitKey", lambda _: next(keys))
    monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: 1.0)
    made = camera()
    assert faceid("stream", "ada", "--source", "endless", *at, "--window").exit_code == 0
    assert (shown[0], len(shown), shown[-1]) == ("opened", 5, "closed")
    assert made.released == 1
    keys = iter([-1])
    monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: 0.0)  # somebody has closed it
    camera()
    assert faceid("stream", "ada", "--source", "endless", *at, "--window").exit_code == 0


def test_no_window_without_opencv_s_windows(at: Any, camera: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def without(_title: str) -> None:
        message = "The function is not implemented"
        raise cv2.error(message)

    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(cv2, "namedWindow", without)
    camera()
    refused = faceid("stream", "ada", "--source", "endless", *at, "--window")
    assert refused.exit_code == 2
    assert "opencv-python-headless" in refused.stderr
    assert refused.stderr.count("\n") == 1
