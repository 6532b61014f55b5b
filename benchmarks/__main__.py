"""``python -m benchmarks``: the matcher beside its peers, in one process.

The whole grid takes hours on two cores; ``--largest``, ``--dimensions``, ``--threads`` and ``--batches``
choose less of it. What was measured is kept after each set of references, and whichever command comes next
measures what is missing.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from threadpoolctl import threadpool_limits

from faceid_fast.matching.gallery import Gallery

from . import exactness, report
from .data import PROBLEMS, Vectors
from .grid import BATCHES, DIMENSIONS, SIZES, THREADS, Case, Contest, cases, spread
from .peers import OURS, numpy_product

_SEED: Final = 11
_PERSON: Final = 16


def main() -> None:
    """Measure, keep JSON, write the page, print what it comes to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter, prog="python -m benchmarks"
    )
    parser.add_argument("--json", type=Path, default=Path("build/bench/matching.json"), help="kept there")
    parser.add_argument("--markdown", type=Path, help="page to write")
    parser.add_argument("--plot", type=Path, help="PNG of latency against references")
    parser.add_argument("--largest", type=int, default=SIZES[-1], help="references at most")
    parser.add_argument("--dimensions", type=int, nargs="+", default=DIMENSIONS)
    parser.add_argument("--threads", type=int, nargs="+", default=THREADS)
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES)
    parser.add_argument("--as-kept", action="store_true", help="measure nothing: write what the JSON holds")
    given = parser.parse_args()

    done: dict[str, Any] = json.loads(given.json.read_text()) if given.json.exists() else _begin()
    elsewhere = (done["machine"], done["backend"]) != (_machine(), Gallery().backend)
    if elsewhere and not given.as_kept:
        parser.error(f"{given.json} was measured elsewhere: give another file, delete it, or say --as-kept")
    for dim in () if given.as_kept else given.dimensions:
        for count in (size for size in SIZES if size <= given.largest):
            for data in PROBLEMS:
                there = report.measured(done)
                every = cases(data, dim, count, tuple(given.threads), tuple(given.batches))
                if not (missing := [case for case in every if case not in there]):
                    continue
                _measure(done, missing)
                given.json.parent.mkdir(parents=True, exist_ok=True)
                given.json.write_text(_as_json(done))
    # However it was put together, it is shown from few references to many.
    for rows, further in ((done["sizes"], ()), (done["cells"], ("threads", "batch", "k"))):
        rows.sort(key=partial(_place, further))
    print("\n".join(report.summary(done)))
    if given.plot:
        report.plot(done, given.plot)
    if given.markdown:
        _write_page(done, given)
    if report.mismatches(done):
        parser.exit(1, "the gallery disagrees with brute force\n")


def _write_page(done: dict[str, Any], given: argparse.Namespace) -> None:
    """The page that was asked for, with the command that writes it."""
    command = f"python -m benchmarks --json {given.json} --markdown {given.markdown}"
    picture = None
    if given.plot:
        command += f" --plot {given.plot}"
        picture = os.path.relpath(given.plot, given.markdown.parent)
    given.markdown.write_text(report.as_markdown(done, command, picture))


def _as_json(done: dict[str, Any]) -> str:
    """Rows line by line, so that what is added later can be seen."""
    parts = []
    for name, value in done.items():
        if isinstance(value, list):
            text = "[\n" + ",\n".join(map(json.dumps, value)) + "\n]"
        else:
            text = json.dumps(value)
        parts.append(f'"{name}": {text}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _place(further: Sequence[str], row: dict[str, Any]) -> tuple[Any, ...]:
    """Where a row stands among others."""
    return row["dim"], row["references"], row["data"] != "random", *(row[name] for name in further)


def _begin() -> dict[str, Any]:
    """Everything but the grid."""
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
        "sizes": [],
        "cells": [],
    }


