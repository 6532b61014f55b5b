"""How long searches take, next to numpy: ``python tests/bench/bench_gallery.py [--json FILE]``.

Both run interleaved in one process on one thread, on the same random unit vectors of 128 values (no
structure: the worst case), and must agree on the nearest reference. Figures are medians, with the
10th and 90th percentile of the ratio of neighbouring runs: on a busy machine read the ratio.
"""

from __future__ import annotations

import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from faceid_fast.gallery import Gallery

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

DIM = 128
SECONDS_PER_CASE = 2.0


@dataclass(frozen=True)
class Result:
    """Microseconds per query, and numpy's time over ours."""

    case: str
    references: int
    batch: int
    ours_us: float
    numpy_us: float
    ratio: float
    ratio_p10: float
    ratio_p90: float


def unit_vectors(rng: np.random.Generator, count: int) -> NDArray[np.float32]:
    """Return (count, DIM) normalised Gaussian vectors."""
    vectors = rng.standard_normal((count, DIM), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def with_numpy(
    references: NDArray[np.float32], queries: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Nearest reference and its distance: one matrix product and one pass over it."""
    scores = queries @ references.T
    index = scores.argmax(axis=-1)
    best = scores[index] if queries.ndim == 1 else scores[np.arange(len(queries)), index]
    return index, np.sqrt(np.maximum(0, 2 - 2 * best))


def timed(function: Callable[[], object], repeats: int) -> float:
    """Seconds per call."""
    start = time.perf_counter()
    for _ in range(repeats):
        function()
    return (time.perf_counter() - start) / repeats


def compare(
    case: str, references: int, batch: int, ours: Callable[[], object], peer: Callable[[], object]
) -> Result:
    """Time both in turns."""
    once = max(timed(ours, 3), timed(peer, 3))
    repeats = max(1, int(0.01 / once))
    rounds = min(200, max(7, int(SECONDS_PER_CASE / (2 * repeats * once))))
    pairs = np.array([(timed(ours, repeats), timed(peer, repeats)) for _ in range(rounds)])
    ours_us, numpy_us = np.median(pairs, axis=0) * 1e6 / batch
    low, middle, high = np.quantile(pairs[:, 1] / pairs[:, 0], (0.1, 0.5, 0.9))
    return Result(
        case, references, batch, float(ours_us), float(numpy_us), float(middle), float(low), float(high)
    )


def search(rng: np.random.Generator, count: int, batch: int) -> Result:
    """1:N."""
    references, queries = unit_vectors(rng, count), unit_vectors(rng, batch)
    if batch == 1:
        queries = queries[0]
    gallery = Gallery.from_arrays(references, [str(i // 10) for i in range(count)])
    found = gallery.nearest(queries)
    index, distance = with_numpy(references, queries)
    # numpy's float32 product can order near-ties differently; the distance cannot be far off.
    np.testing.assert_allclose(found.distance[..., 0], distance, atol=1e-5)
    assert np.mean(found.index[..., 0] == index) >= 1 - 1 / max(batch, 100)
    return compare(
        "nearest",
        count,
        batch,
        lambda: gallery.nearest(queries),
        lambda: with_numpy(references, queries),
    )


def verify(rng: np.random.Generator) -> Result:
    """1:1 with 16 references: the whole call, as an unlock makes it."""
    references, query = unit_vectors(rng, 16), unit_vectors(rng, 1)[0]
    gallery = Gallery(DIM)
    gallery.add("ada", references)
    assert abs(gallery.distance_to("ada", query) - with_numpy(references, query)[1]) <= 1e-5
    return compare(
        "distance_to",
        16,
        1,
        lambda: gallery.distance_to("ada", query),
        lambda: with_numpy(references, query),
    )


def main() -> None:
    """Measure, print a table, write JSON on demand."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--largest", type=int, default=1_000_000, help="references at most")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    print(f"back end {Gallery(DIM).backend}, numpy {np.__version__}, one thread, D = {DIM}")
    print("case          references  batch  ours us/query  numpy us/query   ratio  (p10 - p90)")
    results = []
    for count, batch in [
        (16, 0),
        (16, 1),
        *((n, b) for n in (1_000, 10_000, 100_000, 1_000_000) for b in (1, 16, 256)),
    ]:
        if count > options.largest:
            continue
        result = verify(rng) if batch == 0 else search(rng, count, batch)
        results.append(asdict(result))
        print(
            f"{result.case:12} {result.references:11,} {result.batch:6} {result.ours_us:14.2f} "
            f"{result.numpy_us:15.2f} {result.ratio:7.2f}  ({result.ratio_p10:.2f} - "
            f"{result.ratio_p90:.2f})",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
