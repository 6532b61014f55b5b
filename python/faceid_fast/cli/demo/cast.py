"""The frames of the demo: of rendered people, or captures of real ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from faceid_fast.errors import SourceError
from faceid_fast.evaluate.protocols import ENROLLED_EXPRESSION
from faceid_fast.frame import Frame
from faceid_fast.sources.layouts import kinect_v2
from faceid_fast.sources.renders import KINDS, bundled_renders

PROBED_POSE: Final = 4  # frontal and level: how one looks at a device


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """A frame of the demo, of whom it is, and its kind: "enroll", "probe", "print" or "beard"."""

    person: str
    kind: str
    label: str
    frame: Frame


def rendered() -> list[Look]:
    """Read the renders that come with this package, by person, kind and number."""
    return [
        Look(render.person, render.kind, f"{render.person} {render.kind} {render.number}", render.read())
        for render in bundled_renders(KINDS)
    ]


def captured(directory: Path) -> list[Look]:
    """Read captures in the kinect_v2 layout: one a pose to enrol, others of the frontal pose as probes.

    Raises
    ------
    SourceError
        If there is nobody to enrol, or nobody to probe with.
    """
    looks = []
    for capture in kinect_v2.captures(directory):
        label = f"{capture.person} {capture.number:02d}"
        if capture.expression == ENROLLED_EXPRESSION:
            looks.append(Look(capture.person, "enroll", label, capture.read()))
        elif capture.pose == PROBED_POSE:
            looks.append(Look(capture.person, "probe", label, capture.read()))
    enrolled = {look.person for look in looks if look.kind == "enroll"}
    looks = [look for look in looks if look.person in enrolled]
    if not any(look.kind == "probe" for look in looks):
        message = (
            f"{directory}: expected captures to enrol (expression {ENROLLED_EXPRESSION}) "
            f"and others of pose {PROBED_POSE}, got none"
        )
        raise SourceError(message)
    return looks