def _measure(done: dict[str, Any], several: Sequence[Case]) -> None:
    """Cases of one set of references: all, or those that are still missing."""
    data, dim, count = several[0].data, several[0].dim, several[0].references
    contest = Contest(data, dim, count, _SEED)
    cells = []
    for case in several:
        cells.append(contest.measure(case))
        print(report.line(cells[-1]), flush=True)
    done["cells"] += cells
    sizes = (s for s in done["sizes"] if (s["data"], s["dim"], s["references"]) == (data, dim, count))
    if (size := next(sizes, None)) is None:
        size = {
            "data": data,
            "dim": dim,
            "references": count,
            "memory": contest.gallery.nbytes / contest.problem.references.nbytes,
            "build_s": contest.build_s,
            "commits": [],
        }
        done["sizes"].append(size)
    size["commits"] = sorted({*size["commits"], _commit()})
    one = next((cell for cell in cells if (cell["batch"], cell["k"], cell["threads"]) == (1, 1, 1)), None)
    if data == "random" and one is not None:
        size["read"] = _bytes_per_second(contest, one)


def _bytes_per_second(contest: Contest, one: dict[str, Any]) -> dict[str, float]:
    """Bytes of codes (of few references, of values) that a query reads, beside a sum of as many by numpy."""
    read = contest.gallery.code_nbytes or contest.problem.references.nbytes
    data = np.ones(max(1, read // 8), np.float64)
    seconds = []
    with threadpool_limits(1):
        for _ in range(9):
            began = time.perf_counter()
            data.sum()
            seconds.append(time.perf_counter() - began)
    return {
        "codes_gb_per_s": read / one["us"][OURS]["median"] / 1e3,
        "sum_gb_per_s": data.nbytes / float(np.median(seconds)) / 1e9,
    }


def _claim() -> dict[str, Any]:
    """1:1 as `verify` asks it, whole Python calls, beside numpy over the same references."""
    problem = PROBLEMS["random"](np.random.default_rng(_SEED), _PERSON, 128, 1)
    queries = problem.queries["random"]
    query = queries[0].copy()
    gallery = Gallery(128)
    gallery.add("somebody", problem.references)
    search = numpy_product(problem.references, 1)
    ways: dict[str, Callable[[], object]] = {
        OURS: lambda: gallery.distance_to("somebody", query),
        "numpy": lambda: search(queries, 1),
        "numpy, by hand": lambda: _by_hand(problem.references, query),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    with threadpool_limits(1):
        for _ in range(25):
            for name, way in ways.items():
                times[name].append(_microseconds(way))
    return {
        "references": _PERSON,
        "us": {name: spread(many) for name, many in times.items()},
        "ratio": {
            name: spread([t / m for t, m in zip(times[name], times[OURS], strict=True)])
            for name in ways
            if name != OURS
        },
    }


def _by_hand(references: Vectors, query: Vectors) -> tuple[int, float]:
    """What somebody would write for one query, if rounding and norms that are not quite 1 do not matter."""
    scores = references @ query
    nearest = int(scores.argmax())
    return nearest, math.sqrt(max(0.0, 2 - 2 * float(scores[nearest])))


def _microseconds(call: Callable[[], object], calls: int = 5_000) -> float:
    """Mean over some calls, that of calling nothing included."""
    began = time.perf_counter()
    for _ in range(calls):
        call()
    return 1e6 * (time.perf_counter() - began) / calls


def _commit() -> str:
    """The version of the core, if it can be told."""
    git = ["git", "-C", str(Path(__file__).parent), "log", "-1", "--format=%h", "--", "../rust/core"]
    try:
        said = subprocess.run(git, check=True, capture_output=True, text=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return said.stdout.strip() or "unknown"


def _machine() -> str:
    """Processor, system and interpreter, as these name themselves."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = {text.split(":")[1].strip() for text in lines if text.startswith("model name")}
    processor = ", ".join(sorted(names)) or platform.processor()
    return f"{processor}, {platform.system()}, Python {platform.python_version()}"


if __name__ == "__main__":
    main()
