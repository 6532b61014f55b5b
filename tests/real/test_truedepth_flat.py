"""A flat sheet before a real depth camera: never a live face."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from faceid_fast import FaceAligner, Frame, Intrinsics, NoFace, Outcome
from faceid_fast.face.liveness import LivenessCheck
from faceid_fast.sources.files.images import read_png

CAMERA = Intrinsics(595.34, 595.34, 318.33, 239.96)
DEPTH_UNIT_M = 0.0001


def sheets(folder: Path) -> list[tuple[NDArray[Any], NDArray[np.uint8]]]:
    depths = sorted(folder.glob("depth_*.png"))
    assert depths
    return [
        (read_png(path), read_png(path.with_name(path.name.replace("depth_", "rgb_")))) for path in depths
    ]


def moved(depth: NDArray[Any], color: NDArray[np.uint8], distance_mm: float) -> Frame:
    """Push the sheet away: every measured point is carried along the axis and projected again."""
    v, u = np.nonzero(depth)
    z = depth[v, u] * (DEPTH_UNIT_M * 1000.0)
    x, y = (u - CAMERA.cx) / CAMERA.fx * z, (v - CAMERA.cy) / CAMERA.fy * z
    z = z + distance_mm - np.median(z)
    column = np.rint(x / z * CAMERA.fx + CAMERA.cx).astype(int)
    row = np.rint(y / z * CAMERA.fy + CAMERA.cy).astype(int)
    seen = (row >= 0) & (row < depth.shape[0]) & (column >= 0) & (column < depth.shape[1])
    far, picture = np.zeros(depth.shape, np.float32), np.zeros_like(color)
    far[row[seen], column[seen]] = z[seen]
    picture[row[seen], column[seen]] = color[v[seen], u[seen]]
    return Frame(color=picture, depth=far, depth_unit_m=0.001, intrinsics=CAMERA)


def outcome_of(frame: Frame) -> Outcome | None:
    """None: a live face."""
    found = FaceAligner.bundled().align(frame)
    if isinstance(found, NoFace):
        return found.outcome
    return None if LivenessCheck.bundled().check(found).live else Outcome.SPOOF


def test_where_they_were_held_sheets_are_too_near(truedepth_flat: Path) -> None:
    for depth, color in sheets(truedepth_flat):
        frame = Frame(color=color, depth=depth, depth_unit_m=DEPTH_UNIT_M, intrinsics=CAMERA)
        assert outcome_of(frame) is Outcome.TOO_NEAR


@pytest.mark.parametrize("distance_mm", [400.0, 500.0, 600.0, 700.0, 800.0])
def test_where_faces_are_held_sheets_are_flat(truedepth_flat: Path, distance_mm: float) -> None:
    outcomes = [outcome_of(moved(*sheet, distance_mm)) for sheet in sheets(truedepth_flat)]
    assert None not in outcomes
    assert Outcome.SPOOF in outcomes  # flatness was asked for, not only size
