"""The figures of a report about error rates: each a PNG."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from faceid_fast.evaluate.claims import INDEPENDENT_TRIALS
from faceid_fast.evaluate.classes import PITCHES, YAWS, expression_words
from faceid_fast.evaluate.rates import of_how_many
from faceid_fast.evaluate.scores import error_curve

from .drawing import drawing, png, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

    from faceid_fast.evaluate.breakdown import Group
    from faceid_fast.evaluate.intervals import Comparisons

Floats = NDArray[np.float64]
Protocols = Mapping[str, "Comparisons"]

NOTEBOOK_GENUINE: Final = 0.30
NOTEBOOK_IMPOSTOR: Final = 1.1
NOTEBOOK_THRESHOLD: Final = 0.4
"""Mean genuine distance, mean impostor distance and threshold that the notebook of 2018 reported."""
MOST_PEOPLE: Final = 20
"""People who are drawn one by one, at most: the hardest."""
DPI: Final = 130
_WIDTH: Final = 9.0
_GENUINE, _IMPOSTOR, _THRESHOLD, _NOTEBOOK = "#2166ac", "#b2182b", "black", "0.45"
_BINS: Final = 60
_FARTHEST: Final = 1.6
"""Where axes of distances end; hardly any impostor comparison is farther."""


def histograms(protocols: Protocols, threshold: float) -> bytes:
    """Histograms of the genuine and of the impostor distances of each protocol."""
    with drawing():
        figure = _figure(2.1 * -(-len(protocols) // 2) + 0.6)
        panels = _panels(figure, len(protocols))
        edges = np.linspace(0.0, _FARTHEST, _BINS + 1)
        for axes, (name, found) in zip(panels, protocols.items(), strict=True):
            for values, color, kind in (
                (found.genuine, _GENUINE, "genuine: same person"),
                (found.impostor, _IMPOSTOR, "impostor: two people"),
            ):
                finite = values[np.isfinite(values)]
                if finite.size:
                    shares = np.histogram(np.minimum(finite, _FARTHEST), edges)[0] / finite.size
                    axes.stairs(shares, edges, fill=True, color=color, alpha=0.55, label=kind)
            axes.axvline(threshold, color=_THRESHOLD, linewidth=1.5, label=f"threshold {threshold:.3f}")
            for at, style, label in (
                (NOTEBOOK_GENUINE, ":", f"2018: genuine {NOTEBOOK_GENUINE:.2f}"),
                (NOTEBOOK_THRESHOLD, "--", f"2018: threshold {NOTEBOOK_THRESHOLD:.1f}"),
                (NOTEBOOK_IMPOSTOR, "-.", f"2018: impostor {NOTEBOOK_IMPOSTOR:.1f}"),
            ):
                axes.axvline(at, color=_NOTEBOOK, linestyle=style, linewidth=1.0, label=label)
            axes.set(title=name, xlabel="distance", ylabel="share", xlim=(0.0, _FARTHEST))
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3)
        return png(figure, dpi=DPI)


def roc(protocols: Protocols) -> bytes:
    """ROC: true match rate against false match rate, the latter on a logarithmic axis."""
    with drawing():
        figure = _figure(4.2)
        axes = figure.subplots()
        for number, (name, found) in enumerate(protocols.items()):
            if (curve := error_curve(found.genuine, found.impostor)) is not None:
                seen = curve.fmr > 0.0
                axes.plot(curve.fmr[seen], 1.0 - curve.fnmr[seen], color=f"C{number}", label=name)
        _claim_limit(axes, protocols)
        axes.set(xscale="log", xlabel="false match rate (FMR)", ylabel="true match rate (1 - FNMR)")
        axes.set_ylim(top=1.005)
        _plain_decades(axes.xaxis)
        _finish(axes)
        return png(figure, dpi=DPI)


def det(protocols: Protocols) -> bytes:
    """DET: false non-match rate against false match rate, both on logarithmic axes."""
    with drawing():
        figure = _figure(4.2)
        axes = figure.subplots()
        for number, (name, found) in enumerate(protocols.items()):
            if (curve := error_curve(found.genuine, found.impostor)) is not None:
                seen = (curve.fmr > 0.0) & (curve.fnmr > 0.0)
                axes.plot(curve.fmr[seen], curve.fnmr[seen], color=f"C{number}", label=name)
        axes.plot([1e-4, 1.0], [1e-4, 1.0], color="0.7", linewidth=0.8, label="equal errors")
        _claim_limit(axes, protocols)
        axes.set(
            xscale="log",
            yscale="log",
            xlabel="false match rate (FMR)",
            ylabel="false non-match rate (FNMR)",
        )
        for axis in (axes.xaxis, axes.yaxis):
            _plain_decades(axis)
        _finish(axes)
        return png(figure, dpi=DPI)


def rates_by_threshold(protocols: Protocols, threshold: float) -> bytes:
    """Both error rates against the threshold."""
    with drawing():
        figure = _figure(4.2)
        axes = figure.subplots()
        for number, (name, found) in enumerate(protocols.items()):
            if (curve := error_curve(found.genuine, found.impostor)) is not None:
                for rate, style, kind in ((curve.fmr, "-", "FMR"), (curve.fnmr, "--", "FNMR")):
                    seen = rate > 0.0
                    axes.plot(
                        curve.thresholds[seen], rate[seen], style, color=f"C{number}", label=f"{name} {kind}"
                    )
        axes.axvline(threshold, color=_THRESHOLD, linewidth=1.5, label=f"threshold {threshold:.3f}")
        axes.set(yscale="log", xlabel="threshold", ylabel="error rate", xlim=(0.0, _FARTHEST))
        _plain_decades(axes.yaxis)
        _finish(axes, columns=2)
        return png(figure, dpi=DPI)


def failures(outcomes: Mapping[str, int], captures: int) -> bytes:
    """How many captures gave no usable face, and why."""
    with drawing():
        rows = {"usable": captures - sum(outcomes.values()), **outcomes}
        figure = _figure(0.35 * len(rows) + 1.0)
        axes = figure.subplots()
        shares = [count / captures for count in rows.values()]
        bars = axes.barh(list(rows), shares, color=["0.7", *[_IMPOSTOR] * len(outcomes)])
        labels = [f"{count} ({share:.1%})" for count, share in zip(rows.values(), shares, strict=True)]
        axes.bar_label(bars, labels, padding=4)
        axes.invert_yaxis()
        axes.set(xlabel="share of the captures", xlim=(0.0, 1.18))
        return png(figure, dpi=DPI)


def poses(groups: Sequence[Group], threshold: float) -> bytes:
    """Two maps of the nine poses: FNMR, and failures to acquire, each with how many of how many."""
    with drawing():
        figure = _figure(4.0)
        for axes, (title, counted) in zip(figure.subplots(1, 2), _errors(threshold).items(), strict=True):
            values = np.full((len(PITCHES), len(YAWS)), np.nan)
            texts = {}
            for group in groups:
                errors, of = counted(group)
                place = divmod(int(group.name), len(YAWS))
                values[place] = errors / of if of else math.nan
                texts[place] = f"{values[place]:.1%}\n{of_how_many(errors, of)}" if of else "-"
            axes.imshow(values, cmap="Reds", vmin=0.0, vmax=1.0)
            for place, share in np.ndenumerate(values):
                color = "w" if share > 0.6 else "k"
                axes.text(place[1], place[0], texts.get(place, "-"), ha="center", va="center", color=color)
            axes.set(title=title)
            axes.set_xticks(range(len(YAWS)), [_broken(name) for name in YAWS])
            axes.set_yticks(range(len(PITCHES)), [_broken(name) for name in PITCHES])
        return png(figure, dpi=DPI)


def expressions(groups: Sequence[Group], threshold: float) -> bytes:
    """FNMR and failures to acquire, by expression, each with how many of how many."""
    with drawing():
        figure = _figure(3.6)
        axes = figure.subplots()
        places = np.arange(len(groups))
        for shift, color, (title, counted) in zip(
            (-0.2, 0.2), (_GENUINE, _IMPOSTOR), _errors(threshold).items(), strict=True
        ):
            errors = [counted(group) for group in groups]
            shares = [count / of if of else 0.0 for count, of in errors]
            bars = axes.bar(places + shift, shares, 0.38, color=color, label=title)
            labels = [
                f"{share:.1%}\n{of_how_many(*each)}" if each[1] else "-"
                for share, each in zip(shares, errors, strict=True)
            ]
            axes.bar_label(bars, labels, padding=2, fontsize=8)
        axes.set_xticks(places, [_broken(expression_words(int(group.name))) for group in groups], fontsize=8)
        axes.set(ylabel="share")
        axes.set_ylim(0.0, max(0.05, 1.35 * axes.dataLim.ymax))
        _finish(axes)
        return png(figure, dpi=DPI)


def _errors(threshold: float) -> dict[str, Callable[[Group], tuple[int, int]]]:
    """By what is drawn: a function that counts a group's errors, and of how many."""
    return {
        "false non-match rate (FNMR)": lambda group: (group.refusals(threshold), len(group.genuine)),
        "failure to acquire": lambda group: (group.failed, group.captures),
    }


