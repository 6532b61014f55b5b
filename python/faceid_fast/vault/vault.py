"""The encrypted store."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, NoReturn, Self

from faceid_fast.audit import Event, EventKind
from faceid_fast.errors import InvalidInputError, VaultError, VaultKeyError
from faceid_fast.ledger import Amend, Ledger
from faceid_fast.measured import MeasuredThreshold
from faceid_fast.paths import checked_path
from faceid_fast.private_files import write_whole
from faceid_fast.store import (
    MAX_EVENTS,
    Change,
    References,
    altered_by,
    amended_by,
    check_identity,
    check_references,
)

from .begin import begin
from .contents import SCHEMA, Contents
from .damage import Part, damaged
from .database import Database
from .directory import KEY_LOCK, locked, make_private, prepare
from .epoch import Epoch
from .keys import KeyPlace, checked_key, find_key, new_key
from .sealing import Sealer

DATABASE: Final = "vault.db"


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
    bytes: int


class Vault:
    """References in a directory, encrypted; a `ReferenceStore`. Safe to share by threads and processes.

    Every change is on the disk when its call returns, or has not happened. What was changed, exchanged, cut
    off, deleted or put back by others is noticed, and refused. Nothing readable about anybody is written: not
    even how a name begins.

    Use `Vault.open`. A vault is closed by `close`, or at the end of a ``with`` block.
    """

    def __init__(self, database: Database, contents: Contents, key_place: KeyPlace, place: Path) -> None:
        self._database = database
        self._contents = contents
        self._key_place = key_place
        self._place = place
        self._lock = threading.RLock()
        self._seen: tuple[int, int] | None = None  # SQLite's counter, and ours of what this one wrote
        self._written = 0

    @classmethod
    def open(cls, directory: str | Path | None = None, *, key: bytes | None = None) -> Vault:
        """Open a vault, or make an empty one.

        Parameters
        ----------
        directory : by default `default_directory`. It must be on a local disk, and closed to others.
        key : 32 bytes; by default from FACEID_KEY_FILE, a systemd credential ``faceid-key``, the keyring, or
            the file ``key`` in the directory (`faceid_fast.vault.keys.find_key`).

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
            raise unusable(place, error) from error

    @classmethod
    def _open(cls, place: Path, key: bytes | None) -> Vault:
        prepare(place)
        # A vault whose database went is not a new one; its epoch tells.
        exists = (place / DATABASE).exists()
        new = not exists and not (place / "epoch").exists()
        if not (exists or new):
            raise damaged(Part.DATABASE)
        key_place = find_key(place, key, new=new)
        key_place.read()  # before a database is made that nobody could read
        make_private(place / DATABASE)
        database = Database(place / DATABASE)
        try:
            sealer, epoch = begin(database, place, key_place, new=new)
            vault = cls(database, Contents(database, sealer, epoch), key_place, place)
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
            self._contents.forget()
            self._database.close()

    def __repr__(self) -> str:
        """Say what it is, not who is in it."""
        return f"<Vault of {len(self._contents.snapshot)}>"

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

    def amend(self, amend: Amend) -> Ledger:
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
                bytes=(self._place / DATABASE).stat().st_size,
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
            epoch = Epoch(self._place, sealer)
            with contents.writing() as found:
                state = contents.sealed_anew(found, sealer)
                fresh = Contents(self._database, sealer, epoch)
                state = fresh.logged(state, (Event.now(EventKind.KEY_ROTATED),))
                state = fresh.write(state)
                # Whichever of the two keys holds after a crash finds its own line in the second place.
                contents.epoch.bridge_to(found.epoch, epoch, state.epoch)
            key_place.settle(key)
            self._contents = fresh
            self._seen = None
            self._written += 1
            fresh.remember(state.epoch)
            self._database.forget_deleted()

    @contextmanager
    def _key_changing(self) -> Iterator[None]:
        """Have nobody else change the key; errors of the system meanwhile are the vault's."""
        try:
            with locked(self._place / KEY_LOCK):
                yield
        except OSError as error:
            raise unusable(self._place, error) from error

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
            with self._contents.reading():
                image = self._database.image()
        try:
            write_whole(path, image, replace=False)
        except OSError as error:
            message = f"backup: expected a new file at {str(path)!a}, got: {error.strerror}"
            raise VaultError(message) from error


def unusable(place: Path, error: OSError) -> VaultError:
    """Build the error for files that the system refuses."""
    return VaultError(
        f"vault: expected files that can be read and written in {str(place)!a}, got: {error.strerror}"
    )
