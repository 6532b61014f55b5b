"""Where heads may be in a depth map: runs of a head's width that lie on top of each other."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from faceid_fast.frame import Frame

Floats = NDArray[np.float32]

COARSE_WIDTH, CANDIDATES = 160, 8
STEP_MM, GAP_MM, HEIGHT_MM = 30.0, 10.0, 90.0
WIDTH_MM, WIDTH_AT_EDGE_MM = (70.0, 310.0), (40.0, 340.0)
TOP_MM, BESIDE_MM, ABOVE_MM, BELOW_MM = 150.0, 130.0, 30.0, 300.0


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something of the width of a head.

    Attributes
    ----------
    near_mm : depth of its near side.
    top, center : row of its top and column of its middle, pixels.
    region : (top, left, bottom, right), pixels.
    touches_top : whether the frame may have cut its top off.
    """

    near_mm: float
    top: float
    center: float
    region: tuple[int, int, int, int]
    touches_top: bool


@dataclass(frozen=True, slots=True)
class _Runs:
    """Stretches of rows of the coarse map with continuous depth."""

    row: NDArray[np.intp]
    first: NDArray[np.intp]
    last: NDArray[np.intp]
    depth: Floats


def candidates(frame: Frame, max_mm: float) -> list[Candidate]:
    """Things of the width of a head that are nearer than `max_mm`, nearest first."""
    shape, focal_px = frame.depth.shape, frame.intrinsics.fx
    step = max(1, ceil(max(shape) / COARSE_WIDTH))
    coarse = _coarse(frame.depth, step) * np.float32(1e3 * frame.depth_unit_m)
    runs = _runs(coarse, step, focal_px, max_mm)
    groups = _stacked(runs)
    found = []
    for group in np.unique(groups):
        candidate = _described(runs, np.flatnonzero(groups == group), step, focal_px, shape)
        if candidate is not None:
            found.append(candidate)
    return sorted(found, key=lambda each: each.near_mm)[:CANDIDATES]


def _coarse(depth: NDArray[np.uint16], step: int) -> NDArray[np.uint16]:
    """Nearest of four pixels of each block; 0 where all are missing."""
    height, width = (size // step * step for size in depth.shape)
    inner = step // 2
    # One less than nothing is more than anything.
    rows = depth[:height:step, :width] - np.uint16(1)
    rows = np.minimum(rows, depth[inner:height:step, :width] - np.uint16(1))
    return np.minimum(rows[:, ::step], rows[:, inner::step]) + np.uint16(1)


def _runs(coarse: Floats, step: int, focal_px: float, max_mm: float) -> _Runs:
    width = coarse.shape[1]
    at = np.flatnonzero(coarse)
    z = coarse.ravel()[at]
    rows, columns = np.divmod(at, width)
    torn = (np.diff(rows) > 0) | (np.abs(np.diff(z)) > STEP_MM)
    beyond, begins = np.diff(at), z[:-1]
    # How wide a gap may be is told by the first cell of a run: a guess of it, then the cell.
    for _ in range(2):
        ends = torn | (beyond > (GAP_MM * focal_px / step / begins).astype(np.intp) + 1)
        last = np.append(np.flatnonzero(ends), len(z) - 1)
        first = np.append(0, last[:-1] + 1)
        begins = np.repeat(z[first], last - first + 1)[:-1]
    depth = np.add.reduceat(z, first) / (last - first + 1)
    starts, stops = columns[first], columns[last]
    width_mm = (stops - starts + 1) * depth * (step / focal_px)
    at_edge = (starts == 0) | (stops + 1 == width)
    least = np.where(at_edge, WIDTH_AT_EDGE_MM[0], WIDTH_MM[0])
    most = np.where(at_edge, WIDTH_AT_EDGE_MM[1], WIDTH_MM[1])
    kept = (width_mm >= least) & (width_mm < most) & (z[first] <= max_mm)
    return _Runs(rows[first][kept], starts[kept], stops[kept], depth[kept].astype(np.float32))


def _stacked(runs: _Runs) -> NDArray[np.intp]:
    """Group of each run: those that lie on top of each other at nearly the same depth share one."""
    begins = np.searchsorted(runs.row, runs.row - 1, "left")
    ends = np.searchsorted(runs.row, runs.row - 1, "right")
    counts = ends - begins
    below = np.repeat(np.arange(len(runs.row)), counts)
    above = np.arange(len(below)) - np.repeat(np.cumsum(counts) - counts, counts) + begins[below]
    overlap = np.minimum(runs.last[below], runs.last[above])
    overlap -= np.maximum(runs.first[below], runs.first[above])
    lengths = runs.last - runs.first
    joined = 2 * overlap >= np.minimum(lengths[below], lengths[above])
    joined &= np.abs(runs.depth[below] - runs.depth[above]) < 2 * STEP_MM
    group = list(range(len(runs.row)))

    def root(run: int) -> int:
        while group[run] != run:
            run = group[run]
        return run

    for low, high in zip(below[joined].tolist(), above[joined].tolist(), strict=True):
        group[root(low)] = root(high)
    return np.array([root(run) for run in group], np.intp)


def _described(
    runs: _Runs, members: NDArray[np.intp], step: int, focal_px: float, shape: tuple[int, ...]
) -> Candidate | None:
    rows = runs.row[members]
    top, bottom = int(rows[0]), int(rows[-1])
    near_mm = float(np.sort(runs.depth[members])[len(members) // 5])
    cell_mm = near_mm / focal_px * step
    if (bottom - top + 1) * cell_mm < HEIGHT_MM:
        return None
    upper = members[rows <= top + int(TOP_MM / cell_mm)]
    center = (float(np.mean((runs.first[upper] + runs.last[upper]) / 2)) + 0.5) * step
    top_px, pixels = float(top * step), focal_px / near_mm
    height, width = shape
    region = (
        clamped(top_px - ABOVE_MM * pixels, height),
        clamped(center - BESIDE_MM * pixels, width),
        clamped(top_px + BELOW_MM * pixels, height),
        clamped(center + BESIDE_MM * pixels, width),
    )
    return Candidate(near_mm, top_px, center, region, touches_top=top == 0)


def clamped(value: float, limit: int) -> int:
    """Whole pixels or cells within 0..limit."""
    return int(min(max(value, 0.0), limit))
