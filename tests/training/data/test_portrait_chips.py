"""Chips of portraits: the similarity, the cut beside the oracle of the core's, and the portraits at hand."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from faceid_fast.face.crop import CHIP_SHAPE
from tests.contract import chip_oracle
from training.data.portrait_chips import (
    CHIP_POINTS,
    _carried,
    _read,
    cut_chip,
    load_portrait_chips,
    similarity,
)
from training.people.portraits import PORTRAITS_PATH, SETS

PLACES = np.array(CHIP_POINTS)


def _moved(scale: float, turn_deg: float, shift: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """A similarity (2, 3) from a picture to the chip, and where the five points are in the picture."""
    a, b = scale * np.cos(np.radians(turn_deg)), scale * np.sin(np.radians(turn_deg))
    turn = np.array([[a, -b], [b, a]])
    move = np.column_stack([turn, shift])
    return move, (PLACES - np.array(shift)) @ np.linalg.inv(turn).T


@pytest.mark.parametrize("scale", [0.3, 1.0, 2.5])
@pytest.mark.parametrize("turn_deg", [-40.0, 0.0, 15.0])
def test_a_similarity_is_found_exactly(scale: float, turn_deg: float) -> None:
    move, points = _moved(scale, turn_deg, (12.0, -30.0))
    np.testing.assert_allclose(similarity(points, PLACES), move, atol=1e-9)


def test_points_that_no_similarity_brings_there_come_nearest() -> None:
    rng = np.random.default_rng(1)
    points = _moved(0.5, 10.0, (3.0, 4.0))[1] + rng.normal(0.0, 3.0, PLACES.shape)
    x, y = points.T
    one, none = np.ones(5), np.zeros(5)
    equations = np.concatenate([np.stack([x, -y, one, none], 1), np.stack([y, x, none, one], 1)])
    a, b, s, t = np.linalg.lstsq(equations, PLACES.T.ravel(), rcond=None)[0]
    np.testing.assert_allclose(similarity(points, PLACES), [[a, -b, s], [b, a, t]], atol=1e-9)


def test_points_of_the_chip_are_those_of_the_core() -> None:
    np.testing.assert_array_equal(PLACES, chip_oracle.PLACES_PX)


@pytest.mark.parametrize(("scale", "tolerance"), [(0.4, 3.0), (0.9, 3.0), (1.6, 1.5)])
def test_a_cut_is_as_the_cores(scale: float, tolerance: float) -> None:
    rng = np.random.default_rng(2)
    rows, columns = np.mgrid[:420, :420]
    waves = [np.sin(rows / p + columns / q) for p, q in ((19.0, 31.0), (-23.0, 17.0), (40.0, -11.0))]
    picture = np.clip(128 + 90 * np.stack(waves, 2) + rng.normal(0, 3, (420, 420, 3)), 0, 255).astype(
        np.uint8
    )
    middle = np.array([75.0, 75.0]) - scale * np.array([210.0, 210.0])
    move, points = _moved(scale, 0.0, (float(middle[0]), float(middle[1])))
    whole = np.linalg.inv(np.vstack([move, [0.0, 0.0, 1.0]]))[:2]
    wanted = chip_oracle.toned(chip_oracle.sampled(picture, whole))
    got = cut_chip(picture, points)
    assert got.shape == CHIP_SHAPE
    assert got.dtype == np.uint8
    inner = np.s_[:, 5:-5, 5:-5]  # the edge of the picture is smoothed otherwise
    off = np.abs(got[inner].astype(float) - wanted[inner])
    assert off.mean() < tolerance


def _needs_portraits() -> None:
    if not PORTRAITS_PATH.is_dir():
        pytest.skip(f"no portraits: {PORTRAITS_PATH} is missing")


def test_the_portraits_at_hand() -> None:
    _needs_portraits()
    found = load_portrait_chips(smiling=False)
    assert found.chips.shape == (91, *CHIP_SHAPE)
    assert len(set(found.people.tolist())) == 91
    assert found.held.sum() == len(found.of(held=True).chips) == 21
    assert not set(found.of(held=True).people) & set(found.of(held=False).people)
    # Eyes are darker than cheeks where they should be.
    gray = found.chips.mean(axis=1)
    eyes = gray[:, 42:52, [45, 46, 47, 48, 99, 100, 101]].mean()
    assert eyes < gray[:, 75:85, [40, 41, 42, 106, 107, 108]].mean()


def test_landmarks_are_carried_over_to_another_picture() -> None:
    _needs_portraits()
    with np.load(PORTRAITS_PATH / SETS[0] / "landmarks189.npz") as marks:
        name, points = str(marks["names"][0]), marks["points"][0].astype(np.float64)
    picture = _read(PORTRAITS_PATH / SETS[0] / f"{name}.jpg")
    turn = cv2.getRotationMatrix2D((320.0, 320.0), 2.0, 1.0) + np.array([[0.0, 0.0, 4.0], [0.0, 0.0, -12.0]])
    other = cv2.warpAffine(picture, turn, picture.shape[1::-1])
    moved = _carried(picture, other, points)
    assert moved is not None
    np.testing.assert_allclose(moved, points @ turn[:, :2].T + turn[:, 2], atol=1.0)
    noise = np.random.default_rng(0).integers(0, 256, picture.shape, np.uint8)
    assert _carried(picture, noise, points) is None
