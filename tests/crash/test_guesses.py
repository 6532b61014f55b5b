"""Several processes guess at one vault and are killed: never more guesses are scored than are free."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from faceid_fast.access.attempt_limiter import AttemptLimiter
from faceid_fast.access.boot_clock import Clock
from faceid_fast.access.lockout import CREDENTIAL_FAILURES, DEVICE, FREE_FAILURES
from faceid_fast.errors import VaultBusyError
from faceid_fast.vault import Vault
from story import KEY

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
SCORED, TRIED = b"s", b"t"


def guess(place: Path, count: int, seconds: float, boot: str, report: int) -> None:
    """What is killed: opens the vault, guesses, and tells of each guess that would have been scored."""
    with Vault.open(place, key=KEY) as vault:
        guard = AttemptLimiter(vault, clock=lambda: Clock(boot, seconds))
        for _ in range(count):
            try:
                scored = guard.charge(("ada", DEVICE)) is None
            except VaultBusyError:
                scored = False
            os.write(report, SCORED if scored else TRIED)


def round_of(place: Path, processes: int, count: int, now: tuple[float, str], kill_s: float | None) -> bytes:
    """Let processes guess side by side, perhaps until they are killed; returns what they told."""
    reading, writing = os.pipe()
    children = []
    for _ in range(processes):
        child = os.fork()
        if child == 0:
            try:
                guess(place, count, *now, writing)
            finally:
                os._exit(0)
        children.append(child)
    os.close(writing)
    if kill_s is not None:
        time.sleep(kill_s)
        for child in children:
            os.kill(child, signal.SIGKILL)
    for child in children:
        os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as reports:
        return reports.read()


def campaign(place: Path, attempts: int, processes: int, seed: int) -> tuple[int, int, int]:
    """Guess, be killed, restart, have the clock jump; returns attempts, those scored, and locks too short."""
    rng = random.Random(seed)
    told = b""
    seconds, boot, real = 1000.0, 0, 0.0
    ends_at = 0.0
    short = failures = 0
    with Vault.open(place, key=KEY, create=True):
        pass
    while len(told) < attempts:
        kill_s = rng.uniform(0.0, 0.05) if rng.random() < 0.3 else None
        reports = round_of(place, processes, 8, (seconds, str(boot)), kill_s)
        told += reports
        scored = reports.count(SCORED)
        # A lock of before was over, and one guess begins the next.
        if scored and (real < ends_at or (failures >= FREE_FAILURES and scored > 1)):
            short += 1
        with Vault.open(place, key=KEY) as vault:
            tally = vault.amend(lambda ledger: (ledger, ())).tallies.get("ada")
        failures = tally.failures if tally else 0
        # Whoever was killed may have been charged without having been told.
        assert told.count(SCORED) <= failures
        if scored and failures >= FREE_FAILURES:
            ends_at = real + min(3600.0, 30.0 * 2.0 ** (failures - FREE_FAILURES))
        passed = rng.choice((0.0, 10.0, 40.0, 4000.0))
        seconds, real = seconds + passed, real + passed
        jump = rng.random()
        if jump < 0.2:
            boot, seconds = boot + 1, rng.uniform(0.0, 50.0)
        elif jump < 0.3:
            seconds -= 3.2e8  # ten years
    return len(told), told.count(SCORED), short


def test_no_guess_too_many(place: Path, long: bool) -> None:
    attempts, processes = (100_000, 16) if long else (2_000, 4)
    tried, scored, short = campaign(place, attempts, processes, 1)
    print(f"\n{tried} attempts by {processes} processes: {scored} scored, {short} before a lock had elapsed")
    assert short == 0
    assert FREE_FAILURES <= scored <= CREDENTIAL_FAILURES


def test_without_charging_first_there_are(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        AttemptLimiter, "charge", lambda guard, keys: guard.refusal(keys)
    )  # looks, and forgets to charge
    with Vault.open(place, key=KEY, create=True) as vault:
        guard = AttemptLimiter(vault, clock=lambda: Clock("0", 1.0))
        assert sum(guard.charge(("ada", DEVICE)) is None for _ in range(20)) > FREE_FAILURES
