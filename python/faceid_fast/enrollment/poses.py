"""The poses that an enrolment should cover, and the pose of a head."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
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
