"""Renders of heads as a depth camera sees them, with their ground truth.

``python -m training.render --sheet FILE`` draws a contact sheet to look at.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from training.backdrop import composite, hall, room_wall
from training.camera.models import KINECT_V2, CameraModel
from training.camera.raster import Camera, Pose
from training.camera.sensor import (
    Scene,
    StructuredLight,
    TimeOfFlight,
    color_picture,
    structured_light,
    time_of_flight,
)
from training.heads.ict import ParametricHead
from training.people.person import Identity, Light, Studio
from training.people.skin import Rng
from training.people.wear import Wear

Floats = NDArray[np.float32]
SUPERSAMPLING = 2


@dataclass(frozen=True, eq=False)
class Capture:
    """One capture and the truth about it.

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


@dataclass(frozen=True)
class PoseRange:
    """Ranges of pose, degrees and millimetres: normal where a mean and deviation stand, else uniform."""

    yaw_deviation: float = 15.0
    yaw_limit: float = 38.0
    pitch_mean: float = 8.0
    pitch_deviation: float = 12.0
    pitch_limits: tuple[float, float] = (-25.0, 35.0)
    roll_deviation: float = 6.0
    distance_mm: tuple[float, float] = (700.0, 1080.0)

    def angles(self, rng: Rng) -> tuple[float, float, float]:
        """Draw yaw, pitch and roll."""
        yaw = np.clip(rng.normal(0, self.yaw_deviation), -self.yaw_limit, self.yaw_limit)
        pitch = np.clip(rng.normal(self.pitch_mean, self.pitch_deviation), *self.pitch_limits)
        return float(yaw), float(pitch), float(np.clip(rng.normal(0, self.roll_deviation), -18, 18))


def random_expression(rng: Rng, head: ParametricHead, *, wide_open_share: float = 0.0) -> Floats:
    """Draw expression weights (53,): mostly mild and mixed, mouths open and eyes shut now and then.

    With probability ``wide_open_share`` the mouth is wide open, whatever the rest of the face does.
    """
    weights = np.zeros(head.expression_count, np.float32)
    if rng.random() < 0.8:
        chosen = rng.choice(head.expression_count, int(rng.integers(1, 7)), replace=False)
        weights[chosen] = rng.uniform(0.0, 0.8, len(chosen))

    def both(name: str, value: float) -> None:
        for side in ("_L", "_R"):
            weights[head.expression_index(name + side)] = value

    if rng.random() < 0.3:
        weights[head.expression_index("jawOpen")] = rng.uniform(0.0, 1.0)
    if rng.random() < 0.15:
        both("eyeBlink", float(rng.uniform(0.5, 1.0)))
    if rng.random() < 0.15:
        both("mouthSmile", float(rng.uniform(0.2, 1.0)))
    if wide_open_share and rng.random() < wide_open_share:
        weights[head.expression_index("jawOpen")] = rng.uniform(0.6, 1.1)
    return weights


def infrared_light(rng: Rng, reach_mm: float = 80.0) -> Light:
    """Draw an illuminator beside the camera."""
    angle, reach = rng.uniform(0, 2 * np.pi), reach_mm * np.sqrt(rng.random())
    position = np.float32([reach * np.cos(angle), 0.6 * reach * np.sin(angle), rng.uniform(-10, 10)])
    return Light(position, float(rng.uniform(0.0, 0.05)), falloff=True, tint=np.ones(3, np.float32))


def room_lights(rng: Rng) -> tuple[Light, ...]:
    """Ambient light from a random direction, warm or cool."""
    direction = np.float32([rng.normal(0, 1.2), rng.normal(-0.7, 0.6), rng.uniform(-1.2, 0.2)])
    direction /= np.linalg.norm(direction)
    warmth = rng.normal(0, 0.1)
    tint = np.float32([1 + warmth, 1.0, 1 - warmth])
    # Three metres from a head about one metre away.
    position = np.float32([0, 0, 900]) + 3000 * direction
    return (Light(position, float(rng.uniform(0.25, 1.2)), falloff=False, tint=tint),)


