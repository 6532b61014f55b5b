"""Error rates of comparisons, from their distances (terms of ISO/IEC 19795-1).

A comparison matches if its distance is at or below the threshold. FMR, the false match rate, is the
share of impostor comparisons that match; FNMR, the false non-match rate, the share of genuine ones that
do not. A failed acquisition has distance infinity, so it never matches. Rates are fractions, 0 to 1. A
threshold may be any real number, not only a distance that was observed. A match at the threshold in use is
what the product accepts: both keys of the face are asked, too, each with its own limit. All other rates,
those at other thresholds, are of the joined distances alone. Fields such as
``far_at_threshold`` keep the names that the JSON has: they hold FMR and FNMR.
"""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from faceid_fast.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Floats = NDArray[np.float64]

REPORTED_FARS: Final = {"1e-1": 10, "1e-2": 100, "1e-3": 1000, "1e-4": 10_000}
"""By key in reports, 1 / FMR: integers, so that no share of a count depends on rounding."""

_DRAWN_POINTS: Final = 1000


@dataclass(frozen=True, slots=True)
class Scores:
    """Figures of one protocol; None where nothing was measured.

    Attributes
    ----------
    eer : equal error rate, see `equal_error_rate`.
    tar_at_far : true match rate (TMR) at the FMR of each key of `REPORTED_FARS`, see `tar_at_far`.
    genuine_mean, impostor_mean : mean Euclidean distance, failed acquisitions left out.
    far_at_threshold, frr_at_threshold : FMR and FNMR at the threshold in use, where both keys are asked, too.
    n_genuine, n_impostor : comparisons, failed acquisitions included.
    failure_to_acquire : share of the protocol's captures that gave no usable face.
    """

    eer: float | None
    tar_at_far: dict[str, float | None]
    genuine_mean: float | None
    impostor_mean: float | None
    far_at_threshold: float | None
    frr_at_threshold: float | None
    n_genuine: int
    n_impostor: int
    failure_to_acquire: float | None


def score(
    genuine: ArrayLike,
    impostor: ArrayLike,
    *,
    threshold: float,
    failure_to_acquire: float | None,
    decided: tuple[ArrayLike, ArrayLike] | None = None,
) -> Scores:
    """Work out all figures of one protocol.

    Parameters
    ----------
    genuine, impostor : (n,) distances >= 0; infinity for a failed acquisition.
    threshold : in use, Euclidean.
    failure_to_acquire : goes into the result as it is.
    decided : the same distances, genuine and impostor, infinite where a key refuses; None: no key does.

    Raises
    ------
    InvalidInputError
        If a distance is NaN or negative, or an array is not one-dimensional.
    """
    same, other = _distances("genuine", genuine), _distances("impostor", impostor)
    own, others = (genuine, impostor) if decided is None else decided
    accepted = accept_rate(own, threshold)
    return Scores(
        eer=equal_error_rate(same, other),
        tar_at_far={key: tar_at_far(same, other, inverse) for key, inverse in REPORTED_FARS.items()},
        genuine_mean=_finite_mean(same),
        impostor_mean=_finite_mean(other),
        far_at_threshold=accept_rate(others, threshold),
        frr_at_threshold=None if accepted is None else 1.0 - accepted,
        n_genuine=int(same.size),
        n_impostor=int(other.size),
        failure_to_acquire=failure_to_acquire,
    )


def accept_rate(distances: ArrayLike, threshold: float) -> float | None:
    """Share of distances at or below a threshold; None if there are none."""
    values = _distances("distances", distances)
    return float(np.mean(values <= threshold)) if values.size else None


def tar_at_far(genuine: ArrayLike, impostor: ArrayLike, inverse_far: int) -> float | None:
    """Share of genuine comparisons that match at `threshold_at_far`.

    Returns
    -------
    float, or None where there is no such threshold, or there are no genuine comparisons.
    """
    threshold = threshold_at_far(impostor, inverse_far)
    return None if threshold is None else accept_rate(genuine, threshold)


