"""Figures of depth: what was put in comes out."""

from __future__ import annotations

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")
if not hasattr(cv2, "triangleRasterize"):
    pytest.skip("OpenCV 4 has no triangleRasterize: renders need OpenCV 5", allow_module_level=True)
pytest.importorskip("rich", reason="needs the training environment")

from faceid_fast.frame import Frame, Intrinsics  # noqa: E402
from training.reports.cameras import figures, row  # noqa: E402

SHAPE = (120, 120)


def frame(noise_mm: float = 0.0, reach_px: float = 0.0, holes: float = 0.0, waves_mm: float = 0.0) -> Frame:
    """A plane at 0.6 m, 1 px a millimetre."""
    rng = np.random.default_rng(2)
    noise = rng.standard_normal(SHAPE).astype(np.float32)
    if reach_px:
        noise = cv2.GaussianBlur(noise, (0, 0), reach_px)
        noise /= noise.std()
    column = np.arange(SHAPE[1])
    depth = 600 + noise_mm * noise + waves_mm * np.sqrt(2) * np.sin(2 * np.pi * column / 14.0)
    depth[rng.random(SHAPE) < holes] = 0
    return Frame(
        infrared=np.full(SHAPE, 500, np.uint16),
        depth=np.rint(10 * depth).astype(np.uint16),
        depth_unit_m=1e-4,
        intrinsics=Intrinsics(600.0, 600.0, 60.0, 60.0),
    )


def test_noise_and_holes_are_found() -> None:
    found = figures(frame(noise_mm=1.0, holes=0.02))
    assert found.density == pytest.approx(0.98, abs=0.01)
    assert found.single_holes == pytest.approx(0.017, abs=0.006)
    assert found.noise_mm == pytest.approx(1.0, rel=0.15)
    assert figures(frame(noise_mm=1.0)).single_holes == 0


def test_smoothed_noise_is_alike_among_neighbours_and_white_noise_is_not() -> None:
    assert figures(frame(noise_mm=1.0)).alike < 0.1
    assert figures(frame(noise_mm=1.0, reach_px=1.5)).alike > 0.5


def test_relief_is_measured_in_its_band() -> None:
    plain, wavy = figures(frame(noise_mm=0.05)), figures(frame(noise_mm=0.05, waves_mm=1.0))
    assert plain.fine_mm < 0.1
    assert wavy.fine_mm > 5 * plain.fine_mm
    assert wavy.coarse_mm > 5 * plain.coarse_mm


def test_a_frame_without_depth_has_no_figures() -> None:
    empty = frame()
    nothing = Frame(
        infrared=empty.infrared,
        depth=np.zeros(SHAPE, np.uint16),
        depth_unit_m=1e-3,
        intrinsics=empty.intrinsics,
    )
    found = figures(nothing)
    assert found.density == 0
    assert np.isnan([found.noise_mm, found.alike, found.fine_mm]).all()
    assert row("nothing", [nothing]).count("| -") == 6
