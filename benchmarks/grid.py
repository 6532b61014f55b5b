"""The grid of cases, and the timing of one: everybody in turns, in one process."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from threadpoolctl import threadpool_limits

from faceid_fast.matching.gallery import Gallery

from .data import PROBLEMS, Problem, Vectors
from .exactness import mismatches
from .peers import OURS, PEERS, Search, ours

SIZES: Final = (16, 1_000, 10_000, 100_000, 1_000_000)
BATCHES: Final = (1, 16, 256, 1024)
KS: Final = (1, 10)
DIMENSIONS: Final = (128, 512)
THREADS: Final = (1, 2)
THRESHOLD: Final = 0.4
_ROUND_SECONDS: Final = 2e-3  # calls are timed in groups of about this: one alone is near the clock's noise
_ROUNDS: Final = 9
_FEW_ROUNDS: Final = 3
_SLOW_SECONDS: Final = 2.0
_TOO_SLOW_SECONDS: Final = 30.0
_FAR_BEHIND: Final = 4.0  # a peer that takes so many times as long as the best one is timed a few times only
# Between turns on several threads: workers of the peer before, which spin while they wait, go to sleep.
_PAUSE_SECONDS: Final = 0.04
_CHECKED_QUERIES: Final = 8


@dataclass(frozen=True)
class Case:
    """One cell: what is searched for in what.

    `threshold` : the best identity within it is asked for, where peers look for the nearest.
    """

    data: str
    dim: int
    references: int
    queries: str
    batch: int
    k: int
    threads: int
    threshold: float | None = None


def cases(
    problem: str,
    dim: int,
    count: int,
    threads: tuple[int, ...] = THREADS,
    batches: tuple[int, ...] = BATCHES,
) -> Iterator[Case]:
    """Every case of one set of references."""
    for used, batch, k in itertools.product(threads, batches, KS):
        if problem == "random":
            yield Case(problem, dim, count, "random", batch, k, used)
            continue
        yield Case(problem, dim, count, "enrolled", batch, k, used)
        yield Case(problem, dim, count, "stranger", batch, k, used)
        if k == 1:
            yield Case(problem, dim, count, "stranger", batch, k, used, THRESHOLD)


class Contest:
    """Our gallery and every peer over the same references."""

    def __init__(self, data: str, dim: int, count: int, seed: int) -> None:
        self.problem: Problem = PROBLEMS[data](np.random.default_rng(seed), count, dim, max(BATCHES))
        began = time.perf_counter()
        self.gallery = Gallery.from_arrays(self.problem.references, self.problem.names)
        self.build_s = time.perf_counter() - began
        self._prepared: dict[tuple[str, int], Search] = {}

    def _peer(self, name: str, threads: int) -> Search:
        if (name, threads) not in self._prepared:
            self._prepared = {key: value for key, value in self._prepared.items() if key[1] == threads}
            self._prepared[name, threads] = PEERS[name](self.problem.references, threads)
        return self._prepared[name, threads]

    def measure(self, case: Case) -> dict[str, Any]:
        """Time everybody on one case.

        Returns
        -------
        dict
            The case; ``us`` a query by name: median, q1 and q3; ``ratio``: the best peer of each round
            over ours, likewise; ``best``: which peer that is by median; ``compared`` and ``wrong``:
            comparisons of our answers with brute force in float64 and mismatches among the matches.
        """
        queries = self.problem.queries[case.queries][: case.batch]
        with threadpool_limits(case.threads):
            searches = {OURS: ours(self.gallery, case.threads, case.threshold)}
            searches |= {name: self._peer(name, case.threads) for name in PEERS}
            pause = _PAUSE_SECONDS if case.threads > 1 else 0.0
            seconds, skipped = _in_turns(searches, queries, case.k, pause)
        per_query = {name: [1e6 * s / case.batch for s in many] for name, many in seconds.items()}
        in_every_round = [name for name in PEERS if len(per_query.get(name, ())) == len(per_query[OURS])]
        best = min(in_every_round, key=lambda name: statistics.median(per_query[name]))
        rounds = zip(per_query[best], per_query[OURS], strict=True)
        compared, wrong = self._check(case, searches[OURS], queries)
        return asdict(case) | {
            "us": {name: spread(many) for name, many in per_query.items()},
            "too_slow": skipped,
            "best": best,
            "ratio": spread([theirs / mine for theirs, mine in rounds]),
            "compared": compared,
            "wrong": wrong,
        }

    def _check(self, case: Case, search: Search, queries: Vectors) -> tuple[int, int]:
        index, distance = search(queries, case.k)
        wrong = 0
        asked = range(0, len(queries), -(-len(queries) // _CHECKED_QUERIES))
        for row in asked:
            found, apart = index[row], distance[row]
            if case.threshold is not None and found[0] == -1:
                # Nothing within the threshold: then the nearest is beyond.
                found, apart = self.gallery.nearest(queries[row : row + 1], 1).index[0], None
            wrong += self._wrong(case, queries[row], found, apart)
        return len(asked) * case.references, wrong

    def _wrong(self, case: Case, query: Vectors, found: Any, apart: Any) -> int:
        if apart is None:
            distance = self.gallery.nearest(query[None], 1).distance[0]
            beyond = int(not distance[0] > (case.threshold or 0.0))
            return beyond + mismatches(self.problem.references, query, found, distance)
        return mismatches(self.problem.references, query, found, apart)


def _in_turns(
    searches: dict[str, Search], queries: Vectors, k: int, pause: float
) -> tuple[dict[str, list[float]], list[str]]:
    """Seconds of a call, round by round, with a pause before each turn; and who was too slow to wait for."""
    k = min(k, 1 << 30)
    once: dict[str, float] = {}
    for name, search in list(searches.items()):
        few = queries[: max(1, len(queries) // 64)]
        search(few, k)
        expected = _seconds(search, few, k, 1) * len(queries) / len(few)
        if expected > _TOO_SLOW_SECONDS:
            del searches[name]
            continue
        once[name] = _seconds(search, queries, k, 1)
    skipped = [name for name in (OURS, *PEERS) if name not in searches]
    calls = {name: max(1, int(_ROUND_SECONDS / seconds)) for name, seconds in once.items()}
    far = _FAR_BEHIND * min(seconds for name, seconds in once.items() if name != OURS)
    contest = sum(seconds for seconds in once.values() if seconds < far)
    rounds = _ROUNDS if contest < _SLOW_SECONDS else _FEW_ROUNDS if contest < _TOO_SLOW_SECONDS else 1
    seconds: dict[str, list[float]] = {name: [] for name in searches}
    for turn in range(rounds):
        for name, search in searches.items():
            if turn < _FEW_ROUNDS or name == OURS or once[name] < far:
                time.sleep(pause)
                seconds[name].append(_seconds(search, queries, k, calls[name]))
    if rounds == 1:
        for name, first in once.items():
            seconds[name].append(first)
    return seconds, skipped


def _seconds(search: Search, queries: Vectors, k: int, calls: int) -> float:
    """Mean over some calls."""
    began = time.perf_counter()
    for _ in range(calls):
        search(queries, k)
    return (time.perf_counter() - began) / calls


def spread(values: list[float]) -> dict[str, float]:
    """Median and quartiles."""
    q1, median, q3 = np.percentile(values, [25, 50, 75])
    return {"median": float(f"{median:.4g}"), "q1": float(f"{q1:.4g}"), "q3": float(f"{q3:.4g}")}
