"""How new a vault is, in places beside its database: an older one put back is noticed.

One place is the file ``epoch`` in the vault's directory. Who puts back the whole directory puts that back
too; whoever opens the vault may therefore name a *state file* somewhere else, where nobody who can write in
the vault's directory can write. Who puts back both, or the whole disk, is not noticed: that takes a counter
which only counts up, in hardware.
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
"""The epoch, the store's id, and what authenticates both."""


class EpochPlace(NamedTuple):
    """Where an epoch is remembered.

    Attributes
    ----------
    directory : of the file.
    name : of the file.
    part : what it is, in a message.
    """

    directory: PrivateDirectory
    name: str = _NAME
    part: Part = Part.EPOCH

    @property
    def lock(self) -> str:
        """Name of the file that is locked while it changes."""
        return f"{self.name}.lock"

    def lines(self) -> list[re.Match[bytes]]:
        """What it says: one line, or two while the key changes; none if anything else stands there."""
        try:
            content = self.directory.read(self.name)
        except OSError:
            return []
        lines = [_LINE.fullmatch(line) for line in content.splitlines(keepends=True)]
        return [line for line in lines if line] if None not in lines and len(lines) <= 2 else []

    def store(self) -> bytes | None:
        """Id of the store that it says it belongs to; None if it says nothing."""
        lines = self.lines()
        return bytes.fromhex(lines[0][2].decode()) if lines else None

    def stamp(self) -> object:
        """What is another whenever it was written."""
        status = self.directory.status(self.name)
        return status and (status.st_ino, status.st_mtime_ns, status.st_size)


class Epochs:
    """The highest epoch there ever was, as all places that remember it say.

    Parameters
    ----------
    places : where it is remembered.
    sealer : authenticates the number.
    """

    def __init__(self, places: tuple[EpochPlace, ...], sealer: Sealer) -> None:
        self.places = places
        self._sealer = sealer
        self._seen = 0  # nobody can put back what this process remembers
        self._stamps: list[object] = [None] * len(places)
        self._changes = 0

    def read(self) -> int:
        """The highest epoch that was ever written.

        Raises
        ------
        VaultDamagedError
            If a place is missing, or holds what this class does not write.
        """
        self._seen = max([self._seen, *map(self._read, self.places)])
        return self._seen

    def write(self, epoch: int) -> None:
        """Write an epoch, whatever stood there.

        Raises
        ------
        OSError
            If that cannot be written.
        """
        for place in self.places:
            place.directory.write(place.name, self._line(epoch))

    def raise_to(self, epoch: int) -> None:
        """Remember an epoch, unless a higher one is remembered already.

        Raises
        ------
        OSError, VaultError
            If that cannot be written.
        """
        self._seen = max(self._seen, epoch)
        for place in self.places:
            with place.directory.locked(place.lock):
                self.changes()
                if self._read(place) < epoch:
                    place.directory.write(place.name, self._line(epoch))
                    self._stamps[self.places.index(place)] = place.stamp()  # this one is no change by others

    def bridge_to(self, ours: int, other: Epochs, theirs: int) -> None:
        """Remember an epoch and, for whoever has the other's key only, another one; until `raise_to`.

        `ours` is that of the newest state, which may not be remembered yet: whoever wrote it and comes late
        with `raise_to` must not take the other line away.

        Raises
        ------
        OSError, VaultError
            If that cannot be written.
        """
        for place in self.places:
            with place.directory.locked(place.lock):
                line = self._line(max(self._read(place), ours))
                place.directory.write(place.name, line + other._line(theirs))

    def changes(self) -> int:
        """A number that is another whenever anybody else has written one of the places."""
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
    """Id of the store that the first of the places which says anything belongs to."""
    return next((store for place in places if (store := place.store()) is not None), None)
