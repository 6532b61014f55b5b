"""An error, a full disk or the end of the process at every change of every file of every operation."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from disk import Fault, input_output_error, no_space, watched
from faceid_fast.access.attempt_limiter import AttemptLimiter
from faceid_fast.access.lockout import DEVICE
from faceid_fast.errors import VaultError, VaultKeyError
from faceid_fast.vault import Vault
from story import KEY, Step, state_at, state_of

BEFORE = (Step("ada", 5), Step("ben", 6), Step("cy", 7))
STEPS = {"add": Step("dan", 8), "replace": Step("ben", 9), "remove": Step("ada", None)}
OPERATIONS = ("make", *STEPS, "charge", "rotate key")
OTHER_KEY = bytes(32)


def prepare(place: Path, operation: str) -> None:
    if operation == "make":
        return
    with Vault.open(place, key=KEY, create=True) as vault:
        for step in BEFORE:
            step.apply(vault)


def operate(place: Path, operation: str, strike: Callable[[str], None], at: int) -> tuple[bool, int]:
    """Do it with one fault; returns whether it was told to be done, and how many changes there were."""
    fault = Fault(at, strike)
    with watched(fault):
        try:
            vault = Vault.open(place, key=KEY, create=True)
        except VaultError:
            return False, fault.seen
        try:
            if operation in STEPS:
                STEPS[operation].apply(vault)
            elif operation == "charge":
                AttemptLimiter(vault).charge(("ada", DEVICE))
            elif operation == "rotate key":
                vault.rotate_key(OTHER_KEY)
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
    return STEPS[operation].after(state) if done and operation in STEPS else state


def found_at(place: Path, operation: str) -> tuple[dict[str, str], bool]:
    """What is there, and whether (where that is the operation) it has another key or a failure now."""
    if operation == "rotate key":
        try:
            return state_at(place, OTHER_KEY), True
        except VaultKeyError:
            return state_at(place), False
    with Vault.open(place, key=KEY, create=True) as vault:
        return state_of(vault), bool(vault.amend(lambda ledger: (ledger, ())).tallies)


def points(tmp_path: Path, operation: str) -> int:
    place = tmp_path / "counted"
    prepare(place, operation)
    done, seen = operate(place, operation, lambda _: None, -1)
    assert done
    assert found_at(place, operation) == (state_after(operation, True), operation in ("charge", "rotate key"))
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
        found, happened = found_at(place, operation)
        assert found == state_after(operation, True) or (not done and found == state_after(operation, False))
        if operation in ("charge", "rotate key"):
            assert happened or not done
        key = OTHER_KEY if operation == "rotate key" and happened else KEY
        with Vault.open(place, key=key) as vault:  # and it goes on
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
        assert found_at(place, operation)[0] in (state_after(operation, False), state_after(operation, True))


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no interval timer here")
@pytest.mark.parametrize("operation", OPERATIONS)
def test_signals_interrupt_nothing(tmp_path: Path, operation: str, long: bool) -> None:
    """A signal every fifth of a millisecond: system calls are cut short (EINTR), and go on."""
    caught = 0

    def count(_signal: int, _frame: object) -> None:
        nonlocal caught
        caught += 1

    before = signal.signal(signal.SIGALRM, count)
    signal.setitimer(signal.ITIMER_REAL, 2e-4, 2e-4)
    try:
        for number in range(200 if long else 5):
            points(tmp_path / str(number), operation)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
    assert caught > 5
