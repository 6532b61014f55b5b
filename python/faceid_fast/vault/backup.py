"""Restore a vault from a backup, or erase it."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from faceid_fast.checks import checked_path
from faceid_fast.errors import VaultDamagedError, VaultError, VaultKeyError
from faceid_fast.storage.audit import Event, EventKind

from . import model_files
from .bootstrap import DATABASE, DRAFTS, JOURNAL, LOGS, head_of, install, sealer_of
from .contents import Contents
from .database import Database
from .directory import KEY_LOCK, PrivateDirectory, check_private
from .encryption import Sealer
from .integrity import damaged
from .keys import GivenKey, KeyFile, KeyPlace, KeyringEntry, find_key
from .rollback import EpochPlace, Epochs
from .vault import default_directory, missing, places_of, unusable

_FILES: Final = (DATABASE, *LOGS, JOURNAL, "epoch", "epoch.lock", KEY_LOCK)
_COPY: Final = ".restored"
_LEFT: Final = (".key*", ".epoch.*", f"{DRAFTS}*", f"{_COPY}*", model_files.PATTERN, ".model-*")
"""Patterns of model files, and of what a killed process may have left."""


def restore(
    file: str | Path,
    directory: str | Path | None = None,
    *,
    key: bytes | None = None,
    state_file: str | Path | None = None,
) -> None:
    """Restore a vault from a backup.

    The vault is as it was at the time of the backup: people who were removed since are enrolled again, and
    the credential is the one of that time. The content of the backup is read and written to a new database;
    the file itself never becomes part of the vault.

    Parameters
    ----------
    file : a backup that `Vault.backup` wrote.
    directory : a directory without a vault, or of a vault that has lost its database. By default
        `default_directory`.
    key : of the vault that was backed up; by default found as by `Vault.open`. A key file must be put into
        the directory first.
    state_file : as for `Vault.open`; made if it is missing.

    Raises
    ------
    VaultKeyError
        If the key is not the one that the backup needs: which that is, and where it was looked for.
    VaultError
        If there is a vault already, or the file is no backup or was changed.
    """
    path = default_directory() if directory is None else checked_path("directory", directory)
    backup = checked_path("file", file)
    try:
        if not backup.is_file():
            message = f"restore: expected a backup at {str(backup)!a}, got none"
            raise VaultError(message)
        with PrivateDirectory.open(path, make=True) as place, place.locked(KEY_LOCK):
            if place.status(DATABASE) is not None:
                message = (
                    f"restore: expected a directory without a vault, got {str(path)!a}: move its vault.db "
                    "away, and leave the key where it is; or choose another directory"
                )
                raise VaultError(message)
            kept = find_key(place.path, key, new=False)
            copy = Path(mkdtemp(prefix=_COPY, dir=place.path))
            try:
                if os.name == "posix":
                    check_private(backup, backup.stat(), 0o600)
                shutil.copyfile(backup, copy / DATABASE)
                (copy / DATABASE).chmod(0o600)
                _fill_from(copy / DATABASE, place, places_of(place, state_file, make=True), kept)
            finally:
                shutil.rmtree(copy)
    except OSError as error:
        raise unusable(path, error) from error


def erase(directory: str | Path, *, state_file: str | Path | None = None) -> None:
    """Erase a vault: first its key, without which none of its data can be read, then its files.

    Backups that were made with this key cannot be read any more either. A key that is kept elsewhere, by
    FACEID_KEY_FILE or systemd, is not touched: erase it yourself, and the backups.

    Parameters
    ----------
    directory : of the vault.
    state_file : as for `Vault.open`.

    Raises
    ------
    VaultError
        If there is no vault, or its files cannot be deleted.
    """
    path = checked_path("directory", directory)  # no default: only a directory that the caller names
    try:
        with PrivateDirectory.open(path) as place:
            if place.status(DATABASE) is None and place.status("epoch") is None:
                raise missing(path)
            places = places_of(place, state_file, make=False)  # before anything is gone
            KeyFile(place.path / "key", "key file").erase()
            if os.environ.get("FACEID_KEYRING"):
                KeyringEntry(place.path).erase()
            for each in places:
                each.directory.unlink(each.name)
                each.directory.unlink(each.lock)
            for name in _FILES:
                place.unlink(name)
            for left in [found for pattern in _LEFT for found in place.path.glob(pattern)]:
                shutil.rmtree(left) if left.is_dir() else left.unlink()
            place.sync()
    except FileNotFoundError as error:
        raise missing(path) from error
    except OSError as error:
        raise unusable(path, error) from error


def _fill_from(file: Path, place: PrivateDirectory, places: tuple[EpochPlace, ...], kept: KeyPlace) -> None:
    """Verify a copy of a backup, and make a vault of its content, with an epoch above all recorded ones."""
    source = Database(file)
    try:
        sealer = _sealer_of(kept, head_of(source))
        contents = Contents(source, sealer, Epochs((), sealer))
        with contents.reading() as found:
            contents.read(found)
            contents.events(found)
            contents.ledger(found)

            def fill(database: Database) -> int:
                copy, state = contents.copied_to(database, found)
                state = copy.logged(state, (Event.now(EventKind.RESTORED),))
                # Counts of failures are those of the backup; the credential has not been shown since.
                ledger = replace(copy.ledger(state), presence=None)
                state = state._replace(
                    ledger=sealer.seal_ledger(ledger.encode()),
                    epoch=max(state.epoch, *(_lost(each, sealer) for each in places)),
                )
                return copy.write(state).epoch

            for each in places[1:]:
                if (remembered := each.store()) is not None and remembered != sealer.store_id:
                    raise damaged(each.part)  # it remembers another vault
            install(place, Epochs(places, sealer), fill)
    finally:
        source.close()


def _sealer_of(kept: KeyPlace, head: tuple[bytes, bytes]) -> Sealer:
    """Read the key, and see that it is the backup's.

    Raises
    ------
    VaultKeyError
        If it is not: whoever restores on another machine has to be told what to bring.
    """
    try:
        key = kept.read()
    except VaultKeyError as error:
        cause = error.__cause__
        why = cause.strerror if isinstance(cause, OSError) else str(error)
        raise VaultKeyError(_wanted(head[0], kept, f"got: {why}")) from error
    try:
        return sealer_of(key, head)
    except VaultKeyError as error:
        why = "got another one: of another vault, or of after a change of the key"
        raise VaultKeyError(_wanted(head[0], kept, why)) from error


def _wanted(store_id: bytes, kept: KeyPlace, got: str) -> str:
    """Say which key a backup needs, and where it was looked for."""
    looked = "the argument key" if isinstance(kept, GivenKey) else f"the {kept.origin}"
    if isinstance(kept, KeyFile):
        notes = {
            "FACEID_KEY_FILE": "which FACEID_KEY_FILE names",
            "key file": "since neither FACEID_KEY_FILE nor FACEID_KEYRING is set",
        }
        looked = f"{str(kept.path)!a}, {notes.get(kept.origin, f'the {kept.origin}')}"
    return (
        f"restore: expected the key that vault {store_id.hex()[:8]} had when the backup was made; looked for "
        f"it in {looked}; {got}. Where the vault was, `faceid vault info` says where its key is: bring it "
        "here, as 64 hexadecimal digits in a file of mode 600, and name that file by FACEID_KEY_FILE"
    )


def _lost(place: EpochPlace, sealer: Sealer) -> int:
    """Return the recorded epoch of the vault that was lost; 0 if there was none, or it was another vault."""
    try:
        return Epochs((place,), sealer).read()
    except VaultDamagedError:
        return 0