def head_crop(rng: Rng, distance_mm: float) -> tuple[Camera, tuple[float, float]]:
    """A Kinect v2's crop around a head, and where the face frame's origin falls in it (pixels)."""
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
    """Render one person.

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
    depth, infrared, color = expose(rng, scene, SUPERSAMPLING, sensor, focal_px=camera.fx, modality=modality)

    pixel = true_camera.project(middle)[0]
    # The same pixel and depth, back-projected with the assumed principal point.
    midpoint = np.array(
        [
            (pixel[0] - camera.cx) / camera.fx * middle[2],
            (pixel[1] - camera.cy) / camera.fy * middle[2],
            middle[2],
        ]
    )
    return Capture(
        depth_mm=depth,
        infrared=infrared,
        color=color,
        camera=camera,
        rotation=pose.rotation,
        translation_mm=pose.translation,
        eye_midpoint_mm=midpoint,
        identity_weights=identity.weights,
        expression=np.asarray(expression, np.float32),
        yaw_deg=pose.yaw_deg,
        pitch_deg=pose.pitch_deg,
        roll_deg=pose.roll_deg,
        hidden_offset_px=hidden_offset_px,
        worn=0 if wear is None else wear.code,
    )


def _seen_from(pose: Pose, assumed: Camera, true: Camera) -> Pose:
    """Pose in the true camera frame that falls on the same pixels as ``pose`` in the assumed one.

    The assumed camera shears what it sees (x' = x - k z) and does not turn it: depth keeps its slopes,
    so the rotation stays.
    """
    t = pose.translation
    pixel = assumed.project(t)[0]
    moved = np.array([(pixel[0] - true.cx) / true.fx, (pixel[1] - true.cy) / true.fy, 1.0]) * t[2]
    return replace(pose, translation_mm=(float(moved[0]), float(moved[1]), float(moved[2])))


def expose(
    rng: Rng,
    scene: Scene,
    factor: int,
    sensor: TimeOfFlight | StructuredLight,
    *,
    focal_px: float,
    modality: str,
) -> tuple[NDArray[np.uint16], NDArray[np.uint16] | None, NDArray[np.uint8] | None]:
    """Depth, infrared and colour of an ideal scene as ``sensor`` delivers them."""
    if isinstance(sensor, TimeOfFlight):
        depth, infrared = time_of_flight(rng, scene, factor, sensor)
    else:
        depth, infrared = structured_light(rng, scene, factor, sensor, focal_px)
    color = color_picture(rng, scene, factor) if modality != "infrared" else None
    return depth, (infrared if modality != "color" else None), color


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
    """Render one head crop with everything but the identity, the camera and what is worn drawn at random.

    Parameters
    ----------
    hidden_offset_deviation_px : instead of the camera model's own.
    wide_open_share : see `random_expression`.
    """
    poses = poses or PoseRange()
    yaw, pitch, roll = poses.angles(rng)
    distance = float(rng.uniform(*(model.distance_mm or poses.distance_mm)))
    camera, (u, v), binning = model.crop(rng, distance)
    x, y = (u - camera.cx) / camera.fx * distance, (v - camera.cy) / camera.fy * distance
    deviation = model.hidden_offset_px if hidden_offset_deviation_px is None else hidden_offset_deviation_px
    dx, dy = rng.normal(0, deviation if model.hidden_offset_px else 0.0, 2)
    return render_head(
        rng,
        studio,
        identity,
        random_expression(rng, studio.head, wide_open_share=wide_open_share),
        Pose(yaw, pitch, roll, (float(x), float(y), distance)),
        camera,
        sensor=model.binned_sensor(binning),
        modality=modality,
        background="hall" if rng.random() < 0.75 else "wall",
        hidden_offset_px=(float(dx), float(dy)),
        wear=wear,
    )


if __name__ == "__main__":
    from training.sheet import main

    main()
