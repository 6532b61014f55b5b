"""Rooms of 640 x 480 pixels: a person, a wall, other people, an arm at the edge.

They serve to test locating and aligning: the truth is known exactly.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from training.camera.raster import Camera, Pose
from training.camera.sensor import Scene, StructuredLight, TimeOfFlight
from training.people.person import Identity, Studio
from training.people.skin import Rng
from training.scenes.backdrop import composite, plane, surface
from training.scenes.capture import Capture, take_capture
from training.scenes.lights import infrared_light, room_lights
from training.scenes.poses import random_expression

Floats = NDArray[np.float32]
HEAD_RADIUS_MM = 135.0
RIVAL_GAP_MM = 235.0  # at most so far behind the first face does a rival stand
RIVAL_DISTANCES_MM = (600.0, 1500.0)  # nearer, two faces do not fit into the picture
RIVAL_ASIDE_MM = (170.0, 215.0)  # of the picture's middle, either side


def room_camera(rng: Rng) -> Camera:
    """Draw a 640 x 480 camera."""
    focal = float(rng.uniform(570, 600))
    return Camera(focal, focal, 319.5 + float(rng.normal(0, 4)), 239.5 + float(rng.normal(0, 4)), 640, 480)


def _room_pose(rng: Rng, camera: Camera, distance_mm: float, sideways: float | None = None) -> Pose:
    """Draw a pose whose whole face is in the picture; ``sideways`` fixes x (mm)."""
    half_width = 0.5 * camera.width / camera.fx * distance_mm
    half_height = 0.5 * camera.height / camera.fy * distance_mm
    x = rng.uniform(-1, 1) * max(0.0, half_width - HEAD_RADIUS_MM) * 0.7 if sideways is None else sideways
    # The eyes stand above the middle of the face; the chin must be in the picture.
    y = rng.uniform(-0.5, 0.3) * max(0.0, half_height - 150.0) - (5.0 if half_height < 170 else 0.0)
    return Pose(
        float(rng.uniform(-25, 25)),
        float(rng.uniform(-15, 20)),
        float(rng.uniform(-10, 10)),
        (float(x), float(y), float(distance_mm)),
    )


def _aside(rng: Rng, camera: Camera, distance_mm: float) -> float:
    """How far from the middle one of two faces stands (mm), so that all of it is in the picture."""
    half_width = 0.5 * camera.width / camera.fx * distance_mm
    nearest, farthest = RIVAL_ASIDE_MM
    return float(rng.uniform(nearest, max(nearest, min(farthest, half_width - HEAD_RADIUS_MM))))


def _stranger(rng: Rng, studio: Studio) -> Identity:
    return studio.identity(rng, rng.standard_normal(studio.head.identity_count), hair_varies=False)


def _arm(rng: Rng, camera: Camera, faces: list[Pose], *, with_color: bool) -> Scene:
    """Somebody's arm, as near as the first face, reaching in from the other side, clear of all faces."""
    face = faces[0]
    u = camera.project(face.translation)[0, 0]
    distance = face.translation[2] * rng.uniform(0.85, 1.25)
    radius = rng.uniform(40, 75) * camera.fx / distance
    side = -1 if u > camera.cx else 1
    edge = 0.0 if side < 0 else camera.width - 1.0
    tip_x = edge - side * rng.uniform(0.0, 0.22) * camera.width
    for other in faces:
        u = camera.project(other.translation)[0, 0]
        clear = (HEAD_RADIUS_MM + 25) * camera.fx / other.translation[2] + radius
        tip_x = min(tip_x, u - clear) if side < 0 else max(tip_x, u + clear)
    tip = (int(tip_x), int(camera.height * rng.uniform(0.3, 0.9)))
    root = (int(edge + side * rng.uniform(60, 250)), int(camera.height * rng.uniform(0.6, 1.4)))
    mask = np.zeros((camera.height, camera.width), np.uint8)
    cv2.line(mask, root, tip, 1, max(2, int(2 * radius)))
    from_axis = radius - cv2.distanceTransform(mask, cv2.DIST_L2, 3)
    bulge = np.sqrt(np.maximum(radius**2 - np.maximum(from_axis, 0) ** 2, 0)) * distance / camera.fx
    depth = (distance - bulge).astype(np.float32)
    rgb = rng.uniform(0.03, 0.6, 3).astype(np.float32) if with_color else None
    arm = surface(depth, float(rng.uniform(0.1, 0.8)), rgb)
    arm.depth_mm[mask == 0] = np.inf
    return arm


