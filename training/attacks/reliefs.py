"""Reliefs in captured frames: a real picture over somebody else's shape, or less than the face's own.

Whoever holds a photograph can make these: the frame's picture stays as it is, its depth becomes that of the
mean head, of another head, of half the face's height, or of a blurred cast.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from faceid_fast.face.crop import FaceCrop
from faceid_fast.frame import Frame
from training.camera.degraded import blurred, degraded
from training.camera.raster import Camera, draw
from training.heads.ict import DEFAULT_PATH, ParametricHead

REACH_MM: Final = 130.0
"""What is nearer than this to the face's origin is its relief."""
SHAPE_DEVIATION: Final = 0.8
"""Of a random head's identity weights, as rendered people have them."""

Relief = Callable[[Frame, FaceCrop, np.random.Generator], Frame]
"""Makes a relief of a frame, given where its face is."""


@cache
def _head() -> ParametricHead:
    return ParametricHead.load(DEFAULT_PATH)


def mean_head(frame: Frame, crop: FaceCrop, _: np.random.Generator) -> Frame:
    """The mean head in the place of the face."""
    return _with_head(frame, crop, np.zeros(_head().identity_count, np.float32))


def random_head(frame: Frame, crop: FaceCrop, rng: np.random.Generator) -> Frame:
    """The head of somebody who does not exist in the place of the face."""
    weights = rng.normal(0.0, SHAPE_DEVIATION, _head().identity_count)
    return _with_head(frame, crop, weights.astype(np.float32))


def half_height(frame: Frame, crop: FaceCrop, _: np.random.Generator) -> Frame:
    """The face's own shape at half its height, measured from the plane through its origin."""
    depth = frame.depth.astype(np.float64) * frame.depth_unit_m * 1e3
    rows, columns = np.indices(depth.shape)
    cx, cy = crop.principal_point_px
    x, y = (columns - cx) / frame.intrinsics.fx, (rows - cy) / frame.intrinsics.fy
    apart = np.stack([x * depth, y * depth, depth], axis=-1) - crop.pose.translation_mm
    forward = crop.pose.rotation[:, 2].astype(np.float64)
    height = apart @ forward
    there = (depth > 0) & (np.linalg.norm(apart, axis=-1) < REACH_MM)
    return _with_depth(frame, np.where(there, depth - 0.5 * height * forward[2], depth))


def cast(deviation_mm: float) -> Relief:
    """A cast of the face's own shape, blurred."""

    def relief(frame: Frame, _: FaceCrop, rng: np.random.Generator) -> Frame:
        return degraded(frame, blurred(deviation_mm), int(rng.integers(2**31)))

    return relief


RELIEFS: Final[dict[str, Relief]] = {
    "mean head": mean_head,
    "random head": random_head,
    "half height": half_height,
    "cast blurred by 12 mm": cast(12.0),
    "cast blurred by 6 mm": cast(6.0),
}


def _with_head(frame: Frame, crop: FaceCrop, weights: NDArray[np.float32]) -> Frame:
    """Put a neutral head where the face is, as far away as it is."""
    head = _head()
    vertices = head.vertices(weights, np.zeros(head.expression_count, np.float32))
    placed = (vertices @ crop.pose.rotation.T + crop.pose.translation_mm).astype(np.float32)
    cx, cy = crop.principal_point_px
    height, width = frame.depth.shape
    camera = Camera(frame.intrinsics.fx, frame.intrinsics.fy, cx, cy, width, height)
    drawn, _ = draw(placed, head.seen_triangles, (placed,), camera)
    there = np.isfinite(drawn)
    depth = frame.depth.astype(np.float64) * frame.depth_unit_m * 1e3
    face = there & (depth > 0) & (np.abs(drawn - depth) < REACH_MM)
    nearer = float(np.median((drawn - depth)[face])) if face.any() else 0.0
    return _with_depth(frame, np.where(there, drawn - nearer, depth))


def _with_depth(frame: Frame, depth_mm: NDArray[np.float64]) -> Frame:
    depth = np.rint(depth_mm / (frame.depth_unit_m * 1e3))
    return replace(frame, depth=depth.astype(frame.depth.dtype))
