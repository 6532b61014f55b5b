"""Cameras, poses and the triangle rasteriser behind every render."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

NEAR_MM, FAR_MM = 30.0, 20_000.0
Floats = NDArray[np.float32]

# OpenCV 5's rasteriser looks along -z with y up and flips the picture; this matrix undoes both. With
# it, pixel centres lie at integers around ((width - 1) / 2, (height - 1) / 2), depth is linear z, and
# attributes are interpolated perspectively (measured on slanted planes; `tests/unit` repeats it).
_WORLD_TO_CAMERA = np.diag(np.float32([1, -1, -1, 1]))
_SETTINGS = (
    cv2.TriangleRasterizeSettings()
    .setShadingType(cv2.RASTERIZE_SHADING_SHADED)
    .setCullingMode(cv2.RASTERIZE_CULLING_CW)
    .setGlCompatibleMode(cv2.RASTERIZE_COMPAT_DISABLED)
)


@dataclass(frozen=True)
class Camera:
    """Intrinsics of a pinhole camera, in pixels; pixel centres lie at integers."""

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int

    def supersampled(self, factor: int) -> Camera:
        """The same view with ``factor`` samples along each side of a pixel."""
        shift = 0.5 * (factor - 1)
        return Camera(
            self.fx * factor,
            self.fy * factor,
            self.cx * factor + shift,
            self.cy * factor + shift,
            self.width * factor,
            self.height * factor,
        )

    def project(self, points_mm: NDArray[np.floating]) -> NDArray[np.float64]:
        """Pixels (N, 2) of camera points (N, 3)."""
        points = np.asarray(points_mm, np.float64).reshape(-1, 3)
        u = points[:, 0] / points[:, 2] * self.fx + self.cx
        v = points[:, 1] / points[:, 2] * self.fy + self.cy
        return np.stack([u, v], axis=1)

    def unproject(self, u: float, v: float, depth_mm: float) -> tuple[float, float, float]:
        """Point (x, y, z), millimetres, that lies on a pixel at a depth."""
        return (
            float((u - self.cx) / self.fx * depth_mm),
            float((v - self.cy) / self.fy * depth_mm),
            float(depth_mm),
        )

    def rays(self) -> tuple[Floats, Floats]:
        """Slopes of the viewing rays: x / z of each column (width,) and y / z of each row (height,)."""
        x = (np.arange(self.width, dtype=np.float32) - np.float32(self.cx)) / np.float32(self.fx)
        y = (np.arange(self.height, dtype=np.float32) - np.float32(self.cy)) / np.float32(self.fy)
        return x, y


@dataclass(frozen=True)
class Pose:
    """Pose of the face frame in the camera frame: ``p_camera = R p_face + t``, in millimetres.

    Positive yaw turns the nose to the image left, positive pitch lowers it (looking down), positive
    roll turns the head clockwise in the image. ``R = Rz(roll) Rx(pitch) Ry(yaw)``.
    """

    yaw_deg: float
    pitch_deg: float
    roll_deg: float
    translation_mm: tuple[float, float, float]

    @property
    def rotation(self) -> NDArray[np.float64]:
        """Rotation (3, 3)."""
        return rotation_of(self.yaw_deg, self.pitch_deg, self.roll_deg)

    @property
    def translation(self) -> NDArray[np.float64]:
        """Translation (3,), millimetres."""
        return np.array(self.translation_mm, np.float64)


def rotation_of(yaw_deg: float, pitch_deg: float, roll_deg: float) -> NDArray[np.float64]:
    """``Rz(roll) Rx(pitch) Ry(yaw)``, (3, 3), from degrees."""
    (cy, cp, cr), (sy, sp, sr) = (fn(np.radians([yaw_deg, pitch_deg, roll_deg])) for fn in (np.cos, np.sin))
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    rotation: NDArray[np.float64] = about_z @ about_x @ about_y
    return rotation


def angle_between(rotation: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Angle of the turn, in degrees, between two rotations (3, 3)."""
    turn = np.asarray(rotation, np.float64) @ np.asarray(other, np.float64).T
    return float(np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1))))


