"""Every program of examples/ runs, as a reader would run it, and says what its docstring promises."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from faceid_fast import Authenticator, Vault
from faceid_fast.sources.renders import bundled_renders

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = {path.stem for path in (ROOT / "examples").glob("*.py")}


def run(*arguments: object, place: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python at the root, with nothing of this user's vault or PAM in sight."""
    mine = {name: value for name, value in os.environ.items() if name not in {"PAM_USER", "FACEID_KEY_FILE"}}
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        env={**mine, "XDG_DATA_HOME": str(place), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_program_is_tested() -> None:
    text = Path(__file__).read_text("utf-8")
    assert len(PROGRAMS) >= 5
    for name in PROGRAMS:
        assert f"def test_{name}" in text, name


def test_door_lock(tmp_path: Path) -> None:
    done = run("examples/door_lock.py", place=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    asked, *visits = done.stdout.splitlines()
    assert asked.startswith("PIN, please: ")
    verdicts = [visit.partition(" (")[0] for visit in visits]
    assert verdicts == ["open for ada", "shut: spoof", "open for ben", "shut: no_match", "shut: no_match"]
    assert not list(tmp_path.iterdir()), "the vault was not a temporary one"


def test_a_door_stays_shut_when_something_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "examples")
    import door_lock

    opened: list[str] = []
    frame = bundled_renders()[0].read()
    door_lock.serve(Authenticator(), [("nobody of that name", [frame])], opened.append)
    assert not opened


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A vault with ada and ben."""
    key = tmp_path / "key"
    key.write_text("5e" * 32)
    key.chmod(0o600)
    monkeypatch.setenv("FACEID_KEY_FILE", str(key))
    with Vault.open(tmp_path / "vault", create=True) as people:
        for name in ("ada", "ben"):
            looks = [r for r in bundled_renders() if (r.person, r.kind) == (name, "enroll")]
            Authenticator(store=people).enroll(name, [look.read() for look in looks])
    return tmp_path / "vault"


def test_pam_check(vault: Path, tmp_path: Path) -> None:
    probes = {r.person: r.depth for r in bundled_renders() if (r.kind, r.number) == ("probe", 0)}

    def check(*arguments: object, **environment: str) -> int:
        environment["FACEID_KEY_FILE"] = str(tmp_path / "key")
        done = run("examples/pam_check.py", *arguments, "--vault", vault, place=tmp_path, **environment)
        assert done.stdout == ""
        assert bool(done.stderr) == (done.returncode == 2)
        return done.returncode

    assert check("ada", "--frames", probes["ada"]) == 0
    assert check("--frames", probes["ada"], PAM_USER="ada") == 0
    assert check("ada", "--frames", probes["cleo"]) == 1
    assert check("cleo", "--frames", probes["cleo"]) == 2  # not enrolled
    assert check("ada", "--frames", tmp_path / "nothing") == 2
    assert check("--frames", probes["ada"]) == 2  # no name


def test_pam_check_calls_a_bug_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(ROOT / "examples")
    import pam_check

    def fail(*_: object) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(pam_check, "check", fail)
    monkeypatch.setattr("sys.argv", ["pam_check", "ada", "--frames", str(tmp_path)])
    assert pam_check.main() == 2


def test_pam_check_rejects_nobody_for_a_library_that_does_not_load(tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text("raise RuntimeError('another ABI')")
    asked = ("ada", "--frames", tmp_path, "--vault", tmp_path)
    done = run("examples/pam_check.py", *asked, place=tmp_path, PYTHONPATH=str(tmp_path))
    assert (done.returncode, "another ABI" in done.stderr) == (2, True)


def test_attendance(tmp_path: Path) -> None:
    done = run("examples/attendance.py", place=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "day,name,first seen",
        "2026-01-05,ada,08:00",
        "2026-01-05,ben,08:15",
    ]


def test_attendance_of_a_folder(vault: Path, tmp_path: Path) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    monday, tuesday = (datetime(2026, 3, day, 8, 30).astimezone() for day in (2, 3))
    times = {"ada": (tuesday, monday), "cleo": (monday,)}
    for render in bundled_renders():
        if render.kind != "probe" or render.number >= len(times.get(render.person, ())):
            continue
        for file in (render.infrared, render.depth, render.camera):
            copy = frames / f"{render.person}_{file.name}"
            shutil.copy(file, copy)
            seconds = times[render.person][render.number].timestamp()
            os.utime(copy, (seconds, seconds))
    key = {"FACEID_KEY_FILE": str(tmp_path / "key")}
    done = run("examples/attendance.py", frames, "--vault", vault, place=tmp_path, **key)
    rows = list(csv.reader(done.stdout.splitlines()))[1:]
    assert rows == [["2026-03-02", "ada", "08:30"], ["2026-03-03", "ada", "08:30"]]


def test_sklearn_classifier(tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="needs faceid-fast[report]")
    done = run("examples/sklearn_classifier.py", place=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    answers = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    assert answers["ada print 0"] == "no live face"
    for number in (0, 1):
        for name in ("ada", "ben"):
            assert answers[f"{name} probe {number}"].startswith(f"{name} by ")
            assert answers[f"{name} probe {number}"].endswith("near enough")
        assert answers[f"cleo probe {number}"].endswith("a stranger")


def test_fine_tune_looks_before_it_trains(tmp_path: Path) -> None:
    renders = bundled_renders()
    home = renders[0].depth.parents[1]
    people = tmp_path / "people"
    shutil.copytree(home, people)

    def check() -> subprocess.CompletedProcess[str]:
        return run("-m", "examples.fine_tune", people, "--check", place=tmp_path)

    few = check()
    assert few.returncode == 1, few.stderr
    assert "ada: 7 captures with a face\n" in few.stdout  # the print is none
    assert "3 people with 5 captures or more; at least 4 are needed" in few.stdout
    shutil.copytree(home / "ada", people / "dora")
    assert check().returncode == 0
    assert run("-m", "examples.fine_tune", tmp_path / "nothing", place=tmp_path).returncode == 1
