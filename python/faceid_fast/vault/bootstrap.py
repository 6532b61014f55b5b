"""A vault's first moments: it is made whole or not at all, or seen to be ours and its key the right one."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

from faceid_fast.errors import VaultError, VaultKeyError, VaultTooNewError
from faceid_fast.private_files import PRIVATE_MODE

from .contents import Contents
from .database import Database
from .directory import KEY_LOCK, PrivateDirectory
from .encryption import ID_BYTES, Sealer, same
from .integrity import Part, damaged
from .keys import KeyPlace
from .rollback import EpochPlace, Epochs, begun
from .schema import SCHEMA, check_schema, is_empty

DATABASE: Final = "vault.db"
LOGS: Final = (f"{DATABASE}-wal", f"{DATABASE}-shm")
JOURNAL: Final = f"{DATABASE}-journal"
DRAFTS: Final = ".made"
"""How the names begin of what a process that was killed while it made a vault may have left."""
Places = tuple[EpochPlace, ...]


def is_there(directory: PrivateDirectory, places: Places, key: Callable[[], KeyPlace]) -> bool:
    """Whether a directory holds a vault.

    Parameters
    ----------
    directory : where.
    places : that remember its epoch.
    key : finds the key, which is asked for only where the database is not there and something else is.

    Raises
    ------
    VaultDamagedError
        If it holds what is left of one: only the making of a vault leaves an epoch of 0, and nothing else.
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
    """Make an empty vault, where there is none; `KEY_LOCK` is held."""
    sealer = _sealer(key, begun(places) or secrets.token_bytes(ID_BYTES))

    def fill(database: Database) -> int:
        contents = Contents(database, sealer, Epochs((), sealer))
        contents.make()
        return 0

    install(directory, Epochs(places, sealer), fill)


def install(directory: PrivateDirectory, epochs: Epochs, fill: Callable[[Database], int]) -> None:
    """Make a vault's database aside, and move it to its place when it is whole.

    Parameters
    ----------
    directory : where there is none.
    epochs : are told of it before it is there: what nobody remembers could be an older one.
    fill : fills it within a transaction, and returns its epoch.
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
        if not whole:  # what is in its log would be left behind
            message = "vault: expected nobody else in a vault that is being made, got somebody; try again"
            raise VaultError(message)
        epochs.write(epoch)
        for name in (*LOGS, JOURNAL):  # SQLite would take up those of a lost one
            directory.unlink(name)
        directory.sync()
        directory.take(draft / DATABASE, DATABASE)
        directory.sync()
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def check_files(directory: PrivateDirectory) -> None:
    """See that SQLite finds files where it expects them, and no journal, which a vault never has.

    A journal names files that SQLite would delete.

    Raises
    ------
    VaultError
        If not.
    """
    for name in (DATABASE, *LOGS):
        directory.check_regular(name)
    if directory.status(JOURNAL) is not None:
        raise damaged(Part.DATABASE)


def begin(database: Database, directory: PrivateDirectory, key_place: KeyPlace) -> Sealer:
    """See that the tables are ours, and the key too; returns what seals.

    Raises
    ------
    VaultKeyError
        If the key is another vault's.
    VaultDamagedError, VaultTooNewError
        If there are other tables.
    """
    key = key_place.read()
    ours = head_of(database)
    if _fits(key, ours) or (staged := key_place.staged()) is None or not _fits(staged, ours):
        return sealer_of(key, ours)
    with directory.locked(KEY_LOCK):
        key_place.settle(staged)  # a change of the key that was cut off after everything was sealed anew
    return sealer_of(staged, ours)


def head_of(database: Database) -> tuple[bytes, bytes]:
    """Id of the store that is there, and what tells its key.

    Raises
    ------
    VaultDamagedError, VaultTooNewError
        If there is none, or none of this format.
    """
    with database.reading():
        # What SQLite read of the schema until now may have been another one.
        database.forget_schema()
        return _head(database)


def _head(database: Database) -> tuple[bytes, bytes]:
    version: Any = database.execute("PRAGMA user_version")[0][0]
    if version > SCHEMA and not is_empty(database):
        message = f"vault: expected format {SCHEMA} or older, got {version}: use a newer faceid_fast"
        raise VaultTooNewError(message)
    check_schema(database)
    rows = database.execute("SELECT schema, id, key_check FROM store")
    usable = version == SCHEMA and len(rows) == 1 and rows[0][0] == SCHEMA
    if not usable or not all(isinstance(part, bytes) for part in rows[0][1:]):
        raise damaged(Part.DATABASE)
    return rows[0][1], rows[0][2]


def sealer_of(key: bytes, head: tuple[bytes, bytes]) -> Sealer:
    """What seals a store.

    Raises
    ------
    VaultKeyError
        If the key is another one's.
    """
    if not _fits(key, head):
        message = "key: expected the key that this vault was made with, got another one"
        raise VaultKeyError(message)
    return _sealer(key, head[0])


def _fits(key: bytes, head: tuple[bytes, bytes]) -> bool:
    return same(head[1], _sealer(key, head[0]).key_check)


def _sealer(key: bytes, store_id: bytes) -> Sealer:
    return Sealer(key, store_id, SCHEMA)
