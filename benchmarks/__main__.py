"""``python -m benchmarks``: the matcher beside its peers, in one process.

An hour or two for the whole grid on two cores; ``--largest`` and ``--dimensions`` choose less of it. What
was measured is kept after each set of references, and the same command goes on where it was interrupted.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from faceid_fast.gallery import Gallery

from . import exactness, report
from .data import PROBLEMS, Problem
from .grid import DIMENSIONS, SIZES, THREADS, Contest, cases, spread
from .peers import OURS, numpy_product

_SEED = 11
_PERSON = 16


def main() -> None:
    """Measure, write JSON, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--json", type=Path, default=Path("build/bench/matching.json"), help="where to keep it"
    )
    parser.add_argument("--plot", type=Path, help="PNG of latency against references")
    parser.add_argument("--largest", type=int, default=SIZES[-1], help="references at most")
    parser.add_argument("--dimensions", type=int, nargs="+", default=DIMENSIONS)
    parser.add_argument("--threads", type=int, nargs="+", default=THREADS)
    given = parser.parse_args()

    done: dict[str, Any] = json.loads(given.json.read_text()) if given.json.exists() else _begin()
    if done["machine"] != _machine() or done["backend"] != Gallery().backend:
        parser.error(f"{given.json} was measured elsewhere: give another file, or delete it")
    for dim in given.dimensions:
        for count in (size for size in SIZES if size <= given.largest):
            for data in PROBLEMS:
                if any((s["data"], s["dim"], s["references"]) == (data, dim, count) for s in done["sizes"]):
                    continue
                _measure(done, data, dim, count, tuple(given.threads))
                given.json.parent.mkdir(parents=True, exist_ok=True)
                given.json.write_text(json.dumps(done, indent=1) + "\n")
    print(report.as_text(done))
    if given.plot:
        report.plot(done, given.plot)


def _begin() -> dict[str, Any]:
    compared = wrong = 0
    for seed, data in enumerate(PROBLEMS):
        more, mistakes = exactness.while_changing(seed, data)
        compared, wrong = compared + more, wrong + mistakes
    return {
        "machine": _machine(),
        "backend": Gallery().backend,
        "numpy": np.__version__,
        "verify": _claim(),
        "changing": {"compared": compared, "wrong": wrong},
        "bytes": [],
        "sizes": [],
        "cells": [],
    }


def _measure(done: dict[str, Any], data: str, dim: int, count: int, threads: tuple[int, ...]) -> None:
    contest = Contest(data, dim, count, _SEED)
    cells = []
    for case in cases(data, dim, count, threads):
        cells.append(contest.measure(case))
        print(report._line(cells[-1]), flush=True)
    done["cells"] += cells
    done["sizes"].append(
        {
            "data": data,
            "dim": dim,
            "references": count,
            "memory": contest.gallery.nbytes / contest.problem.references.nbytes,
            "build_s": contest.build_s,
        }
    )
    if data == "random":
        done["bytes"].append(_bytes_per_second(contest.problem, cells))


def _bytes_per_second(problem: Problem, cells: list[dict[str, Any]]) -> dict[str, Any]:
    """Bytes of codes that a single query reads, against a plain sum over as many."""
    count, dim = problem.references.shape
    one = next(cell for cell in cells if cell["batch"] == 1 and cell["k"] == 1 and cell["threads"] == 1)
    data = np.ones(max(1, count * dim // 8), np.float64)
    with threadpool_limits(1):
        seconds = []
        for _ in range(9):
            began = time.perf_counter()
            data.sum()
            seconds.append(time.perf_counter() - began)
    return {
        "references": count,
        "dim": dim,
        "gb_per_s": count * dim / one["us"][OURS]["median"] / 1e3,
        "machine_gb_per_s": data.nbytes / float(np.median(seconds)) / 1e9,
    }


def _claim() -> dict[str, Any]:
    """1:1 as `verify` asks it, whole Python calls, beside numpy over the same sixteen references."""
    rng = np.random.default_rng(_SEED)
    problem = PROBLEMS["random"](rng, _PERSON, 128, 1)
    query = problem.queries["random"]
    gallery = Gallery(128)
    gallery.add("somebody", problem.references)
    with threadpool_limits(1):
        search = numpy_product(problem.references, 1)
        one = query[0].copy()
        calls = 5_000
        mine, theirs = [], []
        for _ in range(25):
            began = time.perf_counter()
            for _ in range(calls):
                gallery.distance_to("somebody", one)
            between = time.perf_counter()
            for _ in range(calls):
                search(query, 1)
            mine.append(1e6 * (between - began) / calls)
            theirs.append(1e6 * (time.perf_counter() - between) / calls)
    return {
        "us": {OURS: spread(mine), "numpy": spread(theirs)},
        "ratio": spread([t / m for t, m in zip(theirs, mine, strict=True)]),
    }


def _machine() -> str:
    """Processor and threads, as the system names them."""
    names = {line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")}
    return f"{' '.join(sorted(names)) or platform.processor()}, {platform.system()}, Python {platform.python_version()}"


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


if __name__ == "__main__":
    main()
