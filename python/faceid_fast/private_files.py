"""The one way to write a file about people: closed to others, whole or not at all, never through a link."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from pathlib import Path
from typing import Final, TextIO

PRIVATE_MODE: Final = 0o600
_DIRECTORY_MODE: Final = 0o700


def write_private(path: Path, content: bytes) -> None:
    """Write what a caller asked for at a path of their choice.

    A file appears whole, readable by its owner alone (`write_whole`). A pipe or a device is written to as
    it is.

    Raises
    ------
    OSError
        If it cannot be written; also where the path is a symbolic link to a file, which is never followed.
    """
    if is_stream(path):
        with path.open("wb") as stream:
            stream.write(content)
    else:
        write_whole(path, content)


def open_private(path: Path) -> TextIO:
    """Open for text that is written line by line: a new file, readable by its owner alone, or a pipe.

    Raises
    ------
    OSError
        As `write_private`.
    """
    if is_stream(path):
        return path.open("w", encoding="utf-8")
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_MODE)
    return open(handle, "w", encoding="utf-8")  # noqa: PTH123  # a descriptor, not a path


def check_writable(path: Path) -> None:
    """See whether a file could be written at a path, without writing one.

    Raises
    ------
    OSError
        If it could not.
    """
    if is_stream(path):
        return
    if not path.parent.is_dir():
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))


def is_stream(path: Path) -> bool:
    """Whether a path leads to a pipe, a device or a socket rather than to a file, or to nothing yet.

    Raises
    ------
    OSError
        If it is a folder, or a symbolic link to anything but a stream.
    """
    try:
        itself = path.lstat().st_mode
        found = path.stat().st_mode if stat.S_ISLNK(itself) else itself
    except FileNotFoundError:
        itself = found = path.lstat().st_mode if path.is_symlink() else stat.S_IFREG
    if stat.S_ISFIFO(found) or stat.S_ISCHR(found) or stat.S_ISSOCK(found):
        return True
    if stat.S_ISDIR(found):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    if stat.S_ISLNK(itself):
        raise OSError(errno.ELOOP, "a symbolic link: name the file that it leads to, or another")
    return False


def make_directory(directory: Path) -> None:
    """Make a directory, and those above it, where they are missing: closed to others."""
    for each in (*reversed(directory.parents), directory):
        with contextlib.suppress(FileExistsError):
            if not each.exists():
                each.mkdir(_DIRECTORY_MODE)


def write_whole(
    path: Path,
    content: bytes,
    *,
    replace: bool = True,
    directory: int | None = None,
    durable: bool = True,
) -> None:
    """Make a file appear with its content, or not at all; it lasts once this returns.

    Only its owner may read it, whatever stood there before. A symbolic link at `path` is replaced, and
    what it pointed to is left alone.

    Parameters
    ----------
    path : of the file.
    content : all of it.
    replace : whether it may take the place of another.
    directory : an open handle of the directory that `path`, then a name alone, is in.
    durable : whether it outlasts a power failure from now on; that takes some milliseconds.

    Raises
    ------
    FileExistsError
        If there is one and it must not be replaced.
    OSError
        If the file system refuses; whatever stood there still does.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_MODE, dir_fd=directory)
        with open(handle, "wb") as file:  # noqa: PTH123  # a descriptor, not a path
            file.write(content)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        if replace:
            os.replace(draft, path, src_dir_fd=directory, dst_dir_fd=directory)  # by its handle
        else:
            # Fails where something stands, as rename would not.
            os.link(draft, path, src_dir_fd=directory, dst_dir_fd=directory)
            os.unlink(draft, dir_fd=directory)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(draft, dir_fd=directory)
        raise
    if durable:
        sync_directory(path.parent if directory is None else directory)


def sync_directory(directory: Path | int) -> None:
    """Have names that appeared or went in a directory, given by its path or an open handle, last."""
    if os.name != "posix":
        return  # what else has to be done there, the system does with the file
    if isinstance(directory, int):
        os.fsync(directory)
        return
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
