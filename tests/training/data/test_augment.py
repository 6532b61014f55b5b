"""Augmentations: off by default, the same for the same seed, each does what it says and no more."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from faceid_fast.face.crop import TENSOR_SHAPE
from training.data.augment import (
    DEPTH_LIMIT,
    GRID_TOP_MM,
    HAIR_BAND_MM,
    HAIR_ROWS,
    INTENSITY_LIMIT,
    Augmentation,
    InputChoice,
)
from training.data.batches import BatchConfig, BatchSampler, TensorSet

SHARES = [field.name for field in fields(Augmentation) if field.name.endswith("_share")]


def _tensors(channels: int = TENSOR_SHAPE[0]) -> np.ndarray:
    """A quarter of the cells missing."""
    rng = np.random.default_rng(8)
    shape = (40, channels, *TENSOR_SHAPE[1:])
    there = rng.random((40, 1, *shape[2:])) < 0.75
    return np.float32(np.clip(rng.standard_normal(shape), -2.4, 2.4) * there)


def _applied(augmentation: Augmentation, tensors: np.ndarray, seed: int = 1) -> np.ndarray:
    changed = tensors.copy()
    augmentation.apply(changed, np.random.default_rng(seed))
    return changed


def test_nothing_is_done_by_default() -> None:
    tensors = _tensors()
    np.testing.assert_array_equal(_applied(Augmentation(), tensors), tensors)
    InputChoice().empty_rest(changed := tensors.copy())
    np.testing.assert_array_equal(changed, tensors)


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("name", SHARES)
def test_about_the_share_asked_for_is_changed(name: str, channels: int) -> None:
    tensors = _tensors(channels)
    changed = _applied(Augmentation(**{name: 0.5}), tensors)
    assert changed.shape == tensors.shape
    assert changed.dtype == np.float32
    touched = (changed != tensors).any(axis=(1, 2, 3))
    assert 0.2 < touched.mean() < 0.8
    np.testing.assert_array_equal(_applied(Augmentation(**{name: 0.5}), tensors), changed)
    assert not np.array_equal(_applied(Augmentation(**{name: 0.5}), tensors, seed=2), changed)


def test_switching_one_on_leaves_the_others_as_they_were() -> None:
    tensors = _tensors()
    gained = _applied(Augmentation(gain_share=0.5), tensors)
    both = _applied(Augmentation(gain_share=0.5, hair_dropped_share=0.5, noise_share=0.0), tensors)
    np.testing.assert_array_equal(both[:, :, HAIR_ROWS:], gained[:, :, HAIR_ROWS:])


def test_intensity_slides_over_depth_that_stays() -> None:
    tensors = np.zeros((50, *TENSOR_SHAPE), np.float32)
    tensors[:, :, 30, 30] = 1.0
    changed = _applied(Augmentation(slid_share=1.0), tensors)
    np.testing.assert_array_equal(changed[:, 0], tensors[:, 0])
    for image in changed:
        (row, column), *rest = np.argwhere(image[1])
        assert not rest
        assert max(abs(row - 30), abs(column - 30)) == 1
        assert (image[2:] == image[1]).all()


def test_cut_out_empties_a_rectangle() -> None:
    ones = np.ones((200, *TENSOR_SHAPE), np.float32)
    changed = _applied(Augmentation(cut_out_share=1.0), ones)
    for image in changed:
        hole = image[0] == 0
        rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
        assert hole.sum() == len(rows) * len(columns)
        assert 16 <= hole.sum() <= 24 * 24
        assert (image == image[0]).all()


def test_noise_leaves_missing_cells_missing_and_stays_within_limits() -> None:
    tensors = _tensors()
    changed = _applied(Augmentation(noise_share=1.0, noise_deviation=1.0), tensors)
    np.testing.assert_array_equal(changed[tensors == 0], 0.0)
    assert np.abs(changed[:, 0]).max() <= DEPTH_LIMIT
    assert np.abs(changed[:, 1:]).max() <= INTENSITY_LIMIT


def test_noise_has_the_deviation_asked_for_and_is_correlated() -> None:
    ones = np.full((400, *TENSOR_SHAPE), 0.5, np.float32)
    noise = _applied(Augmentation(noise_share=1.0, noise_deviation=0.1), ones) - ones
    assert noise.std() == pytest.approx(0.1 / 3**0.5, rel=0.1)  # uniform from 0 to 0.1
    right = np.mean(noise[:, :, :, 1:] * noise[:, :, :, :-1]) / np.mean(noise**2)
    far = np.mean(noise[:, :, :, 12:] * noise[:, :, :, :-12]) / np.mean(noise**2)
    assert right > 0.7
    assert abs(far) < 0.1
    np.testing.assert_array_equal(noise[:, 1], noise[:, -1])
    assert not np.array_equal(noise[:, 0], noise[:, 1])


def test_shift_moves_by_one_cell() -> None:
    tensors = _tensors()
    moved = _applied(Augmentation(shifted_share=1.0), tensors)
    inner = tensors[:, :, 1:-1, 1:-1]
    seen = set()
    for image, wanted in zip(moved, inner, strict=True):
        height, width = wanted.shape[1:]
        places = [
            (down, right)
            for down in range(3)
            for right in range(3)
            if np.array_equal(image[:, down : down + height, right : right + width], wanted)
        ]
        assert len(places) == 1
        seen.update(places)
    assert (1, 1) not in seen
    assert len(seen) == 8


def test_dropped_channels_and_hair() -> None:
    tensors = _tensors()
    changed = _applied(Augmentation(depth_only_share=0.5, intensity_only_share=0.5), tensors)
    no_depth, no_light = (changed[:, 0] == 0).all(axis=(1, 2)), (changed[:, 1:] == 0).all(axis=(1, 2, 3))
    assert (no_depth ^ no_light).all()
    hairless = _applied(Augmentation(hair_dropped_share=1.0), tensors)
    assert (hairless[:, :, :HAIR_ROWS] == 0).all()
    np.testing.assert_array_equal(hairless[:, :, HAIR_ROWS:], tensors[:, :, HAIR_ROWS:])


def test_the_hair_band_ends_where_it_says() -> None:
    centers = GRID_TOP_MM + 2.0 * (np.arange(TENSOR_SHAPE[1]) + 0.5)
    np.testing.assert_array_equal(centers < -HAIR_BAND_MM, np.arange(TENSOR_SHAPE[1]) < HAIR_ROWS)


def test_gain_changes_the_intensity_alone() -> None:
    tensors = _tensors()
    changed = _applied(Augmentation(gain_share=1.0), tensors)
    np.testing.assert_array_equal(changed[:, 0], tensors[:, 0])
    small = np.abs(tensors[:, 1:]) > 0.1
    ratio = changed[:, 1:][small] / tensors[:, 1:][small]
    assert 0.65 < ratio.min() < ratio.max() < 1.45


@pytest.mark.parametrize(("names", "kept"), [("depth", slice(0, 1)), ("intensity", slice(1, None))])
def test_inputs_left_out_are_empty_in_every_batch(people: TensorSet, names: str, kept: slice) -> None:
    inputs = InputChoice(names, hair_band=False)  # type: ignore[arg-type]
    config = BatchConfig(identities=8, images=2, augmentation=Augmentation(noise_share=1.0))
    whole, who = BatchSampler(people, config, seed=1).draw(4)
    seen, same = BatchSampler(people, config, 1, inputs).draw(4)
    np.testing.assert_array_equal(who, same)
    rest = whole.copy()
    rest[:, kept, HAIR_ROWS:] = 0
    np.testing.assert_array_equal(seen, whole - rest)
    held = people.seen_through(inputs)
    np.testing.assert_array_equal(held.tensors[:, kept, HAIR_ROWS:], people.tensors[:, kept, HAIR_ROWS:])
    assert np.count_nonzero(held.tensors) < np.count_nonzero(people.tensors)
    assert people.seen_through(InputChoice()) is people


def test_bad_values_are_named() -> None:
    with pytest.raises(ValueError, match=r"cut_out_share: expected 0 to 1, got 1\.5"):
        Augmentation(cut_out_share=1.5)
    with pytest.raises(ValueError, match="at most 1"):
        replace(Augmentation(depth_only_share=0.6), intensity_only_share=0.6)
    with pytest.raises(ValueError, match="'both', 'depth' or 'intensity', got 'colour'"):
        InputChoice("colour")  # type: ignore[arg-type]
