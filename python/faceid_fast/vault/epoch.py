"""How new a vault is, in a second place: an older database put back is noticed.

Who puts back both files, or the whole disk, is not: that takes a counter which only counts up, in hardware.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from .damage import Part, damaged
from .directory import read_private, write_whole
from .sealing import Sealer, same

_NAME: Final = "epoch"
_CONTENT: Final = re.compile(rb"([0-9]{1,19}) ([0-9a-f]{32}) ([0-9a-f]{64})\n")
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
            If the file is missing, or not what `raise_to` writes.
        """
        content = _content(self._path)
        if content is None:
            raise damaged(Part.EPOCH)
        epoch = int(content[1])
        mac = bytes.fromhex(content[3].decode())
        if (
            epoch >= 1 << 63
            or content[2].decode() != self._sealer.store_id.hex()
            or not same(self._sealer.epoch_mac(epoch), mac)
        ):
            raise damaged(Part.EPOCH)
        return epoch

    @staticmethod
    def store_of(directory: Path) -> bytes | None:
        """Id of the store that the file in a directory says it belongs to; None without such a file."""
        content = _content(directory / _NAME)
        return None if content is None else bytes.fromhex(content[2].decode())

    def begin(self) -> None:
        """Write the first one of a new vault."""
        self._write(0)

    def raise_to(self, epoch: int) -> None:
        """Remember an epoch, unless a higher one is remembered already.

        Raises
        ------
        OSError, VaultError
            If that cannot be written.
        """
        with _locked(self._lock_path):
            if self.read() < epoch:
                self._write(epoch)

    def _write(self, epoch: int) -> None:
        mac = self._sealer.epoch_mac(epoch).hex()
        write_whole(self._path, f"{epoch} {self._sealer.store_id.hex()} {mac}\n".encode())


def _content(path: Path) -> re.Match[bytes] | None:
    try:
        return _CONTENT.fullmatch(read_private(path))
    except OSError:
        return None


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep other processes out for a moment."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if os.name == "posix":
            import fcntl  # noqa: PLC0415  # posix only

            fcntl.flock(handle, fcntl.LOCK_EX)
        else:
            import msvcrt  # noqa: PLC0415  # Windows only

            msvcrt.locking(handle, msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined,unused-ignore]
        yield
    finally:
        os.close(handle)  # which unlocks it
