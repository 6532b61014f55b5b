"""The encrypted store."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Final, NamedTuple, NoReturn, Self

from faceid_fast import lockout
from faceid_fast.errors import VaultError, VaultKeyError, VaultTooNewError
from faceid_fast.lockout import Tallies
from faceid_fast.paths import checked_path
from faceid_fast.store import References, changed_by, check_identity, check_references, unknown_identity

from . import record
from .damage import Part, damaged, rolled_back
from .database import Database
from .directory import prepare
from .epoch import Epoch
from .keys import find_key
from .sealing import ID_BYTES, SealedRecord, Sealer, same

SCHEMA: Final = 1
_STORE_TABLE: Final = (
    "CREATE TABLE store (one INTEGER PRIMARY KEY CHECK (one = 1), schema INTEGER NOT NULL, id BLOB NOT NULL,"
    " key_check BLOB NOT NULL, epoch INTEGER NOT NULL, records_mac BLOB NOT NULL, attempts BLOB NOT NULL,"
    " manifest BLOB NOT NULL) STRICT"
)
# Without an index: what is not read when a vault is opened could be changed unnoticed.
_RECORDS_TABLE: Final = (
    "CREATE TABLE records (id INTEGER PRIMARY KEY, version INTEGER NOT NULL, wrapped_key BLOB NOT NULL,"
    " sealed BLOB NOT NULL) STRICT"
)
_STATE: Final = "SELECT epoch, records_mac, attempts, manifest FROM store"
_ROW: Final = "SELECT id, version, wrapped_key, sealed FROM records"
_MANIFEST_ROWS: Final = (
    "SELECT id, version, substr(wrapped_key, -16), substr(sealed, -16) FROM records ORDER BY id"
)


def default_directory() -> Path:
    """Where a vault lives by default: ``$XDG_DATA_HOME/faceid``, else ``~/.local/share/faceid``."""
    base = os.environ.get("XDG_DATA_HOME")
    if base and Path(base).is_absolute():
        return Path(base, "faceid")
    return Path.home() / ".local" / "share" / "faceid"


class _State(NamedTuple):
    """What the one row of the store says: how new it is, which records there are, and the failures."""

    epoch: int
    records_mac: bytes
    attempts: bytes


class Vault:
    """References in a directory, encrypted; a `ReferenceStore`. Safe to share by threads and processes.

    Every change is on the disk when its call returns, or has not happened. What was changed, exchanged, cut
    off, deleted or put back by others is noticed, and refused. Nothing readable about anybody is written: not
    even how a name begins.

    Use `Vault.open`. A vault is closed by `close`, or at the end of a ``with`` block.
    """

    def __init__(self, database: Database, sealer: Sealer, epoch: Epoch) -> None:
        self._database = database
        self._sealer = sealer
        self._epoch = epoch
        self._lock = threading.RLock()
        self._people: dict[int, tuple[int, References]] = {}  # by row: version, what it holds
        self._snapshot: Mapping[str, References] = MappingProxyType({})
        self._seen: tuple[int, int] | None = None  # SQLite's counter, and ours of what this one wrote
        self._written = 0
        self._records_mac: bytes | None = None  # of what `_people` holds

    @classmethod
    def open(cls, directory: str | Path | None = None, *, key: bytes | None = None) -> Vault:
        """Open a vault, or make an empty one.

        Parameters
        ----------
        directory : by default `default_directory`. It must be on a local disk, and closed to others.
        key : 32 bytes; by default from FACEID_KEY_FILE, a systemd credential ``faceid-key``, or the file
            ``key`` in the directory, in this order (`faceid_fast.vault.keys`).

        Raises
        ------
        VaultKeyError
            If there is no key, or it is another vault's.
        VaultDamagedError, VaultRolledBackError, VaultTooNewError
            If the vault is not as it was left: changed, older than it was, or of a newer version.
        VaultError
            If the directory does not serve.
        """
        place = default_directory() if directory is None else checked_path("directory", directory)
        try:
            return cls._open(place, key)
        except OSError as error:
            message = (
                f"vault: expected files that can be read and written in {str(place)!a}, got: {error.strerror}"
            )
            raise VaultError(message) from error

    @classmethod
    def _open(cls, place: Path, key: bytes | None) -> Vault:
        prepare(place)
        file = place / "vault.db"
        # A vault whose database went is not a new one; its epoch tells.
        new = not file.exists() and not (place / "epoch").exists()
        store_key = find_key(place, key, new=new)
        database = Database(file)
        try:
            sealer, epoch = _begin(database, place, store_key, new=new)
            vault = cls(database, sealer, epoch)
            vault.snapshot()
        except BaseException:
            database.close()
            raise
        return vault

    def __enter__(self) -> Self:
        """Return the vault."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Give the files back. Every call from then on raises a VaultError."""
        with self._lock:
            self._people.clear()
            self._snapshot = MappingProxyType({})
            self._database.close()

    def __repr__(self) -> str:
        """Say what it is, not who is in it."""
        return f"<Vault of {len(self._snapshot)}>"

    def __reduce__(self) -> NoReturn:
        """Refuse: a pickle would hold the keys."""
        message = "a vault is not pickled: open it where it is needed"
        raise TypeError(message)

    def revision(self) -> tuple[int, int]:
        """Return what changes whenever anybody has changed the vault; cheap enough to ask every time."""
        return self._database.revision(), self._written

    def snapshot(self) -> Mapping[str, References]:
        """Everybody's references, by name; who did not change since the last call is the same object.

        Raises
        ------
        VaultDamagedError, VaultRolledBackError
            If the vault is not as it was left.
        """
        with self._lock:
            if self._seen != (revision := self.revision()):
                floor = self._epoch.read()  # before: others may write it as soon as they have committed
                with self._database.reading():
                    self._read(self._state(floor))
                self._seen = revision
            return self._snapshot

    def attempts(self, change: Callable[[Tallies], Tallies]) -> Tallies:
        """Change the counts of failures by what they are; on the disk when this returns.

        Raises
        ------
        VaultDamagedError, VaultRolledBackError
            If the vault is not as it was left.
        """
        with self._lock:
            floor = self._epoch.read()
            with self._database.writing():
                state = self._state(floor)
                before = self._tallies(state)
                after = changed_by(change, before)
                if after is before:
                    return before
                sealed = self._sealer.seal_attempts(lockout.encode(after))
                state = self._write(_State(state.epoch + 1, state.records_mac, sealed))
            self._remember(state.epoch)
            return after

    def identities(self) -> tuple[str, ...]:
        """Names of everybody enrolled, sorted."""
        return tuple(sorted(self.snapshot()))

    def get(self, identity: str) -> References:
        """Everything kept of one person; `UnknownIdentityError` if there is no such person."""
        name = check_identity(identity)
        try:
            return self.snapshot()[name]
        except KeyError:
            raise unknown_identity(name) from None

    def put(self, references: References) -> None:
        """Keep these references in place of any the person had; on the disk when this returns."""
        name = check_references(references).identity
        content = record.encode(references)
        with self._lock, self._changing():
            row_id, version = self._find(name) or (self._sealer.new_row_id(), 0)
            self._database.execute(
                "INSERT OR REPLACE INTO records (id, version, wrapped_key, sealed) VALUES (?, ?, ?, ?)",
                self._sealer.seal(row_id, version + 1, content),
            )

    def remove(self, identity: str) -> None:
        """Forget a person, their key and their failures; `UnknownIdentityError` if there is none."""
        name = check_identity(identity)
        with self._lock:
            with self._changing(forget=name):
                found = self._find(name)
                if found is None:
                    raise unknown_identity(name)
                self._database.execute("DELETE FROM records WHERE id = ?", found[:1])
            self._database.forget_deleted()

    def _find(self, name: str) -> tuple[int, int] | None:
        """Row and version of a name, as of the last reading."""
        references = self._snapshot.get(name)
        for row_id, (version, held) in self._people.items():
            if held is references:
                return row_id, version
        return None

    @contextmanager
    def _changing(self, forget: str | None = None) -> Iterator[None]:
        """Change rows, and forget somebody's failures: read anew before, sealed after."""
        floor = self._epoch.read()
        with self._database.writing():
            state = self._state(floor)
            self._read(state)
            yield
            records_mac = self._sealer.records_mac(self._database.execute(_MANIFEST_ROWS))
            sealed = state.attempts
            if forget is not None:
                tallies = lockout.cleared(self._tallies(state), (forget,))
                sealed = self._sealer.seal_attempts(lockout.encode(tallies))
            state = self._write(_State(state.epoch + 1, records_mac, sealed))
        self._written += 1
        self._remember(state.epoch)

    def _remember(self, epoch: int) -> None:
        """Have the second place know of a change that has been committed."""
        try:
            self._epoch.raise_to(epoch)
        except (OSError, VaultError):
            # The change stands; but as long as the second place does not know, it could be undone unnoticed.
            self._database.break_off("the file that remembers how new it is could not be written")

    def _state(self, floor: int) -> _State:
        """Return the state of the store, within a transaction, if it is one that was written.

        Which records there are, it only names: `_read` sees whether they are these.
        """
        values = self._database.execute(_STATE)
        if len(values) != 1:
            raise damaged(Part.DATABASE)
        *parts, manifest = values[0]
        if [type(part) for part in parts] != [int, bytes, bytes]:
            raise damaged(Part.DATABASE)
        state = _State(*parts)
        if state.epoch < floor:
            raise rolled_back()
        if state.epoch >= 1 << 63 or not same(manifest, self._sealer.manifest(*state)):
            raise damaged(Part.MANIFEST)
        return state

    def _write(self, state: _State) -> _State:
        """Write a state, within a transaction; returns it."""
        self._database.execute(
            "UPDATE store SET epoch = ?, records_mac = ?, attempts = ?, manifest = ?",
            (*state, self._sealer.manifest(*state)),
        )
        return state

    def _tallies(self, state: _State) -> Tallies:
        try:
            return lockout.decode(self._sealer.open_attempts(state.attempts))
        except (ValueError, TypeError, AttributeError):
            raise damaged(Part.ATTEMPTS) from None

    def _read(self, state: _State) -> None:
        """Take up the records of a state, within a transaction."""
        if state.records_mac == self._records_mac:
            return
        rows = self._database.execute(_MANIFEST_ROWS)
        if not same(state.records_mac, self._sealer.records_mac(rows)):
            raise damaged(Part.MANIFEST)
        self._records_mac = None  # until all are read
        known, self._people = self._people, {}
        fresh = {row_id for row_id, version, *_ in rows if known.get(row_id, (0, None))[0] != version}
        if len(fresh) > len(rows) // 2:
            for values in self._database.execute(_ROW):
                self._take(SealedRecord(*values))
        else:
            self._people = {row_id: known[row_id] for row_id, *_ in rows if row_id not in fresh}
            for row_id in fresh:
                (values,) = self._database.execute(f"{_ROW} WHERE id = ?", (row_id,))
                self._take(SealedRecord(*values))
        self._snapshot = MappingProxyType({held.identity: held for _, held in self._people.values()})
        if len(self._snapshot) != len(self._people):
            raise damaged(Part.NAMES)
        self._records_mac = state.records_mac

    def _take(self, row: SealedRecord) -> None:
        self._people[row.row_id] = (row.version, record.decode(self._sealer.open(row)))


