"""The encrypted store."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, NoReturn, Self

from faceid_fast.calibration.evidence import MeasuredThreshold
from faceid_fast.checks import checked_flag, checked_path
from faceid_fast.errors import InvalidInputError, VaultError, VaultKeyError, VaultMissingError
from faceid_fast.private_files import write_whole
from faceid_fast.storage.audit import Event, EventKind
from faceid_fast.storage.references import References, check_identity, check_references
from faceid_fast.storage.security_state import Amend, SecurityState
from faceid_fast.storage.store import MAX_EVENTS, Change, altered_by, amended_by

from .bootstrap import DATABASE, Places, begin, check_files, is_there, make
from .contents import Contents
from .database import Database
from .directory import KEY_LOCK, PrivateDirectory
from .encryption import Sealer
from .integrity import Part, damaged
from .keys import KeyPlace, checked_key, find_key, new_key
from .rollback import EpochPlace, Epochs
from .schema import SCHEMA

STATE_FILE: Final = "FACEID_STATE_FILE"
"""Variable of the environment that names the state file."""


def default_directory() -> Path:
    """Where a vault lives by default: ``$XDG_DATA_HOME/faceid``, else ``~/.local/share/faceid``."""
    base = os.environ.get("XDG_DATA_HOME")
    if base and Path(base).is_absolute():
        return Path(base, "faceid")
    return Path.home() / ".local" / "share" / "faceid"


class VaultInfo(NamedTuple):
    """What a vault says about itself.

    Attributes
    ----------
    store : the first digits of its random id.
    format : of the database.
    epoch : how often it was changed.
    people, references, adapted : how many.
    models : SHA-256 of the models that made the references, sorted.
    credential : whether one is set.
    adopted : thresholds in place of the model's, with their evidence.
    key : where the key comes from.
    state_file : where else it is remembered how new the vault is; empty if nowhere.
    bytes : of the database.
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
    key: str
    state_file: str
    bytes: int


