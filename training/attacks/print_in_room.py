"""A print held in a room: a photograph of a face before a wall, 640 x 480."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from training.attacks.paper import PORTRAIT_MM, photograph
from training.camera.raster import Pose, rotation_of
from training.camera.sensor import StructuredLight, TimeOfFlight
from training.people.person import Identity, Studio
from training.people.skin import Rng
from training.scenes.backdrop import surface
from training.scenes.capture import Capture, take_capture
from training.scenes.rooms import auto_exposed, before_wall, room_camera


def render_print(
    rng: Rng,
    studio: Studio,
    identity: Identity,
    *,
    distance_mm: float | None = None,
    bend_mm: float = 0.0,
    sensor: TimeOfFlight | StructuredLight | None = None,
    modality: str = "infrared",
) -> Capture:
    """Render a print attack: a photograph of a face on a sheet held before a wall, 640 x 480.

    Parameters
    ----------
    distance_mm : of the sheet's middle; drawn from 350 to 1000 where missing.
    bend_mm : how far the sheet's middle stands out before its left and right edges.

    Returns
    -------
    Capture : its pose and eye midpoint are those of the face on the sheet.
    """
    camera = room_camera(rng)
    sensor = sensor or StructuredLight()
    distance_mm = float(rng.uniform(350, 1000)) if distance_mm is None else distance_mm
    with_color = modality != "infrared"
    portrait = photograph(rng, studio, identity, with_color=with_color)
    pose = Pose(
        float(rng.uniform(-20, 20)),
        float(rng.uniform(-15, 15)),
        float(rng.uniform(-8, 8)),
        (float(rng.uniform(-0.1, 0.1) * distance_mm), 0.0, distance_mm),
    )
    turn = rotation_of(pose.yaw_deg, pose.pitch_deg, pose.roll_deg)
    size = PORTRAIT_MM * rng.uniform(0.7, 1.1)  # millimetres a pixel of the portrait
    left, top = -149.5 * size, -149.5 * size
    corners = np.array(
        [[left, top, 0], [-left, top, 0], [-left, top + 369 * size, 0], [left, top + 369 * size, 0]]
    )
    image = camera.project(corners @ turn.T + pose.translation).astype(np.float32)
    source = np.float32([[0, 0], [299, 0], [299, 369], [0, 369]])
    warp = cv2.getPerspectiveTransform(source, image)
    shape = (camera.width, camera.height)
    inside = cv2.warpPerspective(np.ones((370, 300), np.float32), warp, shape, flags=cv2.INTER_NEAREST) > 0

    normal = turn[:, 2]
    x, y = camera.rays()
    depth = (normal @ pose.translation) / (normal[0] * x[None, :] + normal[1] * y[:, None] + normal[2])
    across = cv2.warpPerspective(
        np.broadcast_to(np.linspace(-1, 1, 300, dtype=np.float32), (370, 300)).copy(), warp, shape
    )
    depth = depth - bend_mm * (1 - across**2)
    ink = cv2.warpPerspective(portrait.infrared, warp, shape)
    contrast = rng.uniform(0.3, 1.0)  # some inks hardly show in infrared
    ink = np.float32(contrast) * ink + np.float32((1 - contrast) * 0.6)
    sheet = surface(depth.astype(np.float32), ink, None)
    if portrait.color is not None:
        sheet = replace(sheet, color=cv2.warpPerspective(portrait.color, warp, shape))
    sheet.depth_mm[~inside] = np.inf
    wall_mm = distance_mm + rng.uniform(500, 2000)
    scene = before_wall(rng, sheet, camera, wall_mm, with_color=with_color)
    return take_capture(
        rng,
        auto_exposed(scene, distance_mm),
        1,
        sensor,
        modality=modality,
        camera=camera,
        pose=pose,
        eye_midpoint_mm=pose.translation,
        identity_weights=identity.weights,
        expression=np.zeros(studio.head.expression_count, np.float32),
    )