def _for_rasteriser(vertices: Floats, camera: Camera) -> tuple[Floats, float]:
    """Shear and scale so that the rasteriser's centred square-pixel camera sees what ``camera`` sees."""
    shift_x = (camera.cx - 0.5 * (camera.width - 1)) / camera.fy
    shift_y = (camera.cy - 0.5 * (camera.height - 1)) / camera.fy
    moved = np.array(vertices, np.float32)
    moved[:, 0] = vertices[:, 0] * (camera.fx / camera.fy) + shift_x * vertices[:, 2]
    moved[:, 1] = vertices[:, 1] + shift_y * vertices[:, 2]
    return moved, float(2 * np.arctan(0.5 * camera.height / camera.fy))


def draw(
    vertices: Floats, triangles: NDArray[np.int32], attributes: tuple[Floats, ...], camera: Camera
) -> tuple[Floats, list[Floats]]:
    """Rasterise a mesh with per-vertex attributes.

    Parameters
    ----------
    vertices : (V, 3) float32 in the camera frame, millimetres; outward faces only are drawn.
    attributes : each (V, 3) float32.

    Returns
    -------
    depth (H, W) float32 millimetres, ``inf`` where nothing is; one (H, W, 3) picture per attribute.
    """
    moved, field_of_view = _for_rasteriser(vertices, camera)
    shape = (camera.height, camera.width)
    pictures = []
    depth = np.full(shape, FAR_MM, np.float32)
    for attribute in attributes:
        picture = np.zeros((*shape, 3), np.float32)
        depth = np.full(shape, FAR_MM, np.float32)
        cv2.triangleRasterize(
            moved,
            triangles,
            np.ascontiguousarray(attribute, np.float32),
            picture,
            depth,
            _WORLD_TO_CAMERA,
            field_of_view,
            NEAR_MM,
            FAR_MM,
            _SETTINGS,
        )
        pictures.append(picture)
    depth[depth >= FAR_MM] = np.inf
    return depth, pictures


def draw_depth(vertices: Floats, triangles: NDArray[np.int32], camera: Camera) -> Floats:
    """Rasterise the depth of a mesh alone: (H, W), millimetres, ``inf`` where nothing is."""
    moved, field_of_view = _for_rasteriser(vertices, camera)
    depth = np.full((camera.height, camera.width), FAR_MM, np.float32)
    cv2.triangleRasterizeDepth(
        moved, triangles, depth, _WORLD_TO_CAMERA, field_of_view, NEAR_MM, FAR_MM, _SETTINGS
    )
    depth[depth >= FAR_MM] = np.inf
    return depth


def lit(
    vertices: Floats, triangles: NDArray[np.int32], light_mm: NDArray[np.floating], side: int = 200
) -> Floats:
    """Share (V,) of the light that reaches each vertex: 1 lit, 0 in the shadow of the mesh itself."""
    light = np.asarray(light_mm, np.float32)
    centre = vertices.mean(axis=0)
    forward = (centre - light) / np.linalg.norm(centre - light)
    right = np.cross(np.float32([0, 1, 0]), forward)
    right /= np.linalg.norm(right)
    basis = np.stack([right, np.cross(forward, right), forward])
    seen = ((vertices - light) @ basis.T).astype(np.float32)
    near = np.maximum(seen[:, 2], NEAR_MM)
    # Most vertices are the head's: the far ends of the torso may fall off the map, and count as lit.
    slope = np.percentile(np.abs(seen[:, :2] / near[:, None]).max(axis=1), 97.5) + 1e-3
    focal = 0.5 * (side - 2) / slope
    camera = Camera(focal, focal, 0.5 * (side - 1), 0.5 * (side - 1), side, side)
    shadow_map = draw_depth(seen, triangles, camera)
    pixels = camera.project(seen).astype(np.float32)
    # The farther of the four texels around a vertex, plus a margin: no acne on slopes.
    shadow_map = cv2.dilate(np.minimum(shadow_map, FAR_MM), np.ones((3, 3), np.uint8))
    behind = near - cv2.remap(
        shadow_map,
        pixels[:, 0],
        pixels[:, 1],
        cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=FAR_MM,
    ).reshape(-1)
    share: Floats = np.clip(1.0 - (behind - 3.0) / 4.0, 0.0, 1.0).astype(np.float32)
    return share
