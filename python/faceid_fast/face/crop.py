"""An aligned face, how its head is held and what was measured of it; or why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from faceid_fast.outcome import Outcome

TENSOR_SHAPE: Final = (4, 72, 64)
"""(channels, height, width) of the network's input: depth, red, green, blue, on a grid of 2 mm."""
GRID_STEP_MM: Final = 2.0
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class HeadPose:
    """Where a head is and how it is turned: p_camera = rotation @ p_face + translation.

    Attributes
    ----------
    rotation : (3, 3) float32
        Rz(roll) Rx(pitch) Ry(yaw).
    translation_mm : (3,) float32
        The face frame's origin (between the outer eye corners of the mean head) in the camera's
        frame: x to the right, y down, z away from the camera.
    yaw_deg, pitch_deg, roll_deg : float
        As the camera sees it: positive yaw turns the nose to the image's left, positive pitch
        lowers it, positive roll turns the head clockwise. 0 is frontal.
    """

    rotation: Floats
    translation_mm: Floats
    yaw_deg: float
    pitch_deg: float
    roll_deg: float


@dataclass(frozen=True, slots=True)
class Cues:
    """What an aligned face says about being one, measured within 50 mm of its middle.

    All are 0 where there is too little depth to tell.

    Attributes
    ----------
    relief_mm : float
        Root mean square distance of the depth from its best plane: 0 for flat pictures.
    curved_relief_mm : float
        The same from its best quadric (1, x, y, x^2, xy, y^2): 0 for pictures round cylinders too.
    agreement : float
        Correlation of what a quadric leaves of the depth with what it leaves of the mean face, -1 to 1: nose,
        eye sockets and cheeks where they should be.
    structure : float
        How much of the mean face's structure the depth has, by regression; about 1.
    valid_share : float
        Share of the cells that have depth, 0 to 1.
    noise_mm : float
        Deviation of the depth from its neighbours, as that of white noise.
    contrast : float
        Root mean square of the picture, as `FaceCrop.tensor` has it.
    """

    relief_mm: float
    curved_relief_mm: float
    agreement: float
    structure: float
    valid_share: float
    noise_mm: float
    contrast: float


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FaceCrop:
    """A face as the network sees it, and how well it was seen.

    Attributes
    ----------
    tensor : (4, 72, 64) float32
        Channel 0: depth relative to the mean face in units of 10 mm, clipped at +-2.5. Channels 1 to
        3: log of linear red, green and blue, each less its own mean over a neighbourhood of 12 mm, all
        over the deviation of their mean there, clipped at +-3; infrared stands in for all three.
        Missing cells are 0.
    valid : (72, 64) bool
        Cells that have depth.
    pose : HeadPose
    principal_point_px : (cx, cy)
        Of the camera that pose and millimetres refer to: that of the frame's intrinsics, or what was
        found where those say that it is uncertain.
    eye_midpoint_mm : (3,) float32
        Between the outer eye corners, in the camera's frame.
    distance_mm : float
        From the camera's plane to the eyes.
    fit_score : float
        How well the head model explains the depth, 0 to 1.
    residual_mm : float
        Root mean square distance between model and depth.
    cues : Cues
        What tells it from a picture.
    valid_share : float
        Share of the grid's cells that have depth, 0 to 1.
    region : (top, left, bottom, right)
        Pixels of the frame in which the head was found.
    band_mm : (near, far)
        Depths that were considered there; everything else counts as background.
    """

    tensor: Floats
    valid: NDArray[np.bool_]
    pose: HeadPose
    principal_point_px: tuple[float, float]
    eye_midpoint_mm: Floats
    distance_mm: float
    fit_score: float
    residual_mm: float
    cues: Cues
    valid_share: float
    region: tuple[int, int, int, int]
    band_mm: tuple[float, float]

    def __repr__(self) -> str:
        """Pose and quality, never the face."""
        pose = self.pose
        return (
            f"FaceCrop(yaw={pose.yaw_deg:.0f}, pitch={pose.pitch_deg:.0f}, roll={pose.roll_deg:.0f} deg, "
            f"distance={self.distance_mm:.0f} mm, fit_score={self.fit_score:.2f})"
        )


@dataclass(frozen=True, slots=True)
class NoFace:
    """Why a frame gave no face: an expected outcome, not an error.

    Attributes
    ----------
    outcome : never `ACCEPTED`.
    reasons : in words.
    measured : what was measured of a picture, in words. Not among the reasons: whoever holds up pictures
        could bend them by it.
    """

    outcome: Outcome
    reasons: tuple[str, ...]
    measured: tuple[str, ...] = ()
