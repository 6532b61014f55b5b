"""The store in memory, which ends with the process."""

from __future__ import annotations

import hmac
import secrets
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace

from faceid_fast.checks import checked_instance

from .audit import Event
from .names import Looks
from .policy import VaultPolicy
from .references import References, check_identity
from .security_state import Amend, SecurityState
from .store import MAX_EVENTS, Authority, Change, altered_by, amended, amended_by


class InMemoryStore:
    """A store in the memory of this process; nothing is written anywhere. Threads may share it.

    Parameters
    ----------
    policy : the least that programs must ask; by default whatever the program chooses, since the store ends
        with it (`VaultPolicy.permissive`).
    """

    def __init__(self, *, policy: VaultPolicy | None = None) -> None:
        self._lock = threading.Lock()
        self._people: dict[str, References] = {}
        self._looks = Looks()
        given = (
            VaultPolicy.permissive() if policy is None else checked_instance("policy", policy, VaultPolicy)
        )
        self._state = SecurityState(policy=given)
        self._evidence_key = secrets.token_bytes(32)
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

    def alter(
        self,
        identity: str,
        alter: Callable[[References | None], Change],
        *,
        authority: Authority | None = None,
    ) -> References | None:
        """Change a person's references; see `ReferenceStore.alter`."""
        check_identity(identity)
        with self._lock:
            before = self._people.get(identity)
            after, events = altered_by(alter, before, identity)
            if before is None and after is not None:
                self._looks.of(self._people).add(identity)
            if after is not before:
                self._state = amended(self._state, before, after, identity, authority)
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

    def amend(self, amend: Amend, *, authority: Authority | None = None) -> SecurityState:
        """Change the security state; see `ReferenceStore.amend`."""
        with self._lock:
            before = self._state
            self._state, events = amended_by(amend, before, authority)
            self._events.extend(events)
            if self._state.rules != before.rules:
                self._revision += 1
            return self._state

    def evidence_mac(self, content: bytes) -> bytes:
        """Return the MAC of evidence that was measured for this store; see `ReferenceStore.evidence_mac`."""
        return hmac.digest(self._evidence_key, checked_instance("content", content, bytes), "sha256")

    def events(self) -> tuple[Event, ...]:
        """Return the events of the log, oldest first."""
        with self._lock:
            return tuple(self._events)
