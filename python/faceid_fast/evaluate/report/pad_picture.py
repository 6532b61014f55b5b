"""The plot of a PAD report: how well each liveness figure separates attacks from live people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from faceid_fast.evaluate.pad import Classified
from faceid_fast.face.liveness_limits import FIGURES

from .drawing import check_installed, drawing, png, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BINS: Final = 40
_COLUMNS: Final = 4
_PANEL_INCHES: Final = (3.6, 2.8)
_LEGEND_INCHES: Final = 0.3
"""Height of a line of the legend."""
_LINES: Final = ("-", "--", ":", "-.")
"""Styles of line; ten colours have the first, the next ten the second, and so on."""


def draw_measured(classified: Sequence[Classified], least: Mapping[str, float]) -> bytes:
    """Draw a histogram of each figure: live people filled, a line for each species.

    Shares are of the presentations whose face was cut out; the legend says how many of how many those are.

    Parameters
    ----------
    classified : as `pad.classify` gives them.
    least : by name of `liveness.FIGURES`, what a live face must reach; drawn as a vertical line.

    Returns
    -------
    A PNG.

    Raises
    ------
    InvalidInputError
        If matplotlib is missing.
    """
    check_installed("matplotlib")
    with drawing():
        return png(_drawn(classified, least))


def _drawn(classified: Sequence[Classified], least: Mapping[str, float]) -> Figure:
    from matplotlib.figure import Figure  # noqa: PLC0415  # optional
    from matplotlib.patches import Patch  # noqa: PLC0415

    groups: dict[str | None, list[Classified]] = {}
    for each in sorted(classified, key=lambda each: each.species or ""):  # bona fide first
        groups.setdefault(each.species, []).append(each)
    styles = {species: _style(species, number) for number, species in enumerate(groups)}
    rows, legend_rows = -(-len(FIGURES) // _COLUMNS), -(-len(groups) // _COLUMNS) + 1
    width, height = _PANEL_INCHES
    figure = Figure(
        figsize=(width * _COLUMNS, height * rows + _LEGEND_INCHES * legend_rows), layout="constrained"
    )
    panels = list(figure.subplots(rows, _COLUMNS).flat)
    for axes, name in zip(panels, FIGURES, strict=False):
        values = {
            species: np.array([each.measured[name] for each in group if each.measured is not None])
            for species, group in groups.items()
        }
        _draw_panel(axes, name, values, least[name], styles)
    for axes in panels[len(FIGURES) :]:
        axes.set_axis_off()
    figure.legend(
        [Patch(**style) for style in styles.values()],
        [_label(species, group) for species, group in groups.items()],
        loc="outside lower center",
        ncols=_COLUMNS,
        title="share of the faces that were cut out",
    )
    return figure


def _draw_panel(
    axes: Axes,
    name: str,
    values: Mapping[str | None, NDArray[np.float64]],
    least: float,
    styles: Mapping[str | None, dict[str, Any]],
) -> None:
    finite = {species: each[np.isfinite(each)] for species, each in values.items()}
    edges = np.histogram_bin_edges(np.concatenate([[least], *finite.values()]), _BINS)
    for species, each in finite.items():
        if each.size:
            axes.stairs(np.histogram(each, edges)[0] / each.size, edges, **styles[species])
    axes.axvline(least, color="black", linestyle="--", linewidth=1.0)
    axes.set_title(f"{name}, live from {least:.3g} on", fontsize=10)
    axes.set_ylim(bottom=0.0)


def _style(species: str | None, number: int) -> dict[str, Any]:
    if species is None:
        return {"fill": True, "color": "0.75"}
    line = _LINES[number // 10 % len(_LINES)]
    return {"fill": False, "edgecolor": f"C{number % 10}", "linewidth": 1.5, "linestyle": line}


def _label(species: str | None, group: Sequence[Classified]) -> str:
    """Name a group, and say of how many of its presentations there are figures."""
    name = "bona fide" if species is None else f"attack {species}"
    cut_out = sum(each.measured is not None for each in group)
    return f"{short(name)} ({cut_out} of {len(group)})"
