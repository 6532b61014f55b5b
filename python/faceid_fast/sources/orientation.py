"""Rotate and mirror frames, so that they are as an upright camera without mirroring takes them.

The aligner looks for heads that are about upright, and a face differs from its mirror image. Frames of a
camera on its side, or of a driver that mirrors them, need these functions first.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from faceid_fast.checks import checked_instance, checked_integer
from faceid_fast.frame import Frame, Intrinsics, captured

_MAX_TURNS: Final = 1 << 30


def rotated(frame: Frame, quarter_turns: int) -> Frame:
    """Rotate a frame by a multiple of 90 degrees, counter-clockwise as seen in the picture.

    The intrinsics are rotated too, so that every point is rotated about the optical axis.

    Raises
    ------
    InvalidInputError
        If `frame` is not a Frame, or `quarter_turns` not a whole number.
    """
    checked_instance("frame", frame, Frame)
    turns = checked_integer("quarter_turns", quarter_turns, -_MAX_TURNS, _MAX_TURNS) % 4
    if turns == 0:
        return frame
    k, width = frame.intrinsics, frame.shape[1]
    depth, picture = frame.depth, frame.picture
    for _ in range(turns):
        depth, picture = np.rot90(depth), np.rot90(picture)
        k = replace(k, fx=k.fy, fy=k.fx, cx=k.cy, cy=width - 1 - k.cx)
        width = depth.shape[1]
    return _like(frame, depth, picture, k)


def mirrored(frame: Frame) -> Frame:
    """Swap left and right of a frame and its intrinsics, so that x becomes -x for every point.

    Raises
    ------
    InvalidInputError
        If `frame` is not a Frame.
    """
    checked_instance("frame", frame, Frame)
    k = replace(frame.intrinsics, cx=frame.shape[1] - 1 - frame.intrinsics.cx)
    return _like(frame, frame.depth[:, ::-1], frame.picture[:, ::-1], k)


def _like(frame: Frame, depth: NDArray[Any], picture: NDArray[Any], intrinsics: Intrinsics) -> Frame:
    made = Frame(
        depth=depth,
        depth_unit_m=frame.depth_unit_m,
        intrinsics=intrinsics,
        **{frame.modality: picture},
    )
    # Cameras on their side need this: it is the same capture, however it is held.
    return made if frame.capture is None else captured(made, frame.capture)
