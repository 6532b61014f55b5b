"""How often somebody may guess. Pure: the time is given, and nothing is written here.

Failures are counted for each person who was claimed, and for the device. From the fifth on, a count locks:
30 s, and twice as long with every further failure, up to an hour; from the twentieth on until somebody with
another credential unlocks. A success clears the counts that it was charged to.

Time is that since the computer was started, sleep included, which setting a clock does not change. After a
restart, or where time went back, a lock begins anew: it is never shortened.
"""

from __future__ import annotations

import math
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from faceid_fast.storage.security_state import Tallies, Tally

from .boot_clock import Clock

FREE_FAILURES: Final = 5
"""The failure that locks for the first time."""
FIRST_LOCK_S: Final = 30.0
LONGEST_LOCK_S: Final = 3600.0
CREDENTIAL_FAILURES: Final = 20
"""From here on only a credential unlocks."""
SPOOF_WEIGHT: Final = 2
"""Failures that a spoof counts as."""
DEVICE: Final = ""
"""Key of the device's count; no person has an empty name."""
CREDENTIAL: Final = " "
"""Key of the count of wrong credentials; no person's name begins with a blank."""


def wait_s(tallies: Tallies, keys: tuple[str, ...], now: Clock) -> float:
    """Seconds until a guess charged to all of these is scored."""
    # Nothing could end a credential's lock if it had no end.
    waits = (_wait_s(tallies[key], now, for_ever=key != CREDENTIAL) for key in keys if key in tallies)
    return max(waits, default=0.0)


def charged(tallies: Tallies, keys: tuple[str, ...], now: Clock, failures: int = 1) -> Tallies:
    """Count failures."""
    changed = dict(tallies)
    for key in keys:
        before = tallies[key].failures if key in tallies else 0
        changed[key] = Tally(before + failures, now.boot_id, now.seconds)
    return MappingProxyType(changed)


def told(tallies: Tallies, keys: tuple[str, ...], now: Clock) -> tuple[Tallies, tuple[str, ...]]:
    """Note that locks refuse somebody; returns whose do so for the first time."""
    locked = (key for key in keys if key in tallies and wait_s(tallies, (key,), now))
    fresh = tuple(key for key in locked if not tallies[key].told)
    changed = {key: replace(tallies[key], told=True) for key in fresh}
    return MappingProxyType({**tallies, **changed}) if fresh else tallies, fresh


def seen(tallies: Tallies, now: Clock) -> Tallies:
    """Begin locks anew that a restart, or a clock that went back, has made meaningless."""
    return MappingProxyType(
        {
            key: replace(tally, boot_id=now.boot_id, since_s=now.seconds)
            if _is_strange(tally, now)
            else tally
            for key, tally in tallies.items()
        }
    )


def _wait_s(tally: Tally, now: Clock, *, for_ever: bool) -> float:
    """Seconds until the next guess is scored; infinite where only a credential helps, if `for_ever`."""
    if tally.failures < FREE_FAILURES:
        return 0.0
    if for_ever and tally.failures >= CREDENTIAL_FAILURES:
        return math.inf
    doublings = min(tally.failures - FREE_FAILURES, 64)
    lock = min(LONGEST_LOCK_S, FIRST_LOCK_S * 2.0**doublings)
    return lock if _is_strange(tally, now) else max(0.0, tally.since_s + lock - now.seconds)


def _is_strange(tally: Tally, now: Clock) -> bool:
    """Whether the time that a lock began at means nothing now; written so that NaN does."""
    return tally.boot_id != now.boot_id or not tally.since_s <= now.seconds
