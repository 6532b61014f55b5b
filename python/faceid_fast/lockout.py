"""How often somebody may guess. Pure: the time is given, and nothing is written here.

Failures are counted for each person who was claimed, and for the device. From the fifth on, a count locks:
30 s, and twice as long with every further failure, up to an hour; from the twentieth on until somebody with
another credential unlocks. A success clears the counts that it was charged to.

Time is that since the computer was started, sleep included, which setting a clock does not change. After a
restart, or where time went back, a lock begins anew: it is never shortened.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

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


@dataclass(frozen=True, slots=True)
class Clock:
    """Seconds since a start of the computer, and which start that was."""

    boot_id: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Tally:
    """Failures in a row; when the last of them, or the lock, began; whether it has refused anybody yet."""

    failures: int
    boot_id: str
    since_s: float
    told: bool = False

    def wait_s(self, now: Clock, *, for_ever: bool = True) -> float:
        """Seconds until the next guess is scored; infinite where only a credential helps, if `for_ever`."""
        if self.failures < FREE_FAILURES:
            return 0.0
        if for_ever and self.failures >= CREDENTIAL_FAILURES:
            return math.inf
        doublings = min(self.failures - FREE_FAILURES, 64)
        lock = min(LONGEST_LOCK_S, FIRST_LOCK_S * 2.0**doublings)
        return lock if self._is_strange(now) else max(0.0, self.since_s + lock - now.seconds)

    def seen(self, now: Clock) -> Tally:
        """The same, its lock begun anew where the time that it began at means nothing."""
        return replace(self, boot_id=now.boot_id, since_s=now.seconds) if self._is_strange(now) else self

    def _is_strange(self, now: Clock) -> bool:
        # Written so that NaN is strange.
        return self.boot_id != now.boot_id or not self.since_s <= now.seconds


Tallies = Mapping[str, Tally]
"""By person, or `DEVICE`; who is not in it has no failures."""


def wait_s(tallies: Tallies, keys: tuple[str, ...], now: Clock) -> float:
    """Seconds until a guess charged to all of these is scored."""
    # Nothing could end a credential's lock if it had no end.
    waits = (tallies[key].wait_s(now, for_ever=key != CREDENTIAL) for key in keys if key in tallies)
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


def cleared(tallies: Tallies, keys: tuple[str, ...]) -> Tallies:
    """Forget failures."""
    return MappingProxyType({key: tally for key, tally in tallies.items() if key not in keys})


def seen(tallies: Tallies, now: Clock) -> Tallies:
    """Begin locks anew that a restart, or a clock that went back, has made meaningless."""
    return MappingProxyType({key: tally.seen(now) for key, tally in tallies.items()})
