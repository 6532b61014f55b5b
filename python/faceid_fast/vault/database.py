"""Rows that are there whole or not at all; the only module that imports `apsw`.

SQLite with a write-ahead log, synchronised at every commit, deleted content overwritten. One connection for
each thread would not do: data that one has verified must be what the next reads. So there is one, and a lock.

Whoever can write the file chooses its schema too. `schema` compares that before anything is read; here SQLite
is kept from running anything that a schema may hold: triggers and views are off, and a statement may do what
the vault's own statements do, and nothing else.
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
"""What SQLite raises of files that hold other things than were written."""


class Database:
    """A SQLite file, through one connection that threads share.

    After an error that leaves open what is on the disk, every call is refused until the file is opened anew.

    Parameters
    ----------
    path : without links.
    make : whether it is empty, and tables may be made in it.

    Raises
    ------
    VaultDamagedError
        If the file is no database.
    VaultError
        If it cannot be opened.
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
        """Raise what every call would, were it closed, broken, or another process's."""
        with self._usable():
            pass

    @contextmanager
    def reading(self) -> Iterator[None]:
        """See one state of the data throughout."""
        with self._transaction("BEGIN DEFERRED"):
            yield

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Change it: everything at the end, synchronised, or nothing. Others who write wait."""
        with self._transaction("BEGIN IMMEDIATE"):
            yield

    def execute(self, statement: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Run one statement within a transaction; returns its rows."""
        with self._explained():
            return list(self._connection.execute(statement, values))

    def forget_schema(self) -> None:
        """Read the schema anew with the next statement: within the transaction that compares it."""
        self.execute("PRAGMA writable_schema = RESET")

    def revision(self) -> int:
        """A number that changes whenever another connection has changed the data."""
        with self._usable(), self._explained():
            return int(self._connection.pragma("data_version"))

    def image(self) -> bytes:
        """Everything as one file, within a transaction."""
        with self._explained():
            return bytes(self._connection.serialize("main"))

    def forget_deleted(self) -> bool:
        """Have what was deleted leave the log too; returns whether nothing was in the way."""
        if self._broken is not None:
            return False
        with self._usable(), self._explained():
            try:
                busy, _, _ = next(self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)"))
            except apsw.BusyError:
                return False
            return not busy

    def break_off(self, reason: str) -> None:
        """Refuse everything from now on."""
        self._broken = reason

    def close(self) -> None:
        """Give the file back; further calls are refused."""
        with self._lock:
            self._broken = self._broken or "it was closed"
            self.is_closed = True
            if os.getpid() == self._process:
                # An error of the disk now loses nothing: the log stays, and is read when it is opened anew.
                with contextlib.suppress(apsw.Error):
                    self._connection.close(True)  # noqa: FBT003  # without raising

    def _is_allowed(
        self, action: int, first: str | None, second: str | None, _database: str | None, inside: str | None
    ) -> int:
        """Say whether a statement may do something; `inside` is the trigger or view that wants to."""
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
        """Leave no transaction behind, whatever happened."""
        if not self._connection.in_transaction:
            return
        try:
            self._connection.execute("ROLLBACK")
        except apsw.Error:
            self.break_off("what its disk holds is uncertain after an error")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Errors of SQLite as those of the package, without what SQLite says about content."""
        try:
            yield
        except apsw.BusyError as error:
            message = f"vault: expected others to be done within {_WAIT_MS // 1000} s, but they still write"
            raise VaultBusyError(message) from error
        except apsw.FullError as error:
            message = "vault: expected room on the disk, got none; nothing was changed"
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
