"""The one way to write a file about people: closed to others, whole or not at all, never through a link."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import Final

PRIVATE_MODE: Final = 0o600


def write_whole(path: Path, content: bytes, *, replace: bool = True, directory: int | None = None) -> None:
    """Make a file appear with its content, or not at all; it lasts once this returns.

    Only its owner may read it, whatever stood there before. A symbolic link at `path` is replaced, and
    what it pointed to is left alone.

    Parameters
    ----------
    path : of the file.
    content : all of it.
    replace : whether it may take the place of another.
    directory : an open handle of the directory that `path`, then a name alone, is in.

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
