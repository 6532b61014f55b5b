"""Who came when: CSV on standard output, one line a person a day, with the time they were seen first.

    python examples/attendance.py                     # rendered people, in a vault that is thrown away
    python examples/attendance.py FRAMES --vault DIR  # a folder of frames, by when their files were written

Keep what you need only, and tell people: such a list says more about them than a lock has to
(docs/PRIVACY.md).
"""

from __future__ import annotations

import argparse
import csv
import secrets
import sys
import tempfile
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

from faceid_fast import Authenticator, Frame, Vault
from faceid_fast.sources.layouts.pairs import depth_of
from faceid_fast.sources.recognized import shots_at
from faceid_fast.sources.renders import bundled_renders


def first_seen(vault: Vault, seen: Iterable[tuple[datetime, Frame]]) -> dict[tuple[date, str], datetime]:
    """When each person was seen first, by day and name."""
    # Recorded frames: nobody stands there guessing, and strangers who pass by must not lock the device.
    office = Authenticator(store=vault)
    office.set_policy(office.policy.changed({"lockout": False}))  # which the log notes
    auth = Authenticator(store=vault, lockout=False)
    first: dict[tuple[date, str], datetime] = {}
    for at, frame in sorted(seen, key=lambda each: each[0]):
        decision = auth.identify(frame)
        if decision.accepted and decision.identity is not None:
            first.setdefault((at.date(), decision.identity), at)
    return first


def recorded(folder: str) -> Iterator[tuple[datetime, Frame]]:
    """Frames of a folder; of those with a depth file of their own, its time, else the folder's."""
    for shot in shots_at(folder):
        written = (depth_of(Path(folder), shot.label) or Path(folder)).stat().st_mtime
        yield datetime.fromtimestamp(written).astimezone(), shot.read()


def rendered() -> Iterator[tuple[datetime, Frame]]:
    """Everybody's probes and a print, seen every five minutes from eight o'clock on."""
    start = datetime(2026, 1, 5, 8).astimezone()
    looks = [render for render in bundled_renders() if render.kind in {"probe", "print"}]
    return ((start + timedelta(minutes=5 * i), look.read()) for i, look in enumerate(looks))


def write(first: dict[tuple[date, str], datetime]) -> None:
    """Write the table."""
    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow(("day", "name", "first seen"))
    rows.writerows((day, name, f"{at:%H:%M}") for (day, name), at in sorted(first.items()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write who came when.")
    parser.add_argument("frames", nargs="?")
    parser.add_argument("--vault")
    given = parser.parse_args()
    if given.frames is not None:
        with Vault.open(given.vault, create=True) as vault:
            write(first_seen(vault, recorded(given.frames)))
    else:
        key = secrets.token_bytes(32)
        with tempfile.TemporaryDirectory() as place, Vault.open(place, key=key, create=True) as vault:
            for name in ("ada", "ben"):
                enrolled = [r for r in bundled_renders() if (r.person, r.kind) == (name, "enroll")]
                Authenticator(store=vault).enroll(name, [render.read() for render in enrolled])
            write(first_seen(vault, rendered()))