def _broken(words: str) -> str:
    """Break words into lines that fit below an axis."""
    return words.replace(" (", "\n(").replace(" by the", "\nby the")


def people(groups: Sequence[Group], threshold: float) -> bytes:
    """Each person's genuine and impostor distances; of many people the hardest."""
    with drawing():
        shown = hardest(groups, threshold)[:MOST_PEOPLE]
        figure = _figure(0.5 * len(shown) + 1.4)
        axes = figure.subplots()
        for row, group in enumerate(shown):
            _range(axes, row - 0.15, group.genuine, _GENUINE, "genuine" if row == 0 else None)
            _range(axes, row + 0.15, group.impostor, _IMPOSTOR, "impostor" if row == 0 else None)
            nearest = group.impostor.min(initial=math.inf)
            if math.isfinite(nearest):
                axes.plot(
                    nearest, row + 0.15, "x", color=_IMPOSTOR, label="nearest impostor" if row == 0 else None
                )
        axes.axvline(threshold, color=_THRESHOLD, linewidth=1.5, label=f"threshold {threshold:.3f}")
        axes.set_yticks(range(len(shown)), [short(group.name) for group in shown])
        axes.invert_yaxis()
        axes.set(xlabel="distance", xlim=(0.0, _FARTHEST))
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4)
        return png(figure, dpi=DPI)


