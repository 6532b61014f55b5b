"""How often somebody may guess. Pure: the time is given, and nothing is written here.

Failures are counted for each person who was claimed, and for the device. From the fifth on, a count locks:
30 s, and twice as long with every further failure, up to an hour; from the twentieth on until somebody with
another credential unlocks. A success clears the counts that it was charged to.

Time is that since the computer was started, sleep included, which setting a clock does not change. After a
restart, or where time went back, a lock begins anew: it is never shortened.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Clock:
    """Seconds since a start of the computer, and which start that was."""

    boot_id: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Tally:
    """Failures in a row, and when the last of them, or the lock, began."""

    failures: int
    boot_id: str
    since_s: float

    def wait_s(self, now: Clock) -> float:
        """Seconds until the next guess is scored; infinite where only a credential helps."""
        if self.failures < FREE_FAILURES:
            return 0.0
        if self.failures >= CREDENTIAL_FAILURES:
            return math.inf
        lock = min(LONGEST_LOCK_S, FIRST_LOCK_S * 2.0 ** (self.failures - FREE_FAILURES))
        return lock if self._is_strange(now) else max(0.0, self.since_s + lock - now.seconds)

    def seen(self, now: Clock) -> Tally:
        """The same, its lock begun anew where the time that it began at means nothing."""
        return Tally(self.failures, now.boot_id, now.seconds) if self._is_strange(now) else self

    def _is_strange(self, now: Clock) -> bool:
        # Written so that NaN is strange.
        return self.boot_id != now.boot_id or not self.since_s <= now.seconds


Tallies = Mapping[str, Tally]
"""By person, or `DEVICE`; who is not in it has no failures."""


def wait_s(tallies: Tallies, keys: tuple[str, ...], now: Clock) -> float:
    """Seconds until a guess charged to all of these is scored."""
    return max((tallies[key].wait_s(now) for key in keys if key in tallies), default=0.0)


def charged(tallies: Tallies, keys: tuple[str, ...], now: Clock, failures: int = 1) -> Tallies:
    """Count failures."""
    changed = dict(tallies)
    for key in keys:
        before = tallies[key].failures if key in tallies else 0
        changed[key] = Tally(before + failures, now.boot_id, now.seconds)
    return MappingProxyType(changed)


def cleared(tallies: Tallies, keys: tuple[str, ...]) -> Tallies:
    """Forget failures."""
    return MappingProxyType({key: tally for key, tally in tallies.items() if key not in keys})


def seen(tallies: Tallies, now: Clock) -> Tallies:
    """Begin locks anew that a restart, or a clock that went back, has made meaningless."""
    return MappingProxyType({key: tally.seen(now) for key, tally in tallies.items()})


def encode(tallies: Tallies) -> bytes:
    """Turn counts into bytes."""
    rows = {key: [tally.failures, tally.boot_id, tally.since_s] for key, tally in tallies.items()}
    return json.dumps(rows, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def decode(content: bytes) -> Tallies:
    """Turn them back; ValueError, TypeError or AttributeError if the bytes are others."""
    tallies = {}
    for key, (failures, boot_id, since_s) in json.loads(content.decode()).items():
        right = isinstance(failures, int) and isinstance(boot_id, str) and isinstance(since_s, (int, float))
        if not right or failures < 0 or not math.isfinite(since_s):
            message = "not counts of failures"
            raise ValueError(message)
        tallies[key] = Tally(failures, boot_id, float(since_s))
    return MappingProxyType(tallies)
