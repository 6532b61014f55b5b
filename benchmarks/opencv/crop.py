"""Much less work: a rectangle at the head, as large as a head is there, scaled to the tensor's size."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from faceid_fast.frame import Frame

from .draw import HEIGHT, STEP_MM, WIDTH
from .locate import clamped

Floats = NDArray[np.float32]

_STEP, _HEAD_MM, _TOP_MM = 4, 200.0, 40.0


def crop(frame: Frame) -> Floats:
    """Cut out the nearest large thing in colour, (4, 72, 64): turned, tilted and hairy as it is.

    Raises
    ------
    ValueError
        If there is no depth.
    """
    mm = frame.depth * np.float32(1e3 * frame.depth_unit_m)
    coarse = mm[::_STEP, ::_STEP]
    near = float(np.partition(coarse[coarse > 0], 100)[100])
    mask = cv2.inRange(coarse, near, near + _HEAD_MM)
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask)
    left, top, width, _, _ = stats[1 + stats[1:, cv2.CC_STAT_AREA].argmax()] * _STEP
    pixels = frame.intrinsics.fx / near  # of a millimetre
    half = WIDTH * STEP_MM / 2 * pixels
    # Shoulders do not lie in the middle of a head's top.
    upper = mask[top // _STEP : top // _STEP + max(1, int(_TOP_MM * pixels) // _STEP)]
    middle = _STEP * float(np.mean(np.nonzero(upper)[1])) if upper.any() else left + width / 2
    first = top + _TOP_MM * pixels
    height, width = mm.shape
    place = np.s_[
        clamped(first, height) : clamped(first + HEIGHT * STEP_MM * pixels, height),
        clamped(middle - half, width) : clamped(middle + half, width),
    ]
    size = (WIDTH, HEIGHT)
    depth = cv2.resize(mm[place], size, interpolation=cv2.INTER_AREA)
    picture = cv2.resize(frame.picture[place], size, interpolation=cv2.INTER_AREA).astype(np.float32)
    mean, deviation = cv2.meanStdDev(picture)
    channels = (picture - mean.ravel()) / (deviation.ravel() + 1)
    tensor = np.empty((4, HEIGHT, WIDTH), np.float32)
    tensor[0] = np.clip((depth - np.median(depth)) / 10, -2.5, 2.5)
    tensor[1:] = channels.transpose(2, 0, 1)
    return tensor
