"""The clock of locks: the time since the computer was started."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from faceid_fast.timing import since_boot_s

_PROC: Final = Path("/proc")
_THIS_PROCESS: Final = secrets.token_hex(8)
"""Used as the boot id where the system gives none. Locks then start again with every process, which makes
them longer, never shorter."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Seconds since a start of the computer, and the id of that start.

    A program in a time namespace of its own (time_namespaces(7), ``unshare --time``) has a clock that its
    starter has put ahead or back, under the same boot id: then the offset is a part of the id here, and what
    was locked under another id starts again. Where the offset is 0, the clock is the computer's own.
    """

    boot_id: str
    seconds: float


def now() -> Clock:
    """Return the current time since the start of the computer, sleep included where the system can tell."""
    return Clock(_boot_id(), since_boot_s())


def _boot_id() -> str:
    """Return the id of the start of the clock: that of the computer, with the offset of the clock if any."""
    try:
        boot_id = (_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()
        offset = _offset()
    except (OSError, ValueError):
        return _THIS_PROCESS
    return f"{boot_id} {offset}" if any(offset) else boot_id


def _offset() -> tuple[int, int]:
    """Return by what this process's clock is ahead of the computer's own: seconds and nanoseconds.

    Two namespaces with one offset have the same clock. The inode of a namespace says less: it is given to
    another one when the namespace ends.

    Raises
    ------
    OSError, ValueError
        If it is not known.
    """
    own = _PROC / "self/ns"
    if not (own / "time").is_symlink():
        if not own.is_dir():  # this process is not in the list of processes that is mounted here
            raise FileNotFoundError(own)
        return 0, 0  # a system without time namespaces
    # The offsets are those of the namespace of the children to come, which may be another.
    if (own / "time").readlink() != (own / "time_for_children").readlink():
        message = "time: expected the offset of this process, got that of its children"
        raise ValueError(message)
    for line in (_PROC / "self/timens_offsets").read_text("ascii").splitlines():
        clock, seconds, nanoseconds = line.split()
        if clock == "boottime":
            return int(seconds), int(nanoseconds)
    message = "time: expected the offset of boottime, got others"
    raise ValueError(message)
