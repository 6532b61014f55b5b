"""Lay the bundled renders out as captures for ``faceid evaluate``: people whom nobody has to ask."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from faceid_fast.sources.renders import bundled_renders


def lay_out(root: Path) -> None:
    """Write the layout of Kinect v2: enrolment as expression 2, probes as others of pose 4."""
    for render in bundled_renders():
        number = {"enroll": render.number * 6 + 2, "probe": 24 + 3 * render.number}.get(render.kind)
        if number is not None:
            person = root / render.person
            person.mkdir(parents=True, exist_ok=True)
            shutil.copy(render.infrared, person / f"{number:02d}_ir.png")
            shutil.copy(render.depth, person / f"{number:02d}_depth.png")


if __name__ == "__main__":
    lay_out(Path(sys.argv[1]))
