"""What a measured tail of strangers says about thresholds. Pure.

A threshold is worth as much as what stands behind it: how many pairs of strangers lie how near each other. A
model's contract brings the lower end of that distribution, its *tail*; here it is read.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Final

from faceid_fast.errors import InvalidInputError

Tail = tuple[tuple[float, float], ...]
"""(share of pairs of strangers, largest distance that accepts no more of them), ascending."""

FALSE_ACCEPT_TARGET: Final = 1e-4
"""Chance that an attempt of a stranger is accepted, single picture against single picture."""
FLOOR_FAR: Final = 1e-3
"""That which adapted references may at most be used at; see :mod:`faceid_fast.adaptation.rules`."""
SHRINK_PER_DECADE: Final = 0.8
"""Beyond what was measured: how much nearer a tenth of the strangers lie; steeper than any tail seen."""


def is_tail(tail: Tail) -> bool:
    """Whether it is one: shares in (0, 1], distances in (0, 2), ascending both. An empty one is."""
    usable = all(0.0 < share <= 1.0 and 0.0 < distance < 2.0 for share, distance in tail)
    return usable and all(a[0] < b[0] and a[1] <= b[1] for a, b in pairwise(tail))


def distance_at(tail: Tail, far: float) -> float:
    """Largest distance known to accept at most a share of strangers: that of the next lower measured share.

    Below the lowest measured share it is extrapolated, by `SHRINK_PER_DECADE`.

    Raises
    ------
    InvalidInputError
        If the tail is empty, or the share is not in (0, 1].
    """
    if not tail or not 0.0 < far <= 1.0:
        message = f"far: expected a share in (0, 1] and a measured tail, got {far} and {len(tail)} points"
        raise InvalidInputError(message)
    lowest, nearest = tail[0]
    if far < lowest:
        return nearest * math.pow(SHRINK_PER_DECADE, math.log10(lowest / far))
    return max(distance for share, distance in tail if share <= far)


def tightened(threshold: float, tail: Tail, identities: int) -> float:
    """Threshold for a search among so many identities: each of them is one more chance for a stranger.

    Chosen so that the chance of any false accept in an attempt stays what it is for one identity, if chances
    add up, which is the worst they can do. Without a measured tail nothing is known but the assumed slope.
    """
    if identities <= 1:
        return threshold
    known = tail or ((FALSE_ACCEPT_TARGET, threshold),)
    return min(threshold, distance_at(known, FALSE_ACCEPT_TARGET / identities))


def floor(threshold: float, tail: Tail) -> float:
    """How far from the enrolment a face may be for an adapted reference to let it in; at least the threshold.

    A threshold below that of `FALSE_ACCEPT_TARGET` draws the floor in with it, in proportion: who wants to be
    stricter about strangers does not want them in by another way.

    Raises
    ------
    InvalidInputError
        If the tail does not say.
    """
    if not any(share <= FLOOR_FAR for share, _ in tail):
        message = (
            f"adaptation: expected a model whose contract says how many strangers lie where, down to a share "
            f"of {FLOOR_FAR:g}; got one that does not: use adaptation='never'"
        )
        raise InvalidInputError(message)
    usual = distance_at(tail, FALSE_ACCEPT_TARGET)
    return max(threshold, distance_at(tail, FLOOR_FAR) * min(1.0, threshold / usual))
