"""The clock of locks: the time since the computer was started."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from faceid_fast.timing import since_boot_s

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_THIS_PROCESS: Final = secrets.token_hex(8)
"""Used as the boot id where the system gives none. Locks then start again with every process, which makes
them longer, never shorter."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Seconds since a start of the computer, and the id of that start."""

    boot_id: str
    seconds: float


def now() -> Clock:
    """Return the current time since the start of the computer, sleep included where the system can tell."""
    try:
        boot_id = _BOOT_ID.read_text("ascii").strip()
    except OSError:
        boot_id = _THIS_PROCESS
    return Clock(boot_id, since_boot_s())
