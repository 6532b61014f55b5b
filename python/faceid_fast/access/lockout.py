"""The rules of lockout. Pure: the time is given, and nothing is written here.

Failures are counted for each claimed identity and for the device. The fifth failure locks for 30 s, every
further one for twice as long, up to an hour. From the twentieth failure on the lock holds until somebody
unlocks by another credential. A success clears the counts that the attempt was charged to.

Time counts from the start of the computer, sleep included; setting the computer's clock does not change it.
After a restart, or if time went back, a lock starts again: it is never shortened.
"""

from __future__ import annotations

import math
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from faceid_fast.storage.security_state import Tallies, Tally

from .boot_clock import Clock

FREE_FAILURES: Final = 5
"""Number of the failure that locks for the first time."""
FIRST_LOCK_S: Final = 30.0
LONGEST_LOCK_S: Final = 3600.0
CREDENTIAL_FAILURES: Final = 20
"""Number of failures from which only a credential unlocks."""
SPOOF_WEIGHT: Final = 2
"""Number of failures that an attempt with a spoof counts as."""
DEVICE: Final = ""
"""Key of the device's count; no person has an empty name."""
CREDENTIAL: Final = " "
"""Key of the count of wrong credentials; no person's name begins with a blank."""


def wait_s(tallies: Tallies, keys: tuple[str, ...], now: Clock) -> float:
    """Return the seconds until an attempt charged to these keys is no longer locked; infinity is possible."""
    # A lock of the credential always ends: nothing could unlock it.
    waits = (_wait_s(tallies[key], now, for_ever=key != CREDENTIAL) for key in keys if key in tallies)
    return max(waits, default=0.0)


def charged(tallies: Tallies, keys: tuple[str, ...], now: Clock, failures: int = 1) -> Tallies:
    """Add failures to the counts of these keys."""
    changed = dict(tallies)
    for key in keys:
        before = tallies[key].failures if key in tallies else 0
        changed[key] = Tally(before + failures, now.boot_id, now.seconds)
    return MappingProxyType(changed)


def told(tallies: Tallies, keys: tuple[str, ...], now: Clock) -> tuple[Tallies, tuple[str, ...]]:
    """Note that the locks of these keys refuse an attempt; return also the keys locked for the first time."""
    locked = (key for key in keys if key in tallies and wait_s(tallies, (key,), now))
    fresh = tuple(key for key in locked if not tallies[key].told)
    changed = {key: replace(tallies[key], told=True) for key in fresh}
    return MappingProxyType({**tallies, **changed}) if fresh else tallies, fresh


def seen(tallies: Tallies, now: Clock) -> Tallies:
    """Start those counts' times again that a restart, or a clock that went back, has made meaningless."""
    return MappingProxyType(
        {
            key: replace(tally, boot_id=now.boot_id, since_s=now.seconds)
            if _is_strange(tally, now)
            else tally
            for key, tally in tallies.items()
        }
    )


def _wait_s(tally: Tally, now: Clock, *, for_ever: bool) -> float:
    """Return the seconds until a lock ends; infinity where only a credential unlocks, if `for_ever`."""
    if tally.failures < FREE_FAILURES:
        return 0.0
    if for_ever and tally.failures >= CREDENTIAL_FAILURES:
        return math.inf
    doublings = min(tally.failures - FREE_FAILURES, 64)
    lock = min(LONGEST_LOCK_S, FIRST_LOCK_S * 2.0**doublings)
    return lock if _is_strange(tally, now) else max(0.0, tally.since_s + lock - now.seconds)


def _is_strange(tally: Tally, now: Clock) -> bool:
    """Whether the start time of a lock means nothing now; True for NaN."""
    return tally.boot_id != now.boot_id or not tally.since_s <= now.seconds
