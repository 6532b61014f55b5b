"""The rate limit: every attempt is charged before it is matched, and refused while a lock holds."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from faceid_fast.errors import CredentialError
from faceid_fast.outcome import Outcome
from faceid_fast.storage import security_state
from faceid_fast.storage.audit import Event, EventKind
from faceid_fast.storage.security_state import Presence, SecurityState, tallies_with

from . import lockout
from .boot_clock import now as system_clock
from .credential_policy import Policy, why_credential
from .lockout import CREDENTIAL, DEVICE

if TYPE_CHECKING:
    from faceid_fast.storage.security_state import Tallies
    from faceid_fast.storage.store import ReferenceStore

    from .boot_clock import Clock

Keys = tuple[str, ...]


class Refusal(NamedTuple):
    """The reason why an attempt is refused before its faces are compared."""

    outcome: Outcome
    reason: str


class AttemptLimiter:
    """Counts failures in a store, so that they outlast a restart and hold for every process.

    An attempt is charged to *keys*: names of people, `lockout.DEVICE` or `lockout.CREDENTIAL`.

    Parameters
    ----------
    store : keeps the counts.
    policy : when the credential is asked for.
    lockout : whether failures are counted at all.
    clock : returns the time; by default that since the computer was started.
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
        self.policy = policy
        self.counts = lockout
        self.clock = clock

    @property
    def keeps_still(self) -> bool:
        """Whether attempts are never charged and the credential is never asked for."""
        return not self.counts and self.policy is Policy.DEFAULT

    def refusal(self, keys: Keys) -> Refusal | None:
        """Return why an attempt charged to these keys is refused now; None if it is not.

        A lock that held at a restart of the computer starts again.
        """
        return self._ask(keys, 0)

    def charge(self, keys: Keys, failures: int = 1) -> Refusal | None:
        """Count failures durably; or count none and return why the attempt is refused now."""
        return self._ask(keys, failures)

    def accepted(self, charged_to: Keys, identity: str) -> Refusal | None:
        """Clear the counts of an accepted attempt and note the time; or return why it is refused after all.

        A person who was identified rather than claimed may be locked. And the policy may ask for the
        credential since the charge, because somebody was enrolled meanwhile.
        """
        refused: Refusal | None = Refusal(Outcome.LOCKED_OUT, "the store was not asked")

        def amend(state: SecurityState) -> tuple[SecurityState, tuple[Event, ...]]:
            nonlocal refused
            now = self.clock()
            found = () if identity in charged_to else (identity,)
            current = lockout.seen(state.tallies, now)
            refused = self._reason(state, current, found if self.counts else (), now, asks=True)
            if refused is not None:
                return tallies_with(state, current), ()
            forgotten = (*charged_to, identity) if self.counts else ()
            after = tallies_with(state, security_state.cleared(current, forgotten))
            if self.policy is Policy.DOOR and after.presence is not None:
                after = replace(after, presence=replace(after.presence, accepted_s=now.seconds))
            return after, ()

        self._store.amend(amend)
        return refused

    def _reason(
        self, state: SecurityState, tallies: Tallies, keys: Keys, now: Clock, *, asks: bool
    ) -> Refusal | None:
        """Return why an attempt is refused: a lock or, if `asks`, the credential that the policy asks for."""
        if wait := lockout.wait_s(tallies, keys, now):
            return Refusal(Outcome.LOCKED_OUT, _why(wait))
        door = asks and self.policy is Policy.DOOR
        reason = why_credential(state.presence, now) if door else None
        if reason is not None:
            return Refusal(Outcome.CREDENTIAL_REQUIRED, f"{reason}: show it first (faceid unlock)")
        return None

    def unlock(self, keys: Keys | None, given: str | None) -> None:
        """Clear the counts of some keys (None: of all), after a check of the credential.

        Raises
        ------
        CredentialError
            If a credential is set and `given` is another, too many were wrong, or none is set and one is
            given.
        """
        if self._kept_credential() is not None:
            self._check_credential(given)
        elif given is not None:
            message = "credential: expected one to be set before one is checked: Authenticator.set_credential"
            raise CredentialError(message)

        def amend(state: SecurityState) -> tuple[SecurityState, tuple[Event, ...]]:
            now = self.clock()
            forgotten = tuple(state.tallies if keys is None else keys)
            presence = Presence(now.boot_id, now.seconds, now.seconds)
            after = replace(
                state, tallies=security_state.cleared(state.tallies, forgotten), presence=presence
            )
            who = next((key for key in keys or () if key != DEVICE), None)
            return after, (Event.now(EventKind.UNLOCKED, who),)

        self._store.amend(amend)

    def confirm(self, given: str | None) -> None:
        """Check the credential before something is changed that decides who is let in; without one, pass.

        Raises
        ------
        CredentialError
            If a credential is set and `given` is another, or too many were wrong.
        """
        if self._kept_credential() is not None:
            self._check_credential(given)

    def set_credential(self, new: str, current: str | None) -> None:
        """Store the hash of a new credential.

        Raises
        ------
        CredentialError
            If a credential is set and `current` is another, or too many were wrong.
        InvalidInputError
            If the new credential is too short or too long.
        """
        from .credential import hashed  # noqa: PLC0415  # loads cryptography, only where it is needed

        kept = hashed(new)
        checked = self._kept_credential()
        if checked is not None:
            self._check_credential(current)

        def amend(state: SecurityState) -> tuple[SecurityState, tuple[Event, ...]]:
            if state.credential != checked:
                message = "credential: expected the one that was checked, but somebody has set another one"
                raise CredentialError(message)
            # The old credential having been shown does not count for the new one.
            after = replace(state, credential=kept, presence=None)
            return after, (Event.now(EventKind.CREDENTIAL_SET),)

        self._store.amend(amend)

    def _kept_credential(self) -> str | None:
        return self._store.amend(lambda state: (state, ())).credential

    def _check_credential(self, given: str | None) -> None:
        """Check a credential; a failure is charged first, and cleared if the credential is right."""
        from .credential import matches  # noqa: PLC0415

        if given is None:
            message = "credential: expected the credential that is set, got none"
            raise CredentialError(message)
        if refused := self._charged((CREDENTIAL,), 1, asks=False):
            message = f"credential: {refused.reason}"
            raise CredentialError(message)
        kept = self._kept_credential()
        if kept is None or not matches(given, kept):
            message = "credential: expected the one that is set, got another one"
            raise CredentialError(message)
        self._store.amend(
            lambda state: (tallies_with(state, security_state.cleared(state.tallies, (CREDENTIAL,))), ())
        )

    def _ask(self, keys: Keys, failures: int) -> Refusal | None:
        if self.keeps_still:
            return None
        return self._charged(keys, failures if self.counts else 0, asks=True)

    def _charged(self, keys: Keys, failures: int, *, asks: bool) -> Refusal | None:
        refused: Refusal | None = Refusal(Outcome.LOCKED_OUT, "the store was not asked")

        def amend(state: SecurityState) -> tuple[SecurityState, tuple[Event, ...]]:
            nonlocal refused
            now = self.clock()
            current = lockout.seen(state.tallies, now)
            refused = self._reason(state, current, keys, now, asks=asks)
            if refused is None and failures:
                return tallies_with(state, lockout.charged(current, keys, now, failures)), ()
            # A lock is logged at its first refusal: a charge that a success takes back has locked nobody.
            current, locks = lockout.told(current, keys, now)
            return tallies_with(state, current), tuple(map(_locked, locks))

        self._store.amend(amend)
        return refused


def _locked(key: str) -> Event:
    if key in {DEVICE, CREDENTIAL}:
        return Event.now(EventKind.LOCKED, None, "the credential" if key == CREDENTIAL else "the device")
    return Event.now(EventKind.LOCKED, key)


def _why(wait_s: float) -> str:
    """Return the reason for a refusal by a lock of `wait_s` seconds, infinity included."""
    if math.isinf(wait_s):
        return "too many failures: somebody with another credential has to unlock"
    return f"too many failures: wait {math.ceil(wait_s)} s"
