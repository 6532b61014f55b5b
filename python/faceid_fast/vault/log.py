"""The log in a vault: entries that name rows, not people, each authenticated together with all before it.

An entry holds the number of a person's row, which only the person's own record can tell the name of: once
that is erased, the log no longer says who it was.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from faceid_fast.audit import Event, EventKind
from faceid_fast.store import MAX_EVENTS

from .damage import Part, damaged
from .sealing import same

if TYPE_CHECKING:
    from .database import Database
    from .sealing import Sealer

TABLE: Final = "CREATE TABLE events (number INTEGER PRIMARY KEY, sealed BLOB NOT NULL) STRICT"
_STATE: Final = struct.Struct(">QQ32s32s")
_DROPPED_AT_ONCE: Final = MAX_EVENTS // 8


class LogState(NamedTuple):
    """Which entries there are.

    Attributes
    ----------
    first, end : numbers of the oldest entry, and of the next one.
    before, head : what authenticates all that went before the oldest, and all there ever were.
    """

    first: int = 0
    end: int = 0
    before: bytes = bytes(32)
    head: bytes = bytes(32)

    def encode(self) -> bytes:
        """Turn it into bytes."""
        return _STATE.pack(*self)

    @classmethod
    def decode(cls, content: bytes) -> LogState:
        """Turn it back; what is given has been authenticated."""
        return cls(*_STATE.unpack(content))


def append(
    database: Database,
    sealer: Sealer,
    state: LogState,
    events: tuple[Event, ...],
    row_of: Callable[[str], int | None],
) -> LogState:
    """Write entries, within a transaction, and drop the oldest of too many; returns the new state."""
    first, end, before, head = state
    for event in events:
        row = None if event.identity is None else row_of(event.identity)
        content = json.dumps([event.kind, row, event.at, event.detail], separators=(",", ":")).encode()
        sealed = sealer.seal_event(end, content)
        database.execute("INSERT INTO events VALUES (?, ?)", (end, sealed))
        head = sealer.chained(head, end, sealed)
        end += 1
    if end - first > MAX_EVENTS:
        dropped = _rows(database, first, end - MAX_EVENTS + _DROPPED_AT_ONCE)
        for number, sealed in dropped:
            before = sealer.chained(before, number, sealed)
        first += len(dropped)
        database.execute("DELETE FROM events WHERE number < ?", (first,))
    return LogState(first, end, before, head)


def read(
    database: Database, sealer: Sealer, state: LogState, name_of: Callable[[int], str | None]
) -> tuple[Event, ...]:
    """All entries, oldest first, within a transaction.

    Raises
    ------
    VaultDamagedError
        If they are not those that were written.
    """
    events = []
    try:
        for number, sealed in _checked(database, sealer, state):
            kind, row, at, detail = json.loads(sealer.open_event(number, sealed))
            events.append(
                Event(EventKind(kind), None if row is None else name_of(row), float(at), str(detail))
            )
    except (ValueError, TypeError):
        raise damaged(Part.LOG) from None
    return tuple(events)


def check(database: Database, sealer: Sealer, state: LogState) -> None:
    """See that entries are those that were written, within a transaction.

    Raises
    ------
    VaultDamagedError
        If not.
    """
    _checked(database, sealer, state)


def sealed_anew(database: Database, sealer: Sealer, other: Sealer, state: LogState) -> LogState:
    """Seal all entries by another sealer, within a transaction; returns the new state."""
    head = bytes(32)
    for number, sealed in _checked(database, sealer, state):
        anew = other.seal_event(number, sealer.open_event(number, sealed))
        database.execute("UPDATE events SET sealed = ? WHERE number = ?", (anew, number))
        head = other.chained(head, number, anew)
    return LogState(state.first, state.end, bytes(32), head)


def _checked(database: Database, sealer: Sealer, state: LogState) -> list[tuple[int, bytes]]:
    rows = _rows(database, 0, 1 << 62)
    mac = state.before
    for number, sealed in rows:
        mac = sealer.chained(mac, number, sealed)
    if len(rows) != state.end - state.first or not same(mac, state.head):
        raise damaged(Part.LOG)
    return rows


def _rows(database: Database, start: int, end: int) -> list[tuple[int, bytes]]:
    found = database.execute(
        "SELECT number, sealed FROM events WHERE number >= ? AND number < ? ORDER BY number", (start, end)
    )
    if any(not isinstance(sealed, bytes) for _, sealed in found):
        raise damaged(Part.LOG)
    return [(number, sealed) for number, sealed in found]
