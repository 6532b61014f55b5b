"""The relief of a face as a point on a circle."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("tensorflow", reason="needs the training environment (TensorFlow)")

from faceid_fast.face.crop import GRID_STEP_MM
from training.network.relief import LEAST_MM, MOST_MM, TURN, ReliefAngle, _disc, _mean_face

Floats = NDArray[np.float32]


def _surface(height_mm: float, wave_mm: float = 14.0) -> Floats:
    """Waves of a height and a length, in millimetres, as depth (72, 64)."""
    rows, columns = np.indices((72, 64), np.float32) * np.float32(2 * np.pi * GRID_STEP_MM / wave_mm)
    return np.asarray(height_mm * np.sin(rows) * np.sin(columns), np.float32)


def _tensor(surface_mm: Floats) -> Floats:
    return ((surface_mm - _mean_face()[0, 0]) / 10.0)[None, None]


def _points(depth: Floats) -> Floats:
    return np.asarray(ReliefAngle()(depth))


def _point_of(relief_mm: float) -> Floats:
    angle = TURN * np.log(min(relief_mm, MOST_MM))
    return np.array([[np.cos(angle), np.sin(angle)]], np.float32)


def _by_hand(surface_mm: Floats) -> float:
    fine, coarse = (cv2.GaussianBlur(surface_mm, (0, 0), mm / GRID_STEP_MM) for mm in (3.0, 6.0))
    apart = (fine - coarse)[_disc()[0, 0] > 0]
    return float(np.sqrt(np.mean(apart**2) + LEAST_MM**2))


@pytest.mark.parametrize("height_mm", [0.5, 1.0, 2.0, 4.0])
def test_it_is_what_lies_between_two_gaussians(height_mm: float) -> None:
    surface = _surface(height_mm)
    np.testing.assert_allclose(_points(_tensor(surface)), _point_of(_by_hand(surface)), atol=0.03)


def test_a_blurred_surface_is_far_and_a_deeper_one_is_not() -> None:
    surface = _surface(20.0)
    assert _by_hand(surface) > MOST_MM
    whole, deeper = _points(_tensor(surface)), _points(_tensor(1.2 * surface))
    np.testing.assert_allclose(deeper, whole, atol=1e-6)
    blurred = cv2.GaussianBlur(surface, (0, 0), 3.0)
    assert np.linalg.norm(_points(_tensor(blurred)) - whole) > 0.5


def test_no_relief_is_near_another() -> None:
    points = np.concatenate([_point_of(mm) for mm in np.geomspace(LEAST_MM, MOST_MM, 200)])
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    far = np.abs(np.subtract.outer(np.arange(200), np.arange(200))) > 20
    assert apart[far].min() > 0.4


def test_what_is_not_known_does_not_count() -> None:
    tensor = _tensor(_surface(6.0))
    whole = _points(tensor)
    tensor[:, :, :, :30] = 0.0
    np.testing.assert_allclose(_points(tensor), whole, atol=0.25)
    np.testing.assert_allclose(_points(np.zeros_like(tensor)), _point_of(LEAST_MM), atol=1e-5)
