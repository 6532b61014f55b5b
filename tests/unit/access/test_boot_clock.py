from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from faceid_fast.access import boot_clock
from faceid_fast.access.boot_clock import Clock
from faceid_fast.access.lockout import DEVICE, charged, seen, wait_s
from faceid_fast.storage.security_state import Tallies

BOOT_ID = "9b4ff88a-45ca-4b15-9e1f-8500e963eadc"
NO_OFFSETS = "monotonic           0         0\nboottime            0         0\n"
OFFSETS = "monotonic           0         0\nboottime       100000         0\n"
DAY_S = 86400.0


def locked(now: Clock) -> Tallies:
    return charged({}, (DEVICE,), now, failures=19)  # for an hour


@pytest.fixture
def proc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Give a /proc of a process in the computer's own time namespace."""
    (tmp_path / "sys/kernel/random").mkdir(parents=True)
    (tmp_path / "sys/kernel/random/boot_id").write_text(f"{BOOT_ID}\n")
    (tmp_path / "self/ns").mkdir(parents=True)
    for name in ("time", "time_for_children"):
        (tmp_path / "self/ns" / name).symlink_to("time:[4026531834]")
    (tmp_path / "self/timens_offsets").write_text(NO_OFFSETS)
    monkeypatch.setattr(boot_clock, "_PROC", tmp_path)
    return tmp_path


def move_to(proc: Path, name: str, namespace: int) -> None:
    (proc / "self/ns" / name).unlink()
    (proc / "self/ns" / name).symlink_to(f"time:[{namespace}]")


def test_the_computers_own_clock_has_the_computers_own_id(proc: Path) -> None:
    assert boot_clock.now().boot_id == BOOT_ID
    # A container may have a namespace of its own without an offset.
    for name in ("time", "time_for_children"):
        move_to(proc, name, 4026532000)
    assert boot_clock.now().boot_id == BOOT_ID
    # A clock that this module does not read.
    (proc / "self/timens_offsets").write_text("monotonic  7  0\nboottime  0  0\n")
    assert boot_clock.now().boot_id == BOOT_ID


def test_a_system_without_time_namespaces_has_the_id_of_before(proc: Path) -> None:
    for name in ("ns/time", "ns/time_for_children", "timens_offsets"):
        (proc / "self" / name).unlink()
    assert boot_clock.now().boot_id == BOOT_ID


@pytest.mark.parametrize("offset", ["100000 0", "-5 0", "0 1"])
def test_a_clock_that_is_put_ahead_or_back_has_another_id(proc: Path, offset: str) -> None:
    (proc / "self/timens_offsets").write_text(f"monotonic 0 0\nboottime {offset}\n")
    assert boot_clock.now().boot_id not in {BOOT_ID, boot_clock._THIS_PROCESS}


def test_a_number_of_a_namespace_that_is_used_again_is_not_the_same_clock(proc: Path) -> None:
    found = []
    for offset in (100_000, 200_000):
        for name in ("time", "time_for_children"):
            move_to(proc, name, 4026532000)
        (proc / "self/timens_offsets").write_text(f"monotonic 0 0\nboottime {offset} 0\n")
        found.append(boot_clock.now().boot_id)
    assert len(set(found)) == 2


def test_offsets_of_children_to_come_say_nothing_of_this_process(proc: Path) -> None:
    move_to(proc, "time_for_children", 4026532000)
    assert boot_clock.now().boot_id == boot_clock._THIS_PROCESS


@pytest.mark.parametrize("content", [None, "", "boottime 0\n", "boottime x 0\n", "monotonic 0 0\n", "\xe9"])
def test_offsets_that_cannot_be_read_are_not_taken_for_none(proc: Path, content: str | None) -> None:
    (proc / "self/timens_offsets").unlink()
    if content is not None:
        (proc / "self/timens_offsets").write_text(content, "latin-1")
    assert boot_clock.now().boot_id == boot_clock._THIS_PROCESS


@pytest.mark.parametrize("missing", ["sys", "self"])
def test_without_a_list_of_processes_locks_are_those_of_a_process(proc: Path, missing: str) -> None:
    shutil.rmtree(proc / missing)
    assert boot_clock.now().boot_id == boot_clock._THIS_PROCESS


def test_a_lock_is_not_shortened_by_a_shifted_clock(proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boot_clock, "since_boot_s", lambda: 1000.0)
    tallies = locked(boot_clock.now())
    monkeypatch.setattr(boot_clock, "since_boot_s", lambda: 101_000.0)
    (proc / "self/timens_offsets").write_text(OFFSETS)
    ahead = boot_clock.now()
    assert wait_s(tallies, (DEVICE,), ahead) == 3600.0
    assert wait_s(seen(tallies, ahead), (DEVICE,), ahead) == 3600.0


def in_a_time_namespace(offset_s: float) -> Clock:
    """Read the clock in a process whose clock is ahead by so much; skip where nobody may start one."""
    if (unshare := shutil.which("unshare")) is None:
        pytest.skip("there is no unshare to make a time namespace with")
    code = (
        "import json; from faceid_fast.access.boot_clock import now;"
        "print(json.dumps([now().boot_id, now().seconds]))"
    )
    ahead = (unshare, "--user", "--time", "--boottime", f"{offset_s:.0f}")
    done = subprocess.run((*ahead, "true"), capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"nobody may make a time namespace here: {done.stderr.strip()}")
    command = (*ahead, sys.executable, "-c", code)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Clock(*json.loads(done.stdout))


def test_a_lock_outlives_a_real_time_namespace() -> None:
    tallies = locked(boot_clock.now())
    ahead = in_a_time_namespace(DAY_S)
    assert ahead.seconds > boot_clock.now().seconds + DAY_S / 2
    assert wait_s(tallies, (DEVICE,), ahead) == 3600.0
    assert in_a_time_namespace(DAY_S).boot_id == ahead.boot_id


def test_a_real_time_namespace_without_an_offset_is_the_computers_clock() -> None:
    assert in_a_time_namespace(0).boot_id == boot_clock.now().boot_id
