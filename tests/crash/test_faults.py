"""An error, a full disk or the end of the process at every change of every file of every operation."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from disk import Fault, input_output_error, no_space, watched
from faceid_fast.errors import VaultError
from faceid_fast.vault import Vault
from story import KEY, Step, state_at, state_of

BEFORE = (Step("ada", 5), Step("ben", 6), Step("cy", 7))
OPERATIONS = {
    "make": None,
    "add": Step("dan", 8),
    "replace": Step("ben", 9),
    "remove": Step("ada", None),
}


def prepare(place: Path, operation: str) -> None:
    if operation == "make":
        return
    with Vault.open(place, key=KEY) as vault:
        for step in BEFORE:
            step.apply(vault)


def operate(place: Path, operation: str, strike: Callable[[str], None], at: int) -> tuple[bool, int]:
    """Do it with one fault; returns whether it was told to be done, and how many changes there were."""
    fault = Fault(at, strike)
    step = OPERATIONS[operation]
    with watched(fault):
        try:
            vault = Vault.open(place, key=KEY)
        except VaultError:
            return False, fault.seen
        try:
            if step is not None:
                step.apply(vault)
        except VaultError:
            done = False
        else:
            done = True
        finally:
            allowed = [state_after(operation, False), state_after(operation, True)]
            try:
                found = state_of(vault)
            except VaultError:
                pass  # it refuses, until it is opened anew
            else:
                assert found in allowed
            vault.close()
    return done, fault.seen


def state_after(operation: str, done: bool) -> dict[str, str]:
    state: dict[str, str] = {}
    if operation != "make":
        for step in BEFORE:
            state = step.after(state)
    step = OPERATIONS[operation]
    return step.after(state) if done and step is not None else state


def points(tmp_path: Path, operation: str) -> int:
    place = tmp_path / "counted"
    prepare(place, operation)
    done, seen = operate(place, operation, lambda _: None, -1)
    assert done
    assert state_at(place) == state_after(operation, True)
    return seen


@pytest.mark.parametrize("strike", [input_output_error, no_space])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_errors(tmp_path: Path, operation: str, strike: Callable[[str], None]) -> None:
    before = tmp_path / "before"
    prepare(before, operation)
    for at in range(points(tmp_path, operation)):
        place = tmp_path / f"at {at}"
        if before.exists():
            shutil.copytree(before, place)
        done, _ = operate(place, operation, strike, at)
        found = state_at(place)
        assert found == state_after(operation, True) or (not done and found == state_after(operation, False))
        with Vault.open(place, key=KEY) as vault:  # and it goes on
            Step("eve", 3).apply(vault)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_end(tmp_path: Path, operation: str) -> None:
    before = tmp_path / "before"
    prepare(before, operation)
    for at in range(points(tmp_path, operation)):
        place = tmp_path / f"at {at}"
        if before.exists():
            shutil.copytree(before, place)
        child = os.fork()
        if child == 0:
            operate(place, operation, lambda _: os.kill(os.getpid(), signal.SIGKILL), at)
            os._exit(0)
        os.waitpid(child, 0)
        assert state_at(place) in (state_after(operation, False), state_after(operation, True))
