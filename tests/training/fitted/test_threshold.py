"""The threshold, from pairs of strangers."""

from __future__ import annotations

import numpy as np
import pytest

from training.fitted.threshold import INVERSE_FMR, threshold_of


def test_it_is_the_largest_distance_that_lets_in_as_few_as_may_be() -> None:
    distances = 0.6 + 0.8 * np.sqrt(np.random.default_rng(1).uniform(0.0, 1.0, 200_000))  # rare at the end
    threshold = threshold_of(distances)
    assert 0 < np.mean(distances <= threshold) <= 1 / INVERSE_FMR
    assert np.mean(distances <= threshold + 0.0005) > 1 / INVERSE_FMR


def test_too_few_pairs_tell_nothing() -> None:
    with pytest.raises(ValueError, match="expected 10,000 pairs of strangers or more, got 9,999"):
        threshold_of(np.linspace(0.7, 1.4, INVERSE_FMR - 1))


def test_strangers_that_cannot_be_told_apart_leave_next_to_nothing() -> None:
    assert threshold_of(np.zeros(50_000)) == 1e-3
