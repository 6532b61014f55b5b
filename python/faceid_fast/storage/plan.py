"""Planned changes: worked out from a person's references as they were seen, applied if they are still so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from faceid_fast.errors import VaultBusyError

if TYPE_CHECKING:
    from .audit import Event
    from .references import References
    from .store import Authority, Change, ReferenceStore

MAX_PLANS: Final = 100
"""Most plans for one change. Each one but the last was overtaken by a change of somebody else."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, eq=False)
class Plan(Generic[Result]):
    """What one change of a person would do, and its result if it is applied.

    Attributes
    ----------
    seen : the person's references that the plan was made of; None: there was no such person. The plan holds
        only as long as these are the person's references.
    after : the new references; the same object as `seen` if nothing changes.
    events : for the log.
    result : what the caller is told once the plan is applied.
    """

    seen: References | None
    after: References | None
    events: tuple[Event, ...]
    result: Result

    def applied(self, now: References | None) -> Change:
        """Return the change, or no change if the person's references are no longer those that were seen."""
        return (self.after, self.events) if now is self.seen else (now, ())


def alterer(store: ReferenceStore, authority: Authority | None) -> Callable[..., References | None]:
    """Return `store.alter` with an authority: stores that never ask for one need not know of it."""
    return store.alter if authority is None else partial(store.alter, authority=authority)


def carry_out(
    store: ReferenceStore,
    identity: str,
    make: Callable[[References | None], Plan[Result]],
    authority: Authority | None = None,
) -> Plan[Result]:
    """Make a plan and apply it in the store's transaction; make another one if it was overtaken.

    Whatever `make` raises ends this, and nothing changes.

    Parameters
    ----------
    store : the store.
    identity : the person.
    make : gets the person's references and returns a plan of them; it changes nothing itself, since it may be
        called again.
    authority : as for `ReferenceStore.alter`.

    Returns
    -------
    Plan
        The one that was applied.

    Raises
    ------
    VaultBusyError
        If others changed the person again and again meanwhile.
    """
    for _ in range(MAX_PLANS):
        plan = make(store.snapshot().get(identity))
        if plan.after is plan.seen or alterer(store, authority)(identity, plan.applied) is plan.after:
            return plan
    message = f"store: expected to change {identity!a:.240}, whom others changed meanwhile {MAX_PLANS} times"
    raise VaultBusyError(message)
