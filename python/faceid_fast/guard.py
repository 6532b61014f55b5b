"""Charges guesses before they are scored, and says how long to wait for the next one."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from . import lockout
from .clock import now as system_clock

if TYPE_CHECKING:
    from .lockout import Clock, Tallies
    from .store import ReferenceStore


class Guard:
    """Counts failures in a store, so that neither a restart nor another process forgets them.

    Parameters
    ----------
    store : keeps the counts.
    clock : tells the time; by default that since the computer was started.
    """

    def __init__(self, store: ReferenceStore, clock: Callable[[], Clock] = system_clock) -> None:
        self._store = store
        self._clock = clock

    def wait_s(self, keys: tuple[str, ...]) -> float:
        """Seconds until a guess charged to these is scored; a lock that a restart has met begins anew."""
        return self._charge(keys, 0)

    def charge(self, keys: tuple[str, ...], failures: int = 1) -> float:
        """Count failures, durably; returns 0, or for how long a guess is not to be scored: then none is."""
        return self._charge(keys, failures)

    def clear(self, keys: tuple[str, ...] | None = None) -> None:
        """Forget the failures of some, or all of them."""

        def change(tallies: Tallies) -> Tallies:
            left = {} if keys is None else lockout.cleared(tallies, keys)
            return tallies if len(left) == len(tallies) else left

        self._store.attempts(change)

    def _charge(self, keys: tuple[str, ...], failures: int) -> float:
        wait = math.inf  # in case that nothing was asked

        def change(tallies: Tallies) -> Tallies:
            nonlocal wait
            now = self._clock()
            current = lockout.seen(tallies, now)
            wait = lockout.wait_s(current, keys, now)
            if wait == 0.0 and failures:
                return lockout.charged(current, keys, now, failures)
            return tallies if current == tallies else current

        self._store.attempts(change)
        return wait


def why(wait_s: float) -> str:
    """Say what a lock means for whoever waits."""
    if math.isinf(wait_s):
        return "too many failures: somebody with another credential has to unlock"
    return f"too many failures: wait {math.ceil(wait_s)} s"
