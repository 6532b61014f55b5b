from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from faceid_fast.cli import app
from faceid_fast.frame import Frame
from faceid_fast.sources.orientation import rotated
from faceid_fast.sources.recording import Playback, record
from faceid_fast.sources.renders import bundled_renders


class Taken(Playback):
    """Frames that were taken."""

    def __init__(self, frames: list[Frame]) -> None:
        super().__init__("taken", ())
        self._frames = iter(frames)

    def _read(self) -> Frame | None:
        return next(self._frames, None)


def frames_of(kind: str) -> list[Frame]:
    return [r.read() for r in bundled_renders() if (r.person, r.kind) == ("ada", kind)]


def faceid(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_verify_tells_of_a_turned_camera(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = tmp_path / "key"
    key.write_text("5e" * 32)
    key.chmod(0o600)
    monkeypatch.setenv("FACEID_KEY_FILE", str(key))
    record(Taken(frames_of("enroll")), tmp_path / "enrol")
    record(Taken([rotated(frame, 1) for frame in frames_of("probe")]), tmp_path / "turned")
    vault = ("--vault", tmp_path / "vault")
    assert faceid("enroll", "ada", tmp_path / "enrol", *vault).exit_code == 0
    done = faceid("verify", "ada", tmp_path / "turned", *vault)
    assert done.exit_code == 0
    assert done.stdout.startswith("accepted: ada\n")
    assert "turned by 90 degrees clockwise" in done.stdout
    told = json.loads(faceid("identify", tmp_path / "turned", *vault, "--json", "-").stdout)
    assert (told["identity"], len(told["reasons"])) == ("ada", 1)
