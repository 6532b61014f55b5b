"""Portraits printed on a real sheet: the depth is a camera's own, the picture is put onto it.

The captures of a flat sheet by a structured-light camera (`../shared/data/truedepth_flat`) lie 0.2 m away,
nearer than faces are held. Every measured point is carried back rigidly, tilted, and projected again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from faceid_fast.face.crop import HeadPose
from faceid_fast.frame import Frame, Intrinsics
from training.camera.raster import rotation_of
from training.heads.ict import DEFAULT_PATH
from training.people.portraits import PORTRAITS_PATH

FLAT_PATH: Final = DEFAULT_PATH.parent / "truedepth_flat"
LONDON_PATH: Final = PORTRAITS_PATH / "london_neutral"
CAMERA: Final = Intrinsics(595.34, 595.34, 318.33, 239.96)
MM_PER_UNIT: Final = 0.1
PUPILS_MM: Final = 63.0
DISTANCES_MM: Final = (350.0, 800.0)
TILT_DEG: Final = 20.0

Rng = np.random.Generator


@dataclass(frozen=True, eq=False)
class Portrait:
    """A photograph (H, W, 3) uint8 RGB and its two pupils (2, 2), x and y in pixels."""

    picture: NDArray[np.uint8]
    pupils: NDArray[np.float64]


@cache
def portraits(count: int = 50) -> tuple[Portrait, ...]:
    """Photographs of the first ``count`` people of the London set, with their pupils."""
    with np.load(LONDON_PATH / "landmarks189.npz") as marks:
        by_name = dict(zip(marks["names"].tolist(), marks["points"], strict=True))
    found = []
    for path in sorted(LONDON_PATH.glob("*.jpg"))[:count]:
        name = next(name for name in (path.stem, re.sub("_.*", "", path.stem)) if name in by_name)
        picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        found.append(Portrait(picture, by_name[name][:2].astype(np.float64)))
    return tuple(found)


@cache
def sheets() -> tuple[NDArray[np.float64], ...]:
    """Measured points (n, 3) of every real sheet, in the camera's frame, millimetres."""
    found = []
    for path in sorted(FLAT_PATH.glob("depth_*.png")):
        depth = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        v, u = np.nonzero(depth)
        z = depth[v, u] * MM_PER_UNIT
        found.append(np.stack([(u - CAMERA.cx) / CAMERA.fx * z, (v - CAMERA.cy) / CAMERA.fy * z, z], axis=1))
    return tuple(found)


def presentations(rng: Rng, each: int) -> Iterator[tuple[Frame, HeadPose]]:
    """Yield every portrait on every sheet, ``each`` times: the frame, and the pose of the face on it."""
    for points in sheets():
        for portrait in portraits():
            for _ in range(each):
                yield printed(rng, points, portrait)


def printed(rng: Rng, points: NDArray[np.float64], portrait: Portrait) -> tuple[Frame, HeadPose]:
    """Put a portrait, 0.8 to 1.05 of life size, on a sheet, tilt it, and hold it at 0.35 to 0.8 m.

    Returns
    -------
    The frame in colour, and the pose of the face on it.
    """
    scale = float(rng.uniform(0.8, 1.05))
    left, right = portrait.pupils
    along = (right - left) / np.linalg.norm(right - left)
    px_per_mm = float(np.linalg.norm(right - left)) / PUPILS_MM / scale
    middle = points.mean(axis=0)
    # The eyes above the sheet's middle, so that the chin is on it.
    at = points - middle + [0.0, 25.0, 0.0]
    eyes = (left + right) / 2
    u = eyes[0] + px_per_mm * (along[0] * at[:, 0] - along[1] * at[:, 1])
    v = eyes[1] + px_per_mm * (along[1] * at[:, 0] + along[0] * at[:, 1])
    map_u, map_v = u.astype(np.float32)[:, None], v.astype(np.float32)[:, None]
    ink = np.concatenate(
        # OpenCV maps no more than 32,767 rows at once.
        [
            cv2.remap(portrait.picture, some_u, some_v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            for some_u, some_v in zip(*(np.array_split(m, 16) for m in (map_u, map_v)), strict=True)
        ]
    )[:, 0]
    yaw, pitch = rng.uniform(-TILT_DEG, TILT_DEG, 2)
    roll = float(rng.uniform(-8, 8))
    turn = rotation_of(float(yaw), float(pitch), roll)
    held = np.array([*rng.uniform(-30, 30, 2), rng.uniform(*DISTANCES_MM)])
    moved = at @ turn.T + held
    column = np.rint(moved[:, 0] / moved[:, 2] * CAMERA.fx + CAMERA.cx).astype(int)
    row = np.rint(moved[:, 1] / moved[:, 2] * CAMERA.fy + CAMERA.cy).astype(int)
    seen = (row >= 0) & (row < 480) & (column >= 0) & (column < 640)
    order = np.flatnonzero(seen)[np.argsort(-moved[seen, 2])]  # the nearest last
    depth, picture = np.zeros((480, 640), np.float32), np.zeros((480, 640, 3), np.uint8)
    depth[row[order], column[order]] = moved[order, 2]
    picture[row[order], column[order]] = ink[order]
    frame = Frame(color=picture, depth=depth, depth_unit_m=0.001, intrinsics=CAMERA)
    pose = HeadPose(turn.astype(np.float32), held.astype(np.float32), float(yaw), float(pitch), roll)
    return frame, pose
