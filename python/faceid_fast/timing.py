"""The clock that ages are measured by: of frames, and of locks."""

from __future__ import annotations

import time


def since_boot_s() -> float:
    """Return the seconds since the computer was started, sleep included where the system can tell.

    Sleep must count: a frame that a program kept while the computer slept is old, and must look old. Other
    than the time of day, this clock is never set. Linux has it; elsewhere it is `time.monotonic`, which may
    stand still during sleep.
    """
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()
