"""The store in memory, which ends with the process."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace

from .audit import Event
from .references import References, check_identity
from .security_state import Amend, SecurityState
from .store import MAX_EVENTS, Change, altered_by, amended, amended_by


class InMemoryStore:
    """A store in the memory of this process; nothing is written anywhere. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._people: dict[str, References] = {}
        self._state = SecurityState()
        self._events: deque[Event] = deque(maxlen=MAX_EVENTS)
        self._revision = 0

    def __repr__(self) -> str:
        """The number of people; no names."""
        return f"<InMemoryStore of {len(self._people)} people>"

    def revision(self) -> int:
        """Return the number of changes so far."""
        return self._revision

    def snapshot(self) -> Mapping[str, References]:
        """Return everybody's references, by name."""
        with self._lock:
            return dict(self._people)

    def alter(self, identity: str, alter: Callable[[References | None], Change]) -> References | None:
        """Change a person's references; see `ReferenceStore.alter`."""
        check_identity(identity)
        with self._lock:
            before = self._people.get(identity)
            after, events = altered_by(alter, before, identity)
            if after is not before:
                self._state = amended(self._state, before, after, identity)
                if after is None:
                    del self._people[identity]
                    kept = (event for event in self._events if event.identity != identity)
                    self._events = deque(kept, MAX_EVENTS)
                else:
                    self._people[identity] = after
                self._revision += 1
            # The log does not name a person who was removed.
            self._events.extend(replace(event, identity=None) if after is None else event for event in events)
            return after

    def amend(self, amend: Amend) -> SecurityState:
        """Change the security state; see `ReferenceStore.amend`."""
        with self._lock:
            before = self._state
            self._state, events = amended_by(amend, before)
            self._events.extend(events)
            if (self._state.adopted, self._state.model) != (before.adopted, before.model):
                self._revision += 1
            return self._state

    def events(self) -> tuple[Event, ...]:
        """Return the events of the log, oldest first."""
        with self._lock:
            return tuple(self._events)
