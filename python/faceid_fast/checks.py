"""Checks of callers' arguments: every message names the argument, what was expected and what was given."""

from __future__ import annotations

import codecs
import errno
import math
import os
import re
import stat
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar

import numpy as np

from .errors import InvalidInputError

MAX_CHARS: Final = 4096
"""Longest path: no system opens a longer one, and a message that names it would be as long."""

_SHA256: Final = re.compile("[0-9a-f]{64}")

Kind = TypeVar("Kind")
Choice = TypeVar("Choice", bound=StrEnum)


def checked_path(name: str, value: object) -> Path:
    """Return a path that the file system accepts; nothing need exist there.

    Parameters
    ----------
    name : of the argument.
    value : str or os.PathLike.

    Raises
    ------
    InvalidInputError
        If the value is of another type, empty, longer than `MAX_CHARS`, cannot be encoded, or holds NUL.
    """
    wanted = f"{name}: expected a str or Path of at most {MAX_CHARS} characters"
    try:
        path = Path(value)  # type: ignore[arg-type]  # raises if it is of another type
    except TypeError:
        message = f"{wanted}, got {type(value).__name__}"
        raise InvalidInputError(message) from None
    if isinstance(value, str) and not value:
        # Path would take it for the working directory, where a script's unset variable never meant to go.
        message = f"{wanted}, got an empty one; the working directory is '.'"
        raise InvalidInputError(message)
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
    """Open a regular file for reading; OSError for anything else, because reading a pipe could block."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "not a regular file")
    return path.open("rb")


def text_of(content: bytes) -> str:
    """Decode a small text file as editors write it: UTF-8 with a byte order mark or without, or UTF-16 with.

    Windows' editors and shells put the mark there. Without one, what is not UTF-8 becomes lone surrogates,
    which no valid content of our files holds.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", "replace")
    return content.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")


def checked_number(name: str, value: object, low: float, high: float, unit: str = "") -> float:
    """Check that a value is a number from `low` to `high`, both included, and return it as a float.

    Parameters
    ----------
    name : of the argument.
    value : int or float, Python's or numpy's.
    low, high : the range.
    unit : of the value, for the message.

    Raises
    ------
    InvalidInputError
        If the value is not a number, is out of range, or is NaN.
    """
    wanted = f"{name}: expected {low:g} to {high:g} {unit}".rstrip()
    if not is_number(value):
        message = f"{wanted}, got {shown(value)}"
        raise InvalidInputError(message)
    try:
        with np.errstate(over="ignore"):  # np.longdouble beyond float: infinite, which is refused
            number = float(value)  # type: ignore[arg-type]  # checked above
    except OverflowError:
        number = math.inf
    if not low <= number <= high:  # written so that NaN is refused
        message = f"{wanted}, got {number:g}"
        raise InvalidInputError(message)
    return number


def checked_integer(name: str, value: object, low: int, high: int) -> int:
    """Check that a value is a whole number from `low` to `high`, both included, and return it as an int.

    Raises
    ------
    InvalidInputError
        If the value is not an integer, Python's or numpy's, or is out of range.
    """
    if is_number(value) and isinstance(value, (int, np.integer)) and low <= value <= high:
        return int(value)
    message = f"{name}: expected a whole number from {low} to {high}, got {shown(value)}"
    raise InvalidInputError(message)


def checked_flag(name: str, value: object) -> bool:
    """Check that a value is True or False and return it; InvalidInputError for any other, such as None."""
    if isinstance(value, bool):
        return value
    message = f"{name}: expected True or False, got {shown(value)}"
    raise InvalidInputError(message)


def checked_choice(name: str, value: object, kind: type[Choice]) -> Choice:
    """Return the member of an enum whose value is the given str; InvalidInputError if there is none."""
    if isinstance(value, str) and value in set(kind):
        return kind(value)
    message = f"{name}: expected {' or '.join(kind)}, got {shown(value)}"
    raise InvalidInputError(message)


def checked_sha256(name: str, value: object) -> str:
    """Return a SHA-256 of 64 lowercase hexadecimal digits; InvalidInputError for any other value."""
    if isinstance(value, str) and _SHA256.fullmatch(value):
        return value
    message = f"{name}: expected 64 hexadecimal digits, got {shown(value)}"
    raise InvalidInputError(message)


def checked_instance(name: str, value: object, kind: type[Kind]) -> Kind:
    """Check that a value is an instance of a class and return it; InvalidInputError if it is not."""
    if isinstance(value, kind):
        return value
    wanted = kind.__name__
    article = "" if wanted.endswith("s") else "an " if wanted[0] in "AEIOU" else "a "
    message = f"{name}: expected {article}{wanted}, got {type(value).__name__}"
    raise InvalidInputError(message)


def kinds_of(several: object) -> str:
    """Describe a wrong column in a message: the types in it, never values."""
    if not isinstance(several, (tuple, list)):
        return type(several).__name__
    return ", ".join(sorted({type(entry).__name__ for entry in several})) or "none"


def checked_three(name: str, value: object) -> tuple[object, object, object]:
    """Return the three items of a list, tuple or array; refuse other iterables, which may be endless."""
    if isinstance(value, np.ndarray) and value.shape[:1] == (3,):
        value = tuple(value)
    if not isinstance(value, (list, tuple)) or len(value) != 3:
        message = f"{name}: expected three in a list, tuple or array, got {type(value).__name__}"
        raise InvalidInputError(message)
    first, second, third = value
    return first, second, third


def is_number(value: Any) -> bool:  # noqa: ANN401  # of any type
    """Whether a value is an int or a float, Python's or numpy's."""
    no_number = (bool, np.timedelta64)  # Python and numpy count these among their integers
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, no_number)


def shown(value: object) -> str:
    """Describe a refused value in a message: the start of a text, a number, else the name of its type."""
    if isinstance(value, str):
        return f"{value!a:.80}"
    if is_number(value):
        try:
            return f"{value!r:.40}"
        except ValueError:  # an int with more digits than Python is willing to write
            return "a longer number"
    return type(value).__name__