def auto_exposed(scene: Scene, distance_mm: float) -> Scene:
    """Expose a scene: a face at ``distance_mm`` becomes as bright as one at the reference distance."""
    return replace(scene, radiance=scene.radiance * np.float32((distance_mm / 900.0) ** 2))


def before_wall(rng: Rng, scene: Scene, camera: Camera, wall_mm: float, *, with_color: bool) -> Scene:
    """Put a plain wall, turned a little, behind a scene; ``wall_mm`` is its distance on the axis."""
    wall = plane(rng, camera, wall_mm, rng.uniform(-20, 20))
    rgb = rng.uniform(0.2, 0.7) * np.ones(3, np.float32) if with_color else None
    return composite(scene, surface(wall, float(rng.uniform(0.3, 0.9)), rgb))


def render_room(
    rng: Rng,
    studio: Studio,
    identity: Identity,
    *,
    distance_mm: float | None = None,
    rival: bool = False,
    second_person: bool = True,
    intruder: bool = True,
    sensor: TimeOfFlight | StructuredLight | None = None,
    modality: str = "infrared",
    camera: Camera | None = None,
    pose: Pose | None = None,
    expression: Floats | None = None,
    factor: int = 1,
) -> Capture:
    """Render a person in a room, 640 x 480.

    Parameters
    ----------
    distance_mm : of the eyes' midpoint; drawn from 400 to 1300 where missing, with a rival from 600 to 1500.
        300 to 1500 make sense.
    rival : put a second face beside the first, its eyes up to 0.235 m farther away (at 0.6 m and more).
    second_person : put another, farther person (0.4 to 1.5 m behind) into the picture.
    intruder : let a foreign arm or shoulder reach in from the side.
    sensor : None for structured light.
    modality : "infrared", "color" or "both".
    factor : samples along a pixel's side.

    Returns
    -------
    Capture : the truth is the nearest person's; ``others_mm`` holds the eye midpoints of the others.
    """
    camera = camera or room_camera(rng)
    sensor = sensor or StructuredLight()
    if pose is None:
        if distance_mm is None:
            distance_mm = float(rng.uniform(*RIVAL_DISTANCES_MM) if rival else rng.uniform(400, 1300))
        aside = _aside(rng, camera, distance_mm) * rng.choice([-1, 1]) if rival else None
        pose = _room_pose(rng, camera, distance_mm, aside)
    x, _, distance = pose.translation
    expression = random_expression(rng, studio.head) if expression is None else expression
    fine = camera.supersampled(factor)
    lamp = infrared_light(rng)
    with_color = modality != "infrared"
    lamps = room_lights(rng) if with_color else ()
    scene, midpoint = studio.shoot(rng, identity, expression, pose, fine, lamp, lamps)

    others = []
    farthest = distance

    def add(other: Pose, eyes_mm: float | None = None) -> Pose:
        """Put a stranger into the picture; ``eyes_mm`` fixes the distance of the eyes, not of the pose."""
        nonlocal scene, farthest
        face = random_expression(rng, studio.head)
        stranger = _stranger(rng, studio)
        if eyes_mm is not None:
            eyes = studio.head.eye_midpoint(studio.head.vertices(stranger.weights, face))
            x, y, _ = other.translation_mm
            other = replace(other, translation_mm=(x, y, eyes_mm - float((other.rotation @ eyes)[2])))
        shot, middle = studio.shoot(rng, stranger, face, other, fine, lamp, lamps)
        scene = composite(scene, shot)
        others.append((float(middle[0]), float(middle[1]), float(middle[2])))
        farthest = max(farthest, other.translation[2])
        return other

    kept_clear = [pose]
    if rival:
        eyes_mm = float(midpoint[2] + rng.uniform(0, RIVAL_GAP_MM))
        side = float(-np.sign(x) * _aside(rng, camera, eyes_mm))
        kept_clear.append(add(_room_pose(rng, camera, eyes_mm, side), eyes_mm))
    if second_person:
        back = distance + rng.uniform(400, 1500)
        reach = 0.5 * camera.width / camera.fx * back
        beside = -np.sign(x + 1e-6) * rng.uniform(0.3, 0.8) * reach
        add(_room_pose(rng, camera, back, float(beside)))
    if intruder:
        scene = composite(scene, _arm(rng, fine, kept_clear, with_color=with_color))
    wall_mm = farthest + rng.uniform(350, 1500)
    scene = before_wall(rng, scene, fine, wall_mm, with_color=with_color)
    return take_capture(
        rng,
        auto_exposed(scene, distance),
        factor,
        sensor,
        modality=modality,
        camera=camera,
        pose=pose,
        eye_midpoint_mm=midpoint,
        identity_weights=identity.weights,
        expression=expression,
        others_mm=tuple(others),
    )
