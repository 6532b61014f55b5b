"""The limits of the two keys, from distances of honest attempts."""

from __future__ import annotations

import numpy as np
import pytest

from training.fitted.key_limits import (
    REFERENCES,
    REFUSED_SHARE,
    STEP,
    honest_distances,
    key_limits,
    limit_of,
)


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_distances_are_to_the_nearest_of_ones_own_references() -> None:
    rng = np.random.default_rng(1)
    rows, people = unit(rng.standard_normal((36, 8))), np.tile(np.array(["ada", "ben", "cleo"]), 12)
    found = honest_distances(rows, people)
    wanted = []
    for name in ("ada", "ben", "cleo"):
        own = rows[people == name]
        references, attempts = own[:REFERENCES], own[REFERENCES:]
        wanted += [min(np.linalg.norm(attempt - each) for each in references) for attempt in attempts]
    np.testing.assert_allclose(found, wanted, atol=1e-7)


def test_who_is_enrolled_can_be_said() -> None:
    rows = unit(np.random.default_rng(2).standard_normal((10, 8)))
    people, enrolled = np.repeat(np.array(["ada", "ben"]), 5), np.tile([False, True, False, False, False], 2)
    found = honest_distances(rows, people, enrolled)
    wanted = [np.linalg.norm(rows[row] - rows[1 if row < 5 else 6]) for row in (0, 2, 3, 4, 5, 7, 8, 9)]
    np.testing.assert_allclose(found, wanted, atol=1e-7)


def test_people_without_references_or_attempts_have_no_distance() -> None:
    rows = unit(np.random.default_rng(3).standard_normal((9, 8)))
    people = np.array(["few"] * REFERENCES + ["enough"] * (REFERENCES + 1))
    assert len(honest_distances(rows, people)) == 1
    assert len(honest_distances(rows, people, np.zeros(9, bool))) == 0
    assert len(honest_distances(rows, people, np.ones(9, bool))) == 0


def test_a_limit_refuses_the_share_that_it_may_of_any_group() -> None:
    rng = np.random.default_rng(4)
    near, far = rng.uniform(0.1, 0.5, 4000), rng.uniform(0.2, 0.9, 300)
    limit = limit_of([near, far, np.empty(0)])
    assert np.mean(far > limit) <= REFUSED_SHARE
    # As large as the worst group needs, however few it has: together they would hide it.
    assert limit > limit_of([np.concatenate([near, far])])
    assert np.mean(far >= limit - STEP) > REFUSED_SHARE  # and no larger than that


def test_a_limit_is_one_that_a_contract_takes() -> None:
    assert limit_of([np.zeros(10)]) == STEP
    assert limit_of([np.full(10, 2.1)]) == 2.0


@pytest.mark.parametrize("groups", [[], [np.empty(0)], [np.empty(0), np.empty(0)]])
def test_without_distances_there_is_no_limit(groups: list[np.ndarray]) -> None:
    with pytest.raises(ValueError, match="expected honest distances, got none"):
        limit_of(groups)


def test_limits_are_by_modality_and_key() -> None:
    of_renders = {"shape": np.full(9, 0.4), "picture": np.full(9, 0.7)}
    of_people = {"shape": np.full(9, 0.6), "picture": np.full(9, 0.5)}
    infrared, color = [of_renders, of_people], [of_renders]
    found = key_limits({"infrared": iter(infrared), "color": color})
    assert found["infrared"] == {"shape": pytest.approx(0.6), "picture": pytest.approx(0.7)}
    assert found["color"] == {"shape": pytest.approx(0.4), "picture": pytest.approx(0.7)}
