"""Where references live: one small interface, and what every store does with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, Protocol

from faceid_fast.errors import InvalidInputError

from .audit import Event, EventKind
from .references import (
    References,
    check_identity,
    check_references,
    kinds_of,
    unknown_identity,
)
from .security_state import Amend, SecurityState

MAX_EVENTS: Final = 4096
"""What a store's log holds; the oldest go first."""
Change = tuple[References | None, tuple[Event, ...]]
"""What is kept of a person from now on (None: nothing), and what of the change belongs into the log."""


class ReferenceStore(Protocol):
    """What the authenticator asks of a store. Every call is atomic: all of it happens, or nothing."""

    def revision(self) -> object:
        """Return what differs from before whenever anybody has changed people or adopted thresholds.

        Asked for every frame.
        """

    def snapshot(self) -> Mapping[str, References]:
        """Everybody's references, by name; who did not change since the last call is the same object."""

    def alter(self, identity: str, alter: Callable[[References | None], Change]) -> References | None:
        """Change what is kept of a person by what is; durable once this returns. Returns what is kept then.

        `alter` gets None where there is no such person, and returns the very object it was given to change
        nothing. Whoever is removed is forgotten altogether, their failures too. Where enrolled references
        change, so does what `faceid_fast.access.credential_policy` asks for.
        """

    def amend(self, amend: Amend) -> SecurityState:
        """Change what is remembered of attempts by what is, durably; returns what it became.

        `amend` may be called more than once, and returns the very object it was given to change nothing.
        """

    def events(self) -> tuple[Event, ...]:
        """What happened, oldest first; the last `MAX_EVENTS` at most."""


def put(store: ReferenceStore, references: References) -> None:
    """Keep these references in place of any the person had."""
    name = check_references(references).identity

    def alter(before: References | None) -> Change:
        return references, (Event.now(EventKind.ENROLLED if before is None else EventKind.REPLACED, name),)

    store.alter(name, alter)


def get(store: ReferenceStore, identity: str) -> References:
    """Everything kept of one person; `UnknownIdentityError` if there is no such person."""
    try:
        return store.snapshot()[check_identity(identity)]
    except KeyError:
        raise unknown_identity(identity) from None


def remove(store: ReferenceStore, identity: str) -> None:
    """Forget a person, their failures too; `UnknownIdentityError` if there is no such person."""

    def alter(before: References | None) -> Change:
        if before is None:
            raise unknown_identity(identity)
        return None, (Event.now(EventKind.REMOVED, identity),)

    store.alter(check_identity(identity), alter)


def amended(
    state: SecurityState, before: References | None, after: References | None, identity: str
) -> SecurityState:
    """What a change of a person makes of the state; itself if nothing. For stores."""
    if after is None:
        return state.without(identity)
    if before is not None and before.vectors is after.vectors:
        return state
    return replace(state, presence=None)


def altered_by(alter: object, before: References | None, identity: str) -> Change:
    """Return what a caller's function makes of what is kept of a person, if that is a `Change`. For stores.

    Raises
    ------
    InvalidInputError
        If it is not, or `alter` is no function.
    """
    after, events = _answer("alter", alter, before)
    if after is not None and check_references(after, "alter").identity != identity:
        message = "alter: expected it to return references of the same person, got another's"
        raise InvalidInputError(message)
    return after, _checked_events("alter", events)


def amended_by(amend: object, state: SecurityState) -> tuple[SecurityState, tuple[Event, ...]]:
    """Return what a caller's function makes of a state, if that is one. For stores.

    Raises
    ------
    InvalidInputError
        If it is not, or `amend` is no function.
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
