from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from faceid_fast.cli import app
from faceid_fast.errors import SourceError
from faceid_fast.sources.recognized import shots_at
from faceid_fast.sources.renders import bundled_renders

CASES = Path(__file__).resolve().parents[4] / "shared" / "cases"


def faceid(*arguments: object, given: str | None = None) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=given)


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    key = tmp_path / "key"
    key.write_text("5e" * 32)
    key.chmod(0o600)
    monkeypatch.setenv("FACEID_KEY_FILE", str(key))
    return tmp_path / "vault"


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A folder for each rendered person and kind."""
    for render in bundled_renders():
        folder = tmp_path / f"{render.person}-{render.kind}"
        folder.mkdir(exist_ok=True)
        for file in (render.infrared, render.depth, render.camera):
            shutil.copy(file, folder)
    return tmp_path


def test_people_are_kept_recognised_and_forgotten(vault: Path, people: Path) -> None:
    at = ("--vault", vault)
    missing = faceid("list", *at)
    assert missing.exit_code == 2
    assert missing.stderr.startswith("error: vault: expected one in")
    assert not vault.exists()
    taken = faceid("enroll", "Ada", people / "ada-enroll", *at, "--json", "-")
    assert taken.exit_code == 0
    assert f"a new vault was made in {vault}\n" in taken.stderr
    assert json.loads(taken.stdout)["accepted"] == 5
    assert faceid("enroll", "Ben", people / "ben-enroll", *at).exit_code == 0
    listed = json.loads(faceid("list", *at, "--json", "-").stdout)
    assert [(row["identity"], row["references"]) for row in listed["people"]] == [("Ada", 5), ("Ben", 5)]

    assert faceid("verify", "Ada", people / "ada-probe", *at).exit_code == 0
    refused = faceid("verify", "Ben", people / "ada-probe", *at, "--json", "-")
    assert refused.exit_code == 1
    assert json.loads(refused.stdout)["accepted"] is False
    found = faceid("identify", people / "ben-probe" / "probe_0_depth.png", *at, "--json", "-")
    assert (found.exit_code, json.loads(found.stdout)["identity"]) == (0, "Ben")
    spoof = faceid("identify", people / "ada-print", *at)
    assert spoof.exit_code == 1
    assert spoof.stdout.startswith("rejected: spoof\n")

    assert faceid("remove", "Ada", *at).exit_code == 0
    gone = faceid("verify", "Ada", people / "ada-probe", *at)
    assert gone.exit_code == 2
    assert gone.stderr == "error: identity: expected somebody enrolled, got 'Ada'\n"
    assert faceid("identify", people / "ada-probe", *at).exit_code == 1


def test_somebody_enrolled_is_added_to_or_replaced_when_asked(vault: Path, people: Path) -> None:
    at = ("--vault", vault)
    enrolled = ("enroll", "Ada", people / "ada-enroll", *at)
    assert faceid(*enrolled, "--consent", "form 7").exit_code == 0
    again = faceid(*enrolled)
    assert again.exit_code == 2
    assert "expected a new name, got 'Ada', who is enrolled: --add an appearance" in again.stderr
    assert faceid(*enrolled, "--add", "--replace").exit_code == 2
    look = ("enroll", "Ada", people / "ada-probe", *at)
    assert json.loads(faceid(*look, "--add", "--json", "-").stdout)["references"] == 7
    same = json.loads(faceid(*enrolled, "--add", "--json", "-").stdout)
    assert (same["references"], same["accepted"], len(same["known"])) == (7, 0, 5)
    shown = faceid(*look, "--add")
    assert shown.exit_code == 0
    assert "frames that were enrolled before, not added again: 2 (probe_0, probe_1)" in shown.stdout
    assert json.loads(faceid(*enrolled, "--replace", "--json", "-").stdout)["references"] == 5
    exported = json.loads(faceid("export", "Ada", *at, "--templates").stdout)
    assert exported["consent"]["note"] == "form 7"
    assert [event["what"] for event in exported["events"]] == [
        "enrolled",
        "references_added",
        "references_replaced",
    ]
    assert len(exported["vectors"]) == 5
    assert [len(exported["keys"][name]) for name in ("shape", "picture")] == [5, 5]
    assert exported["adapted_keys"] == []
    assert not {"vectors", "keys"} & set(json.loads(faceid("export", "Ada", *at).stdout))
    happened = json.loads(faceid("audit", *at, "--json", "-").stdout)["events"]
    assert [event["what"] for event in happened][-2:] == ["exported", "exported"]
    assert {event["identity"] for event in happened} == {"Ada"}


def test_the_credential_and_the_door(vault: Path, people: Path) -> None:
    at = ("--vault", vault)
    assert faceid("credential", "set", *at, given="1234\n1235\n").exit_code == 2
    assert faceid("credential", "set", *at, given="1234\n1234\n").exit_code == 0
    assert faceid("enroll", "Ada", people / "ada-enroll", *at).exit_code == 0
    probe = ("verify", "Ada", people / "ada-probe", *at)
    assert faceid(*probe).exit_code == 0
    refused = faceid(*probe, "--policy", "door")
    assert refused.exit_code == 1
    assert refused.stdout.startswith("rejected: credential_required\n")
    wrong = faceid("unlock", "Ada", "--credential", *at, given="4321\n")
    assert (wrong.exit_code, wrong.stderr) == (
        2,
        "error: credential: expected the one that is set, got another one\n",
    )
    assert faceid("unlock", "Ada", *at, given="").exit_code == 2
    assert faceid("unlock", "Ada", "--credential", *at, given="1234\n").exit_code == 0
    assert faceid(*probe, "--policy", "door").exit_code == 0
    assert faceid("credential", "set", *at, given="1234\n5678\n5678\n").exit_code == 0


def test_a_vault_is_looked_after(vault: Path, people: Path, tmp_path: Path) -> None:
    at = ("--vault", vault)
    assert faceid("enroll", "Ada", people / "ada-enroll", *at).exit_code == 0
    info = json.loads(faceid("vault", "info", *at, "--json", "-").stdout)
    assert (info["people"], info["references"], info["key"]) == (1, 5, "FACEID_KEY_FILE")
    assert json.loads(faceid("vault", "verify", *at, "--json", "-").stdout)["intact"] is True
    assert faceid("vault", "rotate-key", *at).exit_code == 0
    assert faceid("vault", "backup", tmp_path / "copy", *at).exit_code == 0
    assert faceid("vault", "restore", tmp_path / "copy", *at).exit_code == 2
    assert faceid("vault", "erase", *at, given="n\n").exit_code != 0
    assert faceid("vault", "erase", "--yes", *at).exit_code == 0
    assert json.loads(faceid("vault", "restore", tmp_path / "copy", *at, "--json", "-").stdout)["people"] == 1
    assert faceid("verify", "Ada", people / "ada-probe", *at).exit_code == 0
    kinds = [e["what"] for e in json.loads(faceid("audit", *at, "--json", "-").stdout)["events"]]
    assert kinds == ["enrolled", "key_rotated", "backed_up", "restored"]
    (vault / "vault.db").write_bytes(b"")
    broken = faceid("vault", "verify", *at)
    assert broken.exit_code == 2
    assert broken.stderr.startswith("error: vault: expected")


def test_frames_of_somebody_else_are_named(vault: Path, people: Path) -> None:
    at = ("--vault", vault)
    mixed = people / "mixed"
    mixed.mkdir()
    for person, number in (("ada", 0), ("ada", 1), ("ben", 2), ("ada", 3), ("ben", 4)):
        for file in (people / f"{person}-enroll").glob(f"enroll_{number}_*"):
            shutil.copy(file, mixed)
    taken = faceid("enroll", "Ada", mixed, *at)
    assert taken.exit_code == 0
    assert taken.stdout.startswith("Ada: 3 of 5 frames taken\n")
    for label in ("enroll_2", "enroll_4"):
        assert f"left out: {label} (unlike most of these frames)\n" in taken.stdout
    assert "frames that seem to show somebody else, left out: 2; " in taken.stdout

    other = ("enroll", "Ada", people / "ben-enroll", *at, "--add")
    refused = faceid(*other)
    assert refused.exit_code == 1
    assert refused.stdout.count("no more than half of these frames match the references") == 5
    twice = faceid("enroll", "Eve", people / "ada-enroll", *at, "--json", "-")
    assert json.loads(twice.stdout)["alike"] == []  # a name would tell whoever tries whom they look like
    assert "somebody else who is enrolled is as near as frames of one person are" in twice.stdout
    assert faceid("remove", "Eve", *at).exit_code == 0

    assert faceid("vault", "policy", "diagnostics=true", *at).exit_code == 0
    refused = faceid(*other)
    assert refused.exit_code == 1
    assert "left out: enroll_0 (matches none of the references that this person has)\n" in refused.stdout
    assert json.loads(faceid("list", *at, "--json", "-").stdout)["people"][0]["references"] == 3
    assert faceid("verify", "Ada", people / "ben-probe", *at).exit_code == 1
    kept = json.loads(faceid(*other, "--strangers", "keep", "--json", "-").stdout)
    assert (kept["accepted"], kept["references"], kept["rejected"]) == (5, 8, [])
    assert {"kind": "strangers", "frames": ["enroll_0"]}.items() <= {
        key: value for key, value in kept["notes"][0].items() if key != "message"
    }.items()
    assert faceid(*other, "--strangers", "ask").exit_code == 2
    twice = json.loads(faceid("enroll", "Eve", people / "ada-enroll", *at, "--json", "-").stdout)
    assert twice["alike"] == ["Ada"]


def test_two_of_five_frames_are_somebody_else_s(vault: Path) -> None:
    if not CASES.is_dir():
        pytest.skip(f"no small inputs that go wrong: {CASES} is not there")
    at = ("--vault", vault)
    assert faceid("vault", "policy", "diagnostics=true", *at).exit_code == 0
    assert faceid("enroll", "ada", CASES / "right", *at).exit_code == 0
    assert faceid("verify", "ada", CASES / "right_probe", *at).exit_code == 0
    mixed = ("enroll", "else", CASES / "another_person_among_five", *at, "--json", "-")
    result = faceid(*mixed)
    found = json.loads(result.stdout)
    assert (result.exit_code, found["accepted"]) == (0, 3)
    assert [(each["frame"], each["outcome"]) for each in found["rejected"]] == [
        ("01", "no_match"),
        ("03", "no_match"),
    ]
    assert found["alike"] == ["ada"]


def test_frames_without_a_face_enrol_nobody(vault: Path, people: Path) -> None:
    result = faceid("enroll", "Ada", people / "ada-print", "--vault", vault)
    assert result.exit_code == 1
    assert "left out: print_0" in result.stdout
    assert faceid("list", "--vault", vault).stdout == "nobody is enrolled\n"


def test_the_key_beside_the_data_takes_one_line(people: Path, tmp_path: Path) -> None:
    result = faceid("enroll", "Ada", people / "ada-enroll", "--vault", tmp_path / "new")
    assert result.exit_code == 0
    warned, made = result.stderr.splitlines()
    assert warned.startswith("warning: the vault's key is kept in the vault's directory")
    assert made == f"a new vault was made in {tmp_path / 'new'}"
    assert faceid("list", "--vault", tmp_path / "new").stderr == ""


def test_layouts_are_recognised(people: Path, tmp_path: Path) -> None:
    pairs = shots_at(people / "ada-enroll")
    assert {shot.layout for shot in pairs} == {"pairs"}
    assert pairs[0].label == "enroll_0"
    kinect = tmp_path / "kinect"
    kinect.mkdir()
    for number, render in enumerate(r for r in bundled_renders() if r.kind == "enroll"):
        shutil.copy(render.infrared, kinect / f"{number:02d}_ir.png")
        shutil.copy(render.depth, kinect / f"{number:02d}_depth.png")
    assert {shot.layout for shot in shots_at(kinect)} == {"kinect_v2"}
    assert [shot.label for shot in shots_at(kinect / "01_ir.png")] == ["01"]
    shutil.copy(people / "ada-enroll" / "enroll_0_camera.json", kinect / "camera.json")
    assert {shot.layout for shot in shots_at(kinect)} == {"pairs"}


@pytest.mark.parametrize("name", ["nothing", "nothing_depth.png", "empty", "lonely/01_depth.png", "text.txt"])
def test_what_is_not_recognised(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "lonely").mkdir()
    (tmp_path / "lonely" / "01_depth.png").write_bytes(b"")
    (tmp_path / "text.txt").write_text("")
    with pytest.raises(SourceError, match="expected"):
        shots_at(tmp_path / name)
