"""Poses that an enrolment should cover, and which of them a head is in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from faceid_fast.face.crop import HeadPose


POSES: Final = ("frontal", "left", "right", "up", "down")
"""Together they cover how people hold their heads; as the camera sees it: "left" is the image's left."""


TURNED_DEG: Final = 10.0
"""From here on a head counts as turned; a person told to look straight stays well within it."""


def pose_name(pose: HeadPose) -> str:
    """Name a pose by its larger turn: one of `POSES`."""
    if max(abs(pose.yaw_deg), abs(pose.pitch_deg)) < TURNED_DEG:
        return "frontal"
    if abs(pose.yaw_deg) >= abs(pose.pitch_deg):
        return "left" if pose.yaw_deg > 0 else "right"
    return "down" if pose.pitch_deg > 0 else "up"