class Vault:
    """References in a directory, encrypted; a `ReferenceStore`. Safe to share by threads and processes.

    Every change is on the disk when its call returns, or has not happened. What was changed, exchanged, cut
    off, deleted or put back by others is noticed, and refused. Nothing readable about anybody is written: not
    even how a name begins.

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
        self.is_new = False
        """Whether `open` has made it."""

    @property
    def directory(self) -> Path:
        """Where it lives, without links."""
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
        directory : by default `default_directory`. It must be on a local disk, and closed to others; and
            nobody else may be able to write in the directories above it.
        key : 32 bytes; by default from FACEID_KEY_FILE, a systemd credential ``faceid-key``, the keyring, or
            the file ``key`` in the directory (`faceid_fast.vault.keys.find_key`).
        create : whether to make an empty vault where there is none, its key if that is kept in a file or the
            keyring, and the state file where it is missing.
        state_file : a second place, in another directory, that remembers which vault this is and how new: who
            can write in the vault's directory, and not there, cannot put an older vault back, or none. By
            default the file that FACEID_STATE_FILE names, if any. Every change writes it, which takes about
            as long as the change itself.

        Raises
        ------
        VaultMissingError
            If there is no vault, and none is to be made.
        VaultKeyError
            If there is no key, or it is another vault's.
        VaultDamagedError, VaultRolledBackError, VaultTooNewError
            If the vault is not as it was left: changed, older than it was, or of a newer version.
        VaultError
            If the directory does not serve.
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
                if new := not is_here():  # else somebody was faster
                    make(directory, places, find_key(directory.path, key, new=True).read())
        key_place = find_key(directory.path, key, new=False)
        key_place.read()  # before anything else is said to be wrong
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
        """Make the state file of a vault that had none."""
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
        """Close it."""
        self.close()

    def close(self) -> None:
        """Give the files back. Every call from then on raises a VaultError."""
        with self._lock:
            self._contents.forget()
            self._database.close()
            for place in self._contents.epochs.places:
                place.directory.close()

    def __repr__(self) -> str:
        """Say where it is and how many are in it, not who."""
        state = "closed" if self._database.is_closed else f"of {len(self._contents.snapshot)} people"
        return f"<Vault {str(self.directory)!r} {state}>"

    def __reduce__(self) -> NoReturn:
        """Refuse: a pickle would hold the keys."""
        message = "a vault is not pickled: open it where it is needed"
        raise TypeError(message)

    def revision(self) -> object:
        """Return what changes whenever anybody has changed the vault; cheap enough to ask every time.

        It asks SQLite, whose answer comes out of files that others may have changed, and the places that
        remember the epoch.
        """
        return self._database.revision(), self._contents.epochs.changes(), self._written

    def snapshot(self) -> Mapping[str, References]:
        """Everybody's references, by name; who did not change since the last call is the same object.

        Raises
        ------
        VaultDamagedError, VaultRolledBackError
            If the vault is not as it was left.
        """
        with self._lock:
            if self._seen != (revision := self.revision()):
                with self._contents.reading() as state:
                    self._contents.read(state)
                self._seen = revision
            return self._contents.snapshot

    def alter(self, identity: str, alter: Callable[[References | None], Change]) -> References | None:
        """Change what is kept of a person by what is, on the disk when this returns; returns what is kept.

        Raises
        ------
        VaultDamagedError, VaultRolledBackError
            If the vault is not as it was left.
        """
        name = check_identity(identity)
        with self._lock:
            contents = self._contents
            with contents.writing() as found:
                contents.read(found)
                before = contents.snapshot.get(name)
                after, events = altered_by(alter, before, name)
                if after is before and not events:
                    return before
                row_id = contents.row_of(name) or contents.sealer.new_row_id()
                state = found
                if after is not before:
                    state = contents.listed(contents.replaced(state, row_id, before, after, name))
                state = contents.write(contents.logged(state, events, {name: row_id}.get))
            self._written += 1
            contents.remember(state.epoch)
            if after is None:
                self._database.forget_deleted()
            return after

    def put_all(self, people: Iterable[References]) -> None:
        """Keep many people's references at once, in place of any they had; all of them, or none.

        Raises
        ------
        VaultDamagedError, VaultRolledBackError
            If the vault is not as it was left.
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
                for references in everybody:
                    name = check_references(references, "people").identity
                    if name in rows:
                        message = f"people: expected each person once, got {name!a} again"
                        raise InvalidInputError(message)
                    before = contents.snapshot.get(name)
                    rows[name] = contents.row_of(name) or contents.sealer.new_row_id()
                    state = contents.replaced(state, rows[name], before, references, name)
                    events.append(Event.now(EventKind.REPLACED if before else EventKind.ENROLLED, name))
                state = contents.logged(contents.listed(state), tuple(events[-MAX_EVENTS:]), rows.get)
                state = contents.write(state)
            self._written += 1
            contents.remember(state.epoch)

    def amend(self, amend: Amend) -> SecurityState:
        """Change what is remembered of attempts by what is; on the disk when this returns.

        Raises
        ------
        VaultDamagedError, VaultRolledBackError
            If the vault is not as it was left.
        """
        with self._lock:
            contents = self._contents
            with contents.writing() as found:
                before = contents.ledger(found)
                after, events = amended_by(amend, before)
                if after is before and not events:
                    return before
                state = found
                if events:
                    contents.read(state)
                    state = contents.logged(state, events, contents.row_of)
                state = contents.write(state._replace(ledger=contents.sealer.seal_ledger(after.encode())))
            if after.adopted != before.adopted:
                self._written += 1
            contents.remember(state.epoch)
            return after

    def events(self) -> tuple[Event, ...]:
        """What happened, oldest first; who has been removed since is not named.

        Raises
        ------
        VaultDamagedError, VaultRolledBackError
            If the vault is not as it was left.
        """
        with self._lock, self._contents.reading() as state:
            self._contents.read(state)
            return self._contents.events(state)

    def info(self) -> VaultInfo:
        """Say what there is, without names. Raises what `snapshot` does."""
        with self._lock, self._contents.reading() as state:
            self._contents.read(state)
            everybody = self._contents.snapshot.values()
            ledger = self._contents.ledger(state)
            return VaultInfo(
                store=self._contents.sealer.store_id.hex()[:8],
                format=SCHEMA,
                epoch=state.epoch,
                people=len(everybody),
                references=sum(len(kept.vectors) for kept in everybody),
                adapted=sum(len(kept.adapted) for kept in everybody),
                models=tuple(sorted({kept.model_sha256 for kept in everybody})),
                credential=ledger.credential is not None,
                adopted=ledger.adopted,
                key=self._key_place.origin,
                state_file="; ".join(
                    str(place.directory.path / place.name) for place in self._contents.epochs.places[1:]
                ),
                bytes=status.st_size if (status := self._directory.status(DATABASE)) else 0,
            )

    def check(self) -> None:
        """Read everything again, down to SQLite's own structures.

        Raises
        ------
        VaultDamagedError, VaultRolledBackError
            If the vault is not as it was left.
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
        """Seal everything anew under another key: whoever has only the old one reads nothing that comes.

        What they have copied before, they can still read; backups of before need the old key. Other
        processes have to open the vault again.

        Parameters
        ----------
        new : 32 bytes; by default drawn, and put where the old key is kept (a file, the keyring).

        Raises
        ------
        VaultKeyError
            If the old key came as an argument or from systemd and no new one is given, or the new one is no
            key.
        VaultDamagedError, VaultRolledBackError
            If the vault is not as it was left.
        """
        key_place = self._key_place
        key = new_key() if new is None else checked_key(new)
        if new is None and key_place.origin == "argument":
            message = "key: expected the new one, 32 bytes, since the old one came as an argument; got none"
            raise VaultKeyError(message)
        with self._lock, self._key_changing():
            contents = self._contents
            with contents.reading():
                key_place.stage(key)  # not over that of a change by somebody else
            sealer = Sealer(key, contents.sealer.store_id, SCHEMA)
            epochs = Epochs(contents.epochs.places, sealer)
            with contents.writing() as found:
                fresh, state = contents.sealed_anew(found, sealer, epochs)
                state = fresh.logged(state, (Event.now(EventKind.KEY_ROTATED),))
                state = fresh.write(state)
                # Whichever of the two keys holds after a crash finds its own line in the second place.
                contents.epochs.bridge_to(found.epoch, epochs, state.epoch)
            key_place.settle(key)
            self._contents = fresh
            self._seen = None
            self._written += 1
            fresh.remember(state.epoch)
            self._database.forget_deleted()

    @contextmanager
    def _key_changing(self) -> Iterator[None]:
        """Have nobody else change the key; errors of the system meanwhile are the vault's."""
        self._database.check_usable()
        try:
            with self._directory.locked(KEY_LOCK):
                yield
        except OSError as error:
            raise unusable(self._directory.path, error) from error

    def backup(self, file: str | Path) -> None:
        """Write everything, as encrypted as it is here, into one file; the key is not in it.

        Raises
        ------
        VaultError
            If there is such a file already, or it cannot be written.
        """
        path = checked_path("file", file)
        if not path.name:
            message = f"file: expected the name of a new file, got {str(path)!a}"
            raise InvalidInputError(message)
        with self._lock:
            self.amend(lambda ledger: (ledger, (Event.now(EventKind.BACKED_UP),)))
            self.check()  # better found out now than when it is needed
            with self._contents.reading():
                image = self._database.image()
        try:
            write_whole(path, image, replace=False)
        except OSError as error:
            message = f"backup: expected a new file at {str(path)!a}, got: {error.strerror}"
            raise VaultError(message) from error


def places_of(directory: PrivateDirectory, state_file: str | Path | None, *, make: bool) -> Places:
    """Where the epoch of a vault is remembered: beside it, and in the state file, if one is named."""
    beside = EpochPlace(directory)
    named = os.environ.get(STATE_FILE) if state_file is None else state_file
    if not named:
        return (beside,)
    path = checked_path("state_file", named)
    if not path.name:
        message = f"state_file: expected the name of a file, got {str(path)!a}"
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
    """Build the error for a vault that is not there, and that nobody asked to make."""
    return VaultMissingError(
        f"vault: expected one in {str(place)!a}, got none: enrol somebody (`faceid enroll`), or open it with "
        "create=True; or name another directory"
    )


def unusable(place: Path, error: OSError) -> VaultError:
    """Build the error for files that the system refuses."""
    return VaultError(
        f"vault: expected files that can be read and written in {str(place)!a}, got: {error.strerror}"
    )
