"""Attempts of held-out people against their own references."""

from __future__ import annotations

import numpy as np

from training.fitted.attempts import REFERENCES, honest_distances


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
