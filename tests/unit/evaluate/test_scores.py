from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceid_fast.errors import InvalidInputError
from faceid_fast.evaluate.scores import (
    accept_rate,
    equal_error_rate,
    error_curve,
    score,
    tar_at_far,
    threshold_at_far,
)

INF = math.inf


def test_perfect_separation() -> None:
    figures = score([0.1, 0.2], [0.8, 0.9, 1.0] * 4, threshold=0.5, failure_to_acquire=0.0)
    assert figures.eer == 0.0
    assert figures.tar_at_far == {"1e-1": 1.0, "1e-2": None, "1e-3": None, "1e-4": None}
    assert (figures.far_at_threshold, figures.frr_at_threshold) == (0.0, 0.0)
    assert figures.genuine_mean == pytest.approx(0.15)
    assert figures.impostor_mean == pytest.approx(0.9)
    assert (figures.n_genuine, figures.n_impostor) == (2, 12)


def test_equal_error_rate_by_hand() -> None:
    # At 0.5: FNMR 1/4 (0.7), FMR 1/4 (0.4).
    assert equal_error_rate([0.1, 0.2, 0.5, 0.7], [0.4, 0.8, 0.9, 1.0]) == 0.25
    # Rates meet only between steps: FNMR 1/3 stays, FMR jumps from 0 to 1/2; the closest is taken.
    assert equal_error_rate([0.1, 0.2, 0.9], [0.5, 1.0]) == pytest.approx((0.5 + 1 / 3) / 2)


def test_of_two_thresholds_as_close_the_smaller_counts() -> None:
    # Below 0.5: FMR 0, FNMR 1/2; at 0.5: FMR 3/4, FNMR 1/4.
    assert equal_error_rate([0.1, 0.1, 0.5, 0.9], [0.5, 0.5, 0.5, 1.0]) == 0.25


def test_failed_acquisitions_never_match() -> None:
    figures = score([0.1, INF], [0.8] * 9 + [INF], threshold=0.9, failure_to_acquire=0.25)
    assert figures.frr_at_threshold == 0.5
    assert figures.far_at_threshold == 0.9
    assert figures.tar_at_far["1e-1"] == 0.5
    assert figures.genuine_mean == pytest.approx(0.1)
    assert figures.impostor_mean == pytest.approx(0.8)
    assert figures.failure_to_acquire == 0.25


def test_all_failed() -> None:
    figures = score([INF, INF], [INF] * 10, threshold=2.0, failure_to_acquire=1.0)
    assert figures.eer == 0.5  # FMR 0, FNMR 1 at every threshold
    assert figures.tar_at_far["1e-1"] == 0.0
    assert figures.genuine_mean is None
    assert figures.impostor_mean is None


def test_tar_uses_the_largest_threshold_within_far() -> None:
    impostor = np.arange(10, 20) / 10.0
    # One false accept of ten is allowed: any threshold below 1.1, observed or not.
    assert tar_at_far([0.5, 1.0, 1.09, 1.1], impostor, 10) == 0.75
    # A tie at the limit would let two in, so none of it may come in.
    assert tar_at_far([0.9, 1.0], [1.0, 1.0, *impostor[2:]], 10) == 0.5


def test_tar_needs_enough_impostors() -> None:
    assert tar_at_far([0.1], [1.0] * 99, 100) is None
    assert tar_at_far([0.1], [1.0] * 100, 100) == 1.0


def test_nothing_measured_is_none() -> None:
    figures = score([], [], threshold=0.5, failure_to_acquire=None)
    assert figures.eer is None
    assert set(figures.tar_at_far.values()) == {None}
    assert figures.far_at_threshold is None
    assert figures.frr_at_threshold is None


def test_threshold_is_inclusive() -> None:
    assert accept_rate([0.5], 0.5) == 1.0
    assert accept_rate([0.5], math.nextafter(0.5, 0)) == 0.0


@pytest.mark.parametrize("bad", [[math.nan], [-0.1], [[0.1]], 0.1])
def test_bad_distances(bad: Any) -> None:
    with pytest.raises(InvalidInputError, match="genuine: expected"):
        score(bad, [0.5], threshold=0.5, failure_to_acquire=0.0)


# Few distinct values, so that ties are common.
DISTANCES = st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, INF]), min_size=1, max_size=30)


def naive_thresholds(*lists: list[float]) -> list[float]:
    """Every threshold that can make a difference: all distances, and between them."""
    seen = sorted({value for values in lists for value in values if math.isfinite(value)})
    between = [(low + high) / 2 for low, high in pairwise([-1.0, *seen, 3.0])]
    return sorted([*seen, *between])


def share(values: list[float], threshold: float) -> float:
    return sum(value <= threshold for value in values) / len(values)


@given(DISTANCES, DISTANCES)
def test_equal_error_rate_against_a_naive_one(genuine: list[float], impostor: list[float]) -> None:
    rates = [(share(impostor, t), 1 - share(genuine, t)) for t in naive_thresholds(genuine, impostor)]
    closest = min(abs(far - frr) for far, frr in rates)
    candidates = [(far + frr) / 2 for far, frr in rates if abs(far - frr) <= closest + 1e-12]
    got = equal_error_rate(genuine, impostor)
    assert got is not None
    assert any(got == pytest.approx(wanted) for wanted in candidates)


@given(DISTANCES, DISTANCES, st.sampled_from([1, 2, 3, 10]))
def test_tar_against_a_naive_one(genuine: list[float], impostor: list[float], inverse: int) -> None:
    got = tar_at_far(genuine, impostor, inverse)
    if len(impostor) < inverse:
        assert got is None
        return
    allowed = [
        t
        for t in naive_thresholds(genuine, impostor)
        if sum(value <= t for value in impostor) * inverse <= len(impostor)
    ]
    assert got == pytest.approx(share(genuine, max(allowed)))


@given(DISTANCES, st.sampled_from([1, 2, 3, 10]))
def test_threshold_is_the_largest_within_far(impostor: list[float], inverse: int) -> None:
    threshold = threshold_at_far(impostor, inverse)
    if threshold is None:
        assert len(impostor) < inverse
        return
    assert math.isfinite(threshold)
    assert sum(value <= threshold for value in impostor) * inverse <= len(impostor)
    farther = math.nextafter(threshold, INF)
    assert farther == INF or sum(value <= farther for value in impostor) * inverse > len(impostor)


@given(DISTANCES, DISTANCES)
def test_rates_are_fractions(genuine: list[float], impostor: list[float]) -> None:
    figures = score(genuine, impostor, threshold=0.5, failure_to_acquire=0.0)
    for rate in (
        figures.eer,
        figures.far_at_threshold,
        figures.frr_at_threshold,
        *figures.tar_at_far.values(),
    ):
        assert rate is None or 0.0 <= rate <= 1.0


def test_an_error_curve_says_what_counting_says() -> None:
    random = np.random.default_rng(5)
    genuine, impostor = random.normal(0.4, 0.1, 3000) ** 2, random.normal(0.9, 0.1, 50_000) ** 2
    genuine[:7] = np.inf
    curve = error_curve(genuine, impostor)
    assert curve is not None
    assert (np.diff(curve.thresholds) > 0).all()
    assert len(curve.thresholds) <= 3000
    for at, fmr, fnmr in zip(*curve, strict=True):
        assert fmr == np.mean(impostor <= at)
        assert fnmr == pytest.approx(1.0 - np.mean(genuine <= at), abs=1e-12)
    assert curve.fmr[curve.fmr > 0].min() == 1 / 50_000
    assert error_curve([], impostor) is None
    assert error_curve(genuine, []) is None
