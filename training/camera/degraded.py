"""Frames as worse cameras give them: depth with holes, noise, steps or blur, of frames that have little.

Lengths across the picture are in pixels of the frame, depths in millimetres.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from faceid_fast.frame import Frame

Depth = NDArray[np.float32]
"""(H, W) millimetres; 0 where nothing was measured."""
Degradation = Callable[[Depth, np.random.Generator, float], Depth]
"""What becomes of a depth map, given random numbers and the focal length in pixels."""

HEAD_MM: Final = 250.0
"""What is at most so far behind the nearest part of a crop is its head: one surface, to be blurred."""
DISPARITY_BASELINE_MM: Final = 50.0
"""That of a RealSense D435."""
D435_FOCAL_PX: Final = 610.0


def single_holes(share: float) -> Degradation:
    """Lose single pixels, each by itself with this probability."""

    def lose(depth: Depth, rng: np.random.Generator, _: float) -> Depth:
        return np.where(rng.random(depth.shape) < share, np.float32(0), depth)

    return lose


def round_holes(share: float) -> Degradation:
    """Lose discs of 1 to 3 pixels' radius, until they cover this share of the picture."""

    def lose(depth: Depth, rng: np.random.Generator, _: float) -> Depth:
        lost = np.zeros(depth.shape, np.uint8)
        while lost.mean() < share:
            row, column = (int(rng.integers(size)) for size in depth.shape)
            cv2.circle(lost, (column, row), int(rng.integers(1, 4)), 1, -1)
        return np.where(lost > 0, np.float32(0), depth)

    return lose


def rounded(step_mm: float) -> Degradation:
    """Round depth to whole steps."""
    return lambda depth, _, __: np.asarray(np.rint(depth / step_mm) * step_mm, np.float32)


def disparity_steps(step_px: float) -> Degradation:
    """Round depth as a stereo camera does that tells so many pixels of disparity apart."""
    scale = np.float32(D435_FOCAL_PX * DISPARITY_BASELINE_MM)

    def quantize(depth: Depth, _: np.random.Generator, __: float) -> Depth:
        there = depth > 0
        disparity = np.rint(scale / np.where(there, depth, 1) / step_px) * np.float32(step_px)
        return np.where(there & (disparity > 0), scale / np.maximum(disparity, step_px), 0).astype(np.float32)

    return quantize


def noisy(deviation_mm: float, reach_px: float = 0.0) -> Degradation:
    """Add noise of this standard deviation, white or correlated over so many pixels (Gaussian)."""

    def disturb(depth: Depth, rng: np.random.Generator, _: float) -> Depth:
        return np.where(depth > 0, depth + deviation_mm * _field(rng, depth.shape, reach_px), 0)

    return disturb


def _field(rng: np.random.Generator, shape: tuple[int, ...], reach_px: float) -> Depth:
    noise = rng.standard_normal(shape).astype(np.float32)
    if not reach_px:
        return noise
    smooth = cv2.GaussianBlur(noise, (0, 0), reach_px, borderType=cv2.BORDER_REFLECT)
    return np.asarray(smooth / smooth.std(), np.float32)


def blurred(sigma_mm: float) -> Degradation:
    """Blur the head by a Gaussian of this standard deviation on its surface, as matching windows do."""

    def blur(depth: Depth, _: np.random.Generator, focal_px: float) -> Depth:
        near = np.percentile(depth[depth > 0], 5)
        head = (depth > 0) & (depth < near + HEAD_MM)
        sigma_px = sigma_mm * focal_px / float(near)
        weight = cv2.GaussianBlur(head.astype(np.float32), (0, 0), sigma_px)
        mean = cv2.GaussianBlur(np.where(head, depth, 0), (0, 0), sigma_px) / np.maximum(weight, 1e-6)
        return np.where(head, mean, depth).astype(np.float32)

    return blur


def flying_pixels(share: float) -> Degradation:
    """Let this share of the pixels beside steps of more than 40 mm lie anywhere between both sides."""

    def fly(depth: Depth, rng: np.random.Generator, _: float) -> Depth:
        kernel = np.ones((3, 3), np.uint8)
        far = cv2.dilate(depth, kernel)
        near = -cv2.dilate(np.where(depth > 0, -depth, np.float32(-1e6)), kernel)
        flies = (depth > 0) & (far - near > 40) & (rng.random(depth.shape) < share)
        return np.where(flies, near + rng.random(depth.shape) * (far - near), depth).astype(np.float32)

    return fly


def median_of(frames: int, single: Degradation) -> Degradation:
    """Take the median, pixel by pixel, of what was measured in so many frames in a row."""

    def middle(depth: Depth, rng: np.random.Generator, focal_px: float) -> Depth:
        stack = np.stack([single(depth, rng, focal_px) for _ in range(frames)])
        stack[stack <= 0] = np.nan
        none = np.isnan(stack).all(axis=0)
        stack[:, none] = 0
        return np.asarray(np.nanmedian(stack, axis=0), np.float32)

    return middle


def chained(*steps: Degradation) -> Degradation:
    """Do one after the other."""

    def chain(depth: Depth, rng: np.random.Generator, focal_px: float) -> Depth:
        for step in steps:
            depth = step(depth, rng, focal_px)
        return depth

    return chain


def degraded(frame: Frame, degradation: Degradation, seed: int) -> Frame:
    """Return a frame with degraded depth, in its own type and unit; what was missing stays missing.

    Raises
    ------
    ValueError
        If the frame's depth is not of whole numbers.
    """
    if frame.depth.dtype != np.uint16:
        message = f"frame.depth: expected uint16, got {frame.depth.dtype}"
        raise ValueError(message)
    mm_per_unit = 1000.0 * frame.depth_unit_m
    before = frame.depth.astype(np.float32) * np.float32(mm_per_unit)
    after = degradation(before, np.random.default_rng(seed), frame.intrinsics.fx)
    units = np.rint(np.where(frame.depth > 0, after, 0) / mm_per_unit)
    depth = np.clip(units, 0, np.iinfo(np.uint16).max).astype(np.uint16)
    return replace(frame, depth=depth)
