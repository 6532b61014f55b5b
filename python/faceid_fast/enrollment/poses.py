"""The poses that an enrolment should cover, and the pose of a head."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from faceid_fast.face.crop import HeadPose


POSES: Final = ("frontal", "left", "right", "up", "down")
"""Together they cover how people hold their heads. "left" is the picture's left, as the camera sees it."""


TURNED_DEG: Final = 10.0
"""Least angle of a turned head; a person who is told to look straight stays well below it."""


def pose_name(pose: HeadPose) -> str:
    """Return the one of `POSES` that fits the larger of yaw and pitch."""
    if max(abs(pose.yaw_deg), abs(pose.pitch_deg)) < TURNED_DEG:
        return "frontal"
    if abs(pose.yaw_deg) >= abs(pose.pitch_deg):
        return "left" if pose.yaw_deg > 0 else "right"
    return "down" if pose.pitch_deg > 0 else "up"


def nearest_to(name: str, poses: Sequence[HeadPose]) -> str:
    """Say how near heads came to a pose that none of them is in: "" if none was turned that way at all.

    Parameters
    ----------
    name : one of `POSES`, that `pose_name` gives none of them.
    poses : how the heads were held.
    """
    if not poses:
        return ""
    if name == "frontal":
        least = min(max(abs(pose.yaw_deg), abs(pose.pitch_deg)) for pose in poses)
        return f"frontal: turned by at least {least:.0f} degrees, of which less than {TURNED_DEG:.0f} count"
    degrees = max(_towards(name, pose) for pose in poses)
    if degrees >= TURNED_DEG:
        side = "up or down" if name in {"left", "right"} else "to a side"
        return f"{name}: {degrees:.0f} degrees, but only with a larger turn {side}"
    # Cut off, not rounded: 9.9 are not yet the 10 that count.
    return (
        f"{name}: at most {int(degrees)} degrees of the {TURNED_DEG:.0f} that count" if degrees >= 1 else ""
    )


def _towards(name: str, pose: HeadPose) -> float:
    """Degrees that a head is turned towards a pose; negative if it is turned the other way."""
    return {
        "left": pose.yaw_deg,
        "right": -pose.yaw_deg,
        "up": -pose.pitch_deg,
        "down": pose.pitch_deg,
    }[name]
