"""Whitening: what varies within people counts alike in every direction."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from training.network import whitening as module
from training.network.whitening import Labelled, Whitening, principal_directions, whitening_of

SIZE = 12
SHARES = {"captured": 0.4, "morphs": 0.4, "portraits": 0.2}


def people_of(
    count: int, captures: int, spread: NDArray[np.float64], *, seed: int, mean: float = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
    """Rows (count * captures, SIZE) about people's own means, with a spread (SIZE, SIZE) within each."""
    rng = np.random.default_rng(seed)
    means = mean + rng.standard_normal((count, SIZE))
    within = rng.standard_normal((count * captures, SIZE)) @ spread
    names = np.repeat(np.array([f"{seed}-{number}" for number in range(count)]), captures)
    return np.repeat(means, captures, axis=0) + within, names


def uneven(seed: int = 1) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    axes, _ = np.linalg.qr(rng.standard_normal((SIZE, SIZE)))
    return axes * np.geomspace(0.02, 0.6, SIZE)


def within(rows: NDArray[np.float64], people: NDArray[np.str_]) -> NDArray[np.float64]:
    return np.mean([np.cov(rows[people == name].T, bias=True) for name in np.unique(people)], axis=0)


def learned(
    captured: Labelled,
    portraits: Labelled,
    morphs: Labelled | None = None,
    shares: dict[str, float] = SHARES,
) -> Whitening:
    return whitening_of({"captured": captured, "morphs": morphs or portraits, "portraits": portraits}, shares)


def test_the_spread_within_people_becomes_even(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RIDGE", 0.0)
    spread = uneven()
    captured = people_of(4, 300, spread, seed=2)
    found = whitening_of({"captured": captured}, {"captured": 1.0})
    np.testing.assert_allclose(found.matrix, found.matrix.T, atol=1e-9)
    even = within((captured[0] - found.mean) @ found.matrix, captured[1])
    np.testing.assert_allclose(even, even[0, 0] * np.eye(SIZE), atol=1e-6 * even[0, 0])


def test_every_kind_of_people_is_needed() -> None:
    some = people_of(4, 3, uneven(), seed=2)
    with pytest.raises(ValueError, match="expected captured, morphs, portraits, got captured"):
        whitening_of({"captured": some}, SHARES)
    once = some[0][::3], some[1][::3]
    with pytest.raises(ValueError, match="morphs: expected somebody with several rows, got 4 people"):
        learned(some, some, once)


def test_each_kind_counts_by_its_share() -> None:
    captured, portraits = people_of(4, 50, uneven(), seed=2), people_of(40, 2, uneven(), seed=3)
    plain = learned(captured, portraits, portraits)
    other = learned(captured, portraits, people_of(40, 8, uneven(9), seed=4))
    assert not np.allclose(other.matrix, plain.matrix, rtol=1e-2)
    without = {"captured": 0.8, "morphs": 0.0, "portraits": 0.2}
    np.testing.assert_allclose(
        learned(captured, portraits, people_of(40, 8, uneven(9), seed=4), without).matrix,
        learned(captured, portraits, portraits, without).matrix,
    )


def test_the_ridge_bounds_what_a_direction_can_gain() -> None:
    captured, portraits = people_of(4, 300, uneven(), seed=2), people_of(40, 2, uneven(), seed=3)
    values = np.linalg.eigvalsh(learned(captured, portraits).matrix)
    assert values[0] > 0
    raw = np.geomspace(0.02, 0.6, SIZE)
    assert values[-1] / values[0] < 0.5 * raw[-1] / raw[0]


def test_how_large_the_portraits_spread_is_does_not_count() -> None:
    captured = people_of(4, 50, uneven(), seed=2)
    rows, names = people_of(40, 2, uneven(5), seed=3)
    once = learned(captured, (rows, names))
    larger = learned(captured, (10.0 * rows, names))
    np.testing.assert_allclose(larger.matrix, once.matrix, rtol=1e-6, atol=1e-9)
    # That they are there does.
    other = learned(captured, people_of(40, 2, uneven(6), seed=4))
    assert not np.allclose(other.matrix, once.matrix, atol=1e-2)


def test_everybody_captured_counts_alike_in_the_mean() -> None:
    rows = np.concatenate([np.full((30, SIZE), 1.0), np.full((3, SIZE), 3.0)])
    rows += 0.1 * np.random.default_rng(0).standard_normal(rows.shape)
    names = np.array(["ada"] * 30 + ["ben"] * 3)
    found = learned((rows, names), people_of(40, 2, uneven(), seed=3, mean=9.0))
    np.testing.assert_allclose(found.mean, 2.0, atol=0.2)


def test_whitened_rows_have_length_one() -> None:
    captured = people_of(4, 50, uneven(), seed=2)
    rows = learned(captured, people_of(40, 2, uneven(), seed=3)).apply(captured[0])
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-12)


def test_directions_keep_what_varies_most() -> None:
    rng = np.random.default_rng(4)
    rows = (rng.standard_normal((500, 6)) * [5, 4, 3, 0.1, 0.1, 0.1]).astype(np.float32)
    kept = principal_directions(rows, 3)
    np.testing.assert_allclose(kept.T @ kept, np.eye(3), atol=1e-5)
    assert np.linalg.norm(rows @ kept) > 0.999 * np.linalg.norm(rows)
