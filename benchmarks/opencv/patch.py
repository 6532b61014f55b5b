"""Depth and light around a head in cells of about 2 mm, and what of it can be drawn."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from faceid_fast.frame import Frame

Floats = NDArray[np.float32]

CELL_MM, TEAR_MM, DARKEST, ERODED_CELLS = 2.0, 25.0, 1e-3, 2
LINEAR: Floats = (255.0 * (np.arange(256) / 255.0) ** 2.2).astype(np.float32)
LUMINANCE = np.array([[0.2126, 0.7152, 0.0722]], np.float32)
_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
_FAR = np.float32(1e9)


@dataclass(frozen=True, slots=True)
class Patch:
    """Cells of a region.

    Attributes
    ----------
    depth : (H, W) millimetres, 0 where there is none.
    light : (H, W) for infrared, (H, W, 3) for colour; linear.
    reflectance : (H, W), of infrared the same.
    fx, fy, cx, cy : the camera in cells.
    """

    depth: Floats
    light: Floats
    reflectance: Floats
    fx: float
    fy: float
    cx: float
    cy: float


def cut(frame: Frame, region: tuple[int, int, int, int], band_mm: tuple[float, float]) -> Patch:
    """Average blocks of pixels within a band of depths; half of a block's must lie in it."""
    top, left, bottom, right = region
    k, picture = frame.intrinsics, frame.picture
    block = max(1, int(CELL_MM * k.fx / band_mm[0] + 0.5))
    rows, columns = (bottom - top) // block, (right - left) // block
    window = np.s_[top : top + rows * block, left : left + columns * block]

    def averaged(image: NDArray[np.generic]) -> NDArray[np.generic]:
        if block == 1:
            return image
        return cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA)

    mm = frame.depth[window] * np.float32(1e3 * frame.depth_unit_m)
    inside = cv2.inRange(mm, band_mm[0], band_mm[1])
    # Rounded to whole numbers of 0 to 255, which still tell how many pixels it were.
    count = np.rint(averaged(inside) * np.float32(block**2 / 255))
    few = 2 * count < block**2
    scale = np.float32(block**2) / np.maximum(count, 1)
    scale[few] = 0.0
    mean = averaged(cv2.copyTo(mm, inside)) * scale
    if picture.ndim == 2:
        lit = averaged(cv2.copyTo(picture[window].astype(np.float32), inside)) * scale
        light = reflectance = lit * mean * mean * np.float32(1e-6)
    else:
        linear = cv2.LUT(picture[window], LINEAR)
        light = averaged(cv2.copyTo(linear, inside)) * scale[..., None]
        reflectance = cv2.transform(light, LUMINANCE)
    return Patch(
        mean,
        light,
        reflectance,
        k.fx / block,
        k.fy / block,
        (k.cx - left + 0.5) / block - 0.5,
        (k.cy - top + 0.5) / block - 0.5,
    )


def surface(patch: Patch) -> tuple[Floats, Floats]:
    """Depth of the cells that lie safely on one surface, else NaN; and the logarithm of the light."""
    present = patch.depth > 0
    around = cv2.erode(np.where(present, patch.depth, _FAR), _CROSS)
    solid = present & (patch.depth - around <= TEAR_MM)
    solid = cv2.erode(solid.astype(np.uint8), _CROSS, iterations=ERODED_CELLS)
    return np.where(solid > 0, patch.depth, np.float32(np.nan)), cv2.log(np.maximum(patch.light, DARKEST))
