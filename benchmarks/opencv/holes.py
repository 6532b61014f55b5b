"""Small holes in depth, bridged along rows and columns, with numpy: what the core's `input/holes.rs` does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from faceid_fast.frame import Frame

LONGER_MM, SHORTER_MM, STEP_MM, SILHOUETTE_MM = 30.0, 25.0, 25.5, 60.5

Integers = NDArray[np.intp]
Floats = NDArray[np.float32]


def filled(frame: Frame) -> Frame:
    """Return the frame with its small holes filled; the same frame where there is none."""
    depth, k = frame.depth, frame.intrinsics
    missing = depth == 0
    rows, columns = np.nonzero(missing)
    if not len(rows):
        return frame
    unit = np.float32(1e3 * frame.depth_unit_m)
    left, right = _around(missing, 1, rows, columns)
    above, below = _around(missing, 0, rows, columns)
    height, width = depth.shape
    enclosed = (left >= 0) & (right < width) & (above >= 0) & (below < height)
    rows, columns, left, right, above, below = (
        places[enclosed] for places in (rows, columns, left, right, above, below)
    )

    def bridged(
        first: NDArray[np.uint16],
        last: NDArray[np.uint16],
        before: Integers,
        after: Integers,
        focal_px: float,
    ) -> tuple[Floats, Floats, Floats, NDArray[np.bool_]]:
        start, end = first.astype(np.float32), last.astype(np.float32)
        pixels = (before + after - 1).astype(np.float32)
        mm = pixels * np.minimum(start, end) * unit / np.float32(focal_px)
        step = np.abs(start - end) * unit
        weight = np.where(step <= STEP_MM, 1 / pixels, np.float32(0))
        value = start + (end - start) * before / (pixels + 1)
        return value.astype(np.float32), weight, mm, (mm <= LONGER_MM) & (step <= SILHOUETTE_MM)

    across, heavier, wide, short = bridged(
        depth[rows, left], depth[rows, right], columns - left, right - columns, k.fx
    )
    down, heavy, high, low = bridged(
        depth[above, columns], depth[below, columns], rows - above, below - rows, k.fy
    )
    total = heavy + heavier
    fits = short & low & (np.minimum(wide, high) <= SHORTER_MM) & (total > 0)
    fits &= (np.abs(across - down) * unit <= STEP_MM) | (heavy * heavier == 0)
    mean = (down * heavy + across * heavier)[fits] / total[fits]
    after = depth.copy()
    after[rows[fits], columns[fits]] = np.maximum(np.floor(mean + 0.5), 1).astype(np.uint16)
    return replace(frame, depth=after)


def _around(
    missing: NDArray[np.bool_], axis: int, rows: Integers, columns: Integers
) -> tuple[Integers, Integers]:
    """Places along an axis of the nearest measured pixels before and after; beyond the edge: none."""
    size = missing.shape[axis]
    at = np.arange(size, dtype=np.int16)[:, None] if axis == 0 else np.arange(size, dtype=np.int16)
    before = np.maximum.accumulate(np.where(missing, np.int16(-1), at), axis=axis)
    backwards = np.flip(np.where(missing, np.int16(size), at), axis)
    after = np.flip(np.minimum.accumulate(backwards, axis=axis), axis)
    return before[rows, columns].astype(np.intp), after[rows, columns].astype(np.intp)
