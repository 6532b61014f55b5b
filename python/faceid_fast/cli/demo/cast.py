"""The frames of the demo: of rendered people, or captures of real ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from faceid_fast.cli.output import warnings_said
from faceid_fast.errors import SourceError
from faceid_fast.evaluate.protocols import ENROLLED_EXPRESSION
from faceid_fast.frame import Frame, within_budget
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
    InvalidInputError
        If the captures are too much for the memory of one call.
    """
    with warnings_said():
        captures = kinect_v2.captures(directory)
    chosen = [
        (capture, "enroll" if capture.expression == ENROLLED_EXPRESSION else "probe")
        for capture in captures
        if capture.expression == ENROLLED_EXPRESSION or capture.pose == PROBED_POSE
    ]
    enrolled = {capture.person for capture, kind in chosen if kind == "enroll"}
    chosen = [(capture, kind) for capture, kind in chosen if capture.person in enrolled]
    if not any(kind == "probe" for _, kind in chosen):
        message = (
            f"{directory}: expected captures to enrol (expression {ENROLLED_EXPRESSION}) "
            f"and others of pose {PROBED_POSE}, got none"
        )
        raise SourceError(message)
    frames = within_budget(capture.read() for capture, _ in chosen)
    return [
        Look(capture.person, kind, f"{capture.person} {capture.number:02d}", frame)
        for (capture, kind), frame in zip(chosen, frames, strict=True)
    ]
