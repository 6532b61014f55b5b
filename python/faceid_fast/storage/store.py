"""The interface of a store of references, and functions that every store shares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple, Protocol

from faceid_fast.checks import kinds_of
from faceid_fast.errors import InvalidInputError, PolicyError

from .audit import Event, EventKind
from .policy import Enrolling
from .references import (
    References,
    check_identity,
    check_references,
    unknown_identity,
)
from .security_state import Amend, SecurityState

MAX_EVENTS: Final = 4096
"""Most events in a store's log; the oldest are dropped first."""
Change = tuple[References | None, tuple[Event, ...]]
"""A person's new references (None: the person is removed), and the events of the change for the log."""


class Authority(NamedTuple):
    """The right to change who is let in.

    `faceid_fast.access.attempt_limiter.AttemptLimiter.authorized` makes it. It keeps programs from changing a
    policy unasked. It is no secret: who has the key of a vault can write whatever they like.

    Attributes
    ----------
    credential : the hash of the credential that was shown; None: none is set, and the holder of the key
        decides.
    """

    credential: str | None

    def fits(self, state: SecurityState) -> bool:
        """Whether the credential is still the one that was shown."""
        return self.credential == state.credential

    def __repr__(self) -> str:
        """No hash."""
        return f"<Authority {'without a' if self.credential is None else 'by the'} credential>"


class ReferenceStore(Protocol):
    """The methods that an authenticator needs of a store. Every call is atomic."""

    def revision(self) -> object:
        """Return a value that changes whenever references or the rules of the store change.

        It is read at every attempt, so it must be cheap.
        """

    def snapshot(self) -> Mapping[str, References]:
        """Return everybody's references, by name.

        For a person whose references have not changed since the last call, the object is the same.
        """

    def alter(
        self,
        identity: str,
        alter: Callable[[References | None], Change],
        *,
        authority: Authority | None = None,
    ) -> References | None:
        """Change a person's references, durably, and return the new ones.

        `alter` gets the present references, None if there is no such person: the object that `snapshot`
        shows, too. If it returns the same object, the references do not change. The object that it returns is
        the one that this returns. Nothing is kept of a person who is removed, nor their count of failures.
        The name of somebody new is checked with `faceid_fast.storage.names.Looks`.
        If enrolled references change, policy "door" asks for the credential again
        (`faceid_fast.access.credential_policy`). Where the policy says that only the credential enrols,
        enrolled references change with an `authority` alone, else a PolicyError is raised.
        """

    def amend(self, amend: Amend, *, authority: Authority | None = None) -> SecurityState:
        """Change the security state, durably, and return the new one.

        `amend` gets the present state and may be called more than once; if it returns the same object,
        the state does not change. The policy, the credential and adopted thresholds change with an
        `authority` alone, else a PolicyError is raised.
        """

    def evidence_mac(self, content: bytes) -> bytes:
        """Return the MAC of evidence that was measured for this store: 32 bytes that no other store makes."""

    def events(self) -> tuple[Event, ...]:
        """Return the last events of the log, at most `MAX_EVENTS`, oldest first."""


def state_of(store: ReferenceStore) -> SecurityState:
    """Return the security state of a store as it is now."""
    return store.amend(lambda state: (state, ()))


def put(store: ReferenceStore, references: References) -> None:
    """Replace a person's references by these, or add the person."""
    name = check_references(references).identity

    def alter(before: References | None) -> Change:
        return references, (Event.now(EventKind.ENROLLED if before is None else EventKind.REPLACED, name),)

    store.alter(name, alter)


def get(store: ReferenceStore, identity: str) -> References:
    """Return a person's references; `UnknownIdentityError` if there is no such person."""
    try:
        return store.snapshot()[check_identity(identity)]
    except KeyError:
        raise unknown_identity(identity) from None


def remove(store: ReferenceStore, identity: str) -> None:
    """Remove a person and their count of failures; `UnknownIdentityError` if there is no such person."""

    def alter(before: References | None) -> Change:
        if before is None:
            raise unknown_identity(identity)
        return None, (Event.now(EventKind.REMOVED, identity),)

    store.alter(check_identity(identity), alter)


def amended(
    state: SecurityState,
    before: References | None,
    after: References | None,
    identity: str,
    authority: Authority | None = None,
) -> SecurityState:
    """Return the security state after a change of a person; the same object if it stays. For stores.

    Raises
    ------
    PolicyError
        If enrolled references change without the credential, which the policy asks for.
    """
    if after is None:
        return state.without(identity)
    if before is not None and before.vectors is after.vectors and before.keys is after.keys:
        return state
    if state.policy.enrolling is Enrolling.CREDENTIAL and (authority is None or not authority.fits(state)):
        message = (
            "enroll: expected the credential, since the policy of this store has enrolling=credential; got "
            "none: Authenticator.enroll(credential=...), faceid enroll --credential"
        )
        raise PolicyError(message)
    return replace(state, presence=None)


def altered_by(alter: object, before: References | None, identity: str) -> Change:
    """Call the `alter` of a caller with a person's references, and check its result. For stores.

    Raises
    ------
    InvalidInputError
        If `alter` is no function, or its result is not a `Change` of the same person.
    """
    after, events = _answer("alter", alter, before)
    if after is not None and check_references(after, "alter").identity != identity:
        message = "alter: expected it to return references of the same person, got another's"
        raise InvalidInputError(message)
    return after, _checked_events("alter", events)


def amended_by(
    amend: object, state: SecurityState, authority: Authority | None = None
) -> tuple[SecurityState, tuple[Event, ...]]:
    """Call the `amend` of a caller with a security state, and check its result. For stores.

    Raises
    ------
    InvalidInputError
        If `amend` is no function, or its result is not a state that can be stored, with events.
    PolicyError
        If it changes what needs an authority, without one or with that of another credential.
    """
    after, events = _answer("amend", amend, state)
    if not isinstance(after, SecurityState):
        message = f"amend: expected it to return a SecurityState and events, got {type(after).__name__}"
        raise InvalidInputError(message)
    if after is not state:
        try:
            usable = SecurityState.decode(after.encode()) == after
        except (ValueError, TypeError, AttributeError):
            usable = False
        if not usable:
            message = (
                "amend: expected it to return a SecurityState that can be kept, got one with other content"
            )
            raise InvalidInputError(message)
        governed = (after.rules, after.credential) != (state.rules, state.credential)
        if governed and (authority is None or not authority.fits(state)):
            message = (
                "amend: expected the credential for a change of the policy, the thresholds or the credential "
                "itself, got none, or one that somebody has changed since"
            )
            raise PolicyError(message)
    return after, _checked_events("amend", events)


def _answer(name: str, function: object, given: object) -> tuple[Any, Any]:
    if not callable(function):
        message = f"{name}: expected a function, got {type(function).__name__}"
        raise InvalidInputError(message)
    answer = function(given)
    if not isinstance(answer, tuple) or len(answer) != 2:
        message = f"{name}: expected it to return what is kept and events, got {type(answer).__name__}"
        raise InvalidInputError(message)
    return answer


def _checked_events(name: str, events: object) -> tuple[Event, ...]:
    if not isinstance(events, tuple) or not all(isinstance(event, Event) for event in events):
        message = f"{name}: expected it to return a tuple of events, got {kinds_of(events)}"
        raise InvalidInputError(message)
    return events
