"""What the numbers of poses and expressions mean, as far as the layout that numbers them says so.

Only the layout ``kinect_v2`` does (`sources.layouts.kinect_v2`): yaw 1 looks straight, pitch 1 is level, and
the first and the last expression have names. Which way the others are turned it leaves open.
"""

from __future__ import annotations

from typing import Final

YAWS: Final = ("yaw 0 (turned)", "yaw 1 (straight)", "yaw 2 (turned)")
PITCHES: Final = ("pitch 0 (tilted)", "pitch 1 (level)", "pitch 2 (tilted)")
_EXPRESSIONS: Final = {0: "mouth wide open", 5: "eyes closed"}
_UNKNOWN: Final = "not described by the layout"
NUMBERED: Final = (
    "The layout numbers poses as pitch * 3 + yaw. Yaw 1 looks straight and pitch 1 is level; which way 0 "
    "and 2 are turned or tilted it does not say."
)


def pose_words(pose: int) -> str:
    """Say what a pose, 0 to 8, is; any other number the layout does not describe."""
    if not 0 <= pose < len(YAWS) * len(PITCHES):
        return f"pose {pose} ({_UNKNOWN})"
    return f"pose {pose}: {YAWS[pose % 3]}, {PITCHES[pose // 3]}"


def expression_words(expression: int) -> str:
    """Say what an expression is."""
    return f"expression {expression} ({_EXPRESSIONS.get(expression, _UNKNOWN)})"


PROTOCOLS: Final = {
    "frontal": f"every pair of captures of {pose_words(4)}",
    "yaw0": "every pair of captures that look straight, whatever the pitch: poses 1, 4 and 7",
    "all": "every pair of captures",
    "unlock": "every capture that is no reference with the nearest of each person's references",
}
"""What each protocol compares."""
