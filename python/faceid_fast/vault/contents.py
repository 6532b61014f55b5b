"""What a vault's database holds, within transactions: its state, its records, its log.

The one row of the store names everything else: which records and which entries of the log there are, and how
new they are. Whatever is read is compared with it, and it with the epoch's second place.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from faceid_fast.audit import Event
from faceid_fast.errors import VaultDamagedError, VaultError, VaultKeyError
from faceid_fast.ledger import Ledger
from faceid_fast.store import References, amended

from . import log, record
from .damage import Part, damaged, rolled_back
from .database import Database
from .epoch import Epoch
from .log import LogState
from .sealing import SealedRecord, Sealer, same

SCHEMA: Final = 1
_STORE_TABLE: Final = (
    "CREATE TABLE store (one INTEGER PRIMARY KEY CHECK (one = 1), schema INTEGER NOT NULL, id BLOB NOT NULL,"
    " key_check BLOB NOT NULL, epoch INTEGER NOT NULL, records_mac BLOB NOT NULL, log BLOB NOT NULL,"
    " ledger BLOB NOT NULL, manifest BLOB NOT NULL) STRICT"
)
# Without an index: what is not read when a vault is opened could be changed unnoticed.
_RECORDS_TABLE: Final = (
    "CREATE TABLE records (id INTEGER PRIMARY KEY, version INTEGER NOT NULL, wrapped_key BLOB NOT NULL,"
    " sealed BLOB NOT NULL) STRICT"
)
_STATE: Final = "SELECT epoch, records_mac, log, ledger, manifest FROM store"
_ROWS: Final = "SELECT id, version, wrapped_key, sealed FROM records ORDER BY id"
_ROW: Final = "SELECT id, version, wrapped_key, sealed FROM records WHERE id = ?"
_PUT_ROW: Final = "INSERT OR REPLACE INTO records (id, version, wrapped_key, sealed) VALUES (?, ?, ?, ?)"
_MANIFEST_ROWS: Final = (
    "SELECT id, version, substr(wrapped_key, -16), substr(sealed, -16) FROM records ORDER BY id"
)
_TAG: Final = slice(-16, None)


class State(NamedTuple):
    """What the one row of the store says: how new it is, which records and entries there are, the ledger."""

    epoch: int
    records_mac: bytes
    log: bytes
    ledger: bytes


class Contents:
    """The rows of a vault, through what seals them. Callers see to it that one thread is in here at a time.

    Parameters
    ----------
    database : whose transactions all of this happens in.
    sealer : seals and opens.
    epoch : the second place that knows how new the state is.
    """

    def __init__(self, database: Database, sealer: Sealer, epoch: Epoch) -> None:
        self._database = database
        self.sealer = sealer
        self.epoch = epoch
        self.people: dict[int, tuple[int, References]] = {}  # by row: version, what it holds
        self.snapshot: Mapping[str, References] = MappingProxyType({})
        self._rows: dict[str, int] = {}  # by name, as in `snapshot`
        self._records_mac: bytes | None = None  # of what `people` holds

    @contextmanager
    def reading(self) -> Iterator[State]:
        """See one state throughout.

        Raises
        ------
        VaultDamagedError, VaultRolledBackError
            If it is not the one that was left.
        VaultKeyError
            If the key was changed since.
        """
        floor = self._floor()  # before: others may write it as soon as they have committed
        with self._database.reading():
            yield self._state(floor)

    @contextmanager
    def writing(self) -> Iterator[State]:
        """Change it: everything at the end, or nothing. Raises what `reading` does."""
        floor = self._floor()
        with self._database.writing():
            yield self._state(floor)

    def read(self, state: State) -> None:
        """Take up the records of a state, within a transaction."""
        if state.records_mac == self._records_mac:
            return
        known, self.people = self.people, {}
        self._records_mac = None  # until all are read
        if not known:
            self._read_all(state)
        else:
            rows = self._database.execute(_MANIFEST_ROWS)
            self._check_records(state, rows)
            for row_id, version, *_ in rows:
                if row_id in known and known[row_id][0] == version:
                    self.people[row_id] = known[row_id]
                else:
                    for values in self._database.execute(_ROW, (row_id,)):
                        self._take(SealedRecord(*values))
        self.snapshot = MappingProxyType({held.identity: held for _, held in self.people.values()})
        self._rows = {held.identity: row_id for row_id, (_, held) in self.people.items()}
        if len(self.snapshot) != len(self.people):
            raise damaged(Part.NAMES)
        self._records_mac = state.records_mac

    def forget(self) -> None:
        """Hold nobody any more."""
        self.people.clear()
        self.snapshot = MappingProxyType({})
        self._rows = {}
        self._records_mac = None

    def ledger(self, state: State) -> Ledger:
        """The ledger of a state."""
        try:
            return Ledger.decode(self.sealer.open_ledger(state.ledger))
        except (ValueError, TypeError, AttributeError):
            raise damaged(Part.LEDGER) from None

    def row_of(self, name: str) -> int | None:
        """Row of a name, as of the last reading."""
        return self._rows.get(name)

    def replaced(
        self, state: State, row_id: int, before: References | None, after: References | None, name: str
    ) -> State:
        """Write, or delete, a person's row, within a transaction; returns the state, not `listed` yet."""
        if after is None:
            self._database.execute("DELETE FROM records WHERE id = ?", (row_id,))
        else:
            version = self.people[row_id][0] if before is not None else 0
            self._database.execute(_PUT_ROW, self.sealer.seal(row_id, version + 1, record.encode(after)))
        ledger = self.ledger(state)
        if (changed := amended(ledger, before, after, name)) is not ledger:
            state = state._replace(ledger=self.sealer.seal_ledger(changed.encode()))
        return state

    def listed(self, state: State) -> State:
        """The state with the records that there are now, within a transaction."""
        return state._replace(records_mac=self.sealer.records_mac(self._database.execute(_MANIFEST_ROWS)))

    def logged(
        self, state: State, events: tuple[Event, ...], row_of: Callable[[str], int | None] = lambda _: None
    ) -> State:
        """Enter events into the log, within a transaction; returns the state with them."""
        if not events:
            return state
        before = LogState.decode(state.log)
        return state._replace(log=log.append(self._database, self.sealer, before, events, row_of).encode())

    def events(self, state: State) -> tuple[Event, ...]:
        """Entries of the log, oldest first, within a transaction."""
        names = {row_id: held.identity for row_id, (_, held) in self.people.items()}
        return log.read(self._database, self.sealer, LogState.decode(state.log), names.get)

    def write(self, state: State) -> State:
        """Write the next state, within a transaction; returns it."""
        state = state._replace(epoch=state.epoch + 1)
        self._database.execute(
            "UPDATE store SET epoch = ?, records_mac = ?, log = ?, ledger = ?, manifest = ?",
            (*state, self.sealer.manifest(*state)),
        )
        return state

    def remember(self, epoch: int) -> None:
        """Have the second place know of a change that has been committed."""
        try:
            self.epoch.raise_to(epoch)
        except (OSError, VaultError):
            # The change stands; but as long as the second place does not know, it could be undone unnoticed.
            self._database.break_off("the file that remembers how new it is could not be written")

    def sealed_anew(self, state: State, sealer: Sealer) -> State:
        """Seal everything by another sealer, within a transaction; returns the state, not written yet."""
        for values in self._database.execute(_ROWS):
            row = SealedRecord(*values)
            self._database.execute(_PUT_ROW, sealer.seal(row.row_id, row.version + 1, self.sealer.open(row)))
        self._database.execute("UPDATE store SET key_check = ?", (sealer.key_check,))
        return State(
            state.epoch,
            sealer.records_mac(self._database.execute(_MANIFEST_ROWS)),
            log.sealed_anew(self._database, self.sealer, sealer, LogState.decode(state.log)).encode(),
            sealer.seal_ledger(self.sealer.open_ledger(state.ledger)),
        )

    def _floor(self) -> int:
        try:
            return self.epoch.read()
        except VaultDamagedError:
            self._demand_key()
            raise

    def _demand_key(self) -> None:
        """Tell a key that was changed from damage."""
        rows = self._database.execute("SELECT key_check FROM store")
        if len(rows) == 1 and not same(rows[0][0], self.sealer.key_check):
            message = "key: expected the key that this vault has now, but it was changed: open it anew"
            raise VaultKeyError(message)

    def _state(self, floor: int) -> State:
        """Return the state of the store, within a transaction, if it is one that was written.

        Which records there are, it only names: `read` sees whether they are these.
        """
        values = self._database.execute(_STATE)
        if len(values) != 1:
            raise damaged(Part.DATABASE)
        *parts, manifest = values[0]
        if [type(part) for part in parts] != [int, bytes, bytes, bytes]:
            raise damaged(Part.DATABASE)
        state = State(*parts)
        if not 0 <= state.epoch < 1 << 63 or not same(manifest, self.sealer.manifest(*state)):
            self._demand_key()
            raise damaged(Part.MANIFEST)
        if state.epoch < floor:
            raise rolled_back()
        return state

    def _read_all(self, state: State) -> None:
        """Read everybody, and the log, which nothing else would notice a change of."""
        with _without_collections():
            rows = [SealedRecord(*values) for values in self._database.execute(_ROWS)]
            if any(type(part) is not bytes for row in rows for part in row[2:]):
                raise damaged(Part.DATABASE)
            self._check_records(state, [(*row[:2], row.wrapped_key[_TAG], row.sealed[_TAG]) for row in rows])
            for row in rows:
                self._take(row)
            log.check(self._database, self.sealer, LogState.decode(state.log))

    def _check_records(self, state: State, rows: list[Any]) -> None:
        if not same(state.records_mac, self.sealer.records_mac(rows)):
            raise damaged(Part.MANIFEST)

    def _take(self, row: SealedRecord) -> None:
        self.people[row.row_id] = (row.version, record.decode(self.sealer.open(row)))


def make_tables(database: Database, sealer: Sealer) -> None:
    """Make the tables of a new vault, within a transaction."""
    for statement in (_STORE_TABLE, _RECORDS_TABLE, log.TABLE):
        database.execute(statement)
    state = State(0, sealer.records_mac(()), LogState().encode(), sealer.seal_ledger(Ledger().encode()))
    database.execute(
        "INSERT INTO store VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)",
        (SCHEMA, sealer.store_id, sealer.key_check, *state, sealer.manifest(*state)),
    )
    database.execute(f"PRAGMA user_version = {SCHEMA}")


@contextmanager
def _without_collections() -> Iterator[None]:
    """Look for no rubbish among ten thousand records that all stay: it would take half of the time."""
    wanted = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if wanted:
            gc.enable()
