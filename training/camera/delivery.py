"""What lies between a sensor's depth and the depth that its user gets: more noise, holes, filters."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from training.camera.filters import Filters, filtered
from training.camera.holes import Holes, lost_readings
from training.camera.noise import Floats, Rng, correlated, log_uniform

FACE_DEPTH_MM = 300.0
"""What is at most so far behind the nearest part of a scene is a face, where there is one."""


@dataclass(frozen=True)
class Delivery:
    """Ranges that each capture's way to its user is drawn from.

    Attributes
    ----------
    frames : how many frames are averaged, each as likely as another; noise falls with their root.
    white_mm : standard deviation of noise beyond the sensor's own, at the face's distance, log-uniform.
    slow_mm, slow_px : of noise that no averaging takes away, and its correlation length; both
        log-uniform.
    noise_power : by which power of the distance both grow.
    """

    frames: tuple[int, ...] = (1,)
    white_mm: tuple[float, float] = (0.05, 3.0)
    slow_mm: tuple[float, float] = (0.1, 2.0)
    slow_px: tuple[float, float] = (5.0, 11.0)
    noise_power: float = 1.0
    holes: Holes = field(default_factory=Holes)
    filters: Filters = field(default_factory=Filters)


def frames_averaged(rng: Rng, delivery: Delivery | None) -> int:
    """Draw how many frames are averaged; where nothing is delivered otherwise, one, and no random number."""
    return 1 if delivery is None else int(rng.choice(delivery.frames))


def deliver(
    rng: Rng, depth_mm: Floats, light: Floats, delivery: Delivery, *, frames: int, focal_px: float
) -> Floats:
    """Make of measured depth what a user gets of it.

    Parameters
    ----------
    depth_mm : (H, W), 0 = no reading.
    light : (H, W) what the sensor sees by, in any unit.
    frames : as many are averaged.
    focal_px : of the depth.
    """
    there = depth_mm > 0
    if not there.any():
        return depth_mm
    distance = face_distance(depth_mm)
    growth = (depth_mm / np.float32(distance)) ** np.float32(delivery.noise_power)
    white = log_uniform(rng, delivery.white_mm) / np.sqrt(frames)
    slow = log_uniform(rng, delivery.slow_mm)
    noise = white * rng.standard_normal(there.shape, dtype=np.float32)
    noise += slow * correlated(rng, depth_mm.shape, log_uniform(rng, delivery.slow_px))
    noisy = np.maximum(depth_mm + growth * noise, 1.0)
    lost = lost_readings(rng, there, light, delivery.holes, frames)
    noisy = np.where(there & ~lost, noisy, 0.0).astype(np.float32)
    return filtered(rng, noisy, delivery.filters, focal_px / distance)


def face_distance(depth_mm: Floats) -> float:
    """Median distance of what is nearest in a depth map with readings; single guesses in the dark are not."""
    calm = cv2.medianBlur(depth_mm.astype(np.float32), 5)
    known = calm[calm > 0] if (calm > 0).any() else depth_mm[depth_mm > 0]
    nearest = float(np.percentile(known, 2))
    return float(np.median(known[known < nearest + FACE_DEPTH_MM]))
