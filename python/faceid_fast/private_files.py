"""Write files about people: readable by their owner alone and never through a link.

A file appears whole or not at all, except one that is written line by line (`open_private`).
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import secrets
import stat
from pathlib import Path
from typing import BinaryIO, Final, TextIO

PRIVATE_MODE: Final = 0o600
_DIRECTORY_MODE: Final = 0o700
_DEVICES: Final = Path("/dev")
_NUMBER: Final = re.compile(r"[0-9]{1,9}")
_MOST_LINKS: Final = 8


def why(error: OSError) -> str:
    """Say why the system could not write; of a full disk also what to do."""
    said = error.strerror or type(error).__name__
    if error.errno == errno.ENOSPC:
        return f"{said}: the disk is full, make room on it"
    if error.errno == errno.EDQUOT:
        return f"{said}: the quota of this disk is used up, make room on it"
    return said


def write_private(path: Path, content: bytes) -> None:
    """Write content to a path that the caller chose.

    A file appears whole, readable by its owner alone (`write_whole`). Into a pipe or a device the content is
    written directly.

    Raises
    ------
    OSError
        If the path cannot be written to, or is a symbolic link. Links are never followed: somebody other than
        the caller may have made them.
    """
    stream = _open_stream(path)
    if stream is None:
        write_whole(path, content)
        return
    with stream:
        stream.write(content)


def open_private(path: Path) -> TextIO:
    """Open a file or a pipe for text that is written line by line.

    A file is a new one, readable by its owner alone; it replaces what was at the path.

    Raises
    ------
    OSError
        As `write_private`.
    """
    stream = _open_stream(path)
    if stream is not None:
        return io.TextIOWrapper(stream, encoding="utf-8")
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_MODE)
    return open(handle, "w", encoding="utf-8")  # noqa: PTH123  # a descriptor, not a path


def check_writable(path: Path, *, folders: bool = False) -> None:
    """Check, without writing, that a file could be written at a path.

    Parameters
    ----------
    path : of the file.
    folders : whether the caller will make missing directories.

    Raises
    ------
    OSError
        If no file could be written there.
    """
    if _is_stream(path):
        return
    place = path.absolute().parent
    while folders and not os.path.lexists(place):
        place = place.parent
    if not place.is_dir():
        missing = errno.ENOTDIR if place.exists() else errno.ENOENT
        raise OSError(missing, os.strerror(missing))
    if not os.access(place, os.W_OK | os.X_OK):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))


def _is_stream(path: Path) -> bool:
    """Whether a path names a pipe, a device or an open descriptor; False for a file, or if there is nothing.

    Raises
    ------
    OSError
        If it is a directory, a symbolic link, or a descriptor that is not open.
    """
    descriptor = _descriptor_of(path)
    if descriptor is not None:
        os.fstat(descriptor)
        return True
    try:
        found = path.lstat().st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(found):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    if stat.S_ISLNK(found):
        raise OSError(errno.ELOOP, "a symbolic link: name the file that it leads to, or another")
    return not stat.S_ISREG(found)


def _open_stream(path: Path) -> BinaryIO | None:
    """Open a pipe, a device or a descriptor for writing; None for anything else. OSError as `_is_stream`."""
    if not _is_stream(path):
        return None
    descriptor = _descriptor_of(path)
    if descriptor is not None:
        return os.fdopen(os.dup(descriptor), "wb")
    # These flags do not follow, create or truncate what somebody may have put there since the check.
    flags = os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NOCTTY", 0)
    stream = os.fdopen(os.open(path, flags), "wb")
    if stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))
    return stream


def _descriptor_of(path: Path) -> int | None:
    """Return the descriptor that a system's path stands for (``/dev/stdout``, ``/dev/fd/63``), else None.

    Such paths are symbolic links below ``/dev``, where only the system makes links. A link elsewhere may be
    made by anybody, and may lead into any file that this process has open.
    """
    tables = {Path(f"/proc/{os.getpid()}/fd"), _DEVICES / "fd"}
    for _ in range(_MOST_LINKS):
        place = path.parent.resolve()
        if place in tables and _NUMBER.fullmatch(path.name):
            return int(path.name)
        if place != _DEVICES or not path.is_symlink():
            return None
        path = place / path.readlink()
    return None


def make_directory(directory: Path) -> None:
    """Make a directory and its parents where they are missing, accessible to their owner alone."""
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
    """Write a whole file: it appears with all of its content, or not at all.

    Only its owner may read it, whatever was there before. A symbolic link at `path` is replaced, and its
    target is left alone.

    Parameters
    ----------
    path : of the file.
    content : all of it.
    replace : whether the file may replace another.
    directory : an open handle of the directory that the file is in; `path` is then a name alone.
    durable : whether the file survives a power failure once this returns; that takes some milliseconds.

    Raises
    ------
    FileExistsError
        If there is a file and `replace` is False.
    OSError
        If the file system refuses; the previous file is unchanged.
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
            os.replace(draft, path, src_dir_fd=directory, dst_dir_fd=directory)  # Path.replace has no handles
        else:
            # Fails if the path exists, unlike a rename.
            os.link(draft, path, src_dir_fd=directory, dst_dir_fd=directory)
            os.unlink(draft, dir_fd=directory)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(draft, dir_fd=directory)
        raise
    if durable:
        sync_directory(path.parent if directory is None else directory)


def sync_directory(directory: Path | int) -> None:
    """Make new and removed names in a directory durable; it is given by its path or an open handle."""
    if os.name != "posix":
        return  # other systems write the directory together with the file
    if isinstance(directory, int):
        os.fsync(directory)
        return
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