def threshold_at_far(impostor: ArrayLike, inverse_far: int) -> float | None:
    """Find the largest threshold with FMR <= 1 / `inverse_far`.

    k = floor(n_impostor / inverse_far) false matches are allowed, so the threshold lies just below the
    impostor distance of rank k + 1, and no comparison of that distance matches.

    Returns
    -------
    float, or None where n_impostor < `inverse_far`: no such rate can be observed. It is finite even where all
    may match, since a failed acquisition never does.
    """
    other = _distances("impostor", impostor)
    if other.size < inverse_far:
        return None
    allowed = other.size // inverse_far
    refused = np.partition(other, allowed)[allowed] if allowed < other.size else math.inf
    return float(np.nextafter(refused, -1.0))


class EqualErrors(NamedTuple):
    """Counts of errors, and of comparisons, at the threshold of the equal error rate."""

    false_matches: int
    n_impostor: int
    false_non_matches: int
    n_genuine: int

    @property
    def rate(self) -> float:
        """Mean of the two rates."""
        return (self.false_matches / self.n_impostor + self.false_non_matches / self.n_genuine) / 2


def equal_error_rate(genuine: ArrayLike, impostor: ArrayLike) -> float | None:
    """Mean of FMR and FNMR at the threshold where they are closest (of several, the smallest).

    Returns
    -------
    float, or None if either kind of comparison is missing.
    """
    errors = equal_errors(genuine, impostor)
    return None if errors is None else errors.rate


def equal_errors(genuine: ArrayLike, impostor: ArrayLike) -> EqualErrors | None:
    """Count the errors that `equal_error_rate` is made of; None if either kind of comparison is missing."""
    same, other = np.sort(_distances("genuine", genuine)), np.sort(_distances("impostor", impostor))
    if not same.size or not other.size:
        return None

    def gap(threshold: float) -> int:
        # Compared as integers over the common denominator: rounding must not choose among ties.
        accepted = int(np.searchsorted(same, threshold, side="right"))
        falsely = int(np.searchsorted(other, threshold, side="right"))
        return falsely * same.size - (same.size - accepted) * other.size

    # Rates change only at observed distances; -1 is the threshold that accepts nothing. FMR grows
    # and FNMR falls, so they are closest on one side of where they cross: found by halving, as tens of
    # millions of pairs leave no room for the rates at every threshold.
    observed = [array[: np.searchsorted(array, math.inf)] for array in (same, other)]
    beyond = [bisect.bisect_left(array, 1, key=lambda at: int(gap(at) >= 0)) for array in observed]
    above = [float(array[i]) for array, i in zip(observed, beyond, strict=True) if i < array.size]
    below = [float(array[i - 1]) for array, i in zip(observed, beyond, strict=True) if i > 0]
    best, after = max(below, default=-1.0), min(above, default=math.inf)
    if above and abs(gap(after)) < abs(gap(best)):
        best = after
    return EqualErrors(
        false_matches=int(np.searchsorted(other, best, side="right")),
        n_impostor=int(other.size),
        false_non_matches=int(same.size - np.searchsorted(same, best, side="right")),
        n_genuine=int(same.size),
    )


class ErrorCurve(NamedTuple):
    """Both error rates at rising thresholds, (n,) each."""

    thresholds: Floats
    fmr: Floats
    fnmr: Floats


def error_curve(genuine: ArrayLike, impostor: ArrayLike) -> ErrorCurve | None:
    """Work out both error rates at thresholds that were observed, for drawing.

    Where there are many, some are chosen: more where a rate is low, which logarithmic axes spread out.

    Returns
    -------
    ErrorCurve, or None if either kind of comparison is missing.
    """
    same, other = np.sort(_distances("genuine", genuine)), np.sort(_distances("impostor", impostor))
    if not same.size or not other.size:
        return None
    chosen = [
        values[np.unique(np.geomspace(1, values.size, _DRAWN_POINTS).astype(np.intp)) - 1]
        for values in (same, same[::-1], other)
    ]
    thresholds = np.unique(np.concatenate(chosen))
    thresholds = thresholds[np.isfinite(thresholds)]
    return ErrorCurve(
        thresholds,
        np.searchsorted(other, thresholds, side="right") / other.size,
        1.0 - np.searchsorted(same, thresholds, side="right") / same.size,
    )


def _distances(name: str, values: ArrayLike) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not (array >= 0.0).all():  # NaN is not >= 0
        message = f"{name}: expected (n,) distances of 0 or more (infinity: not acquired), got {array.shape}"
        if array.ndim == 1:
            message += f" with {array[~(array >= 0.0)][0]}"
        raise InvalidInputError(message)
    return array


def _finite_mean(values: Floats) -> float | None:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else None
