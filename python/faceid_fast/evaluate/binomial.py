"""What a count of errors in independent trials says of their rate: the exact interval."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np

from faceid_fast.errors import InvalidInputError
from faceid_fast.evaluate.intervals import LEVEL, Interval


@cache
def clopper_pearson(errors: int, trials: int) -> Interval:
    """Exact two-sided interval of a rate, at `intervals.LEVEL`.

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
    tail = (1 - LEVEL) / 2
    factorials = np.array([math.lgamma(count + 1.0) for count in range(trials + 1)])
    counts = np.arange(trials + 1)
    ways = factorials[trials] - factorials - factorials[::-1]

    def probability(chosen: slice, rate: float) -> float:
        """Of as many errors as one of the chosen counts says, at a rate between 0 and 1."""
        of_each = (
            ways[chosen] + counts[chosen] * math.log(rate) + (trials - counts[chosen]) * math.log1p(-rate)
        )
        return math.fsum(np.exp(of_each))

    more, fewer = slice(errors, None), slice(None, errors + 1)
    low = _first_rate(lambda rate: probability(more, rate) >= tail) if errors else 0.0
    high = _first_rate(lambda rate: probability(fewer, rate) <= tail) if errors < trials else 1.0
    return low, high


def _first_rate(holds: Callable[[float], bool]) -> float:
    """Smallest rate, to a float's precision, from which on a test holds."""
    low, high = 0.0, 1.0
    while low < (middle := (low + high) / 2) < high:
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
