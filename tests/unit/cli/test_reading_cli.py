"""The options that say how files are read; empty words, full disks, recordings and folders of folders."""

from __future__ import annotations

import errno
import gc
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from command_line import faceid, verbs
from faceid_fast import Frame, Vault, private_files
from faceid_fast.errors import InvalidInputError, VaultError, VaultKeyError
from faceid_fast.frame import MAX_FRAMES
from faceid_fast.sources.layouts import pairs
from faceid_fast.sources.orientation import rotated
from faceid_fast.sources.recording import playback, record
from faceid_fast.sources.renders import bundled_renders
from faceid_fast.storage.audit import Event, EventKind
from written_files import COLOR, camera, pair, put

KEY = bytes.fromhex("5e" * 32)


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    key = tmp_path / "key"
    key.write_text(KEY.hex())
    key.chmod(0o600)
    monkeypatch.setenv("FACEID_KEY_FILE", str(key))
    monkeypatch.delenv("FACEID_STATE_FILE", raising=False)
    return tmp_path / "vault"


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A folder for each rendered person and kind."""
    for render in bundled_renders():
        folder = tmp_path / "people" / f"{render.person}-{render.kind}"
        folder.mkdir(exist_ok=True, parents=True)
        for file in (render.infrared, render.depth, render.camera):
            shutil.copy(file, folder)
    return tmp_path / "people"


def answered(*arguments: object) -> tuple[int, dict[str, Any], str]:
    done = faceid(*arguments, "--json", "-")
    return done.exit_code, json.loads(done.stdout), done.stderr


# --- options


def test_what_is_left_out_is_named_and_skipped_when_asked(vault: Path, people: Path) -> None:
    ada = people / "ada-enroll"
    assert faceid("enroll", "ada", ada, "--vault", vault).exit_code == 0
    (ada / "enroll_1_ir.png").unlink()
    whole = (ada / "enroll_2_depth.png").read_bytes()
    (ada / "enroll_2_depth.png").write_bytes(whole[: len(whole) // 2])
    code, answer, said = answered("verify", "ada", ada, "--vault", vault)
    assert (code, answer["error"]["kind"]) == (2, "SourceError")
    assert "enroll_2_depth.png: truncated" in said
    for verb in (("verify", "ada"), ("identify",)):
        code, answer, said = answered(*verb, ada, "--vault", vault, "--skip-unreadable")
        assert (code, len(answer["frames"]), answer["modality"]) == (0, 3, "infrared")
        assert [Path(each.partition(": ")[0]).name for each in answer["left_out"]] == [
            "enroll_1_depth.png",
            "enroll_2_depth.png",
        ]
        assert said.count("left out: ") == 2
    code, answer, _ = answered("enroll", "bea", ada, "--vault", vault, "--skip-unreadable")
    assert (code, answer["accepted"], len(answer["left_out"])) == (0, 3, 2)


def test_measuring_names_what_it_leaves_out(people: Path) -> None:
    (people / "ada-print").rename(people.parent / "print")
    broken = people / "ada-probe" / "probe_0_ir.png"
    broken.write_bytes(broken.read_bytes()[:200])
    (people / "ben-probe" / "probe_0_ir.png").unlink()
    for verb in (("evaluate",), ("calibrate", "--target-far", "0.9", "--out", people.parent / "out.json")):
        done = faceid(verb[0], people, *verb[1:])
        assert (done.exit_code, "probe_0_ir.png: truncated" in done.stderr) == (2, True)
        done = faceid(verb[0], people, *verb[1:], "--skip-unreadable", "--picture", "infrared")
        assert done.exit_code == 0, done.output
        assert "probe_0_ir.png: truncated" in done.stderr
        assert "probe_0_depth.png: no picture beside it" in done.stderr
    command = json.loads((people.parent / "out.json").read_text())["command"]
    assert command.endswith("--picture infrared --skip-unreadable")
    _, answer, _ = answered("evaluate", people, "--skip-unreadable")
    assert (len(answer["left_out"]), answer["people"]) == (2, 6)
    (people / "ben-probe" / "probe_0_depth.png").unlink()
    (people / "mask").mkdir()
    code, answer, said = answered("pad-report", people, "--layout", "species", "--skip-unreadable")
    assert code == 2  # an empty folder is no attack
    (people / "mask").rmdir()
    assert faceid("pad-report", people).exit_code == 2
    code, answer, said = answered("pad-report", people, "--skip-unreadable")
    assert (code, len(answer["left_out"])) == (0, 1)
    assert "probe_0_ir.png: truncated" in said


def test_pictures_that_are_asked_for(vault: Path, people: Path) -> None:
    ada = people / "ada-probe"
    assert faceid("enroll", "ada", people / "ada-enroll", "--vault", vault).exit_code == 0
    for file in ada.glob("*_ir.png"):
        put(file.with_name(file.name.replace("_ir", "_color")), COLOR)  # of another size
    for verb in (("verify", "ada", ada), ("identify", ada)):
        code, _, said = answered(*verb, "--vault", vault)
        assert code == 2
        assert "have a colour and an infrared picture: colour is taken; --picture infrared" in said
        code, answer, said = answered(*verb, "--vault", vault, "--picture", "infrared")
        assert (code, answer["modality"], answer["left_out"]) == (0, "infrared", [])
        assert "note" not in said
    for verb in (("evaluate", "--picture"), ("pad-report", "--modality")):
        assert faceid(verb[0], people, verb[1], "infrared").exit_code == 0
        assert faceid(verb[0], people, verb[1], "color").exit_code == 2


def test_json_is_readable_whatever_a_frame_is_called(vault: Path, people: Path, tmp_path: Path) -> None:
    """A lone surrogate stands for a byte that is no UTF-8; most programs refuse JSON with one."""
    assert faceid("enroll", "ada", people / "ada-enroll", "--vault", vault).exit_code == 0
    named = tmp_path / "named"
    named.mkdir()
    for file in (people / "ada-probe").iterdir():
        shutil.copy(file, os.fsencode(named / file.name).replace(b"probe_", b"\xff\xc3\xa4_"))
    done = faceid("verify", "ada", named, "--vault", vault, "--json", "-")
    assert done.exit_code == 0, done.output
    frames = [each["frame"] for each in json.loads(done.stdout)["frames"]]
    assert all(frame.encode() for frame in frames)
    assert all("\u00e4" in frame for frame in frames)


@pytest.mark.parametrize(("turn", "stored"), [("90", 1), ("180", 2), ("270", 3)])
def test_frames_are_turned_upright(vault: Path, people: Path, turn: str, stored: int) -> None:
    """A camera on its side gives frames that are turned: said how, they are not tried in every turn."""
    assert faceid("enroll", "ada", people / "ada-enroll", "--vault", vault).exit_code == 0
    lying = people / "lying"
    with playback(people / "ada-probe") as upright:
        record(_Turned(upright, stored), lying)
    code, answer, _ = answered("verify", "ada", lying, "--vault", vault)
    assert code == 0
    assert f"--turn {turn};" in answer["reasons"][-1]
    code, answer, _ = answered("verify", "ada", lying, "--vault", vault, "--turn", turn)
    assert (code, answer["outcome"]) == (0, "accepted")
    assert not any("--turn" in reason for reason in answer["reasons"])
    wrong = "180" if turn != "180" else "90"
    code, answer, _ = answered("verify", "ada", lying, "--vault", vault, "--turn", wrong)
    assert (code, answer["outcome"] == "accepted") == (1, False)


class _Turned:
    """A source whose frames are turned counter-clockwise."""

    name = "on its side"

    def __init__(self, source: Any, quarter_turns: int) -> None:
        self._source, self._turns = source, quarter_turns

    def __iter__(self) -> Any:
        return (rotated(frame, self._turns) for frame in self._source)


def test_the_map_reads_frames_one_by_one(
    vault: Path, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sklearn")
    assert faceid("enroll", "ada", people / "ada-enroll", "--vault", vault).exit_code == 0
    assert faceid("vault", "policy", "diagnostics=true", "--vault", vault).exit_code == 0
    most = 0
    read = pairs.read_frame
    gc.collect()
    others = sum(isinstance(each, Frame) for each in gc.get_objects())

    def counting(*given: Any, **options: Any) -> Frame:
        nonlocal most
        gc.collect()
        most = max(most, 1 - others + sum(isinstance(each, Frame) for each in gc.get_objects()))
        return read(*given, **options)

    monkeypatch.setattr(pairs, "read_frame", counting)
    done = faceid(
        *(
            "map",
            people / "ben-enroll",
            people / "cleo-enroll",
            "--out",
            tmp_path / "map.png",
            "--diagnostics",
        ),
        *("--vault", vault),
    )
    assert done.exit_code == 0, done.output
    assert 1 <= most <= 2


def test_too_many_frames_are_not_read(vault: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(MAX_FRAMES + 1):
        for name in (f"{number:03d}_ir.png", f"{number:03d}_depth.png"):
            (tmp_path / name).write_bytes(b"")
    camera(tmp_path / "camera.json")
    done = faceid("enroll", "ada", tmp_path, "--vault", vault)
    assert done.exit_code == 2
    assert f"expected at most {MAX_FRAMES} frames for one attempt, got {MAX_FRAMES + 1}" in done.stderr
    few = pair(tmp_path / "few")
    monkeypatch.setattr("faceid_fast.frame.MAX_CALL_BYTES", 100)
    done = faceid("enroll", "ada", few, "--vault", vault)
    assert "in one call, got more with frame 0 of 64 x 60" in done.stderr


# --- what is typed


@pytest.mark.parametrize("how", ["apart", "joined"])
def test_nothing_empty_is_taken_for_the_working_directory(
    vault: Path, people: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.chdir(people / "ada-enroll")
    for verb, command in verbs():
        for each in command.params:
            if each.param_type_name == "option" and not each.is_flag:
                words = [each.opts[0], ""] if how == "apart" else [f"{each.opts[0]}="]
                others = ["x" for it in command.params if it.param_type_name == "argument"]
                done = faceid(*verb.split(), *others, *words)
                assert (done.exit_code, done.stderr) == (
                    2,
                    f"error: {each.opts[0]}: expected a value, got an empty one: an unset variable?\n",
                )
    for arguments in (
        ("enroll", "ada", ""),
        ("enroll", "", "."),
        ("identify", ""),
        ("evaluate", ""),
        ("record", ""),
    ):
        done = faceid(*arguments)
        assert done.exit_code == 2
        assert "expected a value, got an empty one" in done.stderr
    assert not (people / "ada-enroll" / "vault.db").exists()
    code, answer, _ = answered("verify", "ada", "", "--vault", vault)
    assert (code, answer["error"]["kind"]) == (2, "InvalidInputError")


@pytest.mark.parametrize("variable", ["FACEID_KEY_FILE", "FACEID_STATE_FILE"])
def test_empty_variables_do_not_mean_another_place(
    vault: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "")
    done = faceid("credential", "set", "--vault", vault, given="1234\n1234\n")
    assert done.exit_code == 2
    assert done.stderr.startswith(f"error: {variable}: expected")
    assert "got an empty one" in done.stderr
    assert not (vault / "vault.db").exists()
    monkeypatch.delenv("FACEID_KEY_FILE", raising=False)
    with pytest.raises(InvalidInputError, match=r"state_file: expected .* got an empty one"):
        Vault.open(vault, key=KEY, create=True, state_file="")
    with pytest.raises(InvalidInputError, match=r"directory: expected .* got an empty one"):
        Vault.open("", key=KEY, create=True)


def test_the_package_is_a_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "faceid_fast", "identify", "nothing"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (2, "error: nothing: expected a file or a folder, got none\n")


def test_recordings_and_folders_of_folders_say_what_to_do(vault: Path, people: Path, tmp_path: Path) -> None:
    (tmp_path / "a.bag").write_bytes(b"#ROSBAG V2.0\n")
    done = faceid("identify", tmp_path / "a.bag", "--vault", vault)
    assert done.exit_code == 2
    assert "'a.bag' is a recording of a RealSense: faceid record FOLDER --source FILE" in done.stderr
    done = faceid("stream", "--identify", "--source", tmp_path / "a.mkv", "--vault", vault)
    assert done.exit_code == 2
    done = faceid("enroll", "ada", people, "--vault", vault)
    assert done.exit_code == 2
    assert "There are frames in folders below, 'ada-enroll' (5 frames)" in done.stderr


def test_a_folder_says_on_standard_error_what_it_leaves_out(people: Path, vault: Path) -> None:
    assert faceid("enroll", "ada", people / "ada-enroll", "--vault", vault).exit_code == 0
    (people / "ada-probe" / "probe_1_ir.png").unlink()
    done = faceid(
        "stream", "ada", "--source", people / "ada-probe", "--vault", vault, "--once", "--votes", "1"
    )
    assert done.exit_code == 0, done.output
    assert done.stderr.splitlines() == [
        f"warning: left out: {people / 'ada-probe' / 'probe_1_depth.png'}: no picture beside it"
    ]


# --- keys as editors write them


@pytest.mark.parametrize(
    "written",
    [
        KEY.hex().encode() + b"\r\n",
        b"\xef\xbb\xbf" + KEY.hex().encode(),
        KEY.hex().upper().encode() + b"  \n\n",
        f"{KEY.hex()}\n".encode("utf-16"),
    ],
)
def test_key_files_as_editors_write_them(vault: Path, tmp_path: Path, written: bytes) -> None:
    with Vault.open(vault, key=KEY, create=True):
        pass
    (tmp_path / "key").write_bytes(written)
    assert faceid("list", "--vault", vault).exit_code == 0
    (tmp_path / "new").write_bytes(written)
    assert faceid("vault", "rotate-key", "--new-key-file", tmp_path / "new", "--vault", vault).exit_code == 0
    (tmp_path / "key").write_bytes(KEY.hex()[:-1].encode())
    with pytest.raises(VaultKeyError, match="expected 64 hexadecimal digits"):
        Vault.open(vault)


def test_a_credential_that_powershell_pipes(vault: Path) -> None:
    assert faceid("credential", "set", "--vault", vault, given="\ufeff1234\r\n1234\r\n").exit_code == 0
    assert faceid("unlock", "--credential", "--vault", vault, given="1234\n").exit_code == 0


# --- a full disk


def full(*_: Any, **__: Any) -> Any:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.skipif(os.name != "posix", reason="the names of errors are POSIX's")
def test_a_full_disk_is_called_full(
    vault: Path, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert faceid("enroll", "ada", people / "ada-enroll", "--vault", vault).exit_code == 0
    probe = people / "ada-probe"
    writing: tuple[tuple[str, tuple[object, ...]], ...] = (
        ("a record", ("verify", "ada", probe, "--vault", vault, "--json", tmp_path / "out.json")),
        ("a backup", ("vault", "backup", tmp_path / "backup", "--vault", vault)),
        ("a recording", ("record", tmp_path / "recorded", "--source", probe)),
        ("a report", ("evaluate", people, "--html", tmp_path / "page.html")),
        ("a calibration", ("calibrate", people, "--target-far", "0.9", "--out", tmp_path / "out.json")),
        ("the demo", ("demo", "--out", tmp_path / "unlock.png")),
    )
    whole = private_files.write_whole

    def stopping(path: Path, *given: Any, **options: Any) -> None:
        return whole(path, *given, **options) if vault in path.parents or "directory" in options else full()

    for module in ("private_files", "sources.recording", "vault.vault"):
        monkeypatch.setattr(f"faceid_fast.{module}.write_whole", stopping)
    for what, arguments in writing:
        done = faceid(*arguments)
        assert done.exit_code == 2, (what, done.output)
        assert "No space left on device: the disk is full, make room on it" in done.stderr, what
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_vault_on_a_full_disk(vault: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faceid_fast.vault.bootstrap.mkdtemp", full)
    with pytest.raises(VaultError, match="the disk is full, make room on it"):
        Vault.open(vault, key=KEY, create=True)


def test_a_change_that_could_not_be_remembered_says_why(vault: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Vault.open(vault, key=KEY, create=True) as opened:
        monkeypatch.setattr("faceid_fast.vault.rollback.Epochs.raise_to", full)
        event = (Event.now(EventKind.EXPORTED, "ada"),)
        opened.amend(lambda ledger: (ledger, event))  # written, but it could be rolled back unnoticed
        with pytest.raises(VaultError, match=r"the disk is full.*could not be written: open it anew"):
            opened.amend(lambda ledger: (ledger, event))


@pytest.mark.parametrize(
    ("number", "part"),
    [(errno.ENOSPC, "the disk is full"), (errno.EDQUOT, "the quota"), (errno.EROFS, "Read-only")],
)
def test_why_a_file_cannot_be_written(number: int, part: str) -> None:
    assert part in private_files.why(OSError(number, os.strerror(number)))
    assert private_files.why(OSError()) == "OSError"
