"""The audit log of a vault: a chain of entries, each authenticated together with all entries before it.

An entry holds the number of a person's row, not the name. Only the person's own record links the two: once it
is deleted, the log no longer tells who the person was.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from faceid_fast.storage.audit import Event, EventKind
from faceid_fast.storage.store import MAX_EVENTS

from .encryption import same
from .integrity import Part, damaged

if TYPE_CHECKING:
    from .database import Database
    from .encryption import Sealer

Entries = list[tuple[int, bytes]]
"""Number and sealed content of each entry, as they are in the table."""
_STATE: Final = struct.Struct(">QQ32s32s")
_DROPPED_AT_ONCE: Final = MAX_EVENTS // 8


class LogState(NamedTuple):
    """The range of the log's entries, and the ends of their chain of MACs.

    Attributes
    ----------
    first, end : numbers of the oldest entry, and of the next one to be written.
    before, head : MACs of the chain up to the last dropped entry, and up to the newest entry.
    """

    first: int = 0
    end: int = 0
    before: bytes = bytes(32)
    head: bytes = bytes(32)

    def encode(self) -> bytes:
        """Return the state as bytes."""
        return _STATE.pack(*self)

    @classmethod
    def decode(cls, content: bytes) -> LogState:
        """Read a state from the bytes of `encode`, which have been authenticated."""
        return cls(*_STATE.unpack(content))


def append(
    database: Database,
    sealer: Sealer,
    state: LogState,
    events: tuple[Event, ...],
    row_of: Callable[[str], int | None],
) -> LogState:
    """Append events, within a transaction, and drop the oldest entries if there are too many.

    Returns the new state of the log.
    """
    first, end, before, head = state
    new: Entries = []
    for event in events:
        row = None if event.identity is None else row_of(event.identity)
        content = json.dumps([event.kind, row, event.at, event.detail], separators=(",", ":")).encode()
        sealed = sealer.seal_event(end, content)
        new.append((end, sealed))
        head = sealer.chained(head, end, sealed)
        end += 1
    if end - first > MAX_EVENTS:
        kept_from = end - MAX_EVENTS + _DROPPED_AT_ONCE
        dropped = [entry for entry in entries(database, sealer, state) if entry[0] < kept_from]
        for number, sealed in dropped:
            before = sealer.chained(before, number, sealed)
        first += len(dropped)
        database.execute("DELETE FROM events WHERE number < ?", (first,))
    put(database, new)
    after = LogState(first, end, before, head)
    _check_ends(database, after, new)
    return after


def put(database: Database, new: Entries) -> None:
    """Write sealed entries, within a transaction."""
    for entry in new:
        database.execute("INSERT INTO events VALUES (?, ?)", entry)


def read(
    database: Database, sealer: Sealer, state: LogState, name_of: Callable[[int], str | None]
) -> tuple[Event, ...]:
    """Return all events, oldest first, within a transaction.

    Raises
    ------
    VaultDamagedError
        If the entries are not those that were written.
    """
    events = []
    try:
        for number, sealed in entries(database, sealer, state):
            kind, row, at, detail = json.loads(sealer.open_event(number, sealed))
            events.append(
                Event(EventKind(kind), None if row is None else name_of(row), float(at), str(detail))
            )
    except (ValueError, TypeError):
        raise damaged(Part.LOG) from None
    return tuple(events)


def entries(database: Database, sealer: Sealer, state: LogState) -> Entries:
    """Return all sealed entries, oldest first, within a transaction.

    Raises
    ------
    VaultDamagedError
        If the entries are not those that were written.
    """
    rows: Entries = database.execute("SELECT number, sealed FROM events ORDER BY number")
    numbers = [number for number, _ in rows]
    if numbers != list(range(state.first, state.end)) or any(type(sealed) is not bytes for _, sealed in rows):
        raise damaged(Part.LOG)
    mac = state.before
    for number, sealed in rows:
        mac = sealer.chained(mac, number, sealed)
    if not same(mac, state.head):
        raise damaged(Part.LOG)
    return rows


def sealed_anew(database: Database, sealer: Sealer, other: Sealer, state: LogState) -> LogState:
    """Encrypt all entries again by another sealer, within a transaction; return the new state."""
    head = bytes(32)
    anew: Entries = []
    for number, sealed in entries(database, sealer, state):
        anew.append((number, other.seal_event(number, sealer.open_event(number, sealed))))
        database.execute("UPDATE events SET sealed = ? WHERE number = ?", (anew[-1][1], number))
        head = other.chained(head, *anew[-1])
    after = LogState(state.first, state.end, bytes(32), head)
    if entries(database, other, after) != anew:
        raise damaged(Part.LOG)
    return after


def _check_ends(database: Database, state: LogState, new: Entries) -> None:
    """Check that the newest entries are those just written, and that the number of entries is right.

    Raises
    ------
    VaultDamagedError
        If a written entry is missing, or a deleted one is still there.
    """
    held = database.execute("SELECT count(*), min(number), max(number) FROM events")
    newest = database.execute(
        "SELECT number, sealed FROM events WHERE number >= ? ORDER BY number", (state.end - len(new),)
    )
    if held != [(state.end - state.first, state.first, state.end - 1)] or newest != new:
        raise damaged(Part.LOG)
