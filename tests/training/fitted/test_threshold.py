"""The threshold, from strangers' attempts."""

from __future__ import annotations

import numpy as np
import pytest

from training.fitted.threshold import INVERSE_FMR, threshold_of


def test_the_strictest_group_decides() -> None:
    rng = np.random.default_rng(1)
    near, far = rng.uniform(0.6, 1.4, 20_000), rng.uniform(0.9, 1.4, 5_000)
    threshold = threshold_of([far, near])
    assert threshold == threshold_of([near])
    assert 0 < np.mean(near <= threshold) <= 1 / INVERSE_FMR
    assert np.mean(near <= threshold + 0.003) > 1 / INVERSE_FMR
    assert threshold_of([far]) > threshold


def test_a_group_too_small_to_tell_says_nothing() -> None:
    rng = np.random.default_rng(2)
    few, many = rng.uniform(0.1, 0.2, INVERSE_FMR - 1), rng.uniform(0.7, 1.4, 4_000)
    assert threshold_of([few, many]) == threshold_of([many])
    with pytest.raises(ValueError, match="expected a group of 1,000 attempts of strangers or more"):
        threshold_of([few])
    with pytest.raises(ValueError, match="expected a group"):
        threshold_of([])


def test_strangers_that_cannot_be_told_apart_leave_next_to_nothing() -> None:
    assert threshold_of([np.zeros(5_000)]) == 1e-3
