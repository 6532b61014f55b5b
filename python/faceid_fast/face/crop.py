"""An aligned face with its head pose and its measurements, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from faceid_fast.outcome import Outcome

TENSOR_SHAPE: Final = (4, 72, 64)
"""(channels, height, width) of the network's input: depth, red, green, blue, on a grid of 2 mm."""
GRID_STEP_MM: Final = 2.0
CHIP_SHAPE: Final = (3, 150, 150)
"""(channels, height, width) of the picture that is cut out of the frame's: red, green, blue."""
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class HeadPose:
    """Position and orientation of a head: p_camera = rotation @ p_face + translation.

    Attributes
    ----------
    rotation : (3, 3) float32
        Rz(roll) Rx(pitch) Ry(yaw).
    translation_mm : (3,) float32
        The origin of the face's coordinates (between the outer eye corners of the mean head) in the
        camera's: x to the right, y down, z away from the camera.
    yaw_deg, pitch_deg, roll_deg : float
        As the camera sees the head: positive yaw turns the nose to the image's left, positive pitch
        lowers it, positive roll turns the head clockwise. 0 is frontal.
    """

    rotation: Floats
    translation_mm: Floats
    yaw_deg: float
    pitch_deg: float
    roll_deg: float


@dataclass(frozen=True, slots=True)
class Cues:
    """Liveness cues: measurements of an aligned face, within 50 mm of its middle.

    All are 0 if there is too little depth to measure them.

    Attributes
    ----------
    relief_mm : float
        Root mean square distance of the depth from its best-fitting plane: 0 for a flat picture.
    curved_relief_mm : float
        Root mean square distance of the depth from its best-fitting quadric (1, x, y, x^2, xy, y^2): 0 also
        for a picture bent round a cylinder.
    agreement : float
        Correlation, -1 to 1, of the residuals of the depth with those of the mean face, each after its
        best-fitting quadric: high if nose, eye sockets and cheeks are where they should be.
    structure : float
        Regression coefficient of the depth's residuals on those of the mean face; about 1 for a face.
    valid_share : float
        Share of the cells whose depth was measured, 0 to 1.
    noise_mm : float
        Deviation of the depth from its neighbours, as the standard deviation of white noise.
    contrast : float
        Root mean square of the picture's channels of `FaceCrop.tensor`.
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
    """An aligned face, as the network sees it, and measurements of its quality.

    Attributes
    ----------
    tensor : (4, 72, 64) float32
        Channel 0: depth relative to the mean face in units of 10 mm, clipped at +-2.5. Channels 1 to
        3: log of linear red, green and blue, each minus its own mean over a neighbourhood of 12 mm, all
        divided by the deviation of their mean there, clipped at +-3; infrared fills all three.
        Cells without a value are 0.
    chip : (3, 150, 150) uint8
        Red, green and blue of the face, cut out of the frame's picture and brought upright by a similarity
        that follows from the pose: the outer eye corners of a frontal face are at about (column, row) =
        (37, 46) and (111, 46), the base of its nose at (74, 88). Colours are those of the frame (sRGB).
        Infrared is scaled so that 98 % of the pixels are not clipped, its square root taken, and fills all
        three. What lies outside of the frame is 0.
    valid : (72, 64) bool
        True for cells that have depth, measured or filled.
    pose : HeadPose
    principal_point_px : (cx, cy)
        Principal point of the camera that pose and millimetres refer to: that of the frame's intrinsics,
        or an estimate if `principal_deviation_px` is above 0.
    eye_midpoint_mm : (3,) float32
        The point between the outer eye corners, in the camera's coordinates.
    distance_mm : float
        From the camera's plane to the eyes.
    fit_score : float
        How well the head model explains the depth, 0 to 1.
    residual_mm : float
        Root mean square distance between head model and depth.
    cues : Cues
        What the liveness check decides by.
    valid_share : float
        Share of the grid's cells whose depth was measured, 0 to 1.
    filled_share : float
        Share of the cells with depth that small holes were filled for, not measured, 0 to 1.
    region : (top, left, bottom, right)
        Pixels of the frame in which the head was found.
    band_mm : (near, far)
        Range of depths that were considered there; everything else counts as background.
    turned_deg : 0, 90, 180 or 270
        Degrees clockwise by which the frame was turned first; pose, principal point and region are those of
        the turned frame. `FaceAligner.align` turns no frame.
    """

    tensor: Floats
    chip: NDArray[np.uint8]
    valid: NDArray[np.bool_]
    pose: HeadPose
    principal_point_px: tuple[float, float]
    eye_midpoint_mm: Floats
    distance_mm: float
    fit_score: float
    residual_mm: float
    cues: Cues
    valid_share: float
    filled_share: float
    region: tuple[int, int, int, int]
    band_mm: tuple[float, float]
    turned_deg: int = 0

    def __repr__(self) -> str:
        """Pose, distance and fit score; never the face."""
        pose = self.pose
        return (
            f"FaceCrop(yaw={pose.yaw_deg:.0f}, pitch={pose.pitch_deg:.0f}, roll={pose.roll_deg:.0f} deg, "
            f"distance={self.distance_mm:.0f} mm, fit_score={self.fit_score:.2f})"
        )


@dataclass(frozen=True, slots=True)
class NoFace:
    """The reason why a frame gave no face: an expected outcome, not an error.

    Attributes
    ----------
    outcome : never `ACCEPTED`.
    reasons : why there is no face, in words.
    measured : the figures behind the reasons, in words. They are kept apart because an attacker could
        improve a presentation attack by them.
    turned_deg : degrees clockwise by which the frame was turned first: 0, 90, 180 or 270.
    """

    outcome: Outcome
    reasons: tuple[str, ...]
    measured: tuple[str, ...] = ()
    turned_deg: int = 0
