"""``faceid bench``: how long matching and verifying take on this machine, one thread."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Annotated, Any, Final

import numpy as np
import typer
from numpy.typing import NDArray
from rich.table import Table

from faceid_fast.cli.output import JsonOption, console, write_json
from faceid_fast.cli.stages import stage_medians
from faceid_fast.gallery import Gallery

if TYPE_CHECKING:
    from collections.abc import Callable

DIMENSIONS: Final = 128
SIZES: Final = (16, 1_000, 10_000, 100_000)
_SEED: Final = 7


def bench(
    repeats: Annotated[int, typer.Option(min=5, help="Runs a figure is the median of.")] = 50,
    json_to: JsonOption = None,
) -> None:
    """Time exact search beside numpy, and the stages of a verification."""
    rng = np.random.default_rng(_SEED)
    matching = [_match(rng, size, repeats) for size in SIZES]
    stages = stage_medians(repeats)
    out = console(json_to)
    table = Table(
        "references", "faceid_fast, us", "numpy, us", title="nearest of N, 128 dimensions, one query, median"
    )
    for row in matching:
        table.add_row(f"{row['references']:,}", f"{row['gallery_us']:.1f}", f"{row['numpy_us']:.1f}")
    out.print(table)
    table = Table("stage", "ms", title="verify a bundled render, one thread, median")
    for stage, milliseconds in stages.items():
        table.add_row(stage, f"{milliseconds:.3f}")
    out.print(table)
    write_json({"backend": Gallery(dim=DIMENSIONS).backend, "match": matching, "verify_ms": stages}, json_to)


def _match(rng: np.random.Generator, size: int, repeats: int) -> dict[str, Any]:
    """Time one nearest-reference query, in turns with numpy so that both meet the same machine."""
    references = _unit(rng, size)
    query = _unit(rng, 1)
    gallery = Gallery.from_arrays(references, [f"person {row}" for row in range(size)])

    def by_numpy() -> int:
        return int(np.argmin(2.0 - 2.0 * (references @ query[0])))

    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(repeats):
        ours.append(_microseconds(lambda: gallery.nearest(query, 1)))
        theirs.append(_microseconds(by_numpy))
    return {
        "references": size,
        "gallery_us": statistics.median(ours),
        "numpy_us": statistics.median(theirs),
    }


def _unit(rng: np.random.Generator, count: int) -> NDArray[np.float32]:
    vectors = rng.standard_normal((count, DIMENSIONS))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def _microseconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1e6
