"""What all verbs have in common: how they are asked, how they answer, how they end."""

from __future__ import annotations

import importlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from command_line import faceid, verbs
from faceid_fast.errors import VaultKeyBesideDataWarning
from faceid_fast.sources.renders import bundled_renders
from faceid_fast.vault import Vault

doctor_verb = importlib.import_module("faceid_fast.cli.doctor")

WITHOUT_JSON: dict[str, str] = {}
"""Verbs that need no --json, each with the reason."""


VERBS = dict(verbs())


def options_of(command: Any) -> set[str]:
    return {option for each in command.params for option in each.opts if option.startswith("-")}


def test_the_verbs_are_found() -> None:
    assert {"doctor", "enroll", "vault rotate-key", "credential set"} <= set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_answers_programs(verb: str) -> None:
    assert ("--json" in options_of(VERBS[verb])) != (verb in WITHOUT_JSON)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_says_what_it_does(verb: str) -> None:
    text = VERBS[verb].help
    first, _, more = text.partition("\n\n")
    assert re.fullmatch(r"[A-Z][^\n]{10,100}\.", first)
    # A line is a sentence or more: they are shown one by one.
    assert all(re.fullmatch(r"\S.*[.:]", line.strip()) for line in more.splitlines() if line.strip())
    shown = faceid(*verb.split(), "--help")
    assert shown.exit_code == 0
    assert first.split()[0] in shown.stdout
    assert shown.stdout == faceid(*verb.split(), "-h").stdout


@pytest.mark.parametrize("verb", VERBS)
def test_examples_can_be_typed(verb: str) -> None:
    lines = [line for line in (VERBS[verb].epilog or "").splitlines() if line]
    for line in lines:
        typed = shlex.split(re.sub(r"^\[dim]\$\[/] faceid ", "", line).replace("\\[", "["))
        assert typed[: len(verb.split())] == verb.split()
        command = VERBS[verb]
        rest = typed[len(verb.split()) :]
        # Reads the words without running anything, callbacks of options included.
        command.make_parser(typer.Context(command)).parse_args(rest)
        assert {word for word in rest if word.startswith("--")} <= options_of(command)


@pytest.mark.parametrize("verb", VERBS)
def test_help_shows_what_is_typed_in_whole_lines(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")  # only a terminal has an edge
    shown = faceid(*verb.split(), "--help").stdout
    assert not re.search(r"<\w+>|\{\w+\}", shown)
    command = VERBS[verb]
    first = shown.splitlines()[0].replace("[", "").replace("]", "").replace("...", "")
    words = [each.name.upper() for each in command.params if each.param_type_name == "argument"]
    assert first.endswith(" ".join([verb, "OPTIONS", *words]))
    for each in command.params:
        assert " ".join((each.help or "").split()) in shown
        if each.param_type_name == "option":
            value = "" if each.is_flag else r"[A-Z=]+|[\w|]+\|[\w|]+"
            assert re.search(rf" {each.opts[0]} +({value}) +{re.escape(each.help[:20])}", shown)


def test_help_tells_every_choice() -> None:
    shown = faceid("evaluate", "--help").stdout
    assert "--layout         LAYOUT " in shown
    assert "[one of auto, pairs, kinect_v2, vap, tum, open3d, npz; default: auto]" in shown
    assert " default|door " in faceid("identify", "--help").stdout
    assert "at most 1,000,000; default: 300]" in faceid("record", "--help").stdout


def test_help_fits_a_terminal() -> None:
    code = "from faceid_fast.cli import app; app(['enroll', '-h'])"
    environment = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": "60", "NO_COLOR": "1"}
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    ).stdout
    lines = re.sub(r"\x1b\[[\d;]*m", "", shown).splitlines()
    assert max(map(len, lines)) == 60


