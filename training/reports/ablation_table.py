"""The rows of the ablation's table, for ``table.md`` and for the model card."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

ABLATION_COLUMNS = {
    "eer": "EER",
    "tar_at_far_1e_2": "TMR at FMR 1e-2",
    "tar_at_far_1e_3": "TMR at FMR 1e-3",
    "hard_tar_at_far_1e_2": "look-alikes: TMR at FMR 1e-2",
}
"""Fields of `training.metrics.verification.Figures` that the table shows, and their headings."""


def ablation_rows(variants: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterable[tuple[str, ...]]:
    """Rows of the table: variant, number of seeds, then mean +- standard deviation in percent a column.

    Parameters
    ----------
    variants : title of a variant -> the figures of its runs, one run a seed.
    """
    for title, runs in variants.items():
        yield title, str(len(runs)), *(_over_seeds([run[name] for run in runs]) for name in ABLATION_COLUMNS)


def _over_seeds(rates: list[float | None]) -> str:
    known = [rate for rate in rates if rate is not None]
    if len(known) < len(rates):  # too few pairs
        return "-"
    spread = f" +- {100 * statistics.stdev(known):.2f}" if len(known) > 1 else ""
    return f"{100 * statistics.fmean(known):.2f}{spread}"
