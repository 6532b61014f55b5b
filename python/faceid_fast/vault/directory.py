"""The directory of a vault: checks of its owner, permissions and file system, and access through a handle.

Whoever may write in a directory may replace the files in it. So every directory on the path from the root to
the vault must belong to this user or root, and others must not be able to write in it. Then nobody else can
change where the path leads, and the directory that was checked is the one that was opened.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

from faceid_fast.errors import VaultError
from faceid_fast.private_files import PRIVATE_MODE, write_whole

_MODE: Final = 0o700
KEY_LOCK: Final = "key.lock"
"""Name of the lock file that is held while a vault is made, and while its key changes."""
_MOUNTS: Final = Path("/proc/self/mountinfo")
_NETWORK: Final = frozenset(
    (
        *("9p", "afs", "ceph", "cifs", "davfs", "gfs2", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4"),
        *("ocfs2", "smb3", "smbfs", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs"),
    )
)
"""Network file systems: locks and shared memory do not work between machines, nor does a write-ahead log."""
_MAX_LINKS: Final = 40  # as the kernel allows
_MAX_BYTES: Final = 1 << 16
_NO_LINK: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_NO_WAIT: Final = getattr(os, "O_NONBLOCK", 0)
"""Without it, opening a pipe in place of a file would block."""


class PrivateDirectory:
    """A directory that is held open; its files are opened relative to its handle, never by a path.

    Parameters
    ----------
    path : of the directory, without symbolic links.
    handle : of the directory; None on Windows, where files cannot be opened relative to one.
    """

    def __init__(self, path: Path, handle: int | None) -> None:
        self.path = path
        self._handle = handle
        self._close = weakref.finalize(self, os.close, handle) if handle is not None else lambda: None

    @classmethod
    def open(cls, directory: Path, *, make: bool = False, closed: bool = True) -> PrivateDirectory:
        """Open a directory, after a check that nobody else could replace it or the files in it.

        Parameters
        ----------
        directory : its path.
        make : whether to make it and its parents where they are missing.
        closed : whether it must also be closed to reading by others, and on a local disk.

        Raises
        ------
        FileNotFoundError
            If there is no directory, and `make` is False.
        VaultError
            If it is no directory, or a check fails.
        """
        if os.name != "posix":
            if make:
                directory.mkdir(parents=True, exist_ok=True)
            opened = cls(directory.resolve(strict=True), None)
        else:
            path, status = _walked(directory, make=make)
            if closed:
                check_private(path, status, _MODE)
            else:
                _check_ancestor(path, status)
            handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | _NO_LINK)
            opened = cls(path, handle)
        if closed and (kind := file_system(opened.path)) in _NETWORK:
            message = (
                f"vault: expected a local file system, got {kind} at {str(directory)!a}: choose a local disk"
            )
            raise VaultError(message)
        return opened

    def __enter__(self) -> Self:
        """Return the directory."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the directory."""
        self.close()

    def close(self) -> None:
        """Close the handle."""
        self._close()
        if self._handle is not None:
            self._handle = -1  # the system may give its number to another file now

    def check_still_there(self) -> None:
        """Check that the path still leads to this directory: SQLite opens files by path, not by handle.

        Raises
        ------
        VaultError
            If it leads elsewhere.
        """
        if self._handle is None:
            return
        by_path, by_handle = os.stat(self.path, follow_symlinks=False), os.fstat(self._handle)  # noqa: PTH116
        if not os.path.samestat(by_path, by_handle):
            message = (
                f"vault: expected {str(self.path)!a} to stay where it is while it is opened, but it was moved"
            )
            raise VaultError(message)

    def status(self, name: str) -> os.stat_result | None:
        """Return the status of a file, or of a link itself; None if there is nothing."""
        try:
            return os.stat(self._at(name), dir_fd=self._handle, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def check_regular(self, name: str) -> bool:
        """Whether there is a regular file of this name.

        Raises
        ------
        VaultError
            If there is a link, a directory, a pipe or a device, or a file of somebody else.
        """
        status = self.status(name)
        if status is None:
            return False
        _check_file(self.path, name, status)
        return True

    def read(self, name: str, *, follow: bool = False, most: int = _MAX_BYTES) -> bytes:
        """Read a file that nobody else may read: its first `most` bytes, by default 64 KiB.

        Parameters
        ----------
        name : of the file.
        follow : whether it may be a symbolic link.
        most : bytes to read, at most.

        Raises
        ------
        OSError
            If there is no such file, or it cannot be read.
        VaultError
            If it is not a regular file, or others own it or may read it.
        """
        flags = os.O_RDONLY | _NO_WAIT | getattr(os, "O_BINARY", 0) | (0 if follow else _NO_LINK)
        handle = os.open(
            self._at(name), flags, dir_fd=self._handle
        )  # by the descriptor, without buffers: it is read at every attempt
        try:
            status = os.fstat(handle)
            _check_file(self.path, name, status)
            if os.name == "posix":
                check_private(self.path, status, PRIVATE_MODE, name)
            content = os.read(handle, most)
            while len(content) < min(most, status.st_size) and (more := os.read(handle, most - len(content))):
                content += more  # the system may return less than a large file holds
            return content
        finally:
            os.close(handle)

    def write(self, name: str, content: bytes, *, replace: bool = True) -> None:
        """Write a whole file in this directory; see `write_whole`."""
        write_whole(Path(self._at(name)), content, replace=replace, directory=self._handle)

    def take(self, file: Path, name: str) -> None:
        """Move a file from a directory within this one to this name, in place of any other file."""
        # `file` is given by its path: its directory lies within this one, which has been checked.
        os.replace(file, self._at(name), dst_dir_fd=self._handle)

    def unlink(self, name: str) -> None:
        """Delete a file, if there is one."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._at(name), dir_fd=self._handle)

    def sync(self) -> None:
        """Make new and removed names durable."""
        if self._handle is not None:
            os.fsync(self._handle)

    @contextlib.contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Hold an exclusive lock on the lock file of this name; other processes wait."""
        flags = os.O_RDWR | os.O_CREAT | _NO_LINK | _NO_WAIT
        handle = os.open(self._at(name), flags, PRIVATE_MODE, dir_fd=self._handle)
        try:
            if os.name == "posix":
                import fcntl  # noqa: PLC0415  # posix only

                fcntl.flock(handle, fcntl.LOCK_EX)
            else:
                import msvcrt  # noqa: PLC0415  # Windows only

                msvcrt.locking(handle, msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined,unused-ignore]
            yield
        finally:
            os.close(handle)  # which releases the lock

    def _at(self, name: str) -> str:
        """Return the path for system calls: the name alone if there is a handle, else the whole path."""
        return str(self.path / name) if self._handle is None else name


def check_private(path: Path, status: os.stat_result, mode: int, name: str = "") -> None:
    """Check that nobody else owns, may read or may change a path, or the file `name` in it.

    Raises
    ------
    VaultError
        If somebody else does; the message suggests `mode`.
    """
    if status.st_uid not in (os.geteuid(), 0):
        message = f"vault: expected {str(path / name)!a} to be yours or root's, got the owner {status.st_uid}"
        raise VaultError(message)
    if status.st_mode & 0o077:
        given = stat.S_IMODE(status.st_mode)
        wanted = f"vault: expected {str(path / name)!a} to be closed to others"
        message = f"{wanted}, got mode {given:o}: chmod {mode:o}"
        raise VaultError(message)


def file_system(path: Path, mounts: Path = _MOUNTS) -> str | None:
    """Return the name of a path's file system; None if the system does not tell."""
    try:
        lines = mounts.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return None
    wanted = f"{path.resolve()}/"
    best: tuple[int, str | None] = (-1, None)
    for line in lines:
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5 or not after:
            continue
        # Blanks in a mount point are written as octal escapes.
        point = fields[4].encode("latin-1", "replace").decode("unicode_escape").rstrip("/")
        if wanted.startswith(f"{point}/") and len(point) >= best[0]:
            best = (len(point), after.split(" ")[0])
    return best[1]


def _walked(directory: Path, *, make: bool) -> tuple[Path, os.stat_result]:
    """Walk from the root to a directory, link by link; return its path without links, and its status.

    The walk goes from the top down: once a directory is known to be safe, nobody else can change the entries
    in it.
    """
    absolute = directory.absolute()
    here, trail = Path(absolute.anchor), list(reversed(absolute.parts[1:]))
    status = here.lstat()
    links = 0
    while trail:
        _check_ancestor(here, status)
        part = trail.pop()
        if part == "..":
            here = here.parent
            status = here.lstat()
            continue
        place = here / part
        status = _status_of(place, make=make)
        if stat.S_ISLNK(status.st_mode):
            _check_owner(place, status)
            if (links := links + 1) > _MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            target = Path(os.readlink(place))  # noqa: PTH115  # which keeps ".."
            if target.is_absolute():
                here = Path(target.anchor)
            trail.extend(reversed(target.parts[1:] if target.is_absolute() else target.parts))
            status = here.lstat()
            continue
        if not stat.S_ISDIR(status.st_mode):
            message = f"vault: expected a directory, got a file: {str(place)!a}"
            raise VaultError(message)
        here = place
    return here, status


def _status_of(place: Path, *, make: bool) -> os.stat_result:
    try:
        return place.lstat()
    except FileNotFoundError:
        if not make:
            raise
    with contextlib.suppress(FileExistsError):  # another process was faster
        place.mkdir(mode=_MODE)
    return place.lstat()


def _check_ancestor(path: Path, status: os.stat_result) -> None:
    """Refuse a directory in which others could replace our entries."""
    _check_owner(path, status)
    if status.st_mode & stat.S_ISVTX:
        return  # in a sticky directory only the owner of an entry can replace it
    others, group = status.st_mode & stat.S_IWOTH, status.st_mode & stat.S_IWGRP
    if others or (group and not _is_our_group(status.st_gid)):
        message = (
            f"vault: expected nobody else to write in {str(path)!a}, since they could put another vault in "
            f"place of yours, got mode {stat.S_IMODE(status.st_mode):o}: chmod go-w, or choose another place"
        )
        raise VaultError(message)


def _check_owner(path: Path, status: os.stat_result) -> None:
    if status.st_uid not in (os.geteuid(), 0):
        message = (
            f"vault: expected {str(path)!a}, on the way to it, to be yours or root's, "
            f"got the owner {status.st_uid}: choose another place"
        )
        raise VaultError(message)


def _is_our_group(group: int) -> bool:
    """Whether this user is the only member of a group, as where every user has a group of their own."""
    import grp  # noqa: PLC0415  # posix only
    import pwd  # noqa: PLC0415

    try:
        ours, found = pwd.getpwuid(os.geteuid()), grp.getgrgid(group)
    except KeyError:
        return False
    return (
        found.gr_gid == ours.pw_gid and found.gr_name == ours.pw_name and not {*found.gr_mem} - {ours.pw_name}
    )


def _check_file(path: Path, name: str, status: os.stat_result) -> None:
    """Refuse anything but a regular file of this user or root."""
    if not stat.S_ISREG(status.st_mode):
        message = f"vault: expected a file, got a link, a folder, a pipe or a device: {str(path / name)!a}"
        raise VaultError(message)
    if os.name == "posix" and status.st_uid not in (os.geteuid(), 0):
        _check_owner(path / name, status)
