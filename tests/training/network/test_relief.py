"""The relief of a face as a point on a circle."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("tensorflow", reason="needs the training environment (TensorFlow)")

from faceid_fast.face.crop import GRID_STEP_MM
from training.network.relief import MOST_MM, TURN, ReliefAngle, _disc, _mean_face

Floats = NDArray[np.float32]


def _surface(height_mm: float, wave_mm: float = 14.0) -> Floats:
    """Waves of a height and a length, in millimetres, as depth (72, 64)."""
    rows, columns = np.indices((72, 64), np.float32) * np.float32(2 * np.pi * GRID_STEP_MM / wave_mm)
    return np.asarray(height_mm * np.sin(rows) * np.sin(columns), np.float32)


def _tensor(surface_mm: Floats) -> Floats:
    return ((surface_mm - _mean_face()[0, 0]) / 10.0)[None, None]


def _relief_mm(depth: Floats) -> float:
    cosine, sine = np.asarray(ReliefAngle()(depth))[0]
    return float(np.exp(np.arctan2(sine, cosine) / TURN))


def _by_hand(surface_mm: Floats) -> float:
    fine, coarse = (cv2.GaussianBlur(surface_mm, (0, 0), mm / GRID_STEP_MM) for mm in (3.0, 6.0))
    apart = (fine - coarse)[_disc()[0, 0] > 0]
    return float(np.sqrt(np.mean(apart**2) + 0.01))


@pytest.mark.parametrize("height_mm", [0.5, 1.0, 2.0, 4.0])
def test_it_is_what_lies_between_two_gaussians(height_mm: float) -> None:
    surface = _surface(height_mm)
    assert _relief_mm(_tensor(surface)) == pytest.approx(_by_hand(surface), rel=0.02)


def test_a_blurred_surface_has_less_and_a_deeper_one_no_more_than_counts() -> None:
    surface = _surface(2.0)
    whole, blurred = _relief_mm(_tensor(surface)), _relief_mm(_tensor(cv2.GaussianBlur(surface, (0, 0), 3.0)))
    assert blurred < 0.5 * whole
    assert _relief_mm(_tensor(_surface(50.0))) == pytest.approx(MOST_MM, rel=1e-3)


def test_what_is_not_known_does_not_count() -> None:
    surface = _surface(2.0)
    tensor = _tensor(surface)
    tensor[:, :, :, :30] = 0.0
    assert _relief_mm(tensor) == pytest.approx(_relief_mm(_tensor(surface)), rel=0.1)
    assert np.isfinite(np.asarray(ReliefAngle()(np.zeros_like(tensor)))).all()
    assert _relief_mm(np.zeros_like(tensor)) < 0.2
