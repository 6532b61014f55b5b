"""What a depth camera gives: density, holes, noise, registration and rate, measured on a few of its frames.

Nothing is known of the scene. So noise is what differs from frame to frame where nothing moves, and from
pixel to pixel where a surface is smooth; holes are counted inside surfaces only; and depth is registered if
its edges are where edges of the picture are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from faceid_fast.checks import checked_number
from faceid_fast.errors import InvalidInputError
from faceid_fast.frame import MAX_FRAMES, Frame, within_budget

from .camera_kinds import HOLE_BANDS_MM, CameraFigures

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

_FACE_M: Final = (0.25, 1.6)
"""Where faces are; noise is measured there if enough of the scene is."""
_ENOUGH: Final = 0.05
"""Share of the pixels that is enough to measure on."""
_SMOOTH_SHARE: Final = 0.02
"""A surface is smooth where 3 x 3 pixels differ by less than this share of their distance."""
_JUMP_MM, _JUMP_SHARE = 30.0, 0.03
"""From so much on a step in depth is the edge of something."""
_FEWEST_EDGES: Final = 150
_SEARCHED_PX: Final = 12
_SHADOW_PX: Final = (9, 65)
"""(height, width) around a pixel that a shadow can reach: 33 px wide where a projector is 75 mm aside."""
_LEAST_PROMINENCE: Final = 0.1
"""By so much the best offset's correlation must be above the median of all that were tried."""
_LEAST_CORRELATION: Final = 0.12
"""Between the edges of depth and picture. The fuller of patterns a scene is, the smaller it is."""
_FEWEST_FRAMES: Final = 5
"""Frames below which nothing is said of how the depth changes with time."""
_MOST_PIXELS: Final = 500_000
"""Pixels whose change with time is looked at, evenly among all: enough for any scene, in bounded memory."""
_LEAST_GAP_S: Final = 1e-6
"""Times that are closer are no times of frames."""
_MOST_HOLES: Final = 4000
"""Holes of a frame that are looked at, evenly among all: more would take seconds, and tell the same."""
_FULL_CIRCLE: Final = 0.5
"""Share of its circle, drawn around its box, that a round hole fills."""


def measure(frames: Sequence[Frame], seconds: Sequence[float] | None = None) -> CameraFigures:
    """Measure a camera on a few of its frames.

    Parameters
    ----------
    frames : 1 to `MAX_FRAMES` in a row, all of one size, unit and kind of picture.
    seconds : the time of each frame; None if it is not known.

    Raises
    ------
    InvalidInputError
        If there are no such frames, they hold more than `faceid_fast.frame.MAX_CALL_BYTES`, or `seconds` are
        not as many times that never decrease.
    """
    given = _checked_frames(frames)
    rate = (None, None, None) if seconds is None else _rate(_checked_times(seconds, len(given)))
    depths = [_millimetres(frame) for frame in given]
    holes = [_holes(depth, frame) for depth, frame in zip(depths[:_FEWEST_FRAMES], given, strict=False)]
    counted = np.array([each for each in holes if each is not None])
    shares = counted.mean(axis=0) if counted.size else None
    where, at_mm = _measured_on(depths)
    known = np.concatenate([depth[::4, ::4][depth[::4, ::4] > 0] for depth in depths])
    return CameraFigures(
        frames=len(given),
        shape=given[0].shape,
        modality=given[0].modality,
        depth_unit_m=given[0].depth_unit_m,
        median_m=float(np.median(known)) / 1e3 if known.size else None,
        density=float(np.mean([np.mean(depth > 0) for depth in depths])),
        density_middle=float(np.mean([np.mean(_middle(depth) > 0) for depth in depths])),
        single_holes=None if shares is None else float(shares[0]),
        round_holes=None if shares is None else tuple(float(share) for share in shares[1:]),
        noise_at_m=None if at_mm is None else at_mm / 1e3,
        noise_spatial_mm=_spatial_noise(depths, where),
        noise_temporal_mm=_temporal_noise(depths, where),
        offset_px=_offset(depths, given),
        frames_per_s=rate[0],
        jitter_ms=rate[1],
        dropped=rate[2],
    )


def _checked_frames(frames: Sequence[Frame]) -> list[Frame]:
    if not isinstance(frames, (list, tuple)) or not 1 <= len(frames) <= MAX_FRAMES:
        given = len(frames) if isinstance(frames, (list, tuple)) else type(frames).__name__
        message = f"frames: expected a list of 1 to {MAX_FRAMES} frames, got {given}"
        raise InvalidInputError(message)
    checked = list(within_budget(frames))
    kinds = {(frame.shape, frame.depth_unit_m, frame.modality) for frame in checked}
    if len(kinds) > 1:
        message = f"frames: expected those of one size, unit and kind of picture, got {len(kinds)} kinds"
        raise InvalidInputError(message)
    return checked


