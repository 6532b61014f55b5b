"""95 % intervals of all figures, by bootstrap over people.

Captures of one person resemble each other, so comparisons are far from independent. Therefore people are
drawn with replacement, not comparisons. The genuine comparisons of a person drawn m times have weight m;
the impostor comparisons of two people drawn m and n times have weight m * n. Two draws of one person
make no impostor comparisons with each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from faceid_fast.calibration.binomial import LEVEL, Interval
from faceid_fast.evaluate.scores import REPORTED_FARS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RESAMPLES: Final = 1000
SEED: Final = 324


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Comparisons:
    """The distances of a protocol, each with the people who were compared.

    Attributes
    ----------
    genuine : (n,) float64 distances; infinity for a failed acquisition.
    person : (n,) int64, 0 to people - 1.
    impostor : (m,) float64 distances.
    first, second : (m,) int64; the two people, in any order.
    people : number of people.
    genuine_keys, impostor_keys : (n, 2) and (m, 2) bool, whether the shape, and the picture, agree; None:
        they were not asked.
    """

    genuine: Floats
    person: Ints
    impostor: Floats
    first: Ints
    second: Ints
    people: int
    genuine_keys: NDArray[np.bool_] | None = None
    impostor_keys: NDArray[np.bool_] | None = None

    def decided(self) -> tuple[Floats, Floats]:
        """Return genuine and impostor distances, infinite where a key refuses.

        A threshold accepts exactly those of them that the product accepts at it.
        """
        return (
            _where_keys_agree(self.genuine, self.genuine_keys),
            _where_keys_agree(self.impostor, self.impostor_keys),
        )


@dataclass(frozen=True, slots=True)
class Intervals:
    """The interval of each figure of `scores.Scores`, at `LEVEL`.

    None where the figure is None, where fewer than half of the resamples have it, and where the resamples do
    not tell how sure it is: if the comparisons behind it come from one person or one pair of people; or if it
    is the same in all resamples, as a rate without an error is.

    Attributes
    ----------
    person_pairs : pairs of people that the impostor comparisons come from.
    """

    eer: Interval | None
    tar_at_far: dict[str, Interval | None]
    genuine_mean: Interval | None
    impostor_mean: Interval | None
    far_at_threshold: Interval | None
    frr_at_threshold: Interval | None
    person_pairs: int


def _where_keys_agree(distances: Floats, keys: NDArray[np.bool_] | None) -> Floats:
    return distances if keys is None else np.where(keys.all(axis=1), distances, np.inf)


class Weighted(Protocol):
    """Comparisons of one kind in R resamples."""

    @property
    def total(self) -> Ints:
        """Weight of all comparisons, (R,)."""

    def accepted(self, thresholds: Floats) -> Ints:
        """Weight (R,) of the comparisons at or below a threshold (R,) of each resample."""


class GroupedDistances:
    """Comparisons in groups; a resample holds all of a group or nothing of it.

    Parameters
    ----------
    distances : (n,) float64.
    groups : (n,) int64, a row of ``weights`` each.
    weights : (G, R) int64, how often each resample holds each group.
    """

    def __init__(self, distances: Floats, groups: Ints, weights: Ints) -> None:
        order = np.lexsort((distances, groups))
        present, starts = np.unique(groups[order], return_index=True)
        self._sorted = np.split(distances[order], starts[1:]) if present.size else []
        self._weights = weights[present]
        sizes = np.array([len(values) for values in self._sorted], np.int64)
        self.total: Ints = sizes @ self._weights

    @property
    def group_count(self) -> int:
        """Groups that hold a comparison."""
        return len(self._sorted)

    def accepted(self, thresholds: Floats) -> Ints:
        """Weight (R,) of the comparisons at or below a threshold (R,) of each resample."""
        weight = np.zeros(len(thresholds), np.int64)
        for values, times in zip(self._sorted, self._weights, strict=True):
            weight += times * np.searchsorted(values, thresholds, side="right")
        return weight

    def means(self) -> Floats:
        """Mean finite distance of each resample (R,); NaN where there is none."""
        finite = [values[np.isfinite(values)] for values in self._sorted]
        sums = np.array([values.sum() for values in finite]) @ self._weights
        return _share(sums, np.array([len(values) for values in finite], np.int64) @ self._weights)


def draw_people(people: int, resamples: int = RESAMPLES, seed: int = SEED) -> Ints:
    """Draw people with replacement, as many as there are: how often each was drawn, (people, R) int64."""
    shares = np.full(people, 1.0 / people)
    return np.random.default_rng(seed).multinomial(people, shares, size=resamples).T.astype(np.int64)


def bootstrap(comparisons: Comparisons, draws: Ints, threshold: float) -> Intervals:
    """Work out the interval of every figure.

    Parameters
    ----------
    draws : (people, R), as `draw_people` gives it.
    threshold : in use, Euclidean.
    """
    low = np.minimum(comparisons.first, comparisons.second)
    high = np.maximum(comparisons.first, comparisons.second)
    pairs, groups = np.unique(low * comparisons.people + high, return_inverse=True)
    together = draws[pairs // comparisons.people] * draws[pairs % comparisons.people]
    genuine = GroupedDistances(comparisons.genuine, comparisons.person, draws)
    impostor = GroupedDistances(comparisons.impostor, groups, together)
    own, others = comparisons.decided()
    decided_genuine = GroupedDistances(own, comparisons.person, draws)
    decided_impostor = GroupedDistances(others, groups, together)
    observed = observed_thresholds(comparisons.genuine, comparisons.impostor)
    at = np.full(draws.shape[1], threshold)

    def spread(values: Floats, *behind: GroupedDistances) -> Interval | None:
        return interval(values) if all(each.group_count > 1 for each in behind) else None

    return Intervals(
        eer=spread(equal_error_rates(genuine, impostor, observed), genuine, impostor),
        tar_at_far={
            key: spread(tars_at_far(genuine, impostor, observed, inverse), genuine, impostor)
            for key, inverse in REPORTED_FARS.items()
        },
        genuine_mean=spread(genuine.means(), genuine),
        impostor_mean=spread(impostor.means(), impostor),
        far_at_threshold=spread(_share(decided_impostor.accepted(at), impostor.total), impostor),
        frr_at_threshold=spread(1.0 - _share(decided_genuine.accepted(at), genuine.total), genuine),
        person_pairs=impostor.group_count,
    )


def observed_thresholds(*distances: Floats) -> Floats:
    """List the thresholds at which any rate changes, ascending; the first, -1, matches nothing."""
    every = np.concatenate([[-1.0], *distances])
    return np.unique(every[np.isfinite(every)])


def equal_error_rates(genuine: Weighted, impostor: Weighted, thresholds: Floats) -> Floats:
    """Equal error rate of each resample (R,), as `scores.equal_error_rate` defines it; NaN for none."""

    def errors(index: Ints) -> tuple[Ints, Ints]:
        at = thresholds[index]
        return impostor.accepted(at), genuine.total - genuine.accepted(at)

    def gap(index: Ints) -> Ints:
        # As integers over the common denominator: rounding must not choose among ties.
        falsely, refused = errors(index)
        return falsely * genuine.total - refused * impostor.total

    # FMR grows and FNMR falls with the threshold: they are closest on one side of where they cross.
    crossing = _first(len(thresholds), len(genuine.total), lambda index: gap(index) >= 0)
    before, after = np.maximum(crossing - 1, 0), np.minimum(crossing, len(thresholds) - 1)
    falsely, refused = errors(np.where(np.abs(gap(before)) <= np.abs(gap(after)), before, after))
    return (_share(falsely, impostor.total) + _share(refused, genuine.total)) / 2


def tars_at_far(genuine: Weighted, impostor: Weighted, thresholds: Floats, inverse_far: int) -> Floats:
    """True match rate of each resample (R,), as `scores.tar_at_far` defines it; NaN for none."""
    allowed = impostor.total // inverse_far
    beyond = _first(
        len(thresholds), len(allowed), lambda index: impostor.accepted(thresholds[index]) > allowed
    )
    rates = _share(genuine.accepted(thresholds[np.maximum(beyond - 1, 0)]), genuine.total)
    return np.where(impostor.total >= inverse_far, rates, np.nan)


def interval(values: Floats) -> Interval | None:
    """Return the middle `LEVEL` of the values that are not NaN; None if they are too few, or all the same."""
    known = values[~np.isnan(values)]
    if 2 * known.size < values.size or not known.size:
        return None
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return (float(low), float(high)) if low < high else None


class _Test(Protocol):
    def __call__(self, index: Ints, /) -> NDArray[np.bool_]: ...


def _first(size: int, resamples: int, holds: _Test) -> Ints:
    """Find by bisection the first index (R,) from which on a test holds; ``size`` if it never does."""
    low, high = np.zeros(resamples, np.int64), np.full(resamples, size, np.int64)
    while (low < high).any():
        middle = (low + high) // 2
        held = holds(np.minimum(middle, size - 1)) | (low >= high)
        high = np.where(held & (low < high), middle, high)
        low = np.where(held, low, middle + 1)
    return low


def _share(part: Ints | Floats, whole: Ints) -> Floats:
    share: Floats = np.where(whole > 0, part / np.maximum(whole, 1), np.nan)
    return share
