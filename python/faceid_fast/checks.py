"""Arguments that come from callers: each check names the argument, what it expected and what it got."""

from __future__ import annotations

import errno
import math
import os
import stat
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar

import numpy as np

from .errors import InvalidInputError

MAX_CHARS: Final = 4096
"""Of a path: no system opens a longer one, and a message that names it would be as long."""

Kind = TypeVar("Kind")
Choice = TypeVar("Choice", bound=StrEnum)


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


def checked_number(name: str, value: object, low: float, high: float, unit: str = "") -> float:
    """Return a number between two others, both included, as a float.

    Parameters
    ----------
    name : of the argument.
    value : int or float, numpy's too.
    unit : in which it is, for the message.

    Raises
    ------
    InvalidInputError
        If it is none, or another one; NaN is.
    """
    wanted = f"{name}: expected {low:g} to {high:g} {unit}".rstrip()
    if not is_number(value):
        message = f"{wanted}, got {shown(value)}"
        raise InvalidInputError(message)
    try:
        with np.errstate(over="ignore"):  # np.longdouble beyond float: infinite, which is refused
            number = float(value)  # type: ignore[arg-type]  # a number, as it has been seen
    except OverflowError:
        number = math.inf
    if not low <= number <= high:  # written so that NaN is refused
        message = f"{wanted}, got {number:g}"
        raise InvalidInputError(message)
    return number


def checked_integer(name: str, value: object, low: int, high: int) -> int:
    """Return a whole number between two others, both included, as an int.

    Raises
    ------
    InvalidInputError
        If it is none, or another one.
    """
    if is_number(value) and isinstance(value, (int, np.integer)) and low <= value <= high:
        return int(value)
    message = f"{name}: expected a whole number from {low} to {high}, got {shown(value)}"
    raise InvalidInputError(message)


def checked_flag(name: str, value: object) -> bool:
    """Return True or False; InvalidInputError for what is only so by accident, such as None."""
    if isinstance(value, bool):
        return value
    message = f"{name}: expected True or False, got {shown(value)}"
    raise InvalidInputError(message)


def checked_choice(name: str, value: object, kind: type[Choice]) -> Choice:
    """Return the member of an enum that a str names; InvalidInputError if it names none."""
    if isinstance(value, str) and value in set(kind):
        return kind(value)
    message = f"{name}: expected {' or '.join(kind)}, got {shown(value)}"
    raise InvalidInputError(message)


def checked_instance(name: str, value: object, kind: type[Kind]) -> Kind:
    """Return what is of a class of this package; InvalidInputError for anything else."""
    if isinstance(value, kind):
        return value
    wanted = kind.__name__
    article = "" if wanted.endswith("s") else "an " if wanted[0] in "AEIOU" else "a "
    message = f"{name}: expected {article}{wanted}, got {type(value).__name__}"
    raise InvalidInputError(message)


def is_number(value: Any) -> bool:  # noqa: ANN401  # of any type
    """Whether it is an int or a float, numpy's too."""
    no_number = (bool, np.timedelta64)  # Python and numpy count these among their integers
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, no_number)


def shown(value: object) -> str:
    """What a message may say of a refused value: a few characters of text, a number, else its type."""
    if isinstance(value, str):
        return f"{value!a:.80}"
    if is_number(value):
        return f"{value!r:.40}"
    return type(value).__name__