def _checked_times(seconds: Sequence[float], count: int) -> NDArray[np.float64]:
    if not isinstance(seconds, (list, tuple)) or len(seconds) != count:
        given = len(seconds) if isinstance(seconds, (list, tuple)) else type(seconds).__name__
        message = f"seconds: expected a list of {count} times, one a frame, got {given}"
        raise InvalidInputError(message)
    times = np.array([checked_number("seconds", each, -1e12, 1e12, "seconds") for each in seconds])
    if (np.diff(times) < 0).any():
        message = "seconds: expected times that never decrease, got others"
        raise InvalidInputError(message)
    return times


def _rate(times: NDArray[np.float64]) -> tuple[float | None, float | None, int | None]:
    """Return frames per second, jitter in milliseconds, and the number of frames that are missing."""
    gaps = np.diff(times)
    if not gaps.size or float(np.median(gaps)) < _LEAST_GAP_S:
        return None, None, None
    usual = float(np.median(gaps))
    dropped = int(np.maximum(np.rint(gaps / usual) - 1, 0).sum())
    return gaps.size / float(gaps.sum()), 1e3 * float(gaps.std()), dropped


def _millimetres(frame: Frame) -> Floats:
    """Depth in millimetres, 0 where it is missing."""
    with np.errstate(over="ignore", invalid="ignore"):
        depth = frame.depth.astype(np.float32) * np.float32(1e3 * frame.depth_unit_m)
    there = (frame.depth > 0) & (depth < math.inf)
    return np.where(there, depth, np.float32(0.0))


