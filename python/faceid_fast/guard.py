"""Charges guesses before they are scored, and says when a face is not looked at for now."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from . import lockout
from .audit import Event, EventKind
from .clock import now as system_clock
from .door import Policy, why_credential
from .ledger import Ledger, Presence, tallies_with
from .lockout import CREDENTIAL, DEVICE
from .outcome import Outcome

if TYPE_CHECKING:
    from .lockout import Clock
    from .store import ReferenceStore

Keys = tuple[str, ...]


class Refusal(NamedTuple):
    """Why a face is not looked at."""

    outcome: Outcome
    reason: str


class Guard:
    """Counts failures in a store, so that neither a restart nor another process forgets them.

    Parameters
    ----------
    store : keeps the counts.
    policy : when a credential is asked for.
    lockout : whether failures are counted at all.
    clock : tells the time; by default that since the computer was started.
    """

    def __init__(
        self,
        store: ReferenceStore,
        *,
        policy: Policy = Policy.DEFAULT,
        lockout: bool = True,
        clock: Callable[[], Clock] = system_clock,
    ) -> None:
        self._store = store
        self._policy = policy
        self._counts = lockout
        self.clock = clock

    @property
    def keeps_still(self) -> bool:
        """Whether nothing is ever charged or asked for."""
        return not self._counts and self._policy is Policy.DEFAULT

    def refusal(self, keys: Keys) -> Refusal | None:
        """Say why a guess charged to these is not scored now; a lock that a restart has met begins anew."""
        return self._ask(keys, 0)

    def charge(self, keys: Keys, failures: int = 1) -> Refusal | None:
        """Count failures, durably, unless a guess is not to be scored now: then say why."""
        return self._ask(keys, failures)

    def accepted(self, keys: Keys) -> None:
        """A face was: forget these failures, and remember when."""

        def amend(ledger: Ledger) -> tuple[Ledger, tuple[Event, ...]]:
            tallies = lockout.cleared(ledger.tallies, keys)
            after = tallies_with(ledger, tallies)
            if self._policy is Policy.DOOR and ledger.presence is not None:
                now = self.clock()
                # Another start of the computer would have been asked for the credential.
                after = replace(after, presence=replace(ledger.presence, accepted_s=now.seconds))
            return after, ()

        self._store.amend(amend)

    def credential_shown(self, identity: str | None) -> None:
        """The credential was shown: forget a person's failures and the device's; None: everybody's."""

        def amend(ledger: Ledger) -> tuple[Ledger, tuple[Event, ...]]:
            now = self.clock()
            keys = ledger.tallies if identity is None else (identity, DEVICE, CREDENTIAL)
            presence = Presence(now.boot_id, now.seconds, now.seconds)
            after = replace(ledger, tallies=lockout.cleared(ledger.tallies, tuple(keys)), presence=presence)
            return after, (Event.now(EventKind.UNLOCKED, identity),)

        self._store.amend(amend)

    def charge_credential(self) -> str | None:
        """Count a guess at the credential, durably, unless it is not to be checked now: then say why."""
        refused = self._charged((CREDENTIAL,), 1, asks=False)
        return None if refused is None else refused.reason

    def credential_right(self) -> None:
        """Forget the guesses at the credential."""

        def amend(ledger: Ledger) -> tuple[Ledger, tuple[Event, ...]]:
            return tallies_with(ledger, lockout.cleared(ledger.tallies, (CREDENTIAL,))), ()

        self._store.amend(amend)

    def kept_credential(self) -> str | None:
        """What tells whether a credential is the right one; None if none is set."""
        return self._store.amend(lambda ledger: (ledger, ())).credential

    def set_credential(self, kept: str) -> None:
        """Keep what tells whether a credential is the right one; guesses at the one before are forgotten."""

        def amend(ledger: Ledger) -> tuple[Ledger, tuple[Event, ...]]:
            tallies = lockout.cleared(ledger.tallies, (CREDENTIAL,))
            return replace(ledger, tallies=tallies, credential=kept), (Event.now(EventKind.CREDENTIAL_SET),)

        self._store.amend(amend)

    def _ask(self, keys: Keys, failures: int) -> Refusal | None:
        if self.keeps_still:
            return None
        return self._charged(keys, failures if self._counts else 0, asks=self._policy is Policy.DOOR)

    def _charged(self, keys: Keys, failures: int, *, asks: bool) -> Refusal | None:
        refused: Refusal | None = Refusal(Outcome.LOCKED_OUT, "the store was not asked")

        def amend(ledger: Ledger) -> tuple[Ledger, tuple[Event, ...]]:
            nonlocal refused
            now = self.clock()
            current = lockout.seen(ledger.tallies, now)
            wait = lockout.wait_s(current, keys, now)
            reason = why_credential(ledger.presence, now) if asks else None
            if wait:
                refused = Refusal(Outcome.LOCKED_OUT, _why(wait))
            elif reason is not None:
                refused = Refusal(Outcome.CREDENTIAL_REQUIRED, f"{reason}: show it first (faceid unlock)")
            else:
                refused = None
            if refused is None and failures:
                return tallies_with(ledger, lockout.charged(current, keys, now, failures)), ()
            # A failure that a success takes back a moment later has locked nobody: the first refusal tells.
            current, locks = lockout.told(current, keys, now) if wait else (current, ())
            return tallies_with(ledger, current), tuple(map(_locked, locks))

        self._store.amend(amend)
        return refused


def _locked(key: str) -> Event:
    if key in {DEVICE, CREDENTIAL}:
        return Event.now(EventKind.LOCKED, None, "the credential" if key == CREDENTIAL else "the device")
    return Event.now(EventKind.LOCKED, key)


def _why(wait_s: float) -> str:
    """Say what a lock means for whoever waits."""
    if math.isinf(wait_s):
        return "too many failures: somebody with another credential has to unlock"
    return f"too many failures: wait {math.ceil(wait_s)} s"
