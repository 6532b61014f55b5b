"""Intervals by bootstrap over people, against resamples laid out by hand."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from faceid_fast.evaluate.claims import Support, support
from faceid_fast.evaluate.intervals import (
    Comparisons,
    GroupedDistances,
    bootstrap,
    draw_people,
    equal_error_rates,
    interval,
    observed_thresholds,
    tars_at_far,
)
from faceid_fast.evaluate.scores import score

THRESHOLD = 0.5


def made(people: int = 4, captures: int = 5, *, seed: int = 0, spread: float = 0.0) -> Comparisons:
    """Every pair of the captures, distances of two decimals (many ties), some not acquired."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(people), captures)
    first, second = np.triu_indices(len(who), 1)
    same = who[first] == who[second]
    own = rng.normal(0.0, spread, (people, people))
    values = np.where(same, rng.uniform(0.0, 0.8, len(same)), rng.uniform(0.3, 1.6, len(same)))
    values = np.clip(np.round(values + own[who[first], who[second]], 2), 0.0, 2.0)
    values[rng.random(len(values)) < 0.03] = np.inf
    return Comparisons(
        values[same], who[first[same]], values[~same], who[first[~same]], who[second[~same]], people
    )


def laid_out(found: Comparisons, draw: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Repeat every comparison as often as a draw holds it."""
    genuine = np.repeat(found.genuine, draw[found.person])
    return genuine, np.repeat(found.impostor, draw[found.first] * draw[found.second])


def of(
    found: Comparisons, draws: NDArray[np.int64]
) -> tuple[GroupedDistances, GroupedDistances, NDArray[np.float64]]:
    """Genuine and impostor comparisons in resamples, and the thresholds."""
    people = range(found.people)
    weights = np.array([draws[one] * draws[other] for one in people for other in people])
    low, high = np.minimum(found.first, found.second), np.maximum(found.first, found.second)
    return (
        GroupedDistances(found.genuine, found.person, draws),
        GroupedDistances(found.impostor, low * found.people + high, weights),
        observed_thresholds(found.genuine, found.impostor),
    )


def test_every_resample_is_scored_as_if_it_were_laid_out() -> None:
    found, draws = made(), draw_people(4, resamples=60, seed=3)
    groups = found.first * 4 + found.second
    genuine = GroupedDistances(found.genuine, found.person, draws)
    impostor = GroupedDistances(
        found.impostor, groups, np.array([draws[g // 4] * draws[g % 4] for g in range(16)])
    )
    thresholds = observed_thresholds(found.genuine, found.impostor)
    eer = equal_error_rates(genuine, impostor, thresholds)
    tar = {inverse: tars_at_far(genuine, impostor, thresholds, inverse) for inverse in (10, 100)}
    at = np.full(60, THRESHOLD)
    for index, draw in enumerate(draws.T):
        wanted = score(*laid_out(found, draw), threshold=THRESHOLD, failure_to_acquire=None)
        if wanted.eer is None:
            assert np.isnan(eer[index])
            continue
        assert eer[index] == pytest.approx(wanted.eer, abs=1e-12)
        assert genuine.means()[index] == pytest.approx(wanted.genuine_mean)
        assert impostor.means()[index] == pytest.approx(wanted.impostor_mean)
        assert impostor.accepted(at)[index] == pytest.approx(
            (wanted.far_at_threshold or 0.0) * wanted.n_impostor
        )
        for inverse, key in ((10, "1e-1"), (100, "1e-2")):
            rate = wanted.tar_at_far[key]
            assert tar[inverse][index] == pytest.approx(np.nan if rate is None else rate, nan_ok=True)


def test_drawing_everybody_once_gives_the_figures_themselves() -> None:
    found = made(6, 9, seed=1)
    figures = score(found.genuine, found.impostor, threshold=THRESHOLD, failure_to_acquire=None)
    genuine, impostor, thresholds = of(found, np.ones((6, 3), np.int64))
    assert equal_error_rates(genuine, impostor, thresholds) == pytest.approx(figures.eer)
    assert tars_at_far(genuine, impostor, thresholds, 1000) == pytest.approx(figures.tar_at_far["1e-3"])
    assert genuine.means() == pytest.approx(figures.genuine_mean)
    assert impostor.means() == pytest.approx(figures.impostor_mean)
    at = np.full(3, THRESHOLD)
    assert impostor.accepted(at) / impostor.total == pytest.approx(figures.far_at_threshold)
    assert 1 - genuine.accepted(at) / genuine.total == pytest.approx(figures.frr_at_threshold)
    assert impostor.group_count == 15


def test_of_two_thresholds_as_close_the_smaller_counts() -> None:
    zero = np.zeros(4, np.int64)
    found = Comparisons(
        np.array([0.1, 0.1, 0.5, 0.9]), zero, np.array([0.5, 0.5, 0.5, 1.0]), zero, zero + 1, 2
    )
    assert equal_error_rates(*of(found, np.ones((2, 1), np.int64))) == pytest.approx(0.25)


def test_two_draws_of_one_person_are_no_impostors() -> None:
    found = made(3, 4)
    lonely = np.array([[3], [0], [0]])
    assert bootstrap(found, lonely, THRESHOLD).eer is None
    both = np.array([[2], [1], [0]])
    pair = found.impostor[(found.first + found.second == 1) & np.isfinite(found.impostor)]
    assert of(found, both)[1].means() == pytest.approx(pair.mean())


def test_people_who_differ_widen_the_interval() -> None:
    narrow, wide = (
        bootstrap(made(8, 6, spread=spread), draw_people(8), THRESHOLD).impostor_mean for spread in (0.0, 0.3)
    )
    assert narrow is not None
    assert wide is not None
    assert wide[1] - wide[0] > 3 * (narrow[1] - narrow[0])


def test_intervals_at_the_threshold_are_of_what_the_keys_let_through() -> None:
    """As of distances that are infinite where a key refuses; the other intervals stay as they are."""
    rng = np.random.default_rng(9)
    found, draws = made(6, 6), draw_people(6)
    keyed = replace(
        found,
        genuine_keys=rng.random((len(found.genuine), 2)) < 0.8,
        impostor_keys=rng.random((len(found.impostor), 2)) < 0.8,
    )
    genuine, impostor = keyed.decided()
    assert (np.isinf(genuine).sum(), np.isinf(impostor).sum()) > (100 * 0.2, 500 * 0.2)
    asked, plain = bootstrap(keyed, draws, THRESHOLD), bootstrap(found, draws, THRESHOLD)
    decided = bootstrap(replace(found, genuine=genuine, impostor=impostor), draws, THRESHOLD)
    for name in ("far_at_threshold", "frr_at_threshold"):
        assert getattr(asked, name) == getattr(decided, name) != getattr(plain, name)
    for name in ("eer", "tar_at_far", "genuine_mean", "impostor_mean", "person_pairs"):
        assert getattr(asked, name) == getattr(plain, name)


def test_the_same_seed_draws_the_same_people() -> None:
    np.testing.assert_array_equal(draw_people(6), draw_people(6))
    assert (draw_people(6).sum(axis=0) == 6).all()
    assert draw_people(6).shape == (6, 1000)


def test_an_interval_needs_half_of_the_resamples() -> None:
    values = np.array([np.nan, np.nan, 1.0, 2.0])
    assert interval(values) == pytest.approx((1.025, 1.975))
    assert interval(np.append(values, np.nan)) is None
    assert interval(np.empty(0)) is None


def test_what_does_not_vary_has_no_interval() -> None:
    """An interval of no width would claim what nobody knows: one observation is no spread."""
    assert interval(np.full(1000, 1.0)) is None
    pair = made(2, 3)
    found = bootstrap(pair, draw_people(2), THRESHOLD)
    for of_impostors in (found.eer, found.impostor_mean, found.far_at_threshold, *found.tar_at_far.values()):
        assert of_impostors is None
    assert found.person_pairs == 1
    assert found.genuine_mean is not None  # of two people
    alone = Comparisons(pair.genuine, np.zeros_like(pair.person), pair.impostor, pair.first, pair.second, 2)
    assert bootstrap(alone, draw_people(2), THRESHOLD).genuine_mean is None
    assert bootstrap(alone, draw_people(2), THRESHOLD).frr_at_threshold is None
    never = bootstrap(made(6, 4), draw_people(6), -0.5)  # everybody is refused, in each resample
    assert (never.far_at_threshold, never.frr_at_threshold) == (None, None)


def test_six_people_of_54_captures_take_no_more_than_seconds() -> None:
    found = made(6, 54, seed=2)
    began = time.process_time()
    assert bootstrap(found, draw_people(6), THRESHOLD).eer is not None
    assert time.process_time() - began < 5.0


@pytest.mark.parametrize(
    ("n_impostor", "person_pairs", "inverse", "wanted"),
    [
        (299, 299, 100, Support.NONE),
        (300, 299, 100, Support.COMPARISONS_ONLY),
        (300, 300, 100, Support.FULL),
        (43740, 15, 1000, Support.COMPARISONS_ONLY),
    ],
)
def test_rule_of_three(n_impostor: int, person_pairs: int, inverse: int, wanted: Support) -> None:
    assert support(n_impostor, person_pairs, inverse) is wanted
