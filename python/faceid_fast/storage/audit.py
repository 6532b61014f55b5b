"""Events of the audit log of a store, for the person who is responsible for it. Pure.

An event holds a name and a time, never a distance, a vector or a picture. Verifications are not logged: who
came when is personal data that nobody needs. Only a change of adapted references shows that there was one.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from enum import StrEnum

from faceid_fast.errors import InvalidInputError


class EventKind(StrEnum):
    """The kind of an event."""

    ENROLLED = "enrolled"
    ADDED = "references_added"
    REPLACED = "references_replaced"
    REMOVED = "removed"
    EXPORTED = "exported"
    ADAPTED = "adapted"
    ADAPTED_ENDED = "adapted_ended"
    ADAPTED_UNDONE = "adapted_undone"
    LOCKED = "locked"
    ALARM = "alarm"
    UNLOCKED = "unlocked"
    CREDENTIAL_SET = "credential_set"
    POLICY_SET = "policy_set"
    ADOPTED = "threshold_adopted"
    FORGOTTEN = "threshold_forgotten"
    MODEL_ADOPTED = "model_adopted"
    MODEL_FORGOTTEN = "model_forgotten"
    MAPPED = "mapped"
    KEY_ROTATED = "key_rotated"
    BACKED_UP = "backed_up"
    RESTORED = "restored"


@dataclass(frozen=True, slots=True)
class Event:
    """One event of the audit log.

    Attributes
    ----------
    kind : the kind of event.
    identity : the person concerned; None for the device, and in a log for a person who was removed since.
    at : time in seconds since 1970, by the computer's clock, which can be wrong.
    detail : a few words, never anything about a face.
    """

    kind: EventKind
    identity: str | None
    at: float
    detail: str = ""

    def __post_init__(self) -> None:
        """Check every value: one bad event would make the log unreadable."""
        named = self.identity is None or isinstance(self.identity, str)
        timed = isinstance(self.at, float) and math.isfinite(self.at)
        if not (isinstance(self.kind, EventKind) and named and timed and isinstance(self.detail, str)):
            message = "event: expected an EventKind, a name or None, a finite time and a str, got others"
            raise InvalidInputError(message)

    @classmethod
    def now(cls, kind: EventKind, identity: str | None = None, detail: str = "") -> Event:
        """Make an event with the current time."""
        return cls(kind, identity, time.time(), detail)
