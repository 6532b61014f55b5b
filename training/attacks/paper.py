"""Pictures of people on sheets of paper and on screens, bent and held as attackers bend and hold them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from training.camera.raster import Camera, Pose, draw
from training.camera.sensor import REFERENCE_MM, Scene
from training.people.person import Identity, Studio
from training.people.skin import Rng
from training.scenes.backdrop import composite, surface
from training.scenes.lights import infrared_light, room_lights
from training.scenes.poses import random_expression

Floats = NDArray[np.float32]
PORTRAIT_MM = 0.8
"""One pixel of a portrait at the eyes, life-sized."""
_PORTRAIT_SHAPE = (370, 300)
_EYES_PX = (149.5, 149.5)
_MESH_MM = 4.0


@dataclass(frozen=True, eq=False)
class Portrait:
    """A photograph to be printed or shown: (370, 300) pixels of 0.8 mm, the eyes' midpoint at (149.5, 149.5).

    Attributes
    ----------
    infrared : reflectance. color : (370, 300, 3) linear RGB, or None.
    """

    infrared: Floats
    color: Floats | None


def photograph(
    rng: Rng, studio: Studio, identity: Identity, *, with_color: bool, yaw_deg: float = 0.0
) -> Portrait:
    """Photograph a person for a print: expression and light are drawn, the head is turned by ``yaw_deg``."""
    height, width = _PORTRAIT_SHAPE
    camera = Camera(1000.0, 1000.0, *_EYES_PX, width, height)
    pose = Pose(yaw_deg, 5.0, 0.0, (0.0, 0.0, 800.0))
    lamps = room_lights(rng) if with_color else ()
    person, _ = studio.shoot(
        rng, identity, random_expression(rng, studio.head), pose, camera, infrared_light(rng), lamps
    )
    behind = surface(
        np.full(person.depth_mm.shape, 2000.0, np.float32),
        0.3,
        np.full(3, 0.5, np.float32) if with_color else None,
    )
    picture = composite(person, behind)
    return Portrait(picture.radiance, picture.color)


@dataclass(frozen=True)
class Bend:
    """How a sheet is bent.

    Attributes
    ----------
    radius_mm : of the cylinder it lies on, bulging towards the camera; infinity for none.
    axis_deg : of the cylinder, from upright.
    crumple_mm, crumple_size_mm : root mean square height and correlation length of its folds.
    """

    radius_mm: float = np.inf
    axis_deg: float = 0.0
    crumple_mm: float = 0.0
    crumple_size_mm: float = 30.0


@dataclass(frozen=True)
class Paper:
    """What a portrait is shown on: paper or a screen.

    Attributes
    ----------
    scale : 1 is life-sized.
    contrast : of the ink in infrared, 0 to 1; the rest is the paper's own reflectance, 0.6.
    brightness : of the picture in colour.
    screen : a tablet: in infrared nearly black and even, in colour as bright as it likes.
    """

    scale: float = 1.0
    contrast: float = 1.0
    brightness: float = 1.0
    screen: bool = False


def sheet(
    rng: Rng,
    portrait: Portrait,
    paper: Paper,
    bend: Bend,
    pose: Pose,
    camera: Camera,
    *,
    cut: NDArray[np.bool_] | None = None,
) -> Scene:
    """Render a portrait on a sheet of paper or a screen; its eyes lie at the origin of ``pose``.

    Parameters
    ----------
    cut : (370, 300) what is cut out of the portrait; nothing is drawn there.
    """
    height, width = _PORTRAIT_SHAPE
    step = PORTRAIT_MM * paper.scale
    columns, rows = int(width * step / _MESH_MM) + 2, int(height * step / _MESH_MM) + 2
    u, v = np.meshgrid(np.linspace(0, width - 1, columns), np.linspace(0, height - 1, rows))
    across, down = (u - _EYES_PX[0]) * step, (v - _EYES_PX[1]) * step
    points = _bent(rng, across, down, bend)
    vertices = (points.reshape(-1, 3) @ pose.rotation.T + pose.translation).astype(np.float32)
    at = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = (x.ravel() for x in (at[:-1, :-1], at[:-1, 1:], at[1:, :-1], at[1:, 1:]))
    triangles = np.vstack([np.stack([a, c, b], 1), np.stack([b, c, d], 1)]).astype(np.int32)
    normals = _normals(points, pose)
    to_camera = -vertices / np.linalg.norm(vertices, axis=1, keepdims=True)
    facing = np.clip((normals * to_camera).sum(axis=1), 0, 1)
    attributes = np.stack([u.ravel(), v.ravel(), facing], axis=1).astype(np.float32)
    depth, (picture,) = draw(vertices, triangles, (attributes,), camera)
    map_u, map_v, facing_map = (np.ascontiguousarray(picture[..., k]) for k in range(3))

    def printed(image: Floats) -> Floats:
        found: Floats = cv2.remap(image, map_u, map_v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return found

    there = np.isfinite(depth)
    if cut is not None:
        there &= printed(cut.astype(np.float32)) < 0.5
    ink = np.full(depth.shape, 0.06, np.float32)
    if not paper.screen:
        ink = np.float32(paper.contrast) * printed(portrait.infrared)
        ink = ink + np.float32((1 - paper.contrast) * 0.6)
    falloff = (REFERENCE_MM / np.where(there, depth, REFERENCE_MM)) ** 2
    color = None
    if portrait.color is not None:
        color = printed(portrait.color) * np.float32(paper.brightness)
        color = color * (1.0 if paper.screen else facing_map[..., None])
        color[~there] = 0.0
    return Scene(
        np.where(there, depth, np.inf).astype(np.float32),
        np.where(there, ink * falloff * facing_map, 0.0).astype(np.float32),
        np.where(there, facing_map, 0.0).astype(np.float32),
        np.zeros(depth.shape, np.float32),
        color,
    )


def glare(rng: Rng, scene: Scene) -> Scene:
    """Add reflections of lamps to a screen: bright spots of which the sensor gets no depth."""
    height, width = scene.depth_mm.shape
    mask = np.zeros((height, width), np.uint8)
    for _ in range(int(rng.integers(1, 4))):
        centre = (int(width * rng.uniform(0.25, 0.75)), int(height * rng.uniform(0.2, 0.8)))
        axes = (int(width * rng.uniform(0.02, 0.1)), int(height * rng.uniform(0.02, 0.1)))
        cv2.ellipse(mask, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
    spot = (mask > 0) & np.isfinite(scene.depth_mm)
    color = None
    if scene.color is not None:
        color = np.where(spot[..., None], np.float32(scene.color.max()), scene.color)
    return replace(
        scene,
        radiance=np.where(spot, np.float32(3.0), scene.radiance),
        facing=np.where(spot, np.float32(0.01), scene.facing),  # sensors refuse what they see so edgewise
        color=color,
    )


def eye_holes(rng: Rng) -> NDArray[np.bool_]:
    """Mask of a portrait that is True in two ellipses at its eyes."""
    mask = np.zeros(_PORTRAIT_SHAPE, np.uint8)
    axes = (int(rng.uniform(17, 24)), int(rng.uniform(9, 16)))
    for side in (-1, 1):
        centre = (round(_EYES_PX[0] + side * 40), round(_EYES_PX[1]))
        cv2.ellipse(mask, centre, axes, 0.0, 0, 360, 1, -1)
    return mask > 0


def half(rng: Rng) -> NDArray[np.bool_]:
    """Mask of a portrait that is True in one half: the upper, the lower, the left or the right."""
    mask = np.zeros(_PORTRAIT_SHAPE, np.bool_)
    side = int(rng.integers(4))
    row, column = round(_EYES_PX[1] + 35), round(_EYES_PX[0])
    mask[(slice(None, row), slice(row, None), slice(None), slice(None))[side],
         (slice(None), slice(None), slice(None, column), slice(column, None))[side]] = True  # fmt: skip
    return mask


def _bent(
    rng: Rng, across: NDArray[np.float64], down: NDArray[np.float64], bend: Bend
) -> NDArray[np.float64]:
    """Points (rows, columns, 3) of a sheet in its own frame, z away from the camera."""
    z = np.zeros_like(across)
    x, y = across, down
    if np.isfinite(bend.radius_mm):
        turn = np.radians(bend.axis_deg)
        along_x, along_y = np.cos(turn), np.sin(turn)
        s, t = along_x * across + along_y * down, -along_y * across + along_x * down
        angle = np.clip(s / bend.radius_mm, -1.45, 1.45)
        s = bend.radius_mm * np.sin(angle)
        z = bend.radius_mm * (1 - np.cos(angle))
        x, y = along_x * s - along_y * t, along_y * s + along_x * t
    if bend.crumple_mm > 0:
        field = cv2.GaussianBlur(
            rng.standard_normal((across.shape[0] + 20, across.shape[1] + 20)), (0, 0),
            bend.crumple_size_mm / _MESH_MM,
        )[10:-10, 10:-10]  # fmt: skip
        # Paper folds along lines: what a smooth field has as slopes meets there in creases.
        folds = np.abs(field) - np.abs(field).mean()
        z = z + folds / folds.std() * bend.crumple_mm
    return np.stack([x, y, z], axis=-1)


def _normals(points: NDArray[np.float64], pose: Pose) -> NDArray[np.float64]:
    """Unit normals (N, 3) towards the camera."""
    along = np.gradient(points, axis=1)
    down = np.gradient(points, axis=0)
    normals = np.cross(down, along).reshape(-1, 3)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    turned: NDArray[np.float64] = normals @ pose.rotation.T
    return turned
