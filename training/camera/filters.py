"""What drivers and vendors' software do to depth before anybody gets it: smoothing, filling, rounding.

Written after what vendors tell of theirs, not after their code:

- RealSense SDK, "Post-processing filters": a recursive spatial filter that keeps edges (two passes, weight of
  the new 0.5, as low as 0.25, edges from 20/32 px of disparity on), a temporal one (weight 0.4), holes filled
  from the left, from the farthest or from the nearest neighbour, up to 2, 4, 8, 16 pixels or all. Two passes
  of weight 0.5 equal a Gaussian of 2.8 px, of 0.25 one of 6.9 px: 2.3 and 5.7 mm half a metre from 610 px.
- Luxonis, "StereoDepth": medians over 3, 5 or 7 pixels.
- PrimeSense's drivers (OpenNI) give whole millimetres; other units of old drivers are coarser.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from training.camera.noise import Floats, Rng, log_uniform

FILLED_FROM = ("left", "farthest", "nearest")


@dataclass(frozen=True)
class Filters:
    """Chances and ranges that each capture's filters are drawn from; by default there are none.

    Attributes
    ----------
    smooth_chance, smooth_mm : of the filter that keeps edges; the standard deviation of its Gaussian on the
        face, log-uniform: who stands farther away filters less.
    step_mm : a step between neighbours that is an edge to it.
    median_chance, median_px : of a median, and its sides: of floats OpenCV takes 3 and 5.
    fill_chance, fill_px : of holes being filled, and how far in from their rim.
    units_mm : (unit of the depth, share of the captures).
    """

    smooth_chance: float = 0.0
    smooth_mm: tuple[float, float] = (0.7, 3.0)
    step_mm: tuple[float, float] = (5.0, 20.0)
    median_chance: float = 0.0
    median_px: tuple[int, ...] = (3, 5)
    fill_chance: float = 0.0
    fill_px: tuple[int, ...] = (2, 4, 8, 16)
    units_mm: tuple[tuple[float, float], ...] = ((1.0, 1.0),)


def filtered(rng: Rng, depth_mm: Floats, filters: Filters, px_per_mm: float) -> Floats:
    """Filter a depth map as drawn.

    Parameters
    ----------
    depth_mm : (H, W), 0 = no reading.
    px_per_mm : pixels that are a millimetre on the face.
    """
    if rng.random() < filters.median_chance:
        depth_mm = median(depth_mm, int(rng.choice(filters.median_px)))
    if rng.random() < filters.smooth_chance:
        sigma_px = log_uniform(rng, filters.smooth_mm) * px_per_mm
        depth_mm = smoothed(depth_mm, sigma_px, float(rng.uniform(*filters.step_mm)))
    if rng.random() < filters.fill_chance:
        depth_mm = filled(depth_mm, int(rng.choice(filters.fill_px)), str(rng.choice(FILLED_FROM)))
    units, shares = np.array(filters.units_mm).T
    unit = np.float32(rng.choice(units, p=shares / shares.sum()))
    return np.asarray(np.rint(depth_mm / unit) * unit, np.float32)


def median(depth_mm: Floats, side_px: int) -> Floats:
    """Take medians over squares; what is missing stays missing."""
    # A missing pixel counts as the mean of the readings around it, or it would draw the median towards 0.
    there = (depth_mm > 0).astype(np.float32)
    around = cv2.boxFilter(there, -1, (side_px, side_px))
    mean = cv2.boxFilter(depth_mm, -1, (side_px, side_px)) / np.maximum(around, 1e-6)
    whole = np.where(there > 0, depth_mm, mean).astype(np.float32)
    middle = cv2.medianBlur(whole, side_px)
    return np.where(there > 0, middle, np.float32(0))


def smoothed(depth_mm: Floats, sigma_px: float, step_mm: float, passes: int = 2) -> Floats:
    """Smooth as a Gaussian of ``sigma_px`` does, but not across steps of ``step_mm`` between neighbours.

    Each pass averages along rows, then columns, there and back, with exponential weights: E. Gastal and
    M. Oliveira, Domain transform for edge-aware image and video processing, ACM Trans. Graph. 30 (2011) 69.
    """
    # There and back with weight a on the new has a variance of 2 (1 - a) / a^2.
    variance = max(sigma_px, 1e-3) ** 2 / passes
    weight = np.float32((np.sqrt(1.0 + 2.0 * variance) - 1.0) / variance)
    smooth = depth_mm.astype(np.float32)
    for _ in range(passes):
        for _ in range(2):  # rows, then columns
            smooth = np.ascontiguousarray(smooth.T)
            _average(smooth, weight, step_mm)
            _average(smooth[::-1], weight, step_mm)
    return smooth


def _average(lines: Floats, weight: np.float32, step_mm: float) -> None:
    """Replace each line by its mean with all before it, in place; holes are passed over."""
    state = lines[0].copy()
    for line in lines[1:]:
        there = line > 0
        near = there & (np.abs(line - state) < step_mm)
        state = np.where(near, state + weight * (line - state), np.where(there, line, state))
        line[there] = state[there]


def filled(depth_mm: Floats, reach_px: int, source: str) -> Floats:
    """Fill holes up to ``reach_px`` from their rim, from "left", "farthest" or "nearest" neighbours."""
    nothing = np.float32(1e9)
    kernel = np.ones((3, 3), np.uint8)
    whole = depth_mm.astype(np.float32)
    for _ in range(reach_px):
        missing = whole == 0
        if source == "left":
            other = np.hstack([np.zeros_like(whole[:, :1]), whole[:, :-1]])
        elif source == "farthest":
            other = cv2.dilate(whole, kernel)
        else:
            other = cv2.erode(np.where(missing, nothing, whole), kernel)
            other[other == nothing] = 0
        whole = np.where(missing, other, whole)
    return whole
