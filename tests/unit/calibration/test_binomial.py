"""Exact binomial bounds, against scipy's beta distribution."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from faceid_fast.calibration.binomial import clopper_pearson, shows, upper_rate
from faceid_fast.errors import InvalidInputError

COUNTS = st.integers(1, 100_000).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials)))
FEW = st.integers(1, 1_000_000).flatmap(
    lambda trials: st.tuples(st.integers(0, min(trials, 20)), st.just(trials))
)


def beta_end(errors: int, trials: int, tail: float) -> float:
    """Rate at which so many errors or fewer have a probability of `tail`."""
    return float(stats.beta.isf(tail, errors + 1, trials - errors)) if errors < trials else 1.0


@given(COUNTS | FEW)
def test_intervals_are_scipy_s(counts: tuple[int, int]) -> None:
    errors, trials = counts
    low, high = clopper_pearson(errors, trials)
    assert low == pytest.approx(1.0 - beta_end(trials - errors, trials, 0.025), rel=1e-8, abs=1e-15)
    assert high == pytest.approx(beta_end(errors, trials, 0.025), rel=1e-8)
    if errors:
        assert low == pytest.approx(float(stats.beta.ppf(0.025, errors, trials - errors + 1)), rel=1e-8)


@given(COUNTS | FEW)
def test_bounds_are_scipy_s(counts: tuple[int, int]) -> None:
    errors, trials = counts
    upper = upper_rate(errors, trials)
    assert upper == pytest.approx(beta_end(errors, trials, 0.05), rel=1e-8)
    assert upper == 1.0 or shows(errors, trials, upper)
    below = math.nextafter(upper, 0.0)
    assert not below or not shows(errors, trials, below)


@pytest.mark.parametrize("counts", [(1, 0), (-1, 3), (4, 3), (0, 0)])
def test_other_counts_are_refused(counts: tuple[int, int]) -> None:
    with pytest.raises(InvalidInputError, match="errors, trials"):
        clopper_pearson(*counts)
