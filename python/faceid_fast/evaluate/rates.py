"""The table of error rates, the same for a terminal and for a page: each rate with its counts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from faceid_fast.calibration.binomial import upper_rate
from faceid_fast.evaluate.claims import Support, support
from faceid_fast.evaluate.scores import REPORTED_FARS

if TYPE_CHECKING:
    from faceid_fast.calibration.binomial import Interval
    from faceid_fast.evaluate.protocols import Report


_SMALL: Final = 5e-4
"""A rate that takes more digits."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A figure of one protocol.

    Attributes
    ----------
    text : the figure; "-" where nothing was measured.
    below : its counts ("3 of 1,234"), then its interval or bound.
    support : how well comparisons support it.
    """

    text: str
    below: tuple[str, ...] = ()
    support: Support = Support.FULL


def of_how_many(count: int, trials: int) -> str:
    """Write a count of how many."""
    return f"{count:,} of {trials:,}"


def support_of(report: Report, protocol: str, inverse_far: int) -> Support:
    """Say how well comparisons support a protocol's true match rate at FMR 1 / `inverse_far`."""
    return support(
        report.protocols[protocol].n_impostor, report.intervals[protocol].person_pairs, inverse_far
    )


def table_of(report: Report) -> list[tuple[str, list[Shown]]]:
    """List the rows of the table: a label, and the figure of each protocol."""
    scores, intervals, counts = report.protocols, report.intervals, report.counts

    def true_match_rate(key: str, inverse: int) -> Callable[[str], Shown]:
        return lambda name: _rate(
            scores[name].tar_at_far[key],
            scores[name].n_genuine,
            intervals[name].tar_at_far[key],
            support_of(report, name, inverse),
        )

    rows: dict[str, Callable[[str], Shown]] = {
        "EER": lambda name: _equal_error_rate(report, name),
        **{f"TMR at FMR {key}": true_match_rate(key, inverse) for key, inverse in REPORTED_FARS.items()},
        "FMR at threshold": lambda name: _false_match_rate(report, name),
        "FNMR at threshold": lambda name: _rate(
            scores[name].frr_at_threshold, scores[name].n_genuine, intervals[name].frr_at_threshold
        ),
        "mean genuine": lambda name: _distance(scores[name].genuine_mean, intervals[name].genuine_mean),
        "mean impostor": lambda name: _distance(scores[name].impostor_mean, intervals[name].impostor_mean),
        "failure to acquire": lambda name: _rate(
            scores[name].failure_to_acquire, counts[name].captures, None
        ),
        "genuine pairs": lambda name: Shown(f"{scores[name].n_genuine:,}"),
        "impostor pairs": lambda name: Shown(f"{scores[name].n_impostor:,}"),
        "pairs of people": lambda name: Shown(f"{intervals[name].person_pairs:,}"),
    }
    return [(label, [shown(name) for name in scores]) for label, shown in rows.items()]


def without_false_match(report: Report) -> bool:
    """Whether any protocol has no false match at the threshold, so that a bound stands in the table."""
    return any(scores.far_at_threshold == 0.0 for scores in report.protocols.values())


def _rate(
    share: float | None, trials: int, interval: Interval | None, behind: Support = Support.FULL
) -> Shown:
    if share is None:
        return Shown("-", support=behind)
    # A share of a count, so that many times the count is a whole number but for rounding.
    return Shown(_percent(share), (of_how_many(round(share * trials), trials), *_between(interval)), behind)


def _percent(share: float) -> str:
    """Write a rate in percent, with more digits where two would make it 0."""
    return f"{share:.4%}" if 0.0 < share < _SMALL else f"{share:.2%}"


def _equal_error_rate(report: Report, protocol: str) -> Shown:
    """EER, with the counts of false matches and of false non-matches at its threshold."""
    rate, errors = report.protocols[protocol].eer, report.counts[protocol].equal_errors
    if rate is None or errors is None:
        return Shown("-")
    matches = of_how_many(errors.false_matches, errors.n_impostor)
    non_matches = of_how_many(errors.false_non_matches, errors.n_genuine)
    return Shown(f"{rate:.2%}", (matches, non_matches, *_between(report.intervals[protocol].eer)))


def _false_match_rate(report: Report, protocol: str) -> Shown:
    """FMR at the threshold; without a false match, with the exact bound of the pairs of people."""
    scores, found = report.protocols[protocol], report.intervals[protocol]
    rate = scores.far_at_threshold
    if rate != 0.0 or not found.person_pairs:
        return _rate(rate, scores.n_impostor, found.far_at_threshold)
    return Shown(f"{rate:.2%}", (of_how_many(0, scores.n_impostor), f"< {_bound(found.person_pairs)}"))


def _bound(trials: int) -> str:
    """Exact upper bound of a rate after so many trials without an error, rounded up."""
    return f"{math.ceil(upper_rate(0, trials) * 1e4) / 1e4:.2%}"


def _distance(mean: float | None, interval: Interval | None) -> Shown:
    if mean is None:
        return Shown("-")
    return Shown(f"{mean:.3f}", () if interval is None else (f"{interval[0]:.3f}-{interval[1]:.3f}",))


def _between(interval: Interval | None) -> Iterable[str]:
    """Write an interval of a rate in percent; nothing for none."""
    if interval is None:
        return ()
    low, high = (100.0 * end for end in interval)
    digits = 4 if 0.0 < interval[1] < _SMALL else 1
    return (f"{low:.{digits}f}-{high:.{digits}f}",)
