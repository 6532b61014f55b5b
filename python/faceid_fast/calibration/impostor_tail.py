"""Thresholds from an impostor tail. Pure.

An impostor *tail* is the lower end of the distribution of impostor distances, as pairs of a false match rate
and a distance. A model's contract carries one for each modality.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Final

from faceid_fast.errors import InvalidInputError

Tail = tuple[tuple[float, float], ...]
"""Pairs (share, distance), ascending: the largest distance that accepts at most this share of impostors."""

FALSE_ACCEPT_TARGET: Final = 1e-4
"""The false match rate that a model's thresholds are set at, one frame against one."""
FLOOR_FAR: Final = 1e-3
"""The false match rate at the floor of adapted references; see :mod:`faceid_fast.adaptation.rules`."""
SHRINK_PER_DECADE: Final = 0.8
"""Beyond the measured tail the distance shrinks by this factor for each tenth of the rate.

That is steeper than any tail that was measured.
"""


def is_tail(tail: Tail) -> bool:
    """Whether a tail is valid: shares in (0, 1] and distances in (0, 2), both ascending. An empty one is."""
    usable = all(0.0 < share <= 1.0 and 0.0 < distance < 2.0 for share, distance in tail)
    return usable and all(a[0] < b[0] and a[1] <= b[1] for a, b in pairwise(tail))


def distance_at(tail: Tail, far: float) -> float:
    """Return the largest distance that is known to have at most a false match rate.

    That is the distance of the next lower measured share. Below the lowest measured share it is extrapolated
    by `SHRINK_PER_DECADE`.

    Parameters
    ----------
    tail : at least one pair.
    far : the false match rate, in (0, 1].

    Raises
    ------
    InvalidInputError
        If the tail is empty, or the rate is not in (0, 1].
    """
    if not tail or not 0.0 < far <= 1.0:
        message = f"far: expected a share in (0, 1] and a measured tail, got {far} and {len(tail)} points"
        raise InvalidInputError(message)
    lowest, nearest = tail[0]
    if far < lowest:
        return nearest * math.pow(SHRINK_PER_DECADE, math.log10(lowest / far))
    return max(distance for share, distance in tail if share <= far)


def tightened(threshold: float, tail: Tail, identities: int) -> float:
    """Return the threshold for a search (1:N): each identity is one more chance of a false match.

    The probability of any false match in a search stays that of one comparison, in the worst case, which is
    that the probabilities add up. With an empty tail only the slope of `SHRINK_PER_DECADE` is assumed.

    Parameters
    ----------
    threshold : largest distance to accept for one identity (1:1); never exceeded.
    tail : impostor tail of the modality.
    identities : number of identities that are searched.
    """
    if identities <= 1:
        return threshold
    known = tail or ((FALSE_ACCEPT_TARGET, threshold),)
    return min(threshold, distance_at(known, FALSE_ACCEPT_TARGET / identities))


def floor(threshold: float, tail: Tail) -> float:
    """Return the floor of adapted references; it is at least the threshold.

    A probe that matches only an adapted reference must lie within this distance of an enrolled one. A
    threshold below that of `FALSE_ACCEPT_TARGET` lowers the floor in proportion, so that a stricter threshold
    is not undone by adaptation.

    Raises
    ------
    InvalidInputError
        If the tail does not reach down to a share of `FLOOR_FAR`.
    """
    if not any(share <= FLOOR_FAR for share, _ in tail):
        message = (
            f"adaptation: expected a model whose contract says how many strangers lie where, down to a share "
            f"of {FLOOR_FAR:g}; got one that does not: use adaptation='never'"
        )
        raise InvalidInputError(message)
    usual = distance_at(tail, FALSE_ACCEPT_TARGET)
    return max(threshold, distance_at(tail, FLOOR_FAR) * min(1.0, threshold / usual))
