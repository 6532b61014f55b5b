"""How new a vault is, in a second place: an older database put back is noticed.

Who puts back both files, or the whole disk, is not: that takes a counter which only counts up, in hardware.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from faceid_fast.private_files import write_whole

from .damage import Part, damaged
from .directory import locked, read_private
from .sealing import Sealer, same

_NAME: Final = "epoch"
_LINE: Final = re.compile(rb"([0-9]{1,19}) ([0-9a-f]{32}) ([0-9a-f]{64})\n")
"""The epoch, the store's id, and what authenticates both."""


class Epoch:
    """The file that remembers the highest epoch.

    Parameters
    ----------
    directory : the vault's.
    sealer : authenticates the number.
    """

    def __init__(self, directory: Path, sealer: Sealer) -> None:
        self._path = directory / _NAME
        self._lock_path = directory / "epoch.lock"
        self._sealer = sealer

    def read(self) -> int:
        """The highest epoch that was ever written.

        Raises
        ------
        VaultDamagedError
            If the file is missing, or not what this class writes.
        """
        for line in _lines(self._path):
            epoch = int(line[1])
            mac = bytes.fromhex(line[3].decode())
            if (
                epoch < 1 << 63
                and line[2].decode() == self._sealer.store_id.hex()
                and same(self._sealer.epoch_mac(epoch), mac)
            ):
                return epoch
        raise damaged(Part.EPOCH)

    @staticmethod
    def store_of(directory: Path) -> bytes | None:
        """Id of the store that the file in a directory says it belongs to; None without such a file."""
        lines = _lines(directory / _NAME)
        return bytes.fromhex(lines[0][2].decode()) if lines else None

    def write(self, epoch: int) -> None:
        """Write an epoch, whatever stood there.

        Raises
        ------
        OSError
            If that cannot be written.
        """
        write_whole(self._path, self._line(epoch))

    def raise_to(self, epoch: int) -> None:
        """Remember an epoch, unless a higher one is remembered already.

        Raises
        ------
        OSError, VaultError
            If that cannot be written.
        """
        with locked(self._lock_path):
            if self.read() < epoch:
                self.write(epoch)

    def bridge_to(self, ours: int, other: Epoch, theirs: int) -> None:
        """Remember an epoch and, for whoever has the other's key only, another one; until `raise_to`.

        `ours` is that of the newest state, which may not be remembered yet: whoever wrote it and comes late
        with `raise_to` must not take the other line away.

        Raises
        ------
        OSError, VaultError
            If that cannot be written.
        """
        with locked(self._lock_path):
            write_whole(self._path, self._line(max(self.read(), ours)) + other._line(theirs))

    def _line(self, epoch: int) -> bytes:
        mac = self._sealer.epoch_mac(epoch).hex()
        return f"{epoch} {self._sealer.store_id.hex()} {mac}\n".encode()


def _lines(path: Path) -> list[re.Match[bytes]]:
    """What the file says: one line, or two while the key changes; none if anything else stands there."""
    try:
        content = read_private(path)
    except OSError:
        return []
    lines = [_LINE.fullmatch(line) for line in content.splitlines(keepends=True)]
    return [line for line in lines if line] if None not in lines and len(lines) <= 2 else []
