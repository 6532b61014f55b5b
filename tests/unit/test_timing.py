from __future__ import annotations

import time

import pytest

from faceid_fast import timing
from faceid_fast.access import boot_clock


def test_time_goes_on_while_the_computer_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is a clock of that kind, it is asked, and no other; locks have the same one."""
    monkeypatch.setattr(time, "CLOCK_BOOTTIME", 7, raising=False)
    monkeypatch.setattr(time, "clock_gettime", {7: 4500.0}.__getitem__, raising=False)
    monkeypatch.setattr(time, "monotonic", lambda: 900.0)
    assert timing.since_boot_s() == 4500.0
    assert boot_clock.now().seconds == 4500.0
    monkeypatch.delattr(time, "CLOCK_BOOTTIME")
    assert timing.since_boot_s() == 900.0


def test_it_goes_on_and_is_not_the_time_of_day(monkeypatch: pytest.MonkeyPatch) -> None:
    before = timing.since_boot_s()
    monkeypatch.setattr(time, "time", lambda: 4e9)
    assert 0.0 <= timing.since_boot_s() - before < 60.0
