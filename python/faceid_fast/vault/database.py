"""Transactions of a SQLite file; the only module that imports `apsw`.

SQLite runs with a write-ahead log, synchronises it at every commit and overwrites deleted content. All
threads share one connection, under a lock, so that the data that one thread has verified are those that the
next reads.

Somebody who can write the file can also change its schema. `schema` compares the schema before anything else
is read. Here SQLite is kept from running code of a schema: triggers and views are off, and the authorizer
allows only what the vault's own statements need.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import apsw

from faceid_fast.errors import VaultBusyError, VaultError

from .integrity import Part, damaged
from .schema import TABLES

_WAIT_MS: Final = 10_000
_PRAGMAS: Final = (
    ("synchronous", "FULL"),
    ("secure_delete", "ON"),
    ("temp_store", "MEMORY"),
    ("trusted_schema", "OFF"),
    ("cell_size_check", "ON"),
    ("mmap_size", "0"),
)
_SETTINGS: Final = (
    ("DEFENSIVE", 1),
    ("TRUSTED_SCHEMA", 0),
    ("ENABLE_TRIGGER", 0),
    ("ENABLE_VIEW", 0),
    ("ENABLE_FKEY", 0),
    ("ENABLE_LOAD_EXTENSION", 0),
    ("ENABLE_ATTACH_CREATE", 0),
    ("ENABLE_ATTACH_WRITE", 0),
    ("WRITABLE_SCHEMA", 0),
    ("DQS_DDL", 0),
    ("DQS_DML", 0),
)
_CHANGES: Final = (apsw.SQLITE_INSERT, apsw.SQLITE_UPDATE, apsw.SQLITE_DELETE)
_LISTS: Final = frozenset(("sqlite_master", "sqlite_schema"))
_FUNCTIONS: Final = frozenset(("count", "max", "min", "substr"))
_ASKED: Final = frozenset(
    (
        *(name for name, _ in _PRAGMAS),
        *("journal_mode", "data_version", "user_version", "wal_checkpoint", "integrity_check"),
        *("writable_schema", "page_count"),
    )
)
_DAMAGE: Final = (
    *(apsw.NotADBError, apsw.CorruptError, apsw.FormatError, apsw.SQLError, apsw.AuthError),
    *(apsw.ConstraintError, apsw.MismatchError, UnicodeError),
)
"""Exceptions that SQLite raises for files whose content was changed."""


class Database:
    """A SQLite file, through one connection that threads share.

    After an error that leaves the state of the disk uncertain, every call is refused until the file is opened
    again.

    Parameters
    ----------
    path : of the file, without symbolic links.
    make : whether tables may be made in the file, which is empty.

    Raises
    ------
    VaultDamagedError
        If the file is no database.
    VaultError
        If the file cannot be opened.
    """

    def __init__(self, path: Path, *, make: bool = False) -> None:
        self._lock = threading.RLock()
        self._process = os.getpid()
        self._broken: str | None = None
        self.is_closed = False
        self._make = make
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_NOFOLLOW
        with self._explained():
            self._connection = apsw.Connection(str(path), flags=flags)
            for name, setting in _SETTINGS:
                self._connection.config(getattr(apsw, f"SQLITE_DBCONFIG_{name}"), setting)
            self._connection.limit(apsw.SQLITE_LIMIT_ATTACHED, 0)
            self._connection.authorizer = self._is_allowed
            self._connection.set_busy_timeout(_WAIT_MS)
            if self._connection.pragma("journal_mode", "wal") != "wal":
                message = "vault: expected a file system with shared memory, which a write-ahead log needs"
                raise VaultError(message)
            for name, value in _PRAGMAS:
                self._connection.pragma(name, value)

    def check_usable(self) -> None:
        """Raise a VaultError if the database is closed or broken, or was opened by another process."""
        with self._usable():
            pass

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Run a transaction that reads; it sees one state of the data throughout."""
        with self._transaction("BEGIN DEFERRED"):
            yield

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Run a transaction that writes: synchronised at its end, or undone. Other writers wait."""
        with self._transaction("BEGIN IMMEDIATE"):
            yield

    def execute(self, statement: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Run one statement within a transaction, and return its rows."""
        with self._explained():
            return list(self._connection.execute(statement, values))

    def forget_schema(self) -> None:
        """Make SQLite read the schema again with the next statement, in the transaction that compares it."""
        self.execute("PRAGMA writable_schema = RESET")

    def revision(self) -> int:
        """Return a number that changes whenever another connection has changed the data."""
        with self._usable(), self._explained():
            return int(self._connection.pragma("data_version"))

    def image(self) -> bytes:
        """Return the whole database as the bytes of one file, within a transaction."""
        with self._explained():
            return bytes(self._connection.serialize("main"))

    def forget_deleted(self) -> bool:
        """Truncate the write-ahead log, which may hold deleted content; return whether that succeeded."""
        if self._broken is not None:
            return False
        with self._usable(), self._explained():
            try:
                busy, _, _ = next(self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)"))
            except apsw.BusyError:
                return False
            return not busy

    def break_off(self, reason: str) -> None:
        """Refuse every later call, for this reason."""
        self._broken = reason

    def close(self) -> None:
        """Close the file; later calls are refused."""
        with self._lock:
            self._broken = self._broken or "it was closed"
            self.is_closed = True
            if os.getpid() == self._process:
                # A disk error loses nothing here: the log stays, and is read when the file is opened again.
                with contextlib.suppress(apsw.Error):
                    self._connection.close(True)  # noqa: FBT003  # without raising

    def _is_allowed(
        self, action: int, first: str | None, second: str | None, _database: str | None, inside: str | None
    ) -> int:
        """Decide, for SQLite's authorizer, on an action of a statement; `inside` is its trigger or view."""
        allowed = inside is None and (
            action in {apsw.SQLITE_SELECT, apsw.SQLITE_TRANSACTION}
            or (action == apsw.SQLITE_READ and first in TABLES | _LISTS)
            or (action in _CHANGES and first in (TABLES | _LISTS if self._make else TABLES))
            or (action == apsw.SQLITE_CREATE_TABLE and first in TABLES and self._make)
            or (action == apsw.SQLITE_FUNCTION and second in _FUNCTIONS)
            or (action == apsw.SQLITE_PRAGMA and first in _ASKED)
        )
        return apsw.SQLITE_OK if allowed else apsw.SQLITE_DENY

    @contextmanager
    def _usable(self) -> Iterator[None]:
        if os.getpid() != self._process:
            message = (
                "vault: expected the process that opened it, got a fork of it: open the vault there anew"
            )
            raise VaultError(message)
        with self._lock:
            if self._broken is not None:
                message = f"vault: expected an open vault, but {self._broken}: open it anew"
                raise VaultError(message)
            yield

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        with self._usable():
            with self._explained():
                self._connection.execute(begin)
            try:
                yield
                with self._explained():
                    self._connection.execute("COMMIT")
            finally:
                self._roll_back()

    def _roll_back(self) -> None:
        """Roll back the transaction, if it is still open."""
        if not self._connection.in_transaction:
            return
        try:
            self._connection.execute("ROLLBACK")
        except apsw.Error:
            self.break_off("what its disk holds is uncertain after an error")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn errors of SQLite into those of the package, without SQLite's words about content."""
        try:
            yield
        except apsw.BusyError as error:
            message = f"vault: expected others to be done within {_WAIT_MS // 1000} s, but they still write"
            raise VaultBusyError(message) from error
        except apsw.FullError as error:
            message = "vault: the disk is full, make room on it; nothing was changed"
            raise VaultError(message) from error
        except _DAMAGE as error:
            raise damaged(Part.DATABASE) from error
        except apsw.IOError as error:
            self.break_off("what its disk holds is uncertain after an error")
            message = "vault: expected a disk that works, got an error of it; open the vault anew"
            raise VaultError(message) from error
        except apsw.Error as error:
            message = f"vault: expected SQLite to work, got {type(error).__name__}"
            raise VaultError(message) from error
