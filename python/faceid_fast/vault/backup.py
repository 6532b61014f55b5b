"""A whole vault: made of a backup, or destroyed."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from faceid_fast.audit import Event, EventKind
from faceid_fast.errors import VaultDamagedError, VaultError
from faceid_fast.paths import checked_path
from faceid_fast.private_files import sync_directory

from .begin import head_of, sealer_of
from .contents import Contents
from .database import Database
from .directory import KEY_LOCK, check_private, prepare
from .epoch import Epoch
from .keys import KeyFile, KeyringEntry, find_key
from .vault import DATABASE, default_directory, unusable

_LOGS: Final = (f"{DATABASE}-wal", f"{DATABASE}-shm")
_FILES: Final = (DATABASE, *_LOGS, "epoch", "epoch.lock", KEY_LOCK)
_DRAFTS: Final = (".key*", ".epoch.*", ".restored*")
"""What a process that was killed may have left."""


def restore(file: str | Path, directory: str | Path | None = None, *, key: bytes | None = None) -> None:
    """Make a vault of a backup, as it was then.

    Whoever was removed since is back, and so is the credential of then.

    Parameters
    ----------
    file : that `Vault.backup` wrote.
    directory : where there is no vault; one whose database was lost will do. By default `default_directory`.
    key : of the vault that was backed up; by default found as by `Vault.open`. A key file has to be put
        into the directory before.

    Raises
    ------
    VaultError
        If there is a vault already, or the backup is not one, or not as it was written.
    """
    place = default_directory() if directory is None else checked_path("directory", directory)
    backup = checked_path("file", file)
    try:
        if not backup.is_file():
            message = f"restore: expected a backup at {str(backup)!a}, got none"
            raise VaultError(message)
        prepare(place)
        if (place / DATABASE).exists():
            message = (
                f"restore: expected a directory without a vault, got {str(place)!a}: move its vault.db "
                "away, and leave the key where it is; or choose another directory"
            )
            raise VaultError(message)
        store_key = find_key(place, key, new=False).read()
        draft = Path(mkdtemp(prefix=".restored", dir=place))
        try:
            if os.name == "posix":
                check_private(backup, backup.stat(), 0o600)
            shutil.copyfile(backup, draft / DATABASE)
            (draft / DATABASE).chmod(0o600)
            _adopt(draft, place, store_key)
        finally:
            shutil.rmtree(draft)
    except OSError as error:
        raise unusable(place, error) from error


def erase(directory: str | Path) -> None:
    """Destroy a vault: first its key, without which nothing of it can be read, then its files.

    Backups that were made with that key are destroyed with it. A key that is kept elsewhere, by
    FACEID_KEY_FILE or systemd, is not touched: destroy it yourself, and the backups.

    Raises
    ------
    VaultError
        If there is no vault, or its files cannot be deleted.
    """
    place = checked_path("directory", directory)  # never one that nobody has named
    try:
        if not (place / DATABASE).exists() and not (place / "epoch").exists():
            message = f"vault: expected one in {str(place)!a}, got none"
            raise VaultError(message)
        prepare(place)
        KeyFile(place / "key", "key file").erase()
        if os.environ.get("FACEID_KEYRING"):
            KeyringEntry(place).erase()
        for name in _FILES:
            (place / name).unlink(missing_ok=True)
        for draft in [path for pattern in _DRAFTS for path in place.glob(pattern)]:
            shutil.rmtree(draft) if draft.is_dir() else draft.unlink()
        sync_directory(place)
    except OSError as error:
        raise unusable(place, error) from error


def _adopt(draft: Path, place: Path, key: bytes) -> None:
    """See that the copy in a directory of its own is right; move it to its place, newer than all before."""
    database = Database(draft / DATABASE)
    try:
        with database.reading():
            sealer = sealer_of(key, head_of(database))
        Epoch(draft, sealer).write(0)
        contents = Contents(database, sealer, Epoch(draft, sealer))
        epoch = Epoch(place, sealer)
        try:
            lost = epoch.read()
        except VaultDamagedError:
            lost = 0  # none, or another vault's
        with contents.writing() as found:
            contents.read(found)
            contents.events(found)
            state = contents.logged(found, (Event.now(EventKind.RESTORED),))
            # Failures are those of then, but nobody has shown the credential since.
            ledger = replace(contents.ledger(state), presence=None)
            state = state._replace(ledger=sealer.seal_ledger(ledger.encode()))
            state = contents.write(state._replace(epoch=max(state.epoch, lost)))
        database.forget_deleted()
    finally:
        database.close()
    epoch.write(state.epoch)
    for name in _LOGS:  # SQLite would take up those of the lost one
        (place / name).unlink(missing_ok=True)
    sync_directory(place)
    (draft / DATABASE).replace(place / DATABASE)
    sync_directory(place)
