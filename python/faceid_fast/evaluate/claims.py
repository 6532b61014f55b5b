"""Which rates a number of comparisons can show, by the rule of three.

Without an error in n independent trials, the rate is below 3 / n with 95 % confidence. So a rate is only
claimed where 3 / rate trials or more were made.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

INDEPENDENT_TRIALS: Final = 3
"""Number of trials times rate, at least."""


class Support(StrEnum):
    """How well trials support a figure at a false match rate."""

    FULL = "full"
    """There are enough pairs of people, which are independent trials or nearly so."""
    COMPARISONS_ONLY = "comparisons_only"
    """There are enough comparisons, but of too few pairs of people: it holds for these people alone."""
    NONE = "none"
    """There are too few comparisons."""


def support(n_impostor: int, person_pairs: int, inverse_far: int) -> Support:
    """Say how well impostor comparisons support a figure at FMR 1 / ``inverse_far``.

    Parameters
    ----------
    n_impostor : comparisons.
    person_pairs : pairs of people that they come from.
    """
    wanted = INDEPENDENT_TRIALS * inverse_far
    if n_impostor < wanted:
        return Support.NONE
    return Support.COMPARISONS_ONLY if person_pairs < wanted else Support.FULL
