"""The chip in plain numpy, float64, from the picture and the pose that the core found.

It repeats what ``rust/core/src/align/chip.rs`` documents and shares no code with it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faceid_fast.face.crop import FaceCrop
from faceid_fast.frame import Frame

Floats = NDArray[np.float64]

SIDE = 150
POINTS_MM = np.array([[44, 0, 0], [16, 2, -10], [-44, 0, 0], [-16, 2, -10], [0, 47, -28]], float)
PLACES_PX = np.array([[110.96, 46.3], [89.6, 47.9], [37.06, 46.4], [58.4, 47.9], [74.0, 87.8]])


def frame_to_chip(frame: Frame, crop: FaceCrop) -> Floats:
    """Return the similarity (2, 3) that brings the points of the face nearest to their places."""
    x, y, z = (POINTS_MM @ crop.pose.rotation.astype(float).T + crop.pose.translation_mm).T
    (cx, cy), k = crop.principal_point_px, frame.intrinsics
    fx, fy = np.float32([k.fx, k.fy]).astype(float)  # as the core has them
    u, v = fx * x / z + cx, fy * y / z + cy
    one, none = np.ones_like(u), np.zeros_like(u)
    # Unknown a, b, s, t: chip x = a u - b v + s, chip y = b u + a v + t.
    equations = np.concatenate([np.stack([u, -v, one, none], 1), np.stack([v, u, none, one], 1)])
    a, b, s, t = np.linalg.lstsq(equations, PLACES_PX.T.ravel(), rcond=None)[0]
    return np.array([[a, -b, s], [b, a, t]])


def chip_to_frame(frame: Frame, crop: FaceCrop) -> Floats:
    """Return the inverse of `frame_to_chip`, (2, 3)."""
    whole = np.vstack([frame_to_chip(frame, crop), [0.0, 0.0, 1.0]])
    return np.asarray(np.linalg.inv(whole)[:2])


def samples_along(map_: Floats) -> int:
    """Return how often each side of a pixel of the chip is sampled."""
    return int(np.clip(np.ceil(np.hypot(map_[0, 0], map_[1, 0])), 1, 16))


def sampled(picture: NDArray[np.generic], map_: Floats) -> Floats:
    """Return the means of the samples of each pixel of the chip, (150, 150, channels)."""
    n = samples_along(map_)
    within = (np.arange(n) + 0.5) / n - 0.5
    sums = np.zeros((SIDE, SIDE, *picture.shape[2:]))
    for down in within:
        for across in within:
            rows, columns = np.mgrid[:SIDE, :SIDE].astype(float)
            places = np.stack([columns + across, rows + down, np.ones_like(rows)])
            sums += _bilinear(picture, *np.einsum("ij,jrc->irc", map_, places))
    return sums.reshape(SIDE, SIDE, -1) / n**2


def chip_of(frame: Frame, crop: FaceCrop) -> NDArray[np.uint8]:
    """Return the chip, (3, 150, 150)."""
    return toned(sampled(frame.picture, chip_to_frame(frame, crop)))


def toned(values: Floats) -> NDArray[np.uint8]:
    """Colours rounded; infrared brightened and repeated."""
    if values.shape[2] == 1:
        top = np.sort(values, axis=None)[int(0.98 * (SIDE**2 - 1))]
        share = np.clip(values / top, 0.0, 1.0) if top > 0 else np.zeros_like(values)
        values = np.repeat(255.0 * np.sqrt(share), 3, axis=2)
    return np.moveaxis(np.rint(values).astype(np.uint8), 2, 0)


def _bilinear(picture: NDArray[np.generic], x: Floats, y: Floats) -> Floats:
    height, width = picture.shape[:2]
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    total = np.zeros((*x.shape, *picture.shape[2:]))
    for row in (top, top + 1):
        for column in (left, left + 1):
            weight = (1.0 - np.abs(x - column)) * (1.0 - np.abs(y - row))
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            pixels = picture[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)].astype(float)
            total += (weight * inside).reshape(*x.shape, *[1] * (picture.ndim - 2)) * pixels
    return total
