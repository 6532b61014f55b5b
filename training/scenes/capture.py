"""Captures: what a sensor makes of an ideal scene, with the truth about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.camera.raster import Camera, Pose
from training.camera.sensor import (
    Scene,
    StructuredLight,
    TimeOfFlight,
    color_picture,
    structured_light,
    time_of_flight,
)
from training.people.skin import Rng

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Capture:
    """Pictures of one capture, and the truth about the face on them.

    Attributes
    ----------
    depth_mm : (H, W) uint16, 0 = no reading.
    infrared : (H, W) uint16, or None; color : (H, W, 3) uint8 sRGB, or None.
    camera : the intrinsics a user of the capture is told.
    rotation (3, 3), translation_mm (3,) : face frame to camera frame.
    eye_midpoint_mm : (3,) midpoint of this head's outer eye corners, camera frame.
    identity_weights (100,), expression (53,) : of the parametric head.
    yaw_deg, pitch_deg, roll_deg : signs as in `training.camera.raster.Pose`.
    hidden_offset_px : where the true principal point lies beside that of ``camera``, (columns, rows).
    others_mm : eye midpoints of other, farther people in the picture.
    camera_model : index into `training.camera.models.CAMERA_MODELS`; worn : 1 glasses, 2 a cap, 3 both.
    """

    depth_mm: NDArray[np.uint16]
    infrared: NDArray[np.uint16] | None
    color: NDArray[np.uint8] | None
    camera: Camera
    rotation: NDArray[np.float64]
    translation_mm: NDArray[np.float64]
    eye_midpoint_mm: NDArray[np.float64]
    identity_weights: Floats
    expression: Floats
    yaw_deg: float
    pitch_deg: float
    roll_deg: float
    hidden_offset_px: tuple[float, float] = (0.0, 0.0)
    others_mm: tuple[tuple[float, float, float], ...] = ()
    camera_model: int = 0
    worn: int = 0

    @property
    def distance_mm(self) -> float:
        """Distance of the eye midpoint from the camera's plane."""
        return float(self.eye_midpoint_mm[2])


def take_capture(
    rng: Rng,
    scene: Scene,
    factor: int,
    sensor: TimeOfFlight | StructuredLight,
    *,
    modality: str,
    camera: Camera,
    pose: Pose,
    eye_midpoint_mm: NDArray[np.float64],
    identity_weights: Floats,
    expression: Floats,
    hidden_offset_px: tuple[float, float] = (0.0, 0.0),
    others_mm: tuple[tuple[float, float, float], ...] = (),
    camera_model: int = 0,
    worn: int = 0,
) -> Capture:
    """Turn an ideal scene into what a sensor delivers, and note the truth beside it.

    Parameters
    ----------
    scene : ideal pictures with ``factor`` x ``factor`` samples a pixel.
    sensor : what makes depth of the scene.
    modality : which pictures come with the depth: "infrared", "color" or "both".
    camera : what a user of the capture is told; it also scales the sensor's disparities.
    pose : of the face, in the camera's frame. The rest is as in `Capture`.
    """
    if isinstance(sensor, TimeOfFlight):
        depth, infrared = time_of_flight(rng, scene, factor, sensor, camera.fx)
    else:
        depth, infrared = structured_light(rng, scene, factor, sensor, camera.fx)
    color = color_picture(rng, scene, factor) if modality != "infrared" else None
    return Capture(
        depth_mm=depth,
        infrared=infrared if modality != "color" else None,
        color=color,
        camera=camera,
        rotation=pose.rotation,
        translation_mm=pose.translation,
        eye_midpoint_mm=eye_midpoint_mm,
        identity_weights=identity_weights,
        expression=expression,
        yaw_deg=pose.yaw_deg,
        pitch_deg=pose.pitch_deg,
        roll_deg=pose.roll_deg,
        hidden_offset_px=hidden_offset_px,
        others_mm=others_mm,
        camera_model=camera_model,
        worn=worn,
    )
