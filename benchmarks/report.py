"""What was measured, as text and as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from .peers import OURS, PEERS

_ENOUGH: Final = 1.0

Cell = dict[str, Any]


def as_text(report: dict[str, Any]) -> str:
    """The whole grid, one line a cell, and what it comes to."""
    lines = [
        f"{report['machine']}; back end {report['backend']}; microseconds a query, medians",
        "",
        "| data | D | references | queries | batch | k | threads | ours | best peer | its time | peer / ours (quartiles) |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [_line(cell) for cell in report["cells"]]
    return "\n".join([*lines, "", *summary(report)]) + "\n"


def _line(cell: Cell) -> str:
    asked = cell["queries"] + (f", within {cell['threshold']}" if cell["threshold"] else "")
    ratio = cell["ratio"]
    return (
        f"| {cell['data']} | {cell['dim']} | {cell['references']:,} | {asked} | {cell['batch']} | {cell['k']} "
        f"| {cell['threads']} | {cell['us'][OURS]['median']:.4g} | {cell['best']} "
        f"| {cell['us'][cell['best']]['median']:.4g} "
        f"| {ratio['median']:.3g} ({ratio['q1']:.3g} - {ratio['q3']:.3g}) |"
    )


def summary(report: dict[str, Any]) -> list[str]:
    """Ratios by group of cells, cells that a peer wins, exactness."""
    cells: list[Cell] = report["cells"]
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(_group(cell), []).append(cell)
    lines = ["peer / ours, one thread:"]
    for name, members in groups.items():
        ratios = sorted(member["ratio"]["median"] for member in members if member["threads"] == 1)
        if ratios:
            lines.append(f"- {name}: {ratios[0]:.3g} to {ratios[-1]:.3g}")
    lost = [cell for cell in cells if cell["ratio"]["median"] < _ENOUGH]
    lines.append(f"cells below the best peer: {len(lost)} of {len(cells)}")
    lines += [_line(cell) for cell in lost]
    claim = report["verify"]
    lines.append(
        f"one query against the 16 references of a person, `distance_to`: {claim['us'][OURS]['median']:.3g} us, "
        f"numpy {claim['us']['numpy']['median']:.3g} us, ratio {claim['ratio']['median']:.3g}"
    )
    compared = sum(cell["compared"] for cell in cells) + report["changing"]["compared"]
    wrong = sum(cell["wrong"] for cell in cells) + report["changing"]["wrong"]
    lines.append(
        f"comparisons with brute force in float64: {compared:.3g}, {report['changing']['compared']:.3g} of them "
        f"while people were added, replaced and removed; mismatches: {wrong}"
    )
    for reading in report["bytes"]:
        lines.append(
            f"one query, {reading['references']:,} random references of {reading['dim']}: codes read at "
            f"{reading['gb_per_s']:.3g} GB/s; a sum of as many bytes by numpy {reading['machine_gb_per_s']:.3g}"
        )
    for size in report["sizes"]:
        lines.append(
            f"{size['references']:,} {size['data']} references of {size['dim']}: {size['memory']:.3f} times their "
            f"float32 bytes, built in {size['build_s']:.2f} s"
        )
    return lines


def _group(cell: Cell) -> str:
    size = "16" if cell["references"] == 16 else f"{cell['references']:,}"
    asked = "" if cell["data"] == "random" else f", {cell['queries']}"
    within = f" within {cell['threshold']}" if cell["threshold"] else ""
    batch = "one query" if cell["batch"] == 1 else f"batch of {cell['batch']}"
    return f"{cell['data']}{asked}{within}, {size} references, {batch}, k = {cell['k']}"


def plot(report: dict[str, Any], path: Path) -> None:
    """Latency of one query against the number of references, everybody, both axes logarithmic."""
    import matplotlib.pyplot as plt  # noqa: PLC0415  # a second, and only for this

    chosen = [
        c
        for c in report["cells"]
        if c["batch"] == 1 and c["k"] == 1 and c["threads"] == 1 and c["dim"] == 128
    ]
    panels = {
        "random vectors": [c for c in chosen if c["queries"] == "random"],
        "faces, enrolled": [c for c in chosen if c["queries"] == "enrolled"],
        "faces, a stranger": [c for c in chosen if c["queries"] == "stranger" and not c["threshold"]],
    }
    figure, axes = plt.subplots(1, len(panels), figsize=(13, 4.2), sharey=True, layout="constrained")
    for axis, (title, cells) in zip(axes, panels.items(), strict=True):
        for name in (OURS, *PEERS):
            points = [(c["references"], c["us"][name]["median"]) for c in cells if name in c["us"]]
            style = {"linewidth": 2.5, "color": "black"} if name == OURS else {"linewidth": 1.2}
            axis.plot(*zip(*points, strict=True), marker="o", markersize=3, label=name, **style)
        axis.set(xscale="log", yscale="log", title=title, xlabel="references of 128 values")
        axis.grid(visible=True, which="major", alpha=0.3)
    axes[0].set_ylabel("microseconds for the nearest, one thread")
    axes[-1].legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
