"""The window of a stream: the picture, the outline of the face, where it looks, and the decision."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from faceid_fast.cli.demo.picture import as_bgr
from faceid_fast.face.crop import NoFace

from .verdict import verdict_of

if TYPE_CHECKING:
    from faceid_fast.cli.demo.picture import Pixels
    from faceid_fast.face.crop import FaceCrop
    from faceid_fast.stream import Moment

LEAST_HEIGHT: Final = 480
RING_DEG: Final = 30.0
"""Turn of a head, in degrees, at which the dot lies on the ring."""
_WAITING, _ACCEPTED, _REFUSED = (200, 200, 200), (80, 200, 60), (60, 60, 230)
"""BGR."""
_MARGIN: Final = 12
_FONT_SCALE: Final = 0.6


def draw(moment: Moment, dropped: int) -> Pixels:
    """Draw a frame, (H, W, 3) uint8 BGR, at least `LEAST_HEIGHT` high."""
    picture = as_bgr(moment.frame.picture)
    scale = math.ceil(max(LEAST_HEIGHT / picture.shape[0], 1))
    canvas: Pixels = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
    decision = moment.standing
    color = _WAITING if decision is None else _ACCEPTED if decision.accepted else _REFUSED
    if not isinstance(moment.look, NoFace):
        _draw_face(canvas, moment.look, scale, color)
    _write(canvas, verdict_of(moment), 2 * _MARGIN, color)
    low = canvas.shape[0] - _MARGIN
    _write(canvas, f"{moment.frames_per_s:.0f} frames/s, {dropped} dropped", low, _WAITING)
    return canvas


def _draw_face(canvas: Pixels, face: FaceCrop, scale: int, color: tuple[int, int, int]) -> None:
    """Draw an ellipse around the head, and a ring with a dot that goes where the nose points."""
    top, left, bottom, right = (scale * side for side in face.region)
    center = (left + right) // 2, (top + bottom) // 2
    axes = max((right - left) // 2, 1), max((bottom - top) // 2, 1)
    cv2.ellipse(canvas, center, axes, 0.0, 0.0, 360.0, color, 2, cv2.LINE_AA)
    radius = max(min(axes) // 3, 1)
    cv2.circle(canvas, center, radius, color, 1, cv2.LINE_AA)
    # Positive yaw turns the nose to the image's left, positive pitch lowers it.
    turned = np.array([-face.pose.yaw_deg, face.pose.pitch_deg]) / RING_DEG
    turned /= max(float(np.hypot(*turned)), 1.0)
    dot = center[0] + round(radius * turned[0]), center[1] + round(radius * turned[1])
    cv2.circle(canvas, dot, 5, color, -1, cv2.LINE_AA)


def _write(canvas: Pixels, text: str, bottom: int, color: tuple[int, int, int]) -> None:
    plain = text.encode("ascii", "replace").decode("ascii")  # the font has no more
    for ink, thickness in (((0, 0, 0), 4), (color, 1)):  # read on any background
        cv2.putText(
            canvas,
            plain,
            (_MARGIN, bottom),
            cv2.FONT_HERSHEY_SIMPLEX,
            _FONT_SCALE,
            ink,
            thickness,
            cv2.LINE_AA,
        )
