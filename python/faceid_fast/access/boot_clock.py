"""The time since the computer was started: what locks are measured by."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_THIS_PROCESS: Final = secrets.token_hex(8)
"""Stands for the start of the computer where the system does not name it: locks then begin anew with every
process, which makes them longer, never shorter."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Seconds since a start of the computer, and which start that was."""

    boot_id: str
    seconds: float


def now() -> Clock:
    """Ask the system."""
    try:
        boot_id = _BOOT_ID.read_text("ascii").strip()
    except OSError:
        boot_id = _THIS_PROCESS
    if hasattr(time, "CLOCK_BOOTTIME"):
        return Clock(boot_id, time.clock_gettime(time.CLOCK_BOOTTIME))
    return Clock(boot_id, time.monotonic())
