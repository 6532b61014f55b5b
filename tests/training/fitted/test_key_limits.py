"""The limits of the two keys, from distances of honest attempts."""

from __future__ import annotations

import numpy as np
import pytest

from training.fitted.key_limits import REFUSED_SHARES, STEP, key_limits, limit_of

SHARE = 0.005


def test_a_limit_refuses_the_share_that_it_may_of_any_group() -> None:
    rng = np.random.default_rng(4)
    near, far = rng.uniform(0.1, 0.5, 4000), rng.uniform(0.2, 0.9, 300)
    limit = limit_of([near, far, np.empty(0)], SHARE)
    assert np.mean(far > limit) <= SHARE
    # As large as the worst group needs, however few it has: together they would hide it.
    assert limit > limit_of([np.concatenate([near, far])], SHARE)
    assert np.mean(far >= limit - STEP) > SHARE  # and no larger than that


def test_a_limit_is_one_that_a_contract_takes() -> None:
    assert limit_of([np.zeros(10)], SHARE) == STEP
    assert limit_of([np.full(10, 2.1)], SHARE) == 2.0


@pytest.mark.parametrize("groups", [[], [np.empty(0)], [np.empty(0), np.empty(0)]])
def test_without_distances_there_is_no_limit(groups: list[np.ndarray]) -> None:
    with pytest.raises(ValueError, match="expected honest distances, got none"):
        limit_of(groups, SHARE)


def test_limits_are_by_modality_and_key() -> None:
    of_renders = {"shape": np.full(9, 0.4), "picture": np.full(9, 0.7)}
    of_people = {"shape": np.full(9, 0.6), "picture": np.full(9, 0.5)}
    infrared, color = [of_renders, of_people], [of_renders]
    found = key_limits({"infrared": iter(infrared), "color": color})
    assert found["infrared"] == {"shape": pytest.approx(0.6), "picture": pytest.approx(0.7)}
    assert found["color"] == {"shape": pytest.approx(0.4), "picture": pytest.approx(0.7)}


def test_each_key_may_refuse_its_own_share() -> None:
    honest = np.linspace(0.1, 0.9, 1001)
    found = key_limits({"infrared": [{"shape": honest, "picture": honest}]})["infrared"]
    for key, share in REFUSED_SHARES.items():
        assert np.mean(honest > found[key]) <= share < np.mean(honest > found[key] - 0.002)
    assert found["shape"] < found["picture"]
