"""Paths that come from callers."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO, Final

from .errors import InvalidInputError

MAX_CHARS: Final = 4096
"""No system opens a longer one, and a message that names it would be as long."""


def checked_path(name: str, value: object) -> Path:
    """Return a path that the system can be asked for.

    Parameters
    ----------
    name : of the argument.
    value : str or os.PathLike.

    Raises
    ------
    InvalidInputError
        If it is of another type, longer than `MAX_CHARS`, or holds what no path can.
    """
    wanted = f"{name}: expected a str or Path of at most {MAX_CHARS} characters"
    try:
        path = Path(value)  # type: ignore[arg-type]  # which is what it says
    except TypeError:
        message = f"{wanted}, got {type(value).__name__}"
        raise InvalidInputError(message) from None
    text = str(path)
    if len(text) > MAX_CHARS:
        message = f"{wanted}, got {len(text)}"
        raise InvalidInputError(message)
    try:
        encoded = os.fsencode(text)
    except UnicodeError:
        encoded = b"\0"
    if b"\0" in encoded:
        message = f"{wanted} that the file system can encode, without NUL, got {text!a:.80}"
        raise InvalidInputError(message)
    return path


def open_file(path: Path) -> BinaryIO:
    """Open a file for reading; OSError also if it is no regular one: a pipe would be waited for."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "not a regular file")
    return path.open("rb")
