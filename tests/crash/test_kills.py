"""SIGKILL while people are added, replaced and removed."""

from __future__ import annotations

import json
import os
import random
import signal
import struct
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from faceid_fast.errors import FaceIDError
from faceid_fast.storage.references import References
from faceid_fast.storage.store import Change
from faceid_fast.vault import Vault
from story import KEY, State, Story, state_at, state_of

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
SEED = 3
REPORT = struct.Struct("<cI")
BEGUN, DONE = b"b", b"d"
LONGEST_S = 0.04


class NaiveStore:
    """The control: everybody in a JSON file, written in place."""

    def __init__(self, place: Path) -> None:
        self._file = place / "people.json"
        place.mkdir(exist_ok=True)
        text = self._file.read_text() if self._file.exists() else "{}"
        self._people = {name: _loaded(name, kept) for name, kept in json.loads(text).items()}

    def snapshot(self) -> dict[str, References]:
        return dict(self._people)

    def alter(self, identity: str, alter: Callable[[References | None], Change]) -> None:
        after, _ = alter(self._people.pop(identity, None))
        if after is not None:
            self._people[identity] = after
        with self._file.open("w") as file:
            json.dump({name: kept.vectors.tolist() for name, kept in self._people.items()}, file)


def _loaded(name: str, kept: list[list[float]]) -> References:
    count = len(kept)
    vectors = np.array(kept, np.float32)
    return References(name, vectors, ("frontal",) * count, ("infrared",) * count, "5e" * 32)


def opened(kind: str, place: Path) -> Vault | NaiveStore:
    return Vault.open(place, key=KEY, create=True) if kind == "vault" else NaiveStore(place)


def work(kind: str, place: Path, story: Story, first: int, report: int) -> None:
    """What is killed: one step after the other, each told before and after."""
    store = opened(kind, place)
    for number in range(first, first + 1_000_000):
        step = story.step(number)
        os.write(report, REPORT.pack(BEGUN, number))
        step.apply(store)  # type: ignore[arg-type]  # the control has what a story needs
        os.write(report, REPORT.pack(DONE, number))


def killed(kind: str, place: Path, story: Story, first: int, after_s: float) -> tuple[int, int]:
    """Let the story go on for a while; returns how many steps are done and how many were begun."""
    reading, writing = os.pipe()
    worker = os.fork()
    if worker == 0:
        try:
            work(kind, place, story, first, writing)
        finally:
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading, "rb") as reports:
        told = reports.read(REPORT.size)  # it has begun
        time.sleep(after_s)
        os.kill(worker, signal.SIGKILL)
        os.waitpid(worker, 0)
        told += reports.read()
    done = begun = first
    for kind_of_report, number in REPORT.iter_unpack(told[: len(told) // REPORT.size * REPORT.size]):
        if kind_of_report == DONE:
            done = number + 1
        else:
            begun = number + 1
    return done, begun


def campaign(kind: str, place: Path, kills: int, look: Callable[[], State]) -> tuple[int, int]:
    """Kill so many times; returns how often what was left was wrong, and how many steps were done."""
    rng = random.Random(SEED)
    story = Story(SEED)
    first = bad = 0
    for _ in range(kills):
        done, begun = killed(kind, place, story, first, rng.uniform(0, LONGEST_S))
        try:
            found = look()
        except (FaceIDError, ValueError):
            return bad + 1, done  # nothing to go on with
        if found == story.state(begun):
            first = begun
        elif found == story.state(done):
            first = done
        else:
            return bad + 1, done
    return bad, first


def test_a_vault_survives(place: Path, long: bool) -> None:
    kills = 10_000 if long else 300
    bad, steps = campaign("vault", place, kills, lambda: state_at(place))
    print(f"\n{kills} kills during {steps} steps: {bad} bad")
    assert bad == 0
    assert steps > kills  # there was work to interrupt


def test_the_control_does_not(place: Path) -> None:
    bad, _ = campaign("json", place, 300, lambda: state_of(NaiveStore(place)))  # type: ignore[arg-type]
    assert bad == 1


def test_a_kill_leaves_no_lock(place: Path) -> None:
    killed("vault", place, Story(2), 0, 0.005)
    with Vault.open(place, key=KEY, create=True) as vault:
        Story(1).step(0).apply(vault)
