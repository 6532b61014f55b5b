"""Maps of embeddings: a colour per person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from .drawing import check_installed, drawing, png, short
from .figures import DPI

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .projection import Projection

MOST_NAMED: Final = 20
"""Names that a legend holds; of more people the colours tell only that they differ."""
_PANEL_INCHES: Final = 4.6


def draw_maps(projection: Projection, people: Sequence[str], probes: Sequence[bool] | None = None) -> bytes:
    """Draw both maps side by side.

    Parameters
    ----------
    projection : of n vectors.
    people : whose each is, n names.
    probes : which of them are probes, drawn as crosses; by default none.

    Returns
    -------
    A PNG.

    Raises
    ------
    InvalidInputError
        If matplotlib is missing.
    """
    check_installed("matplotlib")
    from matplotlib.figure import Figure  # noqa: PLC0415  # optional

    names, who = np.unique(np.array(people, dtype=object).astype(str), return_inverse=True)
    crosses = np.zeros(len(people), bool) if probes is None else np.array(probes, bool)
    with drawing():
        legend_rows = -(-len(names) // 4) if len(names) <= MOST_NAMED else 0
        figure = Figure(figsize=(2 * _PANEL_INCHES, _PANEL_INCHES + 0.25 * legend_rows), layout="constrained")
        first, second = (f"{share:.0%} of the variance" for share in projection.explained)
        left, right = figure.subplots(1, 2)
        for axes, places in ((left, projection.pca), (right, projection.tsne)):
            _scatter(axes, places, who, len(names), crosses)
        left.set(title="PCA", xlabel=first, ylabel=second)
        right.set(title="t-SNE", xticks=[], yticks=[])
        if legend_rows:
            handles = [left.scatter([], [], color=color) for color in _colors(len(names))]
            # A label that begins with an underscore would be left out.
            figure.legend(handles, [f" {short(name)}" for name in names], loc="outside lower center", ncols=4)
        return png(figure, dpi=DPI)


def _scatter(
    axes: Axes, places: NDArray[np.float64], who: NDArray[np.intp], people: int, crosses: NDArray[np.bool_]
) -> None:
    colors = _colors(people)
    for chosen, marker, size in ((~crosses, "o", 18), (crosses, "X", 60)):
        if chosen.any():
            axes.scatter(
                places[chosen, 0],
                places[chosen, 1],
                c=colors[who[chosen]],
                marker=marker,
                s=size,
                edgecolors="black" if marker == "X" else "none",
                linewidths=0.8,
                alpha=0.8,
            )
    axes.grid(alpha=0.3)


def _colors(people: int) -> NDArray[np.float64]:
    """As many colours as there are people, (n, 4) RGBA."""
    from matplotlib import colormaps  # noqa: PLC0415  # optional

    chosen = (
        colormaps["tab10"](np.arange(people))
        if people <= 10
        else colormaps["turbo"](np.linspace(0, 1, people))
    )
    return np.asarray(chosen, np.float64)
