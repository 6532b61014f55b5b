"""Rollback detection: the epoch of a vault is also recorded outside its database.

One place is the file ``epoch`` in the vault's directory, which notices an older database, but not an older
copy of the whole directory. For that, the opener can name a *state file* in another directory, where nobody
can write who can write in the vault's. A rollback of both, or of the whole disk, is not noticed: that would
take a monotonic counter in hardware.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from .directory import PrivateDirectory
from .encryption import Sealer, same
from .integrity import Part, damaged

_NAME: Final = "epoch"
_LINE: Final = re.compile(rb"([0-9]{1,19}) ([0-9a-f]{32}) ([0-9a-f]{64})\n")
"""The epoch, the store's id, and the MAC of both."""


class EpochPlace(NamedTuple):
    """A file that records an epoch.

    Attributes
    ----------
    directory : of the file.
    name : of the file.
    part : the name of the file's kind, for messages.
    """

    directory: PrivateDirectory
    name: str = _NAME
    part: Part = Part.EPOCH

    @property
    def lock(self) -> str:
        """Name of the lock file that is held while this file changes."""
        return f"{self.name}.lock"

    def lines(self) -> list[re.Match[bytes]]:
        """Return the file's lines: one, or two while the key changes; none if it is missing or malformed."""
        try:
            content = self.directory.read(self.name)
        except OSError:
            return []
        lines = [_LINE.fullmatch(line) for line in content.splitlines(keepends=True)]
        return [line for line in lines if line] if None not in lines and len(lines) <= 2 else []

    def store(self) -> bytes | None:
        """Return the id of the store that the file names, unauthenticated; None if it has no lines."""
        lines = self.lines()
        return bytes.fromhex(lines[0][2].decode()) if lines else None

    def stamp(self) -> object:
        """Return a value that changes whenever the file is written."""
        status = self.directory.status(self.name)
        return status and (status.st_ino, status.st_mtime_ns, status.st_size)


class Epochs:
    """The highest epoch so far, recorded in several places.

    Parameters
    ----------
    places : the files that record it.
    sealer : authenticates it.
    """

    def __init__(self, places: tuple[EpochPlace, ...], sealer: Sealer) -> None:
        self.places = places
        self._sealer = sealer
        self._seen = 0  # highest epoch that this process has seen; nobody can roll that back
        self._stamps: list[object] = [None] * len(places)
        self._changes = 0

    def read(self) -> int:
        """Return the highest epoch in any place, or seen by this process.

        Raises
        ------
        VaultDamagedError
            If a file is missing, malformed, or not authenticated for this store.
        """
        self._seen = max([self._seen, *map(self._read, self.places)])
        return self._seen

    def write(self, epoch: int) -> None:
        """Write an epoch to all places, whatever they recorded.

        Raises
        ------
        OSError
            If a file cannot be written.
        """
        for place in self.places:
            place.directory.write(place.name, self._line(epoch))

    def raise_to(self, epoch: int) -> None:
        """Record an epoch in every place that does not record a higher one.

        Raises
        ------
        OSError, VaultError
            If a file cannot be read or written.
        """
        self._seen = max(self._seen, epoch)
        for place in self.places:
            with place.directory.locked(place.lock):
                self.changes()
                if self._read(place) < epoch:
                    place.directory.write(place.name, self._line(epoch))
                    self._stamps[self.places.index(place)] = place.stamp()  # our own write is not a change

    def bridge_to(self, ours: int, other: Epochs, theirs: int) -> None:
        """Record two epochs while the key changes: one under each key, until the next `raise_to`.

        Parameters
        ----------
        ours : epoch of the newest state under this key. It may not be recorded yet; it is written here so
            that a late `raise_to` of the process that made this state does not remove the second line.
        other : the same places, under the other key.
        theirs : epoch of the new state under the other key.

        Raises
        ------
        OSError, VaultError
            If a file cannot be read or written.
        """
        for place in self.places:
            with place.directory.locked(place.lock):
                line = self._line(max(self._read(place), ours))
                place.directory.write(place.name, line + other._line(theirs))

    def changes(self) -> int:
        """Return a number that changes whenever anybody else has written one of the files."""
        found = [place.stamp() for place in self.places]
        if found != self._stamps:
            self._stamps = found
            self._changes += 1
        return self._changes

    def _read(self, place: EpochPlace) -> int:
        for line in place.lines():
            epoch = int(line[1])
            mac = bytes.fromhex(line[3].decode())
            if (
                epoch < 1 << 63
                and line[2].decode() == self._sealer.store_id.hex()
                and same(self._sealer.epoch_mac(epoch), mac)
            ):
                return epoch
        raise damaged(place.part)

    def _line(self, epoch: int) -> bytes:
        mac = self._sealer.epoch_mac(epoch).hex()
        return f"{epoch} {self._sealer.store_id.hex()} {mac}\n".encode()


def begun(places: Iterable[EpochPlace]) -> bytes | None:
    """Return the id of the store that the first place with lines names; None if there is none."""
    return next((store for place in places if (store := place.store()) is not None), None)
