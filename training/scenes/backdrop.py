"""What lies behind and beside people: dark halls, walls, clutter."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from training.camera.raster import Camera
from training.camera.sensor import REFERENCE_MM, Scene

Floats = NDArray[np.float32]
Rng = np.random.Generator


def composite(front: Scene, back: Scene) -> Scene:
    """Join two scenes: at every pixel the nearer one is seen."""
    nearer = front.depth_mm <= back.depth_mm
    color = None
    if front.color is not None and back.color is not None:
        color = np.where(nearer[..., None], front.color, back.color)
    # Lenses belong to the nearer person; what is farther keeps its own where it is seen.
    lens = None
    if front.lens is not None or back.lens is not None:
        none = np.zeros_like(front.depth_mm)
        lens = np.where(
            nearer, none if front.lens is None else front.lens, none if back.lens is None else back.lens
        )
    return Scene(
        np.where(nearer, front.depth_mm, back.depth_mm),
        np.where(nearer, front.radiance, back.radiance),
        np.where(nearer, front.facing, back.facing),
        np.where(nearer, front.hair, back.hair),
        color,
        lens,
    )


def surface(depth: Floats, albedo: Floats | float, rgb: Floats | None) -> Scene:
    """Scene of a matt surface with this depth (H, W), lit from beside the camera."""
    slope_y, slope_x = np.gradient(depth) if np.isfinite(depth).all() else (np.zeros_like(depth),) * 2
    per_pixel = np.maximum(depth, 1.0) / 700.0
    facing = 1.0 / np.sqrt(1.0 + (slope_x / per_pixel) ** 2 + (slope_y / per_pixel) ** 2)
    falloff = (REFERENCE_MM / np.maximum(depth, 100.0)) ** 2
    radiance = np.where(np.isfinite(depth), albedo * falloff * facing, 0.0)
    color = None
    if rgb is not None:
        color = np.broadcast_to(rgb * 0.8, (*depth.shape, 3)).astype(np.float32)
    return Scene(
        depth.astype(np.float32),
        radiance.astype(np.float32),
        facing.astype(np.float32),
        np.zeros(depth.shape, np.float32),
        color,
    )


def _rgb(rng: Rng, *, with_color: bool) -> Floats | None:
    if not with_color:
        return None
    vivid = rng.uniform(0.03, 0.7, 3).astype(np.float32)
    return 0.25 * vivid + 0.75 * vivid.mean()


def plane(rng: Rng, camera: Camera, distance_mm: float, tilt_deg: float) -> Floats:
    """Depth (H, W) of a plane met at ``distance_mm`` on the axis, turned about the vertical."""
    x, y = camera.rays()
    lean = np.tan(np.radians(rng.uniform(-5, 5)))
    denominator = 1.0 - np.tan(np.radians(tilt_deg)) * x[None, :] - lean * y[:, None]
    depth: Floats = (distance_mm / np.maximum(denominator, 0.2)).astype(np.float32)
    return depth


def room_wall(rng: Rng, camera: Camera, head_mm: float, *, with_color: bool) -> Scene:
    """A wall 0.3 to 2.5 m behind the head."""
    depth = plane(rng, camera, head_mm + rng.uniform(300, 2500), rng.uniform(-35, 35))
    return surface(depth, float(rng.uniform(0.2, 0.9)), _rgb(rng, with_color=with_color))


def clutter(rng: Rng, camera: Camera, near_mm: float, far_mm: float, *, with_color: bool) -> Scene:
    """Draw one object, a blob or a board, between two distances, anywhere in the picture."""
    height, width = camera.height, camera.width
    mask = np.zeros((height, width), np.uint8)
    side = rng.choice([-1, 1])
    centre = (
        int(width * (0.5 + side * rng.uniform(0.25, 0.6))),
        int(height * rng.uniform(0.1, 1.1)),
    )
    axes = (max(2, int(width * rng.uniform(0.05, 0.3))), max(2, int(height * rng.uniform(0.1, 0.5))))
    distance = rng.uniform(near_mm, far_mm)
    if rng.random() < 0.6:
        cv2.ellipse(mask, centre, axes, float(rng.uniform(-30, 30)), 0, 360, 1, -1)
        inside = cv2.distanceTransform(mask, cv2.DIST_L2, 3)
        roundness = np.sqrt(np.clip(inside / max(1.0, float(inside.max())), 0, 1))
        depth = distance - rng.uniform(30, 120) * roundness
    else:
        corners = cv2.boxPoints((centre, (2 * axes[0], 2 * axes[1]), float(rng.uniform(-20, 20))))
        cv2.fillPoly(mask, [np.rint(corners).astype(np.int32)], 1)
        depth = plane(rng, camera, distance, rng.uniform(-40, 40))
    thing = surface(depth.astype(np.float32), float(rng.uniform(0.05, 0.8)), _rgb(rng, with_color=with_color))
    thing.depth_mm[mask == 0] = np.inf
    return thing


def hall(rng: Rng, camera: Camera, head_mm: float, *, with_color: bool) -> Scene:
    """A far dark wall with up to three things before it, as behind the crops of a range camera."""
    depth = plane(rng, camera, rng.uniform(2500, 9000), rng.uniform(-30, 30))
    scene = surface(depth, float(rng.uniform(0.02, 0.4)), _rgb(rng, with_color=with_color))
    for _ in range(int(rng.integers(0, 4))):
        near = head_mm + rng.uniform(180, 500)
        scene = composite(scene, clutter(rng, camera, near, near + 1800, with_color=with_color))
    return scene
