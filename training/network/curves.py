"""Curves of a run, drawn from its log."""

from __future__ import annotations

import csv
from pathlib import Path


def draw_curves(log: Path, picture: Path) -> bool:
    """Draw loss, error rates and distances of a ``log.csv`` as PNG; False without matplotlib."""
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415  optional
    except ImportError:
        return False
    with log.open(newline="") as file:
        rows = list(csv.DictReader(file))
    panels = (
        ("loss", ("loss",)),
        ("error rate on unseen rendered identities", ("eer", "hard_eer")),
        ("TAR at FAR 1e-3", ("tar_at_far_1e_3", "hard_tar_at_far_1e_3")),
        ("mean distance", ("genuine_mean", "hard_mean", "impostor_mean")),
    )
    figure = Figure(figsize=(12, 7), layout="constrained")
    for axes, (title, names) in zip(figure.subplots(2, 2).flat, panels, strict=True):
        for name in names:
            points = [(int(row["step"]), float(row[name])) for row in rows if row[name]]
            if points:
                axes.plot(*zip(*points, strict=True), marker=".", label=name)
        axes.set(title=title, xlabel="step")
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend()
    figure.savefig(picture, dpi=100)
    return True
