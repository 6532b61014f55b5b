"""The rate limit: every attempt is charged before it is matched, and refused while a lock holds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from faceid_fast.errors import CredentialError
from faceid_fast.frame import MAX_AGE_S
from faceid_fast.outcome import Outcome
from faceid_fast.storage import security_state
from faceid_fast.storage.audit import Event, EventKind
from faceid_fast.storage.policy import Policy
from faceid_fast.storage.security_state import Presence, SecurityState, UsedFrame, tallies_with
from faceid_fast.storage.store import Authority, state_of

from . import lockout
from .boot_clock import now as system_clock
from .credential_policy import why_credential
from .lockout import ALARM_FAILURES, CREDENTIAL, DEVICE, ENROLLING, is_slowed

if TYPE_CHECKING:
    from faceid_fast.storage.security_state import Rules, Tallies
    from faceid_fast.storage.store import ReferenceStore

    from .boot_clock import Clock

Keys = tuple[str, ...]
_KEPT_S: Final = MAX_AGE_S + 30.0
"""How long a used frame is remembered after its capture: its age is looked at when an attempt begins, and the
attempt is charged once its frames were looked at, which may take seconds."""
_USED: Final = "a frame was used by an earlier attempt: every attempt needs new ones"


class Refusal(NamedTuple):
    """The reason why an attempt is refused before its faces are compared."""

    outcome: Outcome
    reason: str


class OvertakenError(Exception):
    """The rules of the store changed since an attempt read them: it has to start again."""


class AttemptLimiter:
    """Counts failures in a store, so that they outlast a restart and hold for every process.

    An attempt is charged to *keys*: names of people, or those of :mod:`faceid_fast.access.lockout`. The rules
    of the store (`SecurityState.rules`) that an attempt was begun with are compared in the same transactions.

    Parameters
    ----------
    store : keeps the counts.
    policy : when the credential is asked for, if the store's own policy does not ask for it more often.
    lockout : whether failures are counted at all, if the store's own policy does not demand it.
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

    def refusal(self, keys: Keys) -> Refusal | None:
        """Return why an attempt charged to these keys is refused now; None if it is not.

        A lock that held at a restart of the computer starts again.
        """
        return self._charged(keys, 0, asks=True)

    def charge(
        self, keys: Keys, failures: int = 1, *, frames: Sequence[UsedFrame] = (), rules: Rules | None = None
    ) -> Refusal | None:
        """Count failures durably; or count none and return why the attempt is refused now.

        Parameters
        ----------
        keys : what to charge.
        failures : how many failures it counts as.
        frames : the live frames of the attempt, none of which may have been used before.
        rules : that the attempt was begun with.

        Raises
        ------
        OvertakenError
            If the rules have changed since; nothing is counted.
        """
        return self._charged(keys, failures, asks=True, frames=frames, rules=rules)

    def charge_comparison(self, keys: Keys, held: Keys = (), *, failures: int = 1) -> Refusal | None:
        """Count a comparison that is no attempt, as a failure; or return why it is refused now.

        Enrolments and maps compare faces, too. The policy of doors does not concern them.

        Parameters
        ----------
        keys : what to charge.
        failures : how many failures it counts as.
        held : other keys; the comparison is refused while a lock of theirs holds, too.
        """
        return self._charged(keys, failures, asks=False, held=held)

    def take_back(self, keys: Keys) -> None:
        """Take back one failure of each of these keys."""

        def amend(state: SecurityState) -> tuple[SecurityState, tuple[Event, ...]]:
            left = {
                key: replace(tally, failures=tally.failures - 1) if key in keys else tally
                for key, tally in state.tallies.items()
            }
            return tallies_with(state, {key: tally for key, tally in left.items() if tally.failures > 0}), ()

        self._store.amend(amend)

    def accepted(self, charged_to: Keys, identity: str, *, rules: Rules | None = None) -> Refusal | None:
        """Clear the counts of an accepted attempt and note the time; or return why it is refused after all.

        A person who was identified rather than claimed may be locked. And the policy may ask for the
        credential since the charge, because somebody was enrolled meanwhile.

        Raises
        ------
        OvertakenError
            If the rules have changed since the attempt was begun; nothing is cleared.
        """
        refused: Refusal | None = Refusal(Outcome.LOCKED_OUT, "the store was not asked")

        def amend(state: SecurityState) -> tuple[SecurityState, tuple[Event, ...]]:
            nonlocal refused
            _check_rules(state, rules)
            now = self.clock()
            counts = self._counts(state)
            found = () if identity in charged_to else (identity,)
            current = lockout.seen(state.tallies, now)
            refused = self._reason(state, current, found if counts else (), now, asks=True)
            if refused is not None:
                return tallies_with(state, current), ()
            forgotten = (*charged_to, identity) if counts else ()
            after = tallies_with(state, security_state.cleared(current, forgotten))
            if self._is_door(state) and after.presence is not None:
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
        reason = why_credential(state.presence, now) if asks and self._is_door(state) else None
        if reason is not None:
            return Refusal(Outcome.CREDENTIAL_REQUIRED, f"{reason}: show it first (faceid unlock)")
        return None

    def _is_door(self, state: SecurityState) -> bool:
        """Whether the program or the store asks for the credential by the rules of a door."""
        return Policy.DOOR in {self.policy, state.policy.credential}

    def _counts(self, state: SecurityState) -> bool:
        """Whether failures are counted, because the program or the store wants it."""
        return self.counts or state.policy.lockout

    def unlock(self, keys: Keys | None, given: str | None) -> None:
        """Clear the counts of some keys (None: of all), after a check of the credential.

        Raises
        ------
        CredentialError
            If a credential is set and `given` is another, too many were wrong, or none is set and one is
            given.
        """
        self.authorized(given)

        def amend(state: SecurityState) -> tuple[SecurityState, tuple[Event, ...]]:
            now = self.clock()
            forgotten = tuple(state.tallies if keys is None else keys)
            presence = Presence(now.boot_id, now.seconds, now.seconds)
            after = replace(
                state, tallies=security_state.cleared(state.tallies, forgotten), presence=presence
            )
            who = next((key for key in keys or () if key != DEVICE and not is_slowed(key)), None)
            return after, (Event.now(EventKind.UNLOCKED, who),)

        self._store.amend(amend)

    def authorized(self, given: str | None) -> Authority:
        """Check the credential, and return the right to change who is let in.

        Where none is set, whoever holds the key has that right.

        Raises
        ------
        CredentialError
            If a credential is set and `given` is another, too many were wrong, or none is set and one is
            given.
        """
        kept = self._kept_credential()
        if kept is not None:
            self._check_credential(given)
        elif given is not None:
            message = "credential: expected one to be set before one is checked: Authenticator.set_credential"
            raise CredentialError(message)
        return Authority(kept)

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

        self._store.amend(amend, authority=Authority(checked))

    def _kept_credential(self) -> str | None:
        return state_of(self._store).credential

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

    def _charged(
        self,
        keys: Keys,
        failures: int,
        *,
        asks: bool,
        held: Keys = (),
        frames: Sequence[UsedFrame] = (),
        rules: Rules | None = None,
    ) -> Refusal | None:
        refused: Refusal | None = Refusal(Outcome.LOCKED_OUT, "the store was not asked")

        def amend(state: SecurityState) -> tuple[SecurityState, tuple[Event, ...]]:
            nonlocal refused
            _check_rules(state, rules)
            now = self.clock()
            # Wrong credentials are always counted.
            counts = self._counts(state) or CREDENTIAL in keys
            current = lockout.seen(state.tallies, now)
            refused = self._reason(state, current, (*keys, *held) if counts else (), now, asks=asks)
            if refused is None and not {each.digest for each in frames}.isdisjoint(_digests(state)):
                refused = Refusal(Outcome.STALE, _USED)
            if refused is None:
                after = _with_used(state, frames, now)
                if failures and counts:
                    current = lockout.charged(current, keys, now, failures)
                return tallies_with(after, current), ()
            # A lock is logged at its first refusal: a charge that a success takes back has locked nobody.
            current, locks = lockout.told(current, keys, now)
            return tallies_with(state, current), tuple(map(_locked, locks))

        self._store.amend(amend)
        return refused


