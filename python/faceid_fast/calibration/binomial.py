"""What a count of errors in independent trials says of their rate: exact binomial intervals and bounds.

Nothing is approximated by a normal distribution: rates here are small, and counts often zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Final

from faceid_fast.errors import InvalidInputError

LEVEL: Final = 0.95
"""Of two-sided intervals."""
CONFIDENCE: Final = 0.95
"""Of one-sided claims: a rate is no higher than so much."""
_NEGLIGIBLE: Final = 1e-17
"""Of a sum: what is smaller does not change it."""

Interval = tuple[float, float]
"""Lower and upper end."""


@cache
def clopper_pearson(errors: int, trials: int) -> Interval:
    """Exact two-sided interval of a rate at `LEVEL` (Clopper and Pearson, 1934).

    Its lower end is the rate at which so many errors or more have a probability of (1 - LEVEL) / 2, its upper
    end the one at which so many or fewer have.

    Parameters
    ----------
    errors : 0 to `trials`.
    trials : 1 or more, independent.

    Raises
    ------
    InvalidInputError
        If they are not so.
    """
    if not 0 <= errors <= trials or trials < 1:
        message = (
            f"errors, trials: expected 1 trial or more and no more errors, got {errors} errors of {trials}"
        )
        raise InvalidInputError(message)
    tail, successes = (1 - LEVEL) / 2, trials - errors
    # So many errors or more are so many successes or fewer.
    low = _first_rate(lambda rate: _at_most(successes, trials, 1.0 - rate, rate) >= tail) if errors else 0.0
    high = _first_rate(lambda rate: _at_most(errors, trials, rate, 1.0 - rate) <= tail) if successes else 1.0
    return low, high


def shows(errors: int, trials: int, rate: float) -> bool:
    """Whether so few errors in so many independent trials show, with `CONFIDENCE`, a rate that is no higher.

    The exact binomial test, one-sided: if they were more frequent, so few would be seen with a probability of
    1 - `CONFIDENCE` at most. Without an error that is the rule of three, trials >= 3 / rate.

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
    """Smallest rate that so few errors `shows`; 1 where all are errors."""
    return _first_rate(lambda rate: shows(errors, trials, rate))


def _at_most(count: int, trials: int, rate: float, other: float) -> float:
    """Probability of so many events or fewer in independent trials.

    Where so many or more are to be expected, it is a half or more, and a half stands for it: no bound here
    lies there.

    Parameters
    ----------
    rate, other : that of an event, and 1 less it; the smaller one is exact.
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
    for events in range(count, -1, -1):  # each less probable than the one before
        total += probability
        probability *= events * other / ((trials - events + 1.0) * rate)
        if probability <= total * _NEGLIGIBLE:
            break
    return total


def _first_rate(holds: Callable[[float], bool]) -> float:
    """Smallest rate from which on a test holds, by bisection down to neighbouring floats."""
    low, high = 0.0, 1.0
    while low < (middle := (low + high) / 2) < high:
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
