"""What happened to a store, for whoever is answerable for it. Pure.

Names of people and times; never a distance, a vector or a picture. Verifications are not listed: who came
when is data about people, and nobody asked for it. Only where references are adapted does the log tell that
they were.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from enum import StrEnum

from faceid_fast.errors import InvalidInputError


class EventKind(StrEnum):
    """What happened."""

    ENROLLED = "enrolled"
    ADDED = "references_added"
    REPLACED = "references_replaced"
    REMOVED = "removed"
    EXPORTED = "exported"
    ADAPTED = "adapted"
    ADAPTED_ENDED = "adapted_ended"
    ADAPTED_UNDONE = "adapted_undone"
    LOCKED = "locked"
    UNLOCKED = "unlocked"
    CREDENTIAL_SET = "credential_set"
    ADOPTED = "threshold_adopted"
    FORGOTTEN = "threshold_forgotten"
    MAPPED = "mapped"
    KEY_ROTATED = "key_rotated"
    BACKED_UP = "backed_up"
    RESTORED = "restored"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    Attributes
    ----------
    kind : what.
    identity : to whom; None for the device, and in a log for whoever has been removed since.
    at : when, seconds since 1970 by the computer's clock, which can be wrong.
    detail : a few words, never anything about a face.
    """

    kind: EventKind
    identity: str | None
    at: float
    detail: str = ""

    def __post_init__(self) -> None:
        """Check everything: a log that cannot be read is no log."""
        named = self.identity is None or isinstance(self.identity, str)
        timed = isinstance(self.at, float) and math.isfinite(self.at)
        if not (isinstance(self.kind, EventKind) and named and timed and isinstance(self.detail, str)):
            message = "event: expected an EventKind, a name or None, a finite time and a str, got others"
            raise InvalidInputError(message)

    @classmethod
    def now(cls, kind: EventKind, identity: str | None = None, detail: str = "") -> Event:
        """Make one of this moment."""
        return cls(kind, identity, time.time(), detail)
