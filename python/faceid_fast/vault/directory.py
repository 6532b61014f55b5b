"""The directory a vault lives in: whose it is, what it lies on, and what is done through its handle.

Whoever may write in a directory may exchange what lies in it. So every directory on the way from the root to
the vault has to be ours or root's, and closed to the writing of others; then nobody else can change where the
way leads, and what was opened stays what was checked.
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
"""Held while a vault is made, and while its key changes."""
_MOUNTS: Final = Path("/proc/self/mountinfo")
_NETWORK: Final = frozenset(
    (
        *("9p", "afs", "ceph", "cifs", "davfs", "gfs2", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4"),
        *("ocfs2", "smb3", "smbfs", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs"),
    )
)
"""On these, locks and shared memory do not hold between machines, and a write-ahead log is not safe."""
_MAX_LINKS: Final = 40  # as the kernel allows
_MAX_BYTES: Final = 1 << 16
_NO_LINK: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_NO_WAIT: Final = getattr(os, "O_NONBLOCK", 0)
"""A pipe of a file's name would be waited for."""


class PrivateDirectory:
    """A directory that is held open: its files are reached through its handle, never by a path.

    Parameters
    ----------
    path : of the directory, without links.
    handle : of the directory; None on Windows, which has none that files could be opened by.
    """

    def __init__(self, path: Path, handle: int | None) -> None:
        self.path = path
        self._handle = handle
        self._close = weakref.finalize(self, os.close, handle) if handle is not None else lambda: None

    @classmethod
    def open(cls, directory: Path, *, make: bool = False, closed: bool = True) -> PrivateDirectory:
        """Open a directory, if nobody else could exchange it or what lies in it.

        Parameters
        ----------
        directory : its path.
        make : whether to make it, and those above it, where they are missing.
        closed : whether it has to be closed to the reading of others too, and on a local disk.

        Raises
        ------
        FileNotFoundError
            If there is none, and none was to be made.
        VaultError
            If it is no directory, or not as is said above.
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
        """Close it."""
        self.close()

    def close(self) -> None:
        """Give the handle back."""
        self._close()
        if self._handle is not None:
            self._handle = -1  # its number may be another's now

    def check_still_there(self) -> None:
        """See that the path still leads here, for what was opened by it: SQLite opens by no handle.

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
        """What the system says of a file, or of a link itself; None where there is nothing."""
        try:
            return os.stat(self._at(name), dir_fd=self._handle, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def check_regular(self, name: str) -> bool:
        """Whether there is such a file; a link, a pipe, or somebody else's is none.

        Raises
        ------
        VaultError
            If there is something else.
        """
        status = self.status(name)
        if status is None:
            return False
        _check_file(self.path, name, status)
        return True

    def read(self, name: str, *, follow: bool = False) -> bytes:
        """Bytes of a file that nobody else may read: 64 KiB at most.

        Parameters
        ----------
        name : of the file.
        follow : whether it may be a link.

        Raises
        ------
        OSError
            If there is none, or it cannot be read.
        VaultError
            If it is no file, or others own it or may read it.
        """
        flags = os.O_RDONLY | _NO_WAIT | getattr(os, "O_BINARY", 0) | (0 if follow else _NO_LINK)
        handle = os.open(
            self._at(name), flags, dir_fd=self._handle
        )  # without buffers: it is read at every guess
        try:
            status = os.fstat(handle)
            _check_file(self.path, name, status)
            if os.name == "posix":
                check_private(self.path, status, PRIVATE_MODE, name)
            return os.read(handle, _MAX_BYTES)
        finally:
            os.close(handle)

    def write(self, name: str, content: bytes, *, replace: bool = True) -> None:
        """Make a file appear with its content, or not at all; see `write_whole`."""
        write_whole(Path(self._at(name)), content, replace=replace, directory=self._handle)

    def take(self, file: Path, name: str) -> None:
        """Move a file, of a directory within this one, here, in place of what stood there."""
        # Not by the handle: where it lies has been checked, and no name leads into a folder by a handle.
        os.replace(file, self._at(name), dst_dir_fd=self._handle)

    def unlink(self, name: str) -> None:
        """Delete a file, if there is one."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._at(name), dir_fd=self._handle)

    def sync(self) -> None:
        """Have names that appeared or went last."""
        if self._handle is not None:
            os.fsync(self._handle)

    @contextlib.contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Keep other processes out for a moment, by a file of this name."""
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
            os.close(handle)  # which unlocks it

    def _at(self, name: str) -> str:
        """What the system is asked for: the name within the handle, where there is one."""
        return str(self.path / name) if self._handle is None else name


def check_private(path: Path, status: os.stat_result, mode: int, name: str = "") -> None:
    """Refuse what others own, or may read or change: a path, or the file of a name in it.

    Raises
    ------
    VaultError
        If so.
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
    """Name of the file system that a path lies on; None where the system does not tell."""
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
        # Blanks in a mount point stand there as octal numbers.
        point = fields[4].encode("latin-1", "replace").decode("unicode_escape").rstrip("/")
        if wanted.startswith(f"{point}/") and len(point) >= best[0]:
            best = (len(point), after.split(" ")[0])
    return best[1]


def _walked(directory: Path, *, make: bool) -> tuple[Path, os.stat_result]:
    """Go from the root to a directory, link by link; returns where it is without links, and what it is.

    From the top down: once a directory is seen to be safe, nobody else can change what lies in it.
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
    """Refuse a directory in which others could put something else in place of what is ours."""
    _check_owner(path, status)
    if status.st_mode & stat.S_ISVTX:
        return  # there, only owners exchange what is theirs
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
    """Whether only we are in a group, as is usual where everybody has one of their own name."""
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
    """Refuse what is no file of ours: a link, a pipe, a device."""
    if not stat.S_ISREG(status.st_mode):
        message = f"vault: expected a file, got a link, a folder, a pipe or a device: {str(path / name)!a}"
        raise VaultError(message)
    if os.name == "posix" and status.st_uid not in (os.geteuid(), 0):
        _check_owner(path / name, status)
