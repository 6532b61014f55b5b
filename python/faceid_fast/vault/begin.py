"""A vault's first moments: its tables are made, or seen to be ours; its key is seen to be the right one."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from faceid_fast.errors import VaultKeyError, VaultTooNewError

from .contents import SCHEMA, make_tables
from .damage import Part, damaged
from .database import Database
from .directory import KEY_LOCK, locked
from .epoch import Epoch
from .keys import KeyPlace
from .sealing import ID_BYTES, Sealer, same


def begin(database: Database, place: Path, key_place: KeyPlace, *, new: bool) -> tuple[Sealer, Epoch]:
    """Make the tables of a new vault, or see that they are ours; returns what seals.

    Raises
    ------
    VaultKeyError
        If the key is another vault's.
    VaultDamagedError, VaultTooNewError
        If there are other tables.
    """
    key = key_place.read()
    with database.reading():
        ours = _head(database)
        staged = None if ours is None or _fits(key, ours) else key_place.staged()
    if ours is None:
        with database.writing():
            ours = _head(database)  # somebody else may have been faster
            if ours is None:
                return _fill(database, place, key, new=new)
    if staged is not None and _fits(staged, ours):
        with locked(place / KEY_LOCK):
            key_place.settle(staged)  # a change of the key that was cut off after everything was sealed anew
        key = staged
    sealer = sealer_of(key, ours)
    return sealer, Epoch(place, sealer)


def head_of(database: Database) -> tuple[bytes, bytes]:
    """Id of the store that is there, and what tells its key, within a transaction.

    Raises
    ------
    VaultDamagedError, VaultTooNewError
        If there is none, or none of this format.
    """
    ours = _head(database)
    if ours is None:
        raise damaged(Part.DATABASE)
    return ours


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
    return Sealer(key, head[0], SCHEMA)


def _fits(key: bytes, head: tuple[bytes, bytes]) -> bool:
    return same(head[1], Sealer(key, head[0], SCHEMA).key_check)


def _head(database: Database) -> tuple[bytes, bytes] | None:
    version: Any = database.execute("PRAGMA user_version")[0][0]
    if version == 0 and database.execute("SELECT count(*) FROM sqlite_schema")[0][0] == 0:
        return None
    if version > SCHEMA:
        message = f"vault: expected format {SCHEMA} or older, got {version}: use a newer faceid_fast"
        raise VaultTooNewError(message)
    rows = database.execute("SELECT schema, id, key_check FROM store") if version == SCHEMA else []
    if len(rows) != 1 or rows[0][0] != SCHEMA or not all(isinstance(part, bytes) for part in rows[0][1:]):
        raise damaged(Part.DATABASE)
    return rows[0][1], rows[0][2]


def _fill(database: Database, place: Path, key: bytes, *, new: bool) -> tuple[Sealer, Epoch]:
    """Make the tables of a new vault, within a transaction."""
    store_id = secrets.token_bytes(ID_BYTES)
    if not new and (begun := Epoch.store_of(place)) is not None:
        # Only the making of a vault leaves an empty database beside an epoch of 0 that our key has signed.
        store_id = begun
        if Epoch(place, Sealer(key, store_id, SCHEMA)).read() != 0:
            raise damaged(Part.DATABASE)
    sealer = Sealer(key, store_id, SCHEMA)
    make_tables(database, sealer)
    epoch = Epoch(place, sealer)
    epoch.write(0)
    return sealer, epoch
