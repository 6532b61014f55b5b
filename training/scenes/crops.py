"""Head crops: one person before a backdrop as a depth camera sees them, with the true pose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from training.camera.models import KINECT_V2, CameraModel
from training.camera.raster import Camera, Pose
from training.camera.sensor import (
    StructuredLight,
    TimeOfFlight,
)
from training.people.person import Identity, Studio
from training.people.skin import Rng
from training.people.wear import Wear
from training.scenes.backdrop import composite, hall, room_wall
from training.scenes.capture import Capture, take_capture
from training.scenes.lights import infrared_light, room_lights
from training.scenes.poses import PoseRange, random_expression

Floats = NDArray[np.float32]
SUPERSAMPLING = 2


def head_crop(rng: Rng, distance_mm: float) -> tuple[Camera, tuple[float, float]]:
    """Draw a Kinect v2's crop around a head: its camera, and the pixel of the face frame's origin."""
    camera, origin, _ = KINECT_V2.crop(rng, distance_mm)
    return camera, origin


def render_head(
    rng: Rng,
    studio: Studio,
    identity: Identity,
    expression: Floats,
    pose: Pose,
    camera: Camera,
    *,
    sensor: TimeOfFlight | StructuredLight | None = None,
    modality: str = "infrared",
    background: str = "hall",
    hidden_offset_px: tuple[float, float] = (0.0, 0.0),
    wear: Wear | None = None,
) -> Capture:
    """Render a head crop of one person in a given pose, by a given camera.

    Parameters
    ----------
    pose, camera : where the head is, and what sees it, in the frame a user of the capture assumes.
    sensor : ranges of the sensor's errors; None for time of flight.
    modality : "infrared", "color" or "both".
    background : "hall" (far, dark, cluttered), "wall" or "none".
    hidden_offset_px : how far the crop's true principal point is from ``camera``'s: crops whose place in
        the frame was not recorded are seen slightly from the side.
    wear : glasses and cap; None for a bare head.
    """
    sensor = sensor or TimeOfFlight()
    dx, dy = hidden_offset_px
    true_camera = replace(camera, cx=camera.cx + dx, cy=camera.cy + dy)
    true_pose = _seen_from(pose, camera, true_camera)
    fine = true_camera.supersampled(SUPERSAMPLING)
    lamp = infrared_light(rng)
    lamps = room_lights(rng) if modality != "infrared" else ()
    scene, middle = studio.shoot(rng, identity, expression, true_pose, fine, lamp, lamps, wear)
    depth_of_head = float(true_pose.translation[2])
    with_color = modality != "infrared"
    if background == "hall":
        scene = composite(scene, hall(rng, fine, depth_of_head, with_color=with_color))
    elif background == "wall":
        scene = composite(scene, room_wall(rng, fine, depth_of_head, with_color=with_color))
    pixel = true_camera.project(middle)[0]
    # The same pixel and depth, back-projected with the assumed principal point.
    midpoint = np.array(camera.unproject(*pixel, middle[2]))
    return take_capture(
        rng,
        scene,
        SUPERSAMPLING,
        sensor,
        modality=modality,
        camera=camera,
        pose=pose,
        eye_midpoint_mm=midpoint,
        identity_weights=identity.weights,
        expression=np.asarray(expression, np.float32),
        hidden_offset_px=hidden_offset_px,
        worn=0 if wear is None else wear.code,
    )


def _seen_from(pose: Pose, assumed: Camera, true: Camera) -> Pose:
    """Pose in the true camera frame that falls on the same pixels as ``pose`` in the assumed one.

    The assumed camera shears what it sees (x' = x - k z) and does not turn it: depth keeps its slopes,
    so the rotation stays.
    """
    pixel = assumed.project(pose.translation)[0]
    return replace(pose, translation_mm=true.unproject(*pixel, pose.translation[2]))


def render_crop(
    rng: Rng,
    studio: Studio,
    identity: Identity,
    *,
    poses: PoseRange | None = None,
    modality: str = "infrared",
    model: CameraModel = KINECT_V2,
    hidden_offset_deviation_px: float | None = None,
    wide_open_share: float = 0.0,
    wear: Wear | None = None,
) -> Capture:
    """Render one head crop; all but the identity, the camera model and what is worn is drawn at random.

    Parameters
    ----------
    hidden_offset_deviation_px : instead of the camera model's own.
    wide_open_share : see `random_expression`.
    """
    poses = poses or PoseRange()
    yaw, pitch, roll = poses.angles(rng)
    distance = float(rng.uniform(*(model.distance_mm or poses.distance_mm)))
    camera, origin, binning = model.crop(rng, distance)
    deviation = model.hidden_offset_px if hidden_offset_deviation_px is None else hidden_offset_deviation_px
    dx, dy = rng.normal(0, deviation if model.hidden_offset_px else 0.0, 2)
    return render_head(
        rng,
        studio,
        identity,
        random_expression(rng, studio.head, wide_open_share=wide_open_share),
        Pose(yaw, pitch, roll, camera.unproject(*origin, distance)),
        camera,
        sensor=model.binned_sensor(binning),
        modality=modality,
        background="hall" if rng.random() < 0.75 else "wall",
        hidden_offset_px=(float(dx), float(dy)),
        wear=wear,
    )
