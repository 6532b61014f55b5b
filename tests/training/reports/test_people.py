"""Figures on captured people: who counts, and what hair is."""

from __future__ import annotations

import numpy as np
import pytest

from faceid_fast.evaluate.intervals import Comparisons
from faceid_fast.face.crop import CHIP_SHAPE
from training.reports.people import _counted, left_out_only, together, without_hair


def compared() -> Comparisons:
    """Of three people, everybody with everybody, distances that say who."""
    person = np.array([0, 0, 1, 2])
    first, second = np.array([0, 0, 1]), np.array([1, 2, 2])
    return Comparisons(
        0.1 * person, person, 1.0 + first + 0.1 * second, first, second, 3,
        np.ones((4, 2), np.bool_), np.zeros((3, 2), np.bool_),
    )  # fmt: skip


def test_only_comparisons_of_people_left_out_count() -> None:
    left_out = np.array([True, True, False])
    kept = left_out_only(compared(), left_out)
    np.testing.assert_array_equal(kept.person, [0, 0, 1])
    np.testing.assert_array_equal(kept.impostor, [1.1, 1.2, 2.2])
    both = left_out_only(compared(), left_out, both=True)
    np.testing.assert_array_equal(both.person, [0, 0, 1])
    np.testing.assert_array_equal(both.impostor, [1.1])
    assert len(left_out_only(compared(), np.zeros(3, np.bool_)).impostor) == 0


def test_folds_are_put_together() -> None:
    parts = [left_out_only(compared(), np.arange(3) == who) for who in range(3)]
    merged = together(parts)
    np.testing.assert_array_equal(np.sort(merged.person), [0, 0, 1, 2])
    assert len(merged.impostor) == 6  # each with either side left out
    assert merged.genuine_keys is not None
    assert merged.genuine_keys.shape == (4, 2)


def test_verdicts_are_counted() -> None:
    found = _counted(["accepted", "refused", "accepted", "not_live"])
    assert found == {"attempts": 4, "no_face": 0, "not_live": 1, "refused": 1, "accepted": 2}
    with pytest.raises(KeyError):
        _counted(["perhaps"])


def test_hair_is_blurred_and_the_face_is_not() -> None:
    chip = np.random.default_rng(0).integers(0, 256, CHIP_SHAPE, np.uint8)
    bald = without_hair(chip)
    assert bald.shape == chip.shape
    assert bald.dtype == np.uint8
    np.testing.assert_array_equal(bald[:, 50:110, 50:100], chip[:, 50:110, 50:100])
    assert bald[:, :15].std() < 0.3 * chip[:, :15].std()
    assert bald[:, :, :15].std() < 0.3 * chip[:, :, :15].std()
