"""What a number of comparisons can support, by the rule of three.

No error in n independent trials shows, with 95 %, a rate below 3 / n: a rate that fewer than
3 / rate trials stand behind was not measured, however well it looks.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

INDEPENDENT_TRIALS: Final = 3
"""Trials times rate that must be there."""


class Support(StrEnum):
    """What stands behind a figure at a false match rate."""

    FULL = "full"
    """Enough pairs of people, which are independent trials or nearly so."""
    COMPARISONS_ONLY = "comparisons_only"
    """Enough comparisons, but of too few pairs of people: true of these people alone."""
    NONE = "none"
    """Too few comparisons."""


def support(n_impostor: int, person_pairs: int, inverse_far: int) -> Support:
    """Say what impostor comparisons support at FMR 1 / ``inverse_far``.

    Parameters
    ----------
    n_impostor : comparisons.
    person_pairs : pairs of people that they come from.
    """
    wanted = INDEPENDENT_TRIALS * inverse_far
    if n_impostor < wanted:
        return Support.NONE
    return Support.COMPARISONS_ONLY if person_pairs < wanted else Support.FULL
