"""Make a vault, whole or not at all, and check at opening that its tables are ours and its key is right."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from faceid_fast.errors import VaultError, VaultKeyError, VaultTooNewError
from faceid_fast.private_files import PRIVATE_MODE

from .contents import Contents
from .database import Database
from .directory import KEY_LOCK, PrivateDirectory
from .encryption import ID_BYTES, Sealer, same
from .integrity import Part, damaged
from .keys import KeyPlace
from .rollback import EpochPlace, Epochs, begun
from .schema import FORMAT, FORMATS, SCHEMA, check_schema, format_of, is_empty

DATABASE: Final = "vault.db"
LOGS: Final = (f"{DATABASE}-wal", f"{DATABASE}-shm")
JOURNAL: Final = f"{DATABASE}-journal"
DRAFTS: Final = ".made"
"""Prefix of directories that a process leaves behind if it is killed while it makes a vault."""
Places = tuple[EpochPlace, ...]


def is_there(directory: PrivateDirectory, places: Places, key: Callable[[], KeyPlace]) -> bool:
    """Whether a directory holds a vault.

    Parameters
    ----------
    directory : the directory.
    places : the places that record its epoch.
    key : finds the key; called only if there is a recorded epoch without a database.

    Raises
    ------
    VaultDamagedError
        If there is a recorded epoch above 0 but no database: the making of a vault that was cut off leaves
        an epoch of 0.
    """
    if directory.check_regular(DATABASE):
        return True
    store = begun(places)
    if store is None:
        return False
    telling = tuple(place for place in places if place.store() is not None)
    if Epochs(telling, _sealer(key().read(), store)).read() != 0:
        raise damaged(Part.DATABASE)
    return False


def make(directory: PrivateDirectory, places: Places, key: bytes) -> None:
    """Make an empty vault where there is none; the caller holds `KEY_LOCK`."""
    sealer = _sealer(key, begun(places) or secrets.token_bytes(ID_BYTES))

    def fill(database: Database) -> int:
        contents = Contents(database, sealer, Epochs((), sealer))
        contents.make()
        return 0

    install(directory, Epochs(places, sealer), fill)


def install(directory: PrivateDirectory, epochs: Epochs, fill: Callable[[Database], int]) -> None:
    """Make a vault's database in a draft directory, and move it to its place when it is complete.

    Parameters
    ----------
    directory : one without a vault.
    epochs : record the epoch before the database appears: without a record it could be an older one.
    fill : fills the database within a transaction, and returns its epoch.
    """
    for left in directory.path.glob(f"{DRAFTS}*"):
        shutil.rmtree(left, ignore_errors=True)
    draft = Path(mkdtemp(prefix=DRAFTS, dir=directory.path))
    try:
        (draft / DATABASE).touch(PRIVATE_MODE)  # SQLite would make it readable to others
        database = Database(draft / DATABASE, make=True)
        try:
            with database.writing():
                epoch = fill(database)
            whole = database.forget_deleted()
        finally:
            database.close()
        if not whole:  # the write-ahead log would be left behind with its content
            message = "vault: expected nobody else in a vault that is being made, got somebody; try again"
            raise VaultError(message)
        epochs.write(epoch)
        for name in (*LOGS, JOURNAL):  # SQLite would apply those of a lost database
            directory.unlink(name)
        directory.sync()
        directory.take(draft / DATABASE, DATABASE)
        directory.sync()
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def check_files(directory: PrivateDirectory) -> None:
    """Check that the database and its logs are regular files or missing, and that there is no journal.

    A vault never has a journal, and a journal can name files that SQLite would delete.

    Raises
    ------
    VaultError
        If a file is of another kind or somebody else's, or there is a journal.
    """
    for name in (DATABASE, *LOGS):
        directory.check_regular(name)
    if directory.status(JOURNAL) is not None:
        raise damaged(Part.DATABASE)


def begin(database: Database, directory: PrivateDirectory, key_place: KeyPlace) -> Sealer:
    """Check the tables and the key of a vault, and return its sealer.

    A change of the key that was cut off is completed.

    Raises
    ------
    VaultKeyError
        If the key is another vault's.
    VaultDamagedError, VaultTooNewError
        If the tables are not those of this format.
    """
    key = key_place.read()
    ours = head_of(database)
    if _fits(key, ours) or (staged := key_place.staged()) is None or not _fits(staged, ours):
        return sealer_of(key, ours)
    with directory.locked(KEY_LOCK):
        key_place.settle(staged)  # the change was cut off after everything was encrypted under the new key
    return sealer_of(staged, ours)


def head_of(database: Database) -> tuple[bytes, bytes]:
    """Return the id of the store in a database, and the check value of its key.

    Raises
    ------
    VaultDamagedError, VaultTooNewError
        If the database holds no store, or one of another format.
    """
    with database.reading():
        # The schema that SQLite has read so far may have been replaced since.
        database.forget_schema()
        return _head(database)


def _head(database: Database) -> tuple[bytes, bytes]:
    version = format_of(database)
    if version > FORMAT and not is_empty(database):
        message = f"vault: expected format {FORMAT} or older, got {version}: use a newer faceid_fast"
        raise VaultTooNewError(message)
    check_schema(database)
    rows = database.execute("SELECT schema, id, key_check FROM store")
    usable = version in FORMATS and len(rows) == 1 and rows[0][0] == SCHEMA
    if not usable or not all(isinstance(part, bytes) for part in rows[0][1:]):
        raise damaged(Part.DATABASE)
    return rows[0][1], rows[0][2]


def sealer_of(key: bytes, head: tuple[bytes, bytes]) -> Sealer:
    """Return the sealer of a store.

    Raises
    ------
    VaultKeyError
        If the key is that of another store.
    """
    if not _fits(key, head):
        message = "key: expected the key that this vault was made with, got another one"
        raise VaultKeyError(message)
    return _sealer(key, head[0])


def _fits(key: bytes, head: tuple[bytes, bytes]) -> bool:
    return same(head[1], _sealer(key, head[0]).key_check)


def _sealer(key: bytes, store_id: bytes) -> Sealer:
    return Sealer(key, store_id, SCHEMA)
