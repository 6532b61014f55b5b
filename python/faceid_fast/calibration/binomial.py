"""Exact binomial intervals and bounds of an error rate, from a count of errors in independent trials.

The normal approximation is not used: rates here are small, and counts are often zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Final

from faceid_fast.errors import InvalidInputError

LEVEL: Final = 0.95
"""Confidence level of two-sided intervals."""
CONFIDENCE: Final = 0.95
"""Confidence level of one-sided upper bounds of a rate."""
_NEGLIGIBLE: Final = 1e-17
"""Share of a sum below which a further term no longer changes it."""

Interval = tuple[float, float]
"""Lower and upper end of an interval."""


@cache
def clopper_pearson(errors: int, trials: int) -> Interval:
    """Return the exact two-sided interval of a rate at `LEVEL` (Clopper and Pearson, 1934).

    At its lower end the probability of `errors` or more errors is (1 - LEVEL) / 2, at its upper end that of
    `errors` or fewer.

    Parameters
    ----------
    errors : number of errors, 0 to `trials`.
    trials : number of independent trials, at least 1.

    Raises
    ------
    InvalidInputError
        If the numbers are out of range.
    """
    if not 0 <= errors <= trials or trials < 1:
        message = (
            f"errors, trials: expected 1 trial or more and no more errors, got {errors} errors of {trials}"
        )
        raise InvalidInputError(message)
    tail, successes = (1 - LEVEL) / 2, trials - errors
    # The event of `errors` or more errors is that of `successes` or fewer successes.
    low = _first_rate(lambda rate: _at_most(successes, trials, 1.0 - rate, rate) >= tail) if errors else 0.0
    high = _first_rate(lambda rate: _at_most(errors, trials, rate, 1.0 - rate) <= tail) if successes else 1.0
    return low, high


def shows(errors: int, trials: int, rate: float) -> bool:
    """Whether the errors in independent trials show, at `CONFIDENCE`, that their rate is at most `rate`.

    This is the one-sided exact binomial test: at a higher rate, `errors` or fewer errors have a probability
    of at most 1 - `CONFIDENCE`. For no errors it is the rule of three, trials >= 3 / rate.

    Raises
    ------
    InvalidInputError
        If there are fewer trials than errors, or none, or the rate is not in (0, 1).
    """
    if not 0 <= errors <= trials or trials < 1 or not 0.0 < rate < 1.0:
        message = (
            "errors, trials, rate: expected no more errors than trials, 1 trial or more and a rate in "
            f"(0, 1), got {errors}, {trials} and {rate}"
        )
        raise InvalidInputError(message)
    return _at_most(errors, trials, rate, 1.0 - rate) <= 1.0 - CONFIDENCE


def upper_rate(errors: int, trials: int) -> float:
    """Return the upper bound of a rate at `CONFIDENCE`: the smallest that `shows`; 1 if all are errors."""
    return _first_rate(lambda rate: shows(errors, trials, rate))


def _at_most(count: int, trials: int, rate: float, other: float) -> float:
    """Return the probability of `count` events or fewer in independent trials.

    If `count` is at least the expected number, the probability is about a half or more, and 0.5 is returned:
    no bound here lies there.

    Parameters
    ----------
    rate, other : the rate of an event, and 1 minus it; the smaller of the two is exact.
    """
    if count >= trials * rate:
        return 0.5
    probability = math.exp(
        math.lgamma(trials + 1.0)
        - math.lgamma(count + 1.0)
        - math.lgamma(trials - count + 1.0)
        + count * (math.log(rate) if rate <= other else math.log1p(-other))
        + (trials - count) * (math.log(other) if other < rate else math.log1p(-rate))
    )
    total = 0.0
    for events in range(count, -1, -1):  # each term is smaller than the one before
        total += probability
        probability *= events * other / ((trials - events + 1.0) * rate)
        if probability <= total * _NEGLIGIBLE:
            break
    return total


def _first_rate(holds: Callable[[float], bool]) -> float:
    """Return the smallest rate at which a test holds, by bisection down to neighbouring floats."""
    low, high = 0.0, 1.0
    while low < (middle := (low + high) / 2) < high:
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
