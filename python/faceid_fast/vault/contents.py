"""The contents of a vault's database, within transactions: its state, its records, its log.

The single row of the table ``store`` is the *state*. It authenticates everything else: the list of records,
the log, the security state and the epoch. All data that are read are compared with it, and its epoch with the
places that record the epoch.

A new state is computed, and authenticated, from memory alone: from the rows that were verified when they were
read, and from those that the change writes. Before the change is committed, the database is compared with
that. To authenticate data that were read back would be to sign whatever the file made of the change.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from faceid_fast.errors import VaultDamagedError, VaultError, VaultKeyError
from faceid_fast.private_files import why
from faceid_fast.storage.audit import Event
from faceid_fast.storage.references import References
from faceid_fast.storage.security_state import SecurityState
from faceid_fast.storage.store import Authority, amended

from . import audit_log, record_codec
from .audit_log import LogState
from .database import Database
from .encryption import ListedRecord, SealedRecord, Sealer, same
from .integrity import Part, damaged, rolled_back
from .rollback import Epochs
from .schema import SCHEMA, bring_up_to_date, check_schema, make_tables

_STORE: Final = "SELECT one, schema, id, key_check, epoch, records_mac, log, ledger, manifest FROM store"
_ROWS: Final = "SELECT id, version, wrapped_key, sealed FROM records ORDER BY id"
_ROW: Final = "SELECT id, version, wrapped_key, sealed FROM records WHERE id = ?"
_PUT_ROW: Final = "INSERT OR REPLACE INTO records (id, version, wrapped_key, sealed) VALUES (?, ?, ?, ?)"
_LISTED_ROWS: Final = (
    "SELECT id, version, substr(wrapped_key, -16), substr(sealed, -16) FROM records ORDER BY id"
)


class State(NamedTuple):
    """The state of a vault.

    Attributes
    ----------
    epoch : number of changes so far.
    records_mac : MAC of the list of all records.
    log : encoded `LogState`.
    ledger : sealed security state.
    """

    epoch: int
    records_mac: bytes
    log: bytes
    ledger: bytes


class Contents:
    """Reads and writes the state, the records and the log of a vault. Callers let in one thread at a time.

    Parameters
    ----------
    database : the database, whose transactions are used.
    sealer : encrypts and decrypts.
    epochs : the places that record the epoch.
    """

    def __init__(self, database: Database, sealer: Sealer, epochs: Epochs) -> None:
        self._database = database
        self.sealer = sealer
        self.epochs = epochs
        self.people: dict[int, tuple[int, References]] = {}  # by row: version and references
        self.snapshot: Mapping[str, References] = MappingProxyType({})
        self._rows: dict[str, int] = {}  # by name, as in `snapshot`
        self._listed: dict[int, ListedRecord] = {}  # by row: the records that were verified
        self._records_mac: bytes | None = None  # of the records in `people`
        self._meant: dict[int, SealedRecord | None] = {}  # by row: written here; None: deleted

    @contextmanager
    def reading(self) -> Iterator[State]:
        """Run a transaction that reads; yields the state, which stays the same throughout.

        Raises
        ------
        VaultDamagedError, VaultRolledBackError
            If the vault was damaged, or replaced by an older state.
        VaultKeyError
            If the key was changed since the vault was opened.
        """
        floor = self._floor()  # before the transaction: others record an epoch as soon as they have committed
        with self._database.reading():
            yield self._state(floor)

    @contextmanager
    def writing(self) -> Iterator[State]:
        """Run a transaction that writes, completely or not at all. Raises the errors of `reading`."""
        floor = self._floor()
        self._meant = {}
        with self._database.writing():
            yield self._state(floor)

    def read(self, state: State) -> None:
        """Bring `people` and `snapshot` up to date with a state, within a transaction."""
        if state.records_mac == self._records_mac:
            return
        known, self.people = self.people, {}
        self._records_mac = None  # until all are read
        if not known:
            self._read_all(state)
        else:
            self._listed = self._checked(state, self._database.execute(_LISTED_ROWS))
            for row_id, version, *_ in self._listed.values():
                if row_id in known and known[row_id][0] == version:
                    self.people[row_id] = known[row_id]
                else:
                    for values in self._database.execute(_ROW, (row_id,)):
                        self._take(SealedRecord(*values))
        if len(self.people) != len(self._listed):
            raise damaged(Part.MANIFEST)
        self.snapshot = MappingProxyType({held.identity: held for _, held in self.people.values()})
        self._rows = {held.identity: row_id for row_id, (_, held) in self.people.items()}
        if len(self.snapshot) != len(self.people):
            raise damaged(Part.NAMES)
        self._records_mac = state.records_mac

    def forget(self) -> None:
        """Drop all records from memory."""
        self.people.clear()
        self._listed.clear()
        self.snapshot = MappingProxyType({})
        self._rows = {}
        self._records_mac = None

    def ledger(self, state: State) -> SecurityState:
        """Return the security state of a state."""
        try:
            return SecurityState.decode(self.sealer.open_ledger(state.ledger))
        except (ValueError, TypeError, AttributeError):
            raise damaged(Part.LEDGER) from None

    def row_of(self, name: str) -> int | None:
        """Return the row of a name, as of the last `read`; None if there is none."""
        return self._rows.get(name)

    def replaced(  # noqa: PLR0917  # a change of one person
        self,
        state: State,
        row_id: int,
        before: References | None,
        after: References | None,
        name: str,
        authority: Authority | None = None,
    ) -> State:
        """Write or delete a person's row, after `read`; return the new state, without the MAC of `listed`."""
        if after is None:
            self._database.execute("DELETE FROM records WHERE id = ?", (row_id,))
            self._meant[row_id] = None
        else:
            version = self.people[row_id][0] if before is not None else 0
            self._put(self.sealer.seal(row_id, version + 1, record_codec.encode(after)))
        ledger = self.ledger(state)
        if (changed := amended(ledger, before, after, name, authority)) is not ledger:
            state = state._replace(ledger=self.sealer.seal_ledger(changed.encode()))
        return state

    def listed(self, state: State) -> State:
        """Return the state with the MAC of the new list of records, within a transaction.

        Raises
        ------
        VaultDamagedError
            If the records in the database are others.
        """
        meant = {row_id: row.listed for row_id, row in self._meant.items() if row is not None}
        kept = {row_id: listed for row_id, listed in self._listed.items() if row_id not in self._meant}
        rows = sorted((kept | meant).values())
        written = [row for row in self._meant.values() if row is not None]
        found = [values for row in written for values in self._database.execute(_ROW, (row.row_id,))]
        if found != written or self._database.execute(_LISTED_ROWS) != rows:
            raise damaged(Part.MANIFEST)
        return state._replace(records_mac=self.sealer.records_mac(rows))

    def logged(
        self, state: State, events: tuple[Event, ...], row_of: Callable[[str], int | None] = lambda _: None
    ) -> State:
        """Append events to the log, within a transaction; return the new state."""
        if not events:
            return state
        before = LogState.decode(state.log)
        return state._replace(
            log=audit_log.append(self._database, self.sealer, before, events, row_of).encode()
        )

    def events(self, state: State) -> tuple[Event, ...]:
        """Return the events of the log, oldest first, within a transaction."""
        names = {row_id: held.identity for row_id, (_, held) in self.people.items()}
        return audit_log.read(self._database, self.sealer, LogState.decode(state.log), names.get)

    def write(self, state: State) -> State:
        """Write a state with the next epoch, within a transaction, and return it.

        Raises
        ------
        VaultDamagedError
            If the database holds another state afterwards.
        """
        bring_up_to_date(self._database)
        state = state._replace(epoch=state.epoch + 1)
        manifest = self.sealer.manifest(*state)
        self._database.execute(
            "UPDATE store SET key_check = ?, epoch = ?, records_mac = ?, log = ?, ledger = ?, manifest = ?",
            (self.sealer.key_check, *state, manifest),
        )
        if self._database.execute(_STORE) != [(*self._head(), *state, manifest)]:
            raise damaged(Part.MANIFEST)
        return state

    def remember(self, epoch: int) -> None:
        """Record the epoch of a committed change in its places."""
        try:
            self.epochs.raise_to(epoch)
        except (OSError, VaultError) as error:
            # The change is committed, but until its epoch is recorded it could be rolled back unnoticed.
            cause = f"{why(error)}; " if isinstance(error, OSError) else ""
            self._database.break_off(f"{cause}the file that remembers how new it is could not be written")

    def sealed_anew(self, state: State, sealer: Sealer, epochs: Epochs) -> tuple[Contents, State]:
        """Encrypt everything again by another sealer, within a transaction.

        Returns contents that use this sealer, and the new state.
        """
        anew = Contents(self._database, sealer, epochs)
        for row in self._sealed_rows(state):
            anew._put(sealer.seal(row.row_id, row.version + 1, self.sealer.open(row)))
        state = anew.listed(state)
        sealed_log = audit_log.sealed_anew(self._database, self.sealer, sealer, LogState.decode(state.log))
        ledger = sealer.seal_ledger(self.sealer.open_ledger(state.ledger))
        return anew, state._replace(log=sealed_log.encode(), ledger=ledger)

    def copied_to(self, database: Database, state: State) -> tuple[Contents, State]:
        """Copy everything of a state into a database without tables, within transactions of both."""
        copy = Contents(database, self.sealer, self.epochs)
        copy.make()
        for row in self._sealed_rows(state):
            copy._put(row)
        audit_log.put(database, audit_log.entries(self._database, self.sealer, LogState.decode(state.log)))
        return copy, copy.listed(state)

    def make(self) -> None:
        """Make the tables of a new vault, within a transaction."""
        make_tables(self._database)
        state = State(
            0,
            self.sealer.records_mac(()),
            LogState().encode(),
            self.sealer.seal_ledger(SecurityState().encode()),
        )
        self._database.execute(
            "INSERT INTO store VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*self._head(), *state, self.sealer.manifest(*state)),
        )

    def _head(self) -> tuple[int, int, bytes, bytes]:
        """Return the columns of the store's row that are the same in every state."""
        return 1, SCHEMA, self.sealer.store_id, self.sealer.key_check

    def _put(self, row: SealedRecord) -> None:
        self._database.execute(_PUT_ROW, row)
        self._meant[row.row_id] = row

    def _floor(self) -> int:
        self._database.check_usable()
        try:
            return self.epochs.read()
        except VaultDamagedError:
            with self._database.reading():
                check_schema(self._database)
                self._demand_key(self._database.execute(_STORE))
            raise

    def _demand_key(self, found: list[Any]) -> None:
        """Raise a VaultKeyError if the row shows that the key was changed, which is no damage."""
        if len(found) == 1 and not same(found[0][3], self.sealer.key_check):
            message = "key: expected the key that this vault has now, but it was changed: open it anew"
            raise VaultKeyError(message)

    def _state(self, floor: int) -> State:
        """Return the state of the store, within a transaction, after a check of its MAC and its epoch.

        The records themselves are not checked here: `read` compares them with the state.
        """
        check_schema(self._database)
        found = self._database.execute(_STORE)
        if len(found) != 1:
            raise damaged(Part.DATABASE)
        *parts, manifest = found[0][4:]
        if [type(part) for part in parts] != [int, bytes, bytes, bytes]:
            raise damaged(Part.DATABASE)
        state = State(*parts)
        if not 0 <= state.epoch < 1 << 63 or not same(manifest, self.sealer.manifest(*state)):
            self._demand_key(found)
            raise damaged(Part.MANIFEST)
        if found[0][:4] != self._head():
            raise damaged(Part.DATABASE)
        if state.epoch < floor:
            raise rolled_back()
        return state

    def _read_all(self, state: State) -> None:
        """Read all records, and the log, in which nothing else would notice a change."""
        with _without_collections():
            for row in self._sealed_rows(state):
                self._take(row)
            audit_log.entries(self._database, self.sealer, LogState.decode(state.log))

    def _sealed_rows(self, state: State) -> list[SealedRecord]:
        """Return the sealed rows of all records, after a check that they are those of the state."""
        rows = [SealedRecord(*values) for values in self._database.execute(_ROWS)]
        if any(type(part) is not bytes for row in rows for part in row[2:]):
            raise damaged(Part.DATABASE)
        self._listed = self._checked(state, [row.listed for row in rows])
        return rows

    def _checked(self, state: State, rows: list[Any]) -> dict[int, ListedRecord]:
        if not same(state.records_mac, self.sealer.records_mac(rows)):
            raise damaged(Part.MANIFEST)
        return {row[0]: row for row in rows}

    def _take(self, row: SealedRecord) -> None:
        self.people[row.row_id] = (row.version, record_codec.decode(self.sealer.open(row)))


@contextmanager
def _without_collections() -> Iterator[None]:
    """Pause the garbage collector: among ten thousand records that all stay it takes half of the time."""
    wanted = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if wanted:
            gc.enable()
