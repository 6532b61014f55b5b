"""Random fields that sensors and what is behind them draw from."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Rng = np.random.Generator


def correlated(rng: Rng, shape: tuple[int, int], sigma: float) -> Floats:
    """Unit-variance noise with a Gaussian correlation of ``sigma`` pixels."""
    coarse = max(1, int(sigma))  # a coarser grid for long correlations: the same field, less work
    small = rng.standard_normal((shape[0] // coarse + 3, shape[1] // coarse + 3), dtype=np.float32)
    small = cv2.GaussianBlur(small, (0, 0), max(sigma / coarse, 0.3))
    field = cv2.resize(small, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    out: Floats = field / max(float(small.std()), 1e-3)
    return out


def log_uniform(rng: Rng, span: tuple[float, float]) -> float:
    """Draw a positive number whose logarithm is uniform."""
    low, high = span
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
