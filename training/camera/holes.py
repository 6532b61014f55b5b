"""Readings that a camera loses inside surfaces: single pixels, round holes, speckle."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from training.camera.noise import Floats, Rng, correlated, log_uniform

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Holes:
    """Ranges that each capture's holes are drawn from; by default there are none.

    Shares are of the pixels with a reading, and log-uniform; lengths are in pixels of the delivered depth.
    """

    single_share: tuple[float, float] | None = None
    blob_share: tuple[float, float] | None = None
    blob_px: tuple[int, int] = (1, 3)  # radius of a round hole
    speckle_share: tuple[float, float] | None = None
    speckle_px: tuple[float, float] = (1.2, 3.0)  # correlation length of the clusters
    dim_power: float = 0.0  # single pixels are lost in proportion to the light to the minus so much


def lost_readings(rng: Rng, there: Mask, light: Floats, holes: Holes, frames: int = 1) -> Mask:
    """Draw the readings that are lost.

    Parameters
    ----------
    there : (H, W) which pixels have a reading.
    light : (H, W) what the sensor sees by, in any unit.
    frames : how many frames are joined; a single pixel is seldom missing in all of them.
    """
    lost = np.zeros(there.shape, bool)
    if not there.any():
        return lost
    relative = np.maximum(light, 1e-4) / max(float(np.median(light[there])), 1e-4)
    if holes.single_share:
        share = log_uniform(rng, holes.single_share) / frames
        weight = np.clip(relative, 0.1, 10.0) ** -holes.dim_power
        luck = rng.random(there.shape, dtype=np.float32)
        lost |= there & (luck < share * weight / weight[there].mean())
    if holes.blob_share:
        lost |= there & _blobs(rng, there, log_uniform(rng, holes.blob_share), holes.blob_px)
    if holes.speckle_share:
        lost |= _speckle(rng, there, relative, log_uniform(rng, holes.speckle_share), holes.speckle_px)
    return lost


def _blobs(rng: Rng, there: Mask, share: float, radius_px: tuple[int, int]) -> Mask:
    """Discs around pixels that have a reading, in places one on another."""
    low, high = radius_px
    discs = {radius: _disc_px(radius) for radius in range(low, high + 1)}
    # Of the pixels, exp(-expected number of discs on one) are on none.
    count = -np.log(1.0 - share) * there.sum() / np.mean(list(discs.values()))
    rows, columns = np.nonzero(there)
    chosen = rng.integers(0, len(rows), int(rng.poisson(count)))
    drawn = np.zeros(there.shape, np.uint8)
    for at, radius in zip(chosen, rng.integers(low, high + 1, len(chosen)), strict=True):
        cv2.circle(drawn, (int(columns[at]), int(rows[at])), int(radius), 1, -1)
    return drawn > 0


def _disc_px(radius: int) -> int:
    side = 2 * radius + 3
    return int(cv2.circle(np.zeros((side, side), np.uint8), (radius + 1, radius + 1), radius, 1, -1).sum())


def _speckle(rng: Rng, there: Mask, relative: Floats, share: float, span_px: tuple[float, float]) -> Mask:
    """Clusters of no certain form, where there is little light and little to match."""
    mean = cv2.GaussianBlur(relative, (0, 0), 2.0)
    contrast = cv2.GaussianBlur(np.abs(relative - mean), (0, 0), 2.0) / np.maximum(mean, 1e-4)
    plain = -np.log(contrast + 0.01)
    plain = (plain - plain[there].mean()) / max(float(plain[there].std()), 1e-3)
    dark = np.clip(-np.log(np.maximum(relative, 1e-4)), -2.0, 2.0)
    score = correlated(rng, there.shape, float(rng.uniform(*span_px))) + 0.6 * dark
    score += 0.5 * np.clip(plain, -2.0, 2.0)
    return np.asarray(there & (score > np.quantile(score[there], 1.0 - share)))
