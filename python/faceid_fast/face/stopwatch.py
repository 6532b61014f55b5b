"""A stopwatch for the stages of an attempt."""

from __future__ import annotations

import time


class Stopwatch:
    """Measures the milliseconds of each stage of one attempt."""

    def __init__(self) -> None:
        self._start = self._last = time.perf_counter()
        self._laps: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        """Add the time since the last lap to a stage."""
        now = time.perf_counter()
        self._laps[stage] = self._laps.get(stage, 0.0) + (now - self._last) * 1e3
        self._last = now

    def laps(self) -> dict[str, float]:
        """Return the milliseconds of each stage so far."""
        return dict(self._laps)

    def stop(self) -> dict[str, float]:
        """Return the milliseconds of each stage so far, and the "total"."""
        return {**self._laps, "total": (time.perf_counter() - self._start) * 1e3}
