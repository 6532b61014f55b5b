"""Reading files of strangers: no more than is expected is taken into memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faceid_fast.errors import SourceError
from faceid_fast.paths import open_file

if TYPE_CHECKING:
    from pathlib import Path


def read_bounded(path: Path, limit: int) -> bytes:
    """Read a whole file.

    Raises
    ------
    SourceError
        It is missing, no regular file, not readable, or longer than ``limit`` bytes.
    """
    try:
        with open_file(path) as file:
            content = file.read(limit + 1)
    except OSError as error:
        message = f"{path}: not readable ({error.strerror})"
        raise SourceError(message) from error
    if len(content) > limit:
        message = f"{path}: expected at most {limit} bytes, got more"
        raise SourceError(message)
    return content