def _check_rules(state: SecurityState, rules: Rules | None) -> None:
    if rules is not None and state.rules != rules:
        raise OvertakenError


def _digests(state: SecurityState) -> set[str]:
    return {each.digest for each in state.used}


def _with_used(state: SecurityState, frames: Sequence[UsedFrame], now: Clock) -> SecurityState:
    """Return the state with the live frames of an attempt, without those that are too old to come again."""
    if not frames:
        return state
    kept = [each for each in state.used if 0.0 <= now.seconds - each.at_s <= _KEPT_S]
    return replace(state, used=(*kept, *frames))


def _locked(key: str) -> Event:
    if is_slowed(key):
        what = "enrolments without the credential" if key == ENROLLING else "failed searches"
        return Event.now(EventKind.ALARM, None, f"{ALARM_FAILURES} or more {what} in a row")
    if key in {DEVICE, CREDENTIAL}:
        return Event.now(EventKind.LOCKED, None, "the credential" if key == CREDENTIAL else "the device")
    return Event.now(EventKind.LOCKED, key)


def _why(wait_s: float) -> str:
    """Return the reason for a refusal by a lock of `wait_s` seconds, infinity included."""
    if math.isinf(wait_s):
        return "too many failures: somebody with another credential has to unlock"
    return f"too many failures: wait {math.ceil(wait_s)} s"
