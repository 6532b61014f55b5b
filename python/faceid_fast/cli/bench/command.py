"""``faceid bench``: how long matching and verifying take on this machine, with one thread."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import typer
from rich.table import Table

from faceid_fast.cli.output import JsonOption, busy, console, show_table, write_json
from faceid_fast.matching.gallery import Gallery

from .matching import DIMENSIONS, time_matching
from .stages import time_stages


def bench(
    repeats: Annotated[int, typer.Option(metavar="N", min=5, help="Timed runs of each case.")] = 50,
    largest: Annotated[
        int, typer.Option(metavar="N", min=1000, help="Most references to search among.")
    ] = 100_000,
    json_to: JsonOption = None,
) -> None:
    """Time exact search and numpy's, and the stages of a verification, on this machine."""
    backend = Gallery(dim=DIMENSIONS).backend
    out = console(json_to)
    with busy(out, f"searching up to {largest:,} references, beside numpy"):
        matching = time_matching(repeats, largest)
    with busy(out, "verifying"):
        stages = time_stages(repeats)
    table = Table()
    for column in ("call", "references", "queries", "median", "numpy", "numpy / ours (quartiles)"):
        table.add_column(column, justify="left" if column == "call" else "right")
    for case in matching:
        table.add_row(
            case["case"],
            f"{case['references']:,}",
            str(case["batch"]),
            f"{case['gallery_us']['median']:.1f}",
            f"{case['numpy_us']['median']:.1f}",
            _shown(case["ratio"], 2),
        )
    show_table(out, table, f"microseconds a query, one thread, {DIMENSIONS} dimensions, {backend}")
    table = Table()
    table.add_column("stage")
    table.add_column("median (quartiles)", justify="right")
    for stage, spread in stages.items():
        table.add_row(stage, _shown(spread, 3))
    show_table(out, table, "milliseconds to verify a bundled head crop, one thread")
    write_json({"backend": backend, "numpy": np.__version__, "match": matching, "verify_ms": stages}, json_to)


def _shown(spread: dict[str, float], digits: int) -> str:
    return f"{spread['median']:.{digits}f} ({spread['q1']:.{digits}f} - {spread['q3']:.{digits}f})"