def hardest(groups: Sequence[Group], threshold: float) -> list[Group]:
    """Sort groups by FNMR, then by their nearest impostor comparison; the hardest first."""
    return sorted(
        groups, key=lambda group: (-(group.refused(threshold) or 0.0), group.impostor.min(initial=math.inf))
    )


def timings(stages: Mapping[str, Floats]) -> bytes:
    """Milliseconds per stage: median, quartiles, and the middle 90 %."""
    with drawing():
        figure = _figure(0.45 * len(stages) + 1.0)
        axes = figure.subplots()
        for row, values in enumerate(stages.values()):
            _range(axes, row, values, _GENUINE, None)
        axes.set_yticks(range(len(stages)), list(stages))
        axes.invert_yaxis()
        axes.set(xscale="log", xlabel="milliseconds a capture (logarithmic)")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        return png(figure, dpi=DPI)


class PairPicture(NamedTuple):
    """Two crops (h, w, 3) uint8 RGB, their labels, and the distance of the two faces."""

    first: NDArray[np.uint8]
    second: NDArray[np.uint8]
    labels: tuple[str, str]
    distance: float


def pairs(pictures: Sequence[PairPicture]) -> bytes:
    """Pairs of crops, one above the other."""
    with drawing():
        figure = _figure(3.6)
        grid = figure.subplots(2, len(pictures), squeeze=False)
        for column, pair in enumerate(pictures):
            for row, (crop, label) in enumerate(zip((pair.first, pair.second), pair.labels, strict=True)):
                axes = grid[row, column]
                axes.imshow(crop)
                axes.set_xticks([])
                axes.set_yticks([])
                axes.set_xlabel(short(label), fontsize=7)
            grid[0, column].set_title(f"{pair.distance:.3f}", fontsize=9)
        return png(figure, dpi=DPI)


def _figure(height: float) -> Figure:
    from matplotlib.figure import Figure  # noqa: PLC0415  # optional

    return Figure(figsize=(_WIDTH, height), layout="constrained")


def _panels(figure: Figure, count: int) -> list[Axes]:
    """Make so many axes in two columns."""
    panels = list(figure.subplots(-(-count // 2), 2, squeeze=False).flat)
    for axes in panels[count:]:
        axes.set_axis_off()
    return panels[:count]


def _finish(axes: Axes, columns: int = 1) -> None:
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(ncols=columns)


def _plain_decades(axis: Axis) -> None:
    """Write powers of ten as 1e-3, as everywhere else."""
    from matplotlib.ticker import NullFormatter  # noqa: PLC0415  # optional

    axis.set_major_formatter(lambda value, _: "1" if value == 1.0 else f"1e{round(math.log10(value))}")
    axis.set_minor_formatter(NullFormatter())


def _claim_limit(axes: Axes, protocols: Protocols) -> None:
    """Mark the rate below which the curves hold for these people alone."""
    count = max((len(np.unique(_pair_keys(found))) for found in protocols.values()), default=0)
    if count:
        at = min(1.0, INDEPENDENT_TRIALS / count)
        axes.axvline(
            at, color="black", linestyle=":", linewidth=1.2, label=f"{INDEPENDENT_TRIALS} / pairs of people"
        )


def _pair_keys(found: Comparisons) -> NDArray[np.int64]:
    low, high = np.minimum(found.first, found.second), np.maximum(found.first, found.second)
    keys: NDArray[np.int64] = low * found.people + high
    return keys


def _range(axes: Axes, row: float, values: Floats, color: str, label: str | None) -> None:
    """Draw the middle 90 % as a line, the middle half as a bar, the median as a point."""
    finite = values[np.isfinite(values)]
    if finite.size:
        low, q1, median, q3, high = np.quantile(finite, [0.05, 0.25, 0.5, 0.75, 0.95])
        axes.hlines(row, low, high, color=color, linewidth=1.0)
        axes.hlines(row, q1, q3, color=color, linewidth=5.0, alpha=0.6)
        axes.plot(median, row, "o", color=color, markersize=5, label=label)