def _begin(database: Database, place: Path, key: bytes, *, new: bool) -> tuple[Sealer, Epoch]:
    """Make the tables of a new vault, or see that they are ours; returns what seals."""
    with database.reading():
        sealer = _sealer_of(database, key)
    if sealer is None:
        with database.writing():
            sealer = _sealer_of(database, key)  # somebody else may have been faster
            if sealer is None:
                return _fill(database, place, key, new=new)
    return sealer, Epoch(place, sealer)


def _sealer_of(database: Database, key: bytes) -> Sealer | None:
    """What seals the store that is there, within a transaction; None if there is none yet."""
    version: Any = database.execute("PRAGMA user_version")[0][0]
    if version == 0 and database.execute("SELECT count(*) FROM sqlite_schema")[0][0] == 0:
        return None
    if version > SCHEMA:
        message = f"vault: expected format {SCHEMA} or older, got {version}: use a newer faceid_fast"
        raise VaultTooNewError(message)
    rows = database.execute("SELECT schema, id, key_check FROM store") if version == SCHEMA else []
    if len(rows) != 1 or rows[0][0] != SCHEMA or not isinstance(rows[0][1], bytes):
        raise damaged(Part.DATABASE)
    sealer = Sealer(key, rows[0][1], SCHEMA)
    if not same(rows[0][2], sealer.key_check):
        message = "key: expected the key that this vault was made with, got another one"
        raise VaultKeyError(message)
    return sealer


def _fill(database: Database, place: Path, key: bytes, *, new: bool) -> tuple[Sealer, Epoch]:
    """Make the tables of a new vault, within a transaction."""
    store_id = secrets.token_bytes(ID_BYTES)
    if not new and (begun := Epoch.store_of(place)) is not None:
        # Only the making of a vault leaves an empty database beside an epoch of 0 that our key has signed.
        store_id = begun
        if Epoch(place, Sealer(key, store_id, SCHEMA)).read() != 0:
            raise damaged(Part.DATABASE)
    sealer = Sealer(key, store_id, SCHEMA)
    for statement in (_STORE_TABLE, _RECORDS_TABLE):
        database.execute(statement)
    state = _State(0, sealer.records_mac(()), sealer.seal_attempts(lockout.encode({})))
    database.execute(
        "INSERT INTO store VALUES (1, ?, ?, ?, ?, ?, ?, ?)",
        (SCHEMA, store_id, sealer.key_check, *state, sealer.manifest(*state)),
    )
    database.execute(f"PRAGMA user_version = {SCHEMA}")
    epoch = Epoch(place, sealer)
    epoch.begin()
    return sealer, epoch
