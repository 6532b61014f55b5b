"""The learned correction of the fitted pose: what is learned, and from what."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("scipy", reason="needs the training environment")
pytest.importorskip("rich", reason="needs the training environment")

from training.fitted.pose_correction import PoseErrors, maps_of, regress


def test_the_regression_finds_a_linear_law() -> None:
    rng = np.random.default_rng(1)
    maps = 3.0 * rng.standard_normal((6000, 40)).astype(np.float16)
    law = rng.standard_normal((8, 40)).astype(np.float32)
    errors = maps.astype(np.float32) @ law.T + np.arange(8, dtype=np.float32)
    noise = 0.1 * rng.standard_normal(errors.shape, dtype=np.float32)
    weights, offset = regress(PoseErrors(maps, errors + noise))
    # The ridge shrinks a little.
    np.testing.assert_allclose(weights, law, atol=0.25)
    np.testing.assert_allclose(offset, np.arange(8), atol=0.05)


def test_maps_are_depth_and_the_mean_of_the_colours() -> None:
    tensor = np.stack([np.full((72, 64), value, np.float32) for value in (5.0, 1.0, 2.0, 6.0)])
    maps = maps_of(tensor)
    assert maps.shape == (2 * 72 * 64,)
    np.testing.assert_array_equal(maps[: 72 * 64], 5.0)
    np.testing.assert_array_equal(maps[72 * 64 :], 3.0)
