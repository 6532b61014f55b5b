"""The vault: the encrypted store."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, NoReturn, Self

from faceid_fast.calibration.evidence import MeasuredThreshold
from faceid_fast.checks import checked_flag, checked_instance, checked_path, checked_sha256
from faceid_fast.errors import InvalidInputError, VaultError, VaultKeyError, VaultMissingError
from faceid_fast.private_files import why, write_whole
from faceid_fast.storage.audit import Event, EventKind
from faceid_fast.storage.names import Looks
from faceid_fast.storage.policy import VaultPolicy
from faceid_fast.storage.references import References, check_identity, check_references
from faceid_fast.storage.security_state import Amend, SecurityState
from faceid_fast.storage.store import MAX_EVENTS, Authority, Change, altered_by, amended_by

from . import model_files
from .bootstrap import DATABASE, Places, begin, check_files, is_there, make
from .contents import Contents
from .database import Database
from .directory import KEY_LOCK, PrivateDirectory
from .encryption import Sealer
from .integrity import Part, damaged
from .keys import KeyPlace, checked_key, find_key, new_key
from .rollback import EpochPlace, Epochs
from .schema import SCHEMA, format_of

STATE_FILE: Final = "FACEID_STATE_FILE"
"""Environment variable that names the state file."""


def default_directory() -> Path:
    """Return the default directory of a vault: ``$XDG_DATA_HOME/faceid``, else ``~/.local/share/faceid``."""
    base = os.environ.get("XDG_DATA_HOME")
    if base and Path(base).is_absolute():
        return Path(base, "faceid")
    return Path.home() / ".local" / "share" / "faceid"


class VaultInfo(NamedTuple):
    """Facts about a vault, without names.

    Attributes
    ----------
    store : the first digits of the vault's random id.
    format : version of the database's format.
    epoch : number of changes so far.
    people, references, adapted : numbers of people, of enrolled and of adapted references.
    models : SHA-256 of the models that made the references, sorted.
    credential : whether a credential is set.
    adopted : thresholds that replace the model's, with their evidence.
    policy : the least that every program must ask.
    key : where the key comes from.
    state_file : path of the state file; empty if there is none.
    bytes : size of the database.
    """

    store: str
    format: int
    epoch: int
    people: int
    references: int
    adapted: int
    models: tuple[str, ...]
    credential: bool
    adopted: tuple[MeasuredThreshold, ...]
    policy: VaultPolicy
    key: str
    state_file: str
    bytes: int


class Vault:
    """A `ReferenceStore` in a directory, encrypted. Threads and processes may share it.

    When the call of a change returns, the change is on the disk; a change happens completely or not at all.
    Data that somebody else changed, replaced, truncated, deleted or rolled back are noticed and refused.
    Nothing readable about anybody is written, not even the first letter of a name.

    Use `Vault.open`. A vault is closed by `close`, or at the end of a ``with`` block.
    """

    def __init__(
        self, database: Database, contents: Contents, key_place: KeyPlace, directory: PrivateDirectory
    ) -> None:
        self._database = database
        self._contents = contents
        self._key_place = key_place
        self._directory = directory
        self._lock = threading.RLock()
        self._seen: object = None  # the last revision that was read
        self._written = 0
        self._looks = Looks()
        self.is_new = False
        """Whether `open` has made the vault."""

    @property
    def directory(self) -> Path:
        """The vault's directory, without symbolic links."""
        return self._directory.path

    @classmethod
    def open(
        cls,
        directory: str | Path | None = None,
        *,
        key: bytes | None = None,
        create: bool = False,
        state_file: str | Path | None = None,
    ) -> Vault:
        """Open a vault.

        Parameters
        ----------
        directory : by default `default_directory`. It must be on a local disk and closed to other users, who
            must not be able to write in the directories above it either.
        key : 32 bytes; by default from FACEID_KEY_FILE, a systemd credential ``faceid-key``, the keyring, or
            the file ``key`` in the directory (`faceid_fast.vault.keys.find_key`).
        create : whether to make what is missing: an empty vault, its key if that is kept in a file or the
            keyring, and the state file.
        state_file : a file in another directory that records the vault's id and epoch. Somebody who can write
            in the vault's directory but not in that one cannot put an older vault back, nor remove the vault,
            unnoticed. By default the file that FACEID_STATE_FILE names, if any. Every change writes it, which
            takes about as long as the change itself.

        Raises
        ------
        VaultMissingError
            If there is no vault, and `create` is False.
        VaultKeyError
            If there is no key, or it is another vault's.
        VaultDamagedError, VaultRolledBackError, VaultTooNewError
            If the vault was damaged, was replaced by an older state, or is of a newer version.
        VaultError
            If the directory is not usable.
        """
        checked_flag("create", create)
        path = default_directory() if directory is None else checked_path("directory", directory)
        try:
            return cls._open(path, key, state_file, create=create)
        except OSError as error:
            raise unusable(path, error) from error

    @classmethod
    def _open(cls, path: Path, key: bytes | None, state_file: str | Path | None, *, create: bool) -> Vault:
        try:
            directory = PrivateDirectory.open(path, make=create)
        except FileNotFoundError:
            raise missing(path) from None
        places = places_of(directory, state_file, make=create)

        def is_here() -> bool:
            return is_there(directory, places, lambda: find_key(directory.path, key, new=False))

        new = False
        if not is_here():
            if not create:
                raise missing(path)
            with directory.locked(KEY_LOCK):
                if new := not is_here():  # else another process was faster
                    make(directory, places, find_key(directory.path, key, new=True).read())
        key_place = find_key(directory.path, key, new=False)
        key_place.read()  # first: a missing key is the error to report before any other
        check_files(directory)
        database = Database(directory.path / DATABASE)
        try:
            directory.check_still_there()
            sealer = begin(database, directory, key_place)
            vault = cls(database, Contents(database, sealer, Epochs(places, sealer)), key_place, directory)
            vault.is_new = new
            if create:
                vault._remember_elsewhere()
            vault.snapshot()
        except BaseException:
            database.close()
            raise
        return vault

    def _remember_elsewhere(self) -> None:
        """Write the state file of a vault that had none."""
        beside, *elsewhere = self._contents.epochs.places
        lacking = tuple(place for place in elsewhere if place.directory.status(place.name) is None)
        if not lacking:
            return
        sealer = self._contents.sealer
        known = Contents(self._database, sealer, Epochs((beside,), sealer))
        with known.reading() as state:
            Epochs(lacking, sealer).write(state.epoch)

    def __enter__(self) -> Self:
        """Return the vault."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the vault."""
        self.close()

    def close(self) -> None:
        """Close the files. Every later call raises a VaultError."""
        with self._lock:
            self._contents.forget()
            self._database.close()
            for place in self._contents.epochs.places:
                place.directory.close()

    def __repr__(self) -> str:
        """The directory and the number of people; no names."""
        state = "closed" if self._database.is_closed else f"of {len(self._contents.snapshot)} people"
        return f"<Vault {str(self.directory)!r} {state}>"

    def __reduce__(self) -> NoReturn:
        """Refuse: a pickle would hold the keys."""
        message = "a vault is not pickled: open it where it is needed"
        raise TypeError(message)

    def revision(self) -> object:
        """Return a value that changes whenever anybody has changed the vault; it is cheap to read.

        It combines SQLite's answer, which comes from files that somebody may have tampered with, with the
        places that record the epoch.
        """
        return self._database.revision(), self._contents.epochs.changes(), self._written

    def snapshot(self) -> Mapping[str, References]:
        """Return everybody's references, by name.

        For a person whose references have not changed since the last call, the object is the same.

        Raises
        ------
        VaultDamagedError, VaultRolledBackError
            If the vault was damaged, or replaced by an older state.
        """
        with self._lock:
            if self._seen != (revision := self.revision()):
                with self._contents.reading() as state:
                    self._contents.read(state)
                self._seen = revision
            return self._contents.snapshot

    def alter(
        self,
        identity: str,
        alter: Callable[[References | None], Change],
        *,
        authority: Authority | None = None,
    ) -> References | None:
        """Change a person's references; see `ReferenceStore.alter`.

        Raises
        ------
        VaultDamagedError, VaultRolledBackError
            If the vault was damaged, or replaced by an older state.
        """
        name = check_identity(identity)
        with self._lock:
            contents = self._contents
            with contents.writing() as found:
                contents.read(found)
                before = contents.snapshot.get(name)
                after, events = altered_by(alter, before, name)
                if before is None and after is not None:
                    self._looks.of(contents.snapshot).add(name)
                if after is before and not events:
                    return before
                row_id = contents.row_of(name) or contents.sealer.new_row_id()
                state = found
                if after is not before:
                    state = contents.listed(contents.replaced(state, row_id, before, after, name, authority))
                state = contents.write(contents.logged(state, events, {name: row_id}.get))
            self._written += 1
            contents.remember(state.epoch)
            if after is None:
                self._database.forget_deleted()
            return after

    def put_all(self, people: Iterable[References], *, authority: Authority | None = None) -> None:
        """Replace many people's references, or add these people, in one change: all of them, or none.

        Raises
        ------
        InvalidInputError
            If `people` are not References, hold a person twice, or somebody new whose name is not usable or
            looks like another's.
        VaultDamagedError, VaultRolledBackError
            If the vault was damaged, or replaced by an older state.
        """
        try:
            everybody = iter(people)
        except (TypeError, NotImplementedError):
            message = f"people: expected References of several, got {type(people).__name__}"
            raise InvalidInputError(message) from None
        with self._lock:
            contents = self._contents
            with contents.writing() as found:
                contents.read(found)
                state = found
                rows: dict[str, int] = {}
                events: list[Event] = []
                looks = self._looks.of(contents.snapshot)
                for references in everybody:
                    name = check_references(references, "people").identity
                    if name in rows:
                        message = f"people: expected each person once, got {name!a} again"
                        raise InvalidInputError(message)
                    before = contents.snapshot.get(name)
                    if before is None:
                        looks.add(name)
                    rows[name] = contents.row_of(name) or contents.sealer.new_row_id()
                    state = contents.replaced(state, rows[name], before, references, name, authority)
                    events.append(Event.now(EventKind.REPLACED if before else EventKind.ENROLLED, name))
                state = contents.logged(contents.listed(state), tuple(events[-MAX_EVENTS:]), rows.get)
                state = contents.write(state)
            self._written += 1
            contents.remember(state.epoch)

    def amend(self, amend: Amend, *, authority: Authority | None = None) -> SecurityState:
        """Change the security state; see `ReferenceStore.amend`.

        Raises
        ------
        VaultDamagedError, VaultRolledBackError
            If the vault was damaged, or replaced by an older state.
        """
        with self._lock:
            contents = self._contents
            with contents.writing() as found:
                before = contents.ledger(found)
                after, events = amended_by(amend, before, authority)
                if after is before and not events:
                    return before
                state = found
                if events:
                    contents.read(state)
                    state = contents.logged(state, events, contents.row_of)
                state = contents.write(state._replace(ledger=contents.sealer.seal_ledger(after.encode())))
            if after.rules != before.rules:
                self._written += 1
            contents.remember(state.epoch)
            return after

    def evidence_mac(self, content: bytes) -> bytes:
        """Return the MAC of evidence that was measured for this vault; see `ReferenceStore.evidence_mac`."""
        with self._lock:
            self._database.check_usable()
            return self._contents.sealer.evidence_mac(checked_instance("content", content, bytes))

    def read_model(self, sha256: str) -> bytes:
        """Read the model file with this SHA-256 (hex), which is kept beside the database.

        Raises
        ------
        ModelError
            If it is missing, or was changed.
        InvalidInputError
            If `sha256` is no SHA-256.
        """
        return model_files.read(self._directory, checked_sha256("sha256", sha256))

    def keep_model(self, content: bytes) -> None:
        """Keep a model's file beside the database. Nothing uses it unless the security state pins it."""
        try:
            model_files.write(self._directory, checked_instance("content", content, bytes))
        except OSError as error:
            raise unusable(self._directory.path, error) from error

    def delete_models(self, *, keep: str | None) -> None:
        """Delete the model files that are kept, except the one with this SHA-256 (hex)."""
        try:
            model_files.delete_others(self._directory, None if keep is None else checked_sha256("keep", keep))
        except OSError as error:
            raise unusable(self._directory.path, error) from error

    def events(self) -> tuple[Event, ...]:
        """Return the events of the log, oldest first; people who were removed since are not named.

        Raises
        ------
        VaultDamagedError, VaultRolledBackError
            If the vault was damaged, or replaced by an older state.
        """
        with self._lock, self._contents.reading() as state:
            self._contents.read(state)
            return self._contents.events(state)

    def info(self) -> VaultInfo:
        """Return facts about the vault, without names. Raises the errors of `snapshot`."""
        with self._lock, self._contents.reading() as state:
            self._contents.read(state)
            everybody = self._contents.snapshot.values()
            ledger = self._contents.ledger(state)
            return VaultInfo(
                store=self._contents.sealer.store_id.hex()[:8],
                format=format_of(self._database),
                epoch=state.epoch,
                people=len(everybody),
                references=sum(len(kept.vectors) for kept in everybody),
                adapted=sum(len(kept.adapted) for kept in everybody),
                models=tuple(sorted({kept.model_sha256 for kept in everybody})),
                credential=ledger.credential is not None,
                adopted=ledger.adopted,
                policy=ledger.policy,
                key=self._key_place.origin,
                state_file="; ".join(
                    str(place.directory.path / place.name) for place in self._contents.epochs.places[1:]
                ),
                bytes=status.st_size if (status := self._directory.status(DATABASE)) else 0,
            )

    def check(self) -> None:
        """Read and verify everything again, SQLite's own structures included.

        Raises
        ------
        VaultDamagedError, VaultRolledBackError
            If the vault was damaged, or replaced by an older state.
        """
        with self._lock:
            self._contents.forget()
            self._seen = None
            with self._contents.reading() as state:
                if self._database.execute("PRAGMA integrity_check") != [("ok",)]:
                    raise damaged(Part.DATABASE)
                self._contents.read(state)
                self._contents.events(state)

    def rotate_key(self, new: bytes | None = None) -> None:
        """Encrypt everything again under a new key: the old key cannot read anything that is written later.

        Copies that were made before, backups among them, can still be read with the old key, and only with
        it. Other processes have to open the vault again.

        Parameters
        ----------
        new : 32 bytes; by default a random key, kept where the old key is (a file, the keyring).

        Raises
        ------
        VaultKeyError
            If the old key came as an argument or from systemd and no new one is given, or the new one is not
            32 bytes.
        VaultDamagedError, VaultRolledBackError
            If the vault was damaged, or replaced by an older state.
        """
        key_place = self._key_place
        key = new_key() if new is None else checked_key(new)
        if new is None and key_place.origin == "argument":
            message = "key: expected the new one, 32 bytes, since the old one came as an argument; got none"
            raise VaultKeyError(message)
        with self._lock, self._key_changing():
            contents = self._contents
            with contents.reading():
                key_place.stage(key)  # within a read, which fails if another process has changed the key
            sealer = Sealer(key, contents.sealer.store_id, SCHEMA)
            epochs = Epochs(contents.epochs.places, sealer)
            with contents.writing() as found:
                fresh, state = contents.sealed_anew(found, sealer, epochs)
                state = fresh.logged(state, (Event.now(EventKind.KEY_ROTATED),))
                state = fresh.write(state)
                # After a crash either key may be the valid one: each finds its own line in every place.
                contents.epochs.bridge_to(found.epoch, epochs, state.epoch)
            key_place.settle(key)
            self._contents = fresh
            self._seen = None
            self._written += 1
            fresh.remember(state.epoch)
            self._database.forget_deleted()

    @contextmanager
    def _key_changing(self) -> Iterator[None]:
        """Keep others from changing the key; an OSError within becomes a VaultError."""
        self._database.check_usable()
        try:
            with self._directory.locked(KEY_LOCK):
                yield
        except OSError as error:
            raise unusable(self._directory.path, error) from error

    def backup(self, file: str | Path) -> None:
        """Write the whole vault, encrypted as it is, to a new file; the key is not in it.

        Raises
        ------
        VaultError
            If the file exists already, or cannot be written.
        """
        path = checked_path("file", file)
        if not path.name:
            message = f"file: expected the name of a new file, got {str(path)!a}"
            raise InvalidInputError(message)
        with self._lock:
            self.amend(lambda ledger: (ledger, (Event.now(EventKind.BACKED_UP),)))
            self.check()  # damage is better found now than when the backup is needed
            with self._contents.reading():
                image = self._database.image()
        try:
            write_whole(path, image, replace=False)
        except OSError as error:
            message = f"backup: expected a new file at {str(path)!a}, got: {why(error)}"
            raise VaultError(message) from error


