"""The rules of lockout. Pure: the time is given, and nothing is written here.

Failures of claims (1:1) are counted for each claimed identity and for the device. The fifth failure locks for
30 s, every further one for twice as long, up to an hour. From the twentieth failure on the lock holds until
somebody unlocks by another credential. A success clears the counts that the attempt was charged to.

Searches (1:N) and enrolments are counted too, searches for each camera. Their fifth failure and every further
one lock for 30 s, never longer: a search names nobody, so that a lock for ever would let anybody who holds up
pictures shut everybody out. Instead the twentieth failure in a row raises an alarm, as does each doubling.

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
ALARM_FAILURES: Final = 20
"""Number of failed searches in a row that raises the first alarm."""
SPOOF_WEIGHT: Final = 2
"""Number of failures that an attempt with a spoof counts as."""
DEVICE: Final = ""
"""Key of the device's count of failed claims; no person has an empty name."""
CREDENTIAL: Final = " "
"""Key of the count of wrong credentials; no person's name begins with a blank."""
SEARCH: Final = " search"
"""Key of the count of failed searches by frames that no camera vouches for; see `search_key`."""
ENROLLING: Final = " enrolling"
"""Key of the count of enrolments, each of which compares faces with those of other people."""


def search_key(source: str | None) -> str:
    """Return the key of the failed searches by the frames of a camera; None: of no camera.

    Each camera has a count of its own, so that pictures before one do not slow the others down.
    """
    return SEARCH if source is None else f"{SEARCH} {source}"


def is_slowed(key: str) -> bool:
    """Whether failures of a key only slow it down, and never lock it for longer than 30 s."""
    return key.startswith((SEARCH, ENROLLING))


def wait_s(tallies: Tallies, keys: tuple[str, ...], now: Clock) -> float:
    """Return the seconds until an attempt charged to these keys is no longer locked; infinity is possible."""
    return max((_wait_s(key, tallies[key], now) for key in keys if key in tallies), default=0.0)


def charged(tallies: Tallies, keys: tuple[str, ...], now: Clock, failures: int = 1) -> Tallies:
    """Add failures to the counts of these keys."""
    changed = dict(tallies)
    for key in keys:
        before = tallies.get(key, Tally(0, now.boot_id, now.seconds))
        count = before.failures + failures
        # Every lock is told of anew; an alarm only when the number of failures has doubled.
        told = before.told and is_slowed(key) and _alarms(count) == _alarms(before.failures)
        changed[key] = Tally(count, now.boot_id, now.seconds, told)
    return MappingProxyType(changed)


def told(tallies: Tallies, keys: tuple[str, ...], now: Clock) -> tuple[Tallies, tuple[str, ...]]:
    """Note that the locks of these keys refuse an attempt; return also the keys to tell of, each only once.

    Locks that only slow down are told of when they become an alarm.
    """
    locked = (key for key in keys if key in tallies and wait_s(tallies, (key,), now))
    fresh = tuple(key for key in locked if not tallies[key].told and _is_worth_telling(key, tallies[key]))
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


def _is_worth_telling(key: str, tally: Tally) -> bool:
    return not is_slowed(key) or _alarms(tally.failures) > 0


def _alarms(failures: int) -> int:
    """Return how many alarms so many failures in a row raise: at `ALARM_FAILURES`, and when they double."""
    return (failures // ALARM_FAILURES).bit_length()


def _wait_s(key: str, tally: Tally, now: Clock) -> float:
    """Return the seconds until a lock ends; infinity where only a credential unlocks."""
    if tally.failures < FREE_FAILURES:
        return 0.0
    # A lock of the credential always ends: nothing could unlock it.
    if tally.failures >= CREDENTIAL_FAILURES and key != CREDENTIAL and not is_slowed(key):
        return math.inf
    doublings = 0 if is_slowed(key) else min(tally.failures - FREE_FAILURES, 64)
    lock = min(LONGEST_LOCK_S, FIRST_LOCK_S * 2.0**doublings)
    return lock if _is_strange(tally, now) else max(0.0, tally.since_s + lock - now.seconds)


def _is_strange(tally: Tally, now: Clock) -> bool:
    """Whether the start time of a lock means nothing now; True for NaN."""
    return tally.boot_id != now.boot_id or not tally.since_s <= now.seconds
