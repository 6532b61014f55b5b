"""Read arrays in numpy's format from untrusted files; a header is accepted only within bounds.

Pickles are never read: an array of objects is refused by its header, before anything behind it is read.
"""

from __future__ import annotations

import ast
import io
import math
import re
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from faceid_fast.checks import checked_path
from faceid_fast.errors import SourceError
from faceid_fast.frame import MAX_SIDE_PX

from .bounded import MAX_ARRAY_BYTES, read_bounded

_START: Final = b"\x93NUMPY\x01\x00"
"""Signature and version 1.0, as of plain arrays; other versions serve long headers and field names."""
_NUMBERS: Final = re.compile(r"[<>|=]?(?:[ui][1248]|f[248])")
_MAX_AXES: Final = 3


def read_npy(path: str | Path) -> NDArray[Any]:
    """Read an array of numbers from a file, C-contiguous: at most 3 axes of at most `MAX_SIDE_PX` each.

    Raises
    ------
    SourceError
        If the file is missing, truncated, damaged, too large, or holds anything else.
    """
    path = checked_path("path", path)
    return read_array(io.BytesIO(read_bounded(path, MAX_ARRAY_BYTES)), str(path))


def read_array(file: IO[bytes], what: str) -> NDArray[Any]:
    """Read an array from an open file, to its end; no more is read than the header says.

    Parameters
    ----------
    file : the open file.
    what : name of the array in messages.

    Raises
    ------
    SourceError
        As `read_npy`.
    """
    shape, dtype, is_fortran = _read_header(file, what)
    count = math.prod(shape)
    wanted = count * dtype.itemsize
    if wanted > MAX_ARRAY_BYTES:
        message = f"{what}: expected at most {MAX_ARRAY_BYTES} bytes, got {wanted}"
        raise SourceError(message)
    content = file.read(wanted + 1)
    if len(content) != wanted:
        message = f"{what}: damaged: expected {wanted} bytes behind its header, got {'more' if len(content) > wanted else len(content)}"  # noqa: E501
        raise SourceError(message)
    flat = np.frombuffer(content, dtype, count)
    return np.ascontiguousarray(flat.reshape(shape, order="F" if is_fortran else "C"))


def _read_header(file: IO[bytes], what: str) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
    """Return the shape, the dtype, and whether the order is Fortran's.

    numpy's own reader is not used: for damage it warns, or raises whatever Python's tokenizer raises.
    """
    start = file.read(len(_START) + 2)
    text = file.read(int.from_bytes(start[-2:], "little"))
    try:
        header = ast.literal_eval(text.decode("latin1")) if start.startswith(_START) else None
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        header = None
    if not isinstance(header, dict) or header.keys() != {"descr", "fortran_order", "shape"}:
        message = f"{what}: expected an array as numpy writes it, in format 1.0, got something else"
        raise SourceError(message)
    descr, shape = header["descr"], header["shape"]
    is_number = isinstance(descr, str) and _NUMBERS.fullmatch(descr)
    if (
        not is_number
        or not isinstance(shape, tuple)
        or len(shape) > _MAX_AXES
        or not all(map(_is_side, shape))
    ):
        message = (
            f"{what}: expected numbers in at most {_MAX_AXES} axes of at most {MAX_SIDE_PX}, "
            f"got {descr!a:.60} of shape {shape!a:.60}"
        )
        raise SourceError(message)
    return shape, np.dtype(descr), bool(header["fortran_order"])


def _is_side(length: object) -> bool:
    return type(length) is int and 0 <= length <= MAX_SIDE_PX
