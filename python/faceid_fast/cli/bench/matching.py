"""How long exact search takes, and numpy for the same, in a process of its own with one thread.

Both run in turns on the same random unit vectors of 128 values (without structure, which is the worst case),
and must find the same nearest reference. On a busy machine compare their ratio, not their times.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from faceid_fast.errors import FaceIDError
from faceid_fast.matching.gallery import Gallery

from .stages import spread

DIMENSIONS: Final = 128
REFERENCES_OF_A_PERSON: Final = 16
SIZES: Final = (1_000, 10_000, 100_000, 1_000_000)
BATCHES: Final = (1, 16)
_SEED: Final = 7
_WARM_UP: Final = 3
_ROUND_SECONDS: Final = 2e-3  # calls are timed in groups of about this: one alone is near the clock's noise
_TOLERANCE: Final = 1e-5
_ONE_THREAD: Final = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)

Vectors = NDArray[np.float32]


def time_matching(rounds: int, largest: int) -> list[dict[str, Any]]:
    """Time every case up to ``largest`` references.

    The linear algebra library that numpy uses reads its number of threads once, when it is loaded. So this
    starts a process.

    Returns
    -------
    list of dict
        ``case``, ``references``, ``batch``, and `spread` of ``gallery_us``, ``numpy_us`` (per query) and
        ``ratio`` (numpy's time over the gallery's).

    Raises
    ------
    FaceIDError
        If the two do not agree, or the process fails otherwise.
    """
    command = [sys.executable, "-c", f"import {__name__} as m; m.print_measured({rounds:d}, {largest:d})"]
    done = subprocess.run(  # noqa: S603  # this module, by this interpreter
        command, env={**os.environ, **_ONE_THREAD}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        message = f"timing the search failed: {(done.stderr.splitlines() or ['no message'])[-1]}"
        raise FaceIDError(message)
    cases: list[dict[str, Any]] = json.loads(done.stdout)
    return cases


def nearest_by_numpy(references: Vectors, queries: Vectors) -> tuple[NDArray[np.int64], Vectors]:
    """Find the nearest reference and its distance (Q,) by a matrix product and a pass over it."""
    scores = queries @ references.T
    index = scores.argmax(axis=1)
    best = scores[np.arange(len(queries)), index]
    return index, np.sqrt(np.maximum(0, 2 - 2 * best))


def check_agreement(ours: NDArray[np.floating[Any]], by_numpy: Vectors) -> None:
    """Check that both found the same: the speeds of two different answers are not compared.

    Raises
    ------
    FaceIDError
        If a distance differs by more than single precision explains.
    """
    apart = float(np.max(np.abs(ours - by_numpy)))
    if not apart <= _TOLERANCE:
        message = f"the gallery's nearest distance differs from numpy's by {apart:.2g}"
        raise FaceIDError(message)


def _search(rng: np.random.Generator, count: int, batch: int, rounds: int) -> dict[str, Any]:
    """Time a search among all references (1:N)."""
    references, queries = _unit(rng, count), _unit(rng, batch)
    gallery = Gallery.from_arrays(references, [str(row) for row in range(count)])
    check_agreement(gallery.nearest(queries, 1).distance[:, 0], nearest_by_numpy(references, queries)[1])
    return {"case": "nearest", "references": count, "batch": batch} | _in_turns(
        lambda: gallery.nearest(queries, 1), lambda: nearest_by_numpy(references, queries), batch, rounds
    )


def _claim(rng: np.random.Generator, rounds: int) -> dict[str, Any]:
    """Time the distance to one person (1:1), as `verify` asks for it."""
    references, query = _unit(rng, REFERENCES_OF_A_PERSON), _unit(rng, 1)
    gallery = Gallery(dim=DIMENSIONS)
    gallery.add("somebody", references)
    check_agreement(
        np.array([gallery.distance_to("somebody", query[0])]), nearest_by_numpy(references, query)[1]
    )
    return {"case": "distance_to", "references": REFERENCES_OF_A_PERSON, "batch": 1} | _in_turns(
        lambda: gallery.distance_to("somebody", query[0]),
        lambda: nearest_by_numpy(references, query),
        1,
        rounds,
    )


def _in_turns(
    ours: Callable[[], object], numpys: Callable[[], object], batch: int, rounds: int
) -> dict[str, Any]:
    once = max(_seconds(call, _WARM_UP) for call in (ours, numpys))
    calls = max(1, int(_ROUND_SECONDS / once))
    pairs = [(_seconds(ours, calls), _seconds(numpys, calls)) for _ in range(rounds)]
    return {
        "gallery_us": spread([1e6 * mine / batch for mine, _ in pairs]),
        "numpy_us": spread([1e6 * theirs / batch for _, theirs in pairs]),
        "ratio": spread([theirs / mine for mine, theirs in pairs]),
    }


def _seconds(call: Callable[[], object], calls: int) -> float:
    """Mean seconds of a call."""
    began = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - began) / calls


def _unit(rng: np.random.Generator, count: int) -> Vectors:
    vectors = rng.standard_normal((count, DIMENSIONS), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def print_measured(rounds: int, largest: int) -> None:
    """Measure and print JSON; for the process that `time_matching` starts."""
    rng = np.random.default_rng(_SEED)
    sizes = [size for size in SIZES if size <= largest]
    cases = [_claim(rng, rounds)]
    cases += [_search(rng, size, batch, rounds) for size in sizes for batch in BATCHES]
    json.dump(cases, sys.stdout)
