"""Maps of embeddings: a colour and a marker per person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from .drawing import check_installed, drawing, png, short
from .figures import DPI

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .projection import Projection

MOST_NAMED: Final = 20
"""People whom the legend names; it counts the others."""
MOST_LABELLED: Final = 12
"""Probes, at most, whose names stand beside them; more would cover each other."""
_COLORS: Final = 10
_MARKERS: Final = "os^DvP<>ph"
"""The first `_COLORS` people have the first marker, the next ones the second, and so on."""
_PANEL_INCHES: Final = 4.6
_COLUMNS: Final = 4
_ROW_INCHES: Final = 0.25


def draw_maps(projection: Projection, people: Sequence[str], probes: Sequence[bool] | None = None) -> bytes:
    """Draw both maps side by side, with a legend of the people.

    Parameters
    ----------
    projection : of n vectors.
    people : n names, of the person or of the probe that each vector is of.
    probes : which of them are probes, drawn as black crosses; by default none.

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

    labels = np.array(people, dtype=object).astype(str)
    crosses = np.zeros(len(labels), bool) if probes is None else np.array(probes, bool)
    names = [str(name) for name in np.unique(labels[~crosses])]
    with drawing():
        entries = _entries(names, int(crosses.sum()))
        rows = -(-len(entries) // _COLUMNS)
        figure = Figure(figsize=(2 * _PANEL_INCHES, _PANEL_INCHES + _ROW_INCHES * rows), layout="constrained")
        left, right = figure.subplots(1, 2)
        for axes, places in ((left, projection.pca), (right, projection.tsne)):
            for number, name in enumerate(names):
                _scatter(axes, places[(labels == name) & ~crosses], _style(number))
            _scatter(axes, places[crosses], _PROBE)
            if crosses.sum() <= MOST_LABELLED:
                for place, name in zip(places[crosses], labels[crosses], strict=True):
                    axes.annotate(short(str(name)), place, (4, 4), textcoords="offset points", fontsize=7)
            axes.grid(alpha=0.3)
        first, second = (f"{share:.0%} of the variance" for share in projection.explained)
        left.set(title="PCA", xlabel=f"first component ({first})", ylabel=f"second component ({second})")
        right.set(title="t-SNE: only neighbourhoods mean something", xticks=[], yticks=[])
        right.set(xlabel="first dimension (no unit)", ylabel="second dimension (no unit)")
        handles = [left.scatter([], [], **style) for _, style in entries]
        # A label that begins with an underscore would be left out.
        texts = [f" {text}" for text, _ in entries]
        figure.legend(handles, texts, loc="outside lower center", ncols=_COLUMNS)
        return png(figure, dpi=DPI)


_PROBE: Final[dict[str, Any]] = {"color": "black", "marker": "X", "s": 60, "edgecolors": "white"}
_NOBODY: Final[dict[str, Any]] = {"color": "none", "marker": "o", "s": 0}


def _style(number: int) -> dict[str, Any]:
    """Colour and marker of a person, by number."""
    marker = _MARKERS[number // _COLORS % len(_MARKERS)]
    return {"color": f"C{number % _COLORS}", "marker": marker, "s": 22, "edgecolors": "none", "alpha": 0.8}


def _entries(names: Sequence[str], probes: int) -> list[tuple[str, dict[str, Any]]]:
    """List the texts of the legend, each with the marker beside it."""
    found = [(short(name), _style(number)) for number, name in enumerate(names[:MOST_NAMED])]
    if others := len(names) - len(found):
        found.append((f"and {others:,} others", _NOBODY))
    if probes:
        found.append((f"frames given ({probes:,})", _PROBE))
    return found


def _scatter(axes: Axes, places: NDArray[np.float64], style: dict[str, Any]) -> None:
    if len(places):
        axes.scatter(places[:, 0], places[:, 1], linewidths=0.8, **style)
