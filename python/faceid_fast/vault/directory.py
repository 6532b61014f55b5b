"""The directory a vault lives in: whose it is, what it lies on, and files that appear in it whole."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from faceid_fast.errors import VaultError

_MODE: Final = 0o700
_FILE_MODE: Final = 0o600
KEY_LOCK: Final = "key.lock"
"""Held while the key changes."""
_MOUNTS: Final = Path("/proc/self/mountinfo")
_NETWORK: Final = frozenset(
    (
        *("9p", "afs", "ceph", "cifs", "davfs", "gfs2", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4"),
        *("ocfs2", "smb3", "smbfs", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs"),
    )
)
"""On these, locks and shared memory do not hold between machines, and a write-ahead log is not safe."""


def prepare(directory: Path) -> None:
    """Make the directory if it is missing; see to it that nobody else can look into it.

    Raises
    ------
    VaultError
        If it is no directory, somebody else's, open to others, or on a network file system.
    """
    try:
        directory.mkdir(mode=_MODE, parents=True, exist_ok=True)
        status = directory.stat()
    except OSError as error:
        message = f"vault: expected a directory that can be made at {str(directory)!a}, got: {error.strerror}"
        raise VaultError(message) from error
    if not stat.S_ISDIR(status.st_mode):
        message = f"vault: expected a directory, got a file: {str(directory)!a}"
        raise VaultError(message)
    if os.name == "posix":
        check_private(directory, status, _MODE)
    if (kind := file_system(directory)) in _NETWORK:
        message = (
            f"vault: expected a local file system, got {kind} at {str(directory)!a}: choose a local disk"
        )
        raise VaultError(message)


def check_private(path: Path, status: os.stat_result, mode: int) -> None:
    """Refuse what others own, or may read or change.

    Raises
    ------
    VaultError
        If so.
    """
    if status.st_uid not in (os.geteuid(), 0):
        message = f"vault: expected {str(path)!a} to be yours or root's, got the owner {status.st_uid}"
        raise VaultError(message)
    if status.st_mode & 0o077:
        given = stat.S_IMODE(status.st_mode)
        message = f"vault: expected {str(path)!a} to be closed to others, got mode {given:o}: chmod {mode:o}"
        raise VaultError(message)


def file_system(path: Path, mounts: Path = _MOUNTS) -> str | None:
    """Name of the file system that a path lies on; None where the system does not tell."""
    try:
        lines = mounts.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return None
    wanted = path.resolve()
    best: tuple[int, str | None] = (-1, None)
    for line in lines:
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5 or not after:
            continue
        # Blanks in a mount point stand there as octal numbers.
        point = Path(fields[4].encode("latin-1", "replace").decode("unicode_escape"))
        if wanted.is_relative_to(point) and len(point.parts) >= best[0]:
            best = (len(point.parts), after.split(" ")[0])
    return best[1]


def read_private(path: Path) -> bytes:
    """Bytes of a file that nobody else may read.

    Raises
    ------
    FileNotFoundError
        If there is none.
    VaultError
        If others own it or may read it.
    """
    with path.open("rb") as file:
        if os.name == "posix":
            check_private(path, os.fstat(file.fileno()), _FILE_MODE)
        return file.read(1 << 16)


def make_private(path: Path) -> None:
    """Make an empty file that nobody else may read, unless there is one."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, _FILE_MODE))


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
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