def _middle(depth: Floats) -> Floats:
    height, width = depth.shape
    return depth[height // 4 : height - height // 4, width // 4 : width - width // 4]


def _holes(depth: Floats, frame: Frame) -> NDArray[np.float64] | None:
    """Share of single missing pixels, and of round holes in each band, among the pixels inside surfaces.

    A hole is inside a surface if whatever surrounds it is about equally far away: neither the shadow beside
    something near, nor what is beyond the camera's range.
    """
    inside = int(np.count_nonzero(depth))
    if not inside:
        return None
    missing = (depth == 0).astype(np.uint8)
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(missing, connectivity=8)
    left, top, width, height, area = boxes[1:].T
    within = (left > 0) & (top > 0) & (left + width < depth.shape[1]) & (top + height < depth.shape[0])
    round_ = area >= _FULL_CIRCLE * math.pi / 4 * np.maximum(width, height) ** 2
    chosen = 1 + np.flatnonzero(within & round_)
    looked_at = chosen[:: max(math.ceil(chosen.size / _MOST_HOLES), 1)]
    focal_px = math.sqrt(frame.intrinsics.fx * frame.intrinsics.fy)
    pixels = np.zeros(1 + len(HOLE_BANDS_MM))
    for label in looked_at:
        distance_mm = _surrounded_at(depth, labels, int(label), boxes[label])
        if distance_mm is None:
            continue
        size_px = int(boxes[label, cv2.CC_STAT_AREA])
        diameter_mm = 2.0 * math.sqrt(size_px / math.pi) * distance_mm / focal_px
        band = 0 if size_px == 1 else _band_of(diameter_mm)
        if band is not None:
            pixels[band] += size_px
    pixels *= chosen.size / max(looked_at.size, 1)
    shares: NDArray[np.float64] = pixels / (inside + pixels.sum())
    return shares


def _surrounded_at(depth: Floats, labels: NDArray[np.int32], label: int, box: NDArray[Any]) -> float | None:
    """Return the distance of the surface around a hole, in millimetres; None if it is more than one."""
    left, top, width, height, _ = (int(each) for each in box)
    part = slice(top - 1, top + height + 1), slice(left - 1, left + width + 1)
    rim = depth[part][(labels[part] != label) & (depth[part] > 0)]
    middle = float(np.median(rim))
    return middle if float(rim.max() - rim.min()) <= _jump(middle) else None


def _band_of(diameter_mm: float) -> int | None:
    """Return the number of a hole's band, from 1; None if it is larger than all."""
    bands = (band for band, (_, high) in enumerate(HOLE_BANDS_MM, 1) if diameter_mm < high)
    return next(bands, None)


def _jump(distance_mm: float) -> float:
    """The least step in depth that is an edge, at a distance; both in millimetres."""
    return max(_JUMP_MM, _JUMP_SHARE * distance_mm)


def _measured_on(depths: Sequence[Floats]) -> tuple[Mask, float | None]:
    """Return the pixels to measure noise on, in all frames, and their median distance in millimetres."""
    always: Mask = np.logical_and.reduce([depth > 0 for depth in depths])
    first = depths[0]
    low, high = (1e3 * metres for metres in _FACE_M)
    near = always & (first > low) & (first < high)
    where = near if near.mean() >= _ENOUGH else always
    if not where.any():
        return where, None
    return where, float(np.median(first[where]))


def _spatial_noise(depths: Sequence[Floats], where: Mask) -> float | None:
    """Noise by Immerkaer's mask, which no plane and no even curvature passes, on smooth surfaces.

    J. Immerkaer, Fast noise variance estimation, Computer Vision and Image Understanding 64 (1996) 300-302.
    """
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    square = np.ones((3, 3), np.uint8)
    inner = cv2.erode(where.astype(np.uint8), square, borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0
    found = []
    for depth in depths:
        spread = cv2.dilate(depth, square) - cv2.erode(depth, square)
        smooth = inner & (spread < _SMOOTH_SHARE * depth)
        found.append(np.abs(cv2.filter2D(depth, cv2.CV_32F, mask)[smooth]))
    off = np.concatenate(found)
    if off.size < _FEWEST_EDGES:
        return None
    # The mean of the absolute value of a normal variable is sqrt(2 / pi) of its deviation, and the mask's
    # squares add up to 36.
    return float(off.mean()) * math.sqrt(math.pi / 2.0) / 6.0


def _temporal_noise(depths: Sequence[Floats], where: Mask) -> float | None:
    """Noise from frame to frame, of the pixels whose mean stays the same."""
    if len(depths) < _FEWEST_FRAMES or not where.any():
        return None
    places = np.flatnonzero(where)
    places = places[:: math.ceil(places.size / _MOST_PIXELS)]
    values = np.stack([depth.flat[places] for depth in depths]).astype(np.float64)
    half = len(values) // 2
    # Differences of successive frames: whoever moves slowly adds little to them.
    variance = (np.diff(values, axis=0) ** 2).mean(axis=0) / 2.0
    moved = np.abs(values[:half].mean(axis=0) - values[-half:].mean(axis=0))
    usual = float(np.median(variance))
    still = (moved <= 3.0 * np.sqrt(2.0 * np.maximum(variance, usual) / half)) & (variance <= 25.0 * usual)
    if not usual > 0 or still.mean() < 0.2:
        return 0.0 if not variance.any() else None
    return math.sqrt(float(variance[still].mean()))


def _offset(depths: Sequence[Floats], frames: Sequence[Frame]) -> tuple[float, float] | None:
    """Find the offset at which the edges of the depth best meet those of the picture, in pixels."""
    height, width = depths[0].shape
    margin = _SEARCHED_PX
    if min(height, width) <= 4 * margin:
        return None
    depth_edges = np.mean([_depth_edges(depth) for depth in depths[:_FEWEST_FRAMES]], axis=0)
    picture_edges = np.mean([_picture_edges(frame) for frame in frames[:_FEWEST_FRAMES]], axis=0)
    template = depth_edges[margin:-margin, margin:-margin].astype(np.float32)
    if np.count_nonzero(template > 0.5) < _FEWEST_EDGES:
        return None
    # Row and column 0 are an offset of -margin.
    scores = cv2.matchTemplate(picture_edges.astype(np.float32), template, cv2.TM_CCOEFF_NORMED)
    row, column = (int(at) for at in np.unravel_index(int(np.argmax(scores)), scores.shape))
    last = 2 * margin
    peak = float(scores[row, column])
    prominence = peak - float(np.median(scores))
    at_the_end = row in {0, last} or column in {0, last}
    if peak < _LEAST_CORRELATION or prominence < _LEAST_PROMINENCE or at_the_end:
        return None
    across = _vertex(*scores[row, column - 1 : column + 2])
    down = _vertex(*scores[row - 1 : row + 2, column])
    return column + across - margin, row + down - margin


def _vertex(before: float, at: float, after: float) -> float:
    """Place of the top of a parabola through three values, relative to the middle one: -0.5 to 0.5."""
    curvature = before - 2.0 * at + after
    return 0.0 if curvature >= 0 else float(np.clip(0.5 * (before - after) / curvature, -0.5, 0.5))


def _depth_edges(depth: Floats) -> Floats:
    """Steps in depth: 1 on both sides of each, smoothed like the picture."""
    # What is missing beside something near is its shadow: it belongs to whatever is behind.
    filled = np.where(depth > 0, depth, cv2.dilate(depth, np.ones(_SHADOW_PX, np.uint8)))
    around = np.ones((3, 3), np.uint8)
    nearest = cv2.erode(filled, around)
    edge = (nearest > 0) & (
        cv2.dilate(filled, around) - nearest > np.maximum(_JUMP_MM, _JUMP_SHARE * nearest)
    )
    smooth: Floats = cv2.GaussianBlur(edge.astype(np.float32), (0, 0), 1.0)
    return smooth


def _picture_edges(frame: Frame) -> Floats:
    """Strength of the picture's edges, 0 to 1: the strongest twentieth of the pixels are 1."""
    picture: NDArray[Any] = frame.picture
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) if picture.ndim == 3 else picture
    # The root makes edges in the dark as good as those in the light.
    smooth = cv2.GaussianBlur(np.sqrt(grey.astype(np.float32)), (0, 0), 1.0)
    strength = np.hypot(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1))
    ridges = np.maximum(
        strength - cv2.GaussianBlur(strength, (0, 0), 3.0), 0.0
    )  # edges, without what is broad
    strongest = float(np.quantile(ridges, 0.95))
    return np.clip(ridges / strongest, 0.0, 1.0) if strongest > 0 else np.zeros_like(ridges)
