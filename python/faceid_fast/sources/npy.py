"""Arrays as numpy writes them: the header says what follows, and is believed only within bounds.

Never pickles: an array of objects is refused by its header, before anything is read behind it.
"""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from faceid_fast.errors import SourceError
from faceid_fast.frame import MAX_SIDE_PX
from faceid_fast.paths import checked_path
from faceid_fast.sources.bounded import MAX_ARRAY_BYTES, read_bounded

_VERSION: Final = (1, 0)
"""What numpy writes. Others are for headers of more than 64 KiB, and for names of fields."""
_NUMBERS: Final = "uif"
_MAX_AXES: Final = 3


def read_npy(path: str | Path) -> NDArray[Any]:
    """Read an array of numbers from a file, in C order: at most `_MAX_AXES` axes of `MAX_SIDE_PX`.

    Raises
    ------
    SourceError
        If the file is missing, truncated, damaged, too large, or holds anything else.
    """
    path = checked_path("path", path)
    return read_array(io.BytesIO(read_bounded(path, MAX_ARRAY_BYTES)), str(path))


def read_array(file: IO[bytes], what: str) -> NDArray[Any]:
    """Read an array from an open file, to its end; no more is asked of the file than its header says.

    Parameters
    ----------
    what : names it in messages.

    Raises
    ------
    SourceError
        As `read_npy`.
    """
    try:
        version = np.lib.format.read_magic(file)
        if version != _VERSION:
            message = f"{what}: expected an array in format {_VERSION}, got {version}"
            raise SourceError(message)
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
    except (
        ValueError,
        EOFError,
        RecursionError,
        MemoryError,
    ) as error:  # what its header parser lets through
        message = f"{what}: expected an array as numpy writes it, got: {error!r:.100}"
        raise SourceError(message) from error
    if dtype.kind not in _NUMBERS or len(shape) > _MAX_AXES or not all(0 <= n <= MAX_SIDE_PX for n in shape):
        message = (
            f"{what}: expected numbers in at most {_MAX_AXES} axes of at most {MAX_SIDE_PX}, "
            f"got {dtype!s:.60} of shape {shape!s:.60}"
        )
        raise SourceError(message)
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
