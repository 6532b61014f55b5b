"""Ways to do one thing, timed in turns, and their answers compared."""

from __future__ import annotations

import json
import statistics
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

LEAST_S = 0.02
"""A turn lasts at least so long: short calls are made several times in it."""

Answer = NDArray[Any]


class Elsewhere(ABC):
    """A way that another process goes: it tells how long it took."""

    @abstractmethod
    def __call__(self) -> Answer:
        """Go it once, and say what came of it."""

    @abstractmethod
    def seconds(self, calls: int) -> float:
        """How long one of several calls took."""


Way = Callable[[], Answer]


@dataclass(frozen=True, slots=True)
class Contest:
    """Ways to do one thing.

    Attributes
    ----------
    title : what is done.
    ways : by name, the package's own first.
    bytes_read : of the input, if a speed is to be told.
    things : how many a call does: times are those of one.
    agrees : whether an answer, the second, is what the package's own says it is.
    other_work : names of ways that do something else, whose answers are not compared.
    """

    title: str
    ways: dict[str, Way]
    bytes_read: int | None = None
    things: int = 1
    agrees: Callable[[Answer, Answer], bool] = np.array_equal
    other_work: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Result:
    """One way's times in milliseconds, and how many times ours they are, turn by turn."""

    contest: str
    way: str
    median_ms: float
    quartiles_ms: tuple[float, float]
    times_ours: float
    megabytes_a_second: float | None = None


class Asked:
    """A program that answers lines of ``NAME CALLS`` on its standard input with the seconds of one call."""

    def __init__(
        self, command: Sequence[str | Path], folder: Path, environment: dict[str, str] | None = None
    ) -> None:
        self._process = Popen(  # noqa: S603
            command, stdin=PIPE, stdout=PIPE, text=True, cwd=folder, env=environment
        )

    def seconds(self, name: str, calls: int) -> float:
        """Ask it.

        Raises
        ------
        RuntimeError
            If it has ended instead.
        """
        assert self._process.stdin is not None  # noqa: S101  # as asked for
        assert self._process.stdout is not None  # noqa: S101
        try:
            self._process.stdin.write(f"{name} {calls}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            line = ""
        else:
            line = self._process.stdout.readline()
        if not line:
            message = f"{self._process.args!r} ended with {self._process.wait()}"
            raise RuntimeError(message)
        return float(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()  # the end of its input is its own


def measure(contest: Contest, rounds: int) -> list[Result]:
    """Let everybody take turns, and compare turn by turn.

    Raises
    ------
    ValueError
        If the answers differ.
    """
    ways = list(contest.ways.values())
    answers = [way() for way in ways]
    for name, answer in zip(contest.ways, answers, strict=True):
        if name not in contest.other_work and not contest.agrees(answers[0], answer):
            message = f"{contest.title}: {name} gives another answer"
            raise ValueError(message)
    calls = [max(1, round(LEAST_S / _seconds(way, 1))) for way in ways]
    turns = [[_seconds(way, count) for way, count in zip(ways, calls, strict=True)] for _ in range(rounds)]
    results = []
    for index, name in enumerate(contest.ways):
        times = [turn[index] / contest.things for turn in turns]
        ratios = [turn[index] / turn[0] for turn in turns]
        speed = None if contest.bytes_read is None else 1e-6 * contest.bytes_read / statistics.median(times)
        results.append(result(contest.title, name, times, ratios, speed))
    return results


def result(
    title: str, name: str, seconds: Sequence[float], ratios: Sequence[float], speed: float | None = None
) -> Result:
    """Sum up turns: seconds, and times ours."""
    low, middle, high = (1e3 * time for time in statistics.quantiles(seconds, n=4))
    return Result(title, name, middle, (low, high), statistics.median(ratios), speed)


def _seconds(way: Way, calls: int) -> float:
    """How long one of several calls takes."""
    if isinstance(way, Elsewhere):
        return way.seconds(calls)
    began = time.perf_counter()
    for _ in range(calls):
        way()
    return (time.perf_counter() - began) / calls


def table(results: Sequence[Result]) -> str:
    """As Markdown; with speeds where one was measured."""
    head = ["", "", "ms (quartiles)", "times ours"]
    rows = [
        [
            each.contest,
            each.way,
            f"{each.median_ms:.2f} ({each.quartiles_ms[0]:.2f} to {each.quartiles_ms[1]:.2f})",
            f"{each.times_ours:.1f}",
        ]
        for each in results
    ]
    if any(each.megabytes_a_second is not None for each in results):
        head.append("MB/s")
        for each, row in zip(results, rows, strict=True):
            speed = each.megabytes_a_second
            row.append("" if speed is None else f"{speed:.0f}")
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def keep(results: Sequence[Result], file: Path | None) -> None:
    """Write JSON, if somebody wants it."""
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps([asdict(each) for each in results], indent=1) + "\n", "utf-8")
