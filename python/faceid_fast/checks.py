"""Arguments that come from callers: each check names the argument, what it expected and what it got."""

from __future__ import annotations

import errno
import math
import os
import stat
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Final, TypeVar

import numpy as np

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


def checked_number(span: tuple[float, float], name: str, value: object, unit: str) -> float:
    """Return a number between two others, both included, as a float.

    Raises
    ------
    InvalidInputError
        If it is none, or another one.
    """
    low, high = span
    wanted = f"{name}: expected {low:g} to {high:g} {unit}"
    no_number = (bool, np.timedelta64)  # Python and numpy count these among their integers
    if not isinstance(value, (int, float, np.integer, np.floating)) or isinstance(value, no_number):
        message = f"{wanted}, got {type(value).__name__}"
        raise InvalidInputError(message)
    try:
        with np.errstate(over="ignore"):  # np.longdouble beyond float: infinite, which is refused
            number = float(value)
    except OverflowError:
        number = math.inf
    if not low <= number <= high:  # written so that NaN is refused
        message = f"{wanted}, got {number:g}"
        raise InvalidInputError(message)
    return number


Choice = TypeVar("Choice", bound=StrEnum)


def checked_choice(name: str, value: object, kind: type[Choice]) -> Choice:
    """Return the member of an enum that a str names; InvalidInputError if it names none."""
    if isinstance(value, str) and value in set(kind):
        return kind(value)
    shown = f"{value!a:.80}" if isinstance(value, str) else type(value).__name__
    message = f"{name}: expected {' or '.join(kind)}, got {shown}"
    raise InvalidInputError(message)


def check_flag(name: str, value: object) -> None:
    """Refuse what is only true or false by accident: `lockout=None` would count nothing."""
    if not isinstance(value, bool):
        message = f"{name}: expected True or False, got {type(value).__name__}"
        raise InvalidInputError(message)