def test_tables_and_messages_are_not_broken_in_a_pipe(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(doctor_verb, "time_stages", lambda _repeats: {"total": {"median": 1.0}})
    place = tmp_path / ("a long name " * 20)
    assert f"{place}: none yet" in faceid("doctor", "--vault", place).stdout
    wrong = faceid("list", f"--{'x' * 200}")
    assert wrong.exit_code == 2
    usage, hint, error = wrong.stderr.splitlines()
    assert usage.endswith(" list [OPTIONS]")
    assert hint.endswith(" list --help' for help.")
    assert re.match(rf"error: No such option: --{'x' * 200}", error)


def test_help_has_panels_and_exit_codes() -> None:
    shown = faceid("--help").stdout
    for heading in ("First steps", "People", "Vault and credential", "Measuring"):
        assert f"─ {heading} ─" in shown
    assert "─ Commands ─" not in shown  # every verb has its place
    assert "0 accepted, or all well; 1 rejected; 2 error; 130 interrupted" in shown
    assert shown.index("doctor") < shown.index("enroll")


def test_completion_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "--install-completion" in faceid("--help").stdout
    monkeypatch.setattr("shellingham.detect_shell", lambda *_: ("dash", "/bin/dash"))
    assert faceid("--show-completion").exit_code == 2  # not 1: nobody was rejected
    monkeypatch.setattr("shellingham.detect_shell", lambda *_: ("bash", "/bin/bash"))
    shown = faceid("--show-completion")
    assert shown.exit_code == 0
    assert "_FACEID_COMPLETE=complete_bash" in shown.stdout


def test_what_is_not_confirmed_is_no_rejection(tmp_path: Path) -> None:
    refused = faceid("vault", "erase", "--vault", tmp_path, given="n\n")
    assert refused.exit_code == 2
    assert refused.stderr.endswith("error: vault: left as it is; answer y, or give --yes\n")
    assert faceid("vault", "erase", "--vault", tmp_path, given="").exit_code == 2


def test_a_library_that_does_not_load_takes_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("00_depth.png", "00_ir.png"):  # whole ones: what is damaged is said before OpenCV is asked
        shutil.copy(bundled_renders()[0].depth, tmp_path / name)
    monkeypatch.setitem(sys.modules, "cv2", None)
    failed = faceid("identify", tmp_path)
    assert failed.exit_code == 2
    assert re.fullmatch(r"error: cv2 cannot be loaded \(.*\): see `faceid doctor`\n", failed.stderr)


def test_the_command_loads_without_opencv() -> None:
    """Else nobody could ask the doctor what is wrong."""
    code = "import sys; sys.modules['cv2'] = None; from faceid_fast.cli import app; app(['doctor'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "broken: cv2 cannot be loaded" in done.stdout
    assert "1 broken" in done.stdout


def test_doctor_tells_which_library_does_not_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    result = faceid("doctor", "--json", "-")
    assert result.exit_code == 2
    record = json.loads(result.stdout)
    (problem,) = record["problems"]
    assert problem.startswith("cv2 cannot be loaded")
    assert "opencv-python-headless" in problem
    assert record["verify_ms"] is None
    assert record["models"]  # what can be checked is


def test_doctor_on_the_vault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor_verb, "time_stages", lambda _repeats: {"total": {"median": 1.0}})
    place = tmp_path / "vault"

    def found() -> dict[str, Any]:
        record: dict[str, Any] = json.loads(faceid("doctor", "--vault", place, "--json", "-").stdout)
        return record

    assert found()["vault"] == {
        "directory": str(place),
        "exists": False,
        "key": "key file",
        "key_beside_data": True,
    }
    assert not place.exists()  # looking makes nothing
    assert faceid("list", "--vault", place).exit_code == 2
    assert not place.exists()
    with pytest.warns(VaultKeyBesideDataWarning):
        Vault.open(place, create=True).close()
    assert (found()["vault"]["exists"], found()["vault"]["people"]) == (True, 0)
    assert "beside its data" in " ".join(faceid("doctor", "--vault", place).stdout.split())

    elsewhere = tmp_path / "key"
    (place / "key").rename(elsewhere)
    broken = faceid("doctor", "--vault", place)
    assert broken.exit_code == 2
    assert "put it back" in " ".join(broken.stdout.split())
    monkeypatch.setenv("FACEID_KEY_FILE", str(elsewhere))
    assert found()["vault"]["key"] == "FACEID_KEY_FILE"
    assert found()["vault"]["key_beside_data"] is False
    assert "beside its data" not in " ".join(faceid("doctor", "--vault", place).stdout.split())
    elsewhere.rename(place / "also")
    monkeypatch.setenv("FACEID_KEY_FILE", str(place / "also"))
    assert found()["vault"]["key_beside_data"] is True


def test_doctor_knows_every_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    required = ["numpy>=2", "nowhere-to-be-had", 'also-not>=1; extra == "cameras"', "rich; extra == 'plots'"]
    monkeypatch.setattr(doctor_verb.metadata, "requires", lambda _name: required)
    monkeypatch.setattr(doctor_verb.metadata, "packages_distributions", lambda: {"cv2": ["a", "b"]})
    record = json.loads(faceid("doctor", "--json", "-").stdout)
    assert record["extras"] == {"cameras": False, "plots": True}
    assert record["versions"]["nowhere-to-be-had"] is None
    assert {"a", "b"} <= set(record["versions"])