def places_of(directory: PrivateDirectory, state_file: str | Path | None, *, make: bool) -> Places:
    """Return the places that record a vault's epoch: beside it, and the state file, if one is named."""
    beside = EpochPlace(directory)
    name, named = "state_file", state_file
    if named is None:
        name, named = STATE_FILE, os.environ.get(STATE_FILE)
    if named is None:
        return (beside,)
    path = checked_path(name, named)  # not an empty one: the record that was asked for would be missing
    if not path.name:
        message = f"{name}: expected the name of a file, got {str(path)!a}"
        raise InvalidInputError(message)
    try:
        elsewhere = PrivateDirectory.open(path.parent, make=make, closed=False)
    except FileNotFoundError:
        raise damaged(Part.STATE_FILE) from None
    if elsewhere.path == directory.path:
        message = f"state_file: expected a place outside of the vault's directory, got {str(path)!a}"
        raise InvalidInputError(message)
    return beside, EpochPlace(elsewhere, path.name, Part.STATE_FILE)


def missing(place: Path) -> VaultMissingError:
    """Make the error for a vault that is missing and is not to be created."""
    return VaultMissingError(
        f"vault: expected one in {str(place)!a}, got none: enrol somebody (`faceid enroll`), or open it with "
        "create=True; or name another directory"
    )


def unusable(place: Path, error: OSError) -> VaultError:
    """Make the error for files that the system cannot read or write."""
    return VaultError(
        f"vault: expected files that can be read and written in {str(place)!a}, got: {why(error)}"
    )
