"""Batches: identities, look-alikes, repeatability; shards on disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from faceid_fast.face.crop import CHIP_SHAPE, TENSOR_SHAPE
from training.data.augment import HAIR_ROWS, Augmentation
from training.data.batches import (
    BatchConfig,
    BatchSampler,
    TensorSet,
    load_held,
    load_shards,
    load_split,
    prefetch,
)


def _write(path: Path, part: TensorSet, *, clusters: bool = True) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    extra = {"cluster": part.clusters} if clusters else {}
    np.savez(path, tensor=part.tensors, identity=part.identities, yaw_deg=np.zeros(len(part)), **extra)


def test_batch_has_whole_identities_and_whole_clusters(people: TensorSet) -> None:
    sampler = BatchSampler(people, BatchConfig(identities=16, images=4, clustered_share=0.5), seed=3)
    tensors, identities = sampler.draw(0)
    assert tensors.shape == (64, *TENSOR_SHAPE)
    assert tensors.dtype == np.float32
    names, counts = np.unique(identities, return_counts=True)
    assert len(names) == 16
    assert set(counts) == {4}
    _, members = np.unique(names // 4, return_counts=True)
    assert np.sum(members == 4) >= 2


def test_batch_depends_on_seed_and_number_alone(people: TensorSet) -> None:
    config = BatchConfig(identities=8, images=2)
    first = BatchSampler(people, config, seed=1)
    first.draw(0)
    np.testing.assert_array_equal(first.draw(5)[0], BatchSampler(people, config, seed=1).draw(5)[0])
    assert not np.array_equal(first.draw(5)[1], first.draw(6)[1])
    assert not np.array_equal(first.draw(5)[1], BatchSampler(people, config, seed=2).draw(5)[1])


def test_the_share_asked_for_is_mirrored(people: TensorSet) -> None:
    plain = BatchSampler(people, BatchConfig(mirrored_share=0.0), seed=1).draw(3)[0]
    half = BatchSampler(people, BatchConfig(mirrored_share=0.5), seed=1).draw(3)[0]
    mirrored = np.array([np.array_equal(a, b[:, :, ::-1]) for a, b in zip(half, plain, strict=True)])
    same = np.array([np.array_equal(a, b) for a, b in zip(half, plain, strict=True)])
    assert np.all(mirrored ^ same)
    assert 0.35 < mirrored.mean() < 0.65


def test_identities_with_one_image_are_not_drawn(people: TensorSet) -> None:
    lone = people.subset(np.arange(5, 24))  # the first identity keeps one image
    sampler = BatchSampler(lone, BatchConfig(identities=48, images=4), seed=1)
    assert sampler.identity_count == 3
    assert 0 not in sampler.draw(0)[1]


def test_images_of_an_identity_are_of_one_kind(people: TensorSet) -> None:
    mixed = replace(people, modalities=np.resize(np.array([0, 0, 1], np.int32), len(people)))
    sampler = BatchSampler(mixed, BatchConfig(identities=8, images=4), seed=3)
    kind_of = {tensor.tobytes(): kind for tensor, kind in zip(mixed.tensors, mixed.modalities, strict=True)}
    seen = set()
    for number in range(10):
        tensors, who = sampler.draw(number)
        kinds = np.array([kind_of[t.astype(np.float16).tobytes()] for t in tensors]).reshape(8, 4)
        assert (kinds == kinds[:, :1]).all()
        seen.update(kinds[:, 0].tolist())
        clusters = mixed.clusters[np.searchsorted(mixed.identities, who[::4])]
        for cluster in np.unique(clusters):
            assert len(set(kinds[clusters == cluster, 0].tolist())) == 1
    assert seen == {0, 1}


def test_sampler_refuses_a_single_identity(people: TensorSet) -> None:
    with pytest.raises(ValueError, match="2 or more identities"):
        BatchSampler(people.subset(people.identities == 0), BatchConfig(), seed=1)


def test_shards_come_back_in_order(people: TensorSet, tmp_path: Path) -> None:
    _write(tmp_path / "a.npz", people.subset(np.arange(0, 60)))
    _write(tmp_path / "b.npz", people.subset(np.arange(60, len(people))), clusters=False)
    loaded = load_shards(tmp_path)
    np.testing.assert_array_equal(loaded.tensors, people.tensors)
    np.testing.assert_array_equal(loaded.identities, people.identities)
    assert (loaded.clusters[60:] == -1).all()


def test_split_keeps_clusters_whole(people: TensorSet, tmp_path: Path) -> None:
    _write(tmp_path / "a.npz", people)
    train, held = load_split(tmp_path, held_out_share=0.25)
    assert len(train) + len(held) == len(people)
    assert not np.intersect1d(train.clusters, held.clusters).size
    assert held.identities.min() > train.identities.max()


def test_split_refuses_an_identity_on_both_sides(people: TensorSet, tmp_path: Path) -> None:
    _write(tmp_path / "train" / "a.npz", people)
    _write(tmp_path / "val" / "a.npz", people.subset(np.arange(6)))
    for load in (load_split, load_held):
        with pytest.raises(ValueError, match="both train and val"):
            load(tmp_path)


def test_badly_aligned_copies_are_trained_on_where_they_are(people: TensorSet, tmp_path: Path) -> None:
    _write(tmp_path / "train" / "a.npz", people.subset(people.clusters < 6))
    _write(tmp_path / "val" / "b.npz", people.subset(people.clusters >= 6))
    alone, _ = load_split(tmp_path)
    _write(tmp_path / "train_misfit" / "a.npz", people.subset(people.clusters < 3))
    joined, held = load_split(tmp_path)
    assert len(joined) == len(alone) + np.count_nonzero(people.clusters < 3)
    assert held.clusters.min() >= 6
    _write(tmp_path / "train_misfit" / "a.npz", people.subset(people.clusters >= 6))
    with pytest.raises(ValueError, match="both train and val"):
        load_split(tmp_path)


@pytest.mark.parametrize("folders", [("train", "val"), ("a", "b")])
def test_held_people_are_those_of_the_split(
    people: TensorSet, tmp_path: Path, folders: tuple[str, str]
) -> None:
    _write(tmp_path / folders[0] / "a.npz", people.subset(people.clusters < 6))
    _write(tmp_path / folders[1] / "b.npz", people.subset(people.clusters >= 6))
    _, held = load_split(tmp_path)
    alone = load_held(tmp_path)
    np.testing.assert_array_equal(alone.tensors, held.tensors)
    np.testing.assert_array_equal(alone.identities, held.identities)
    assert len(alone) > 0


def test_tensors_of_two_aligners_are_refused(people: TensorSet, tmp_path: Path) -> None:
    for name in ("old", "new"):
        np.savez(
            tmp_path / f"{name}.npz",
            tensor=people.tensors,
            identity=people.identities,
            aligner=np.array(name),
        )
    with pytest.raises(ValueError, match="one aligner"):
        load_shards(tmp_path)


def test_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        load_shards(tmp_path)


def test_prefetched_batches_are_the_same(people: TensorSet) -> None:
    augmentation = Augmentation(cut_out_share=0.5, noise_share=0.5, shifted_share=0.5)
    config = BatchConfig(identities=8, images=2, mirrored_share=0.5, augmentation=augmentation)
    sampler = BatchSampler(people, config, seed=1)
    wanted = [sampler.draw(number) for number in range(3, 9)]
    ahead = list(prefetch(sampler.draw, range(3, 9), ahead=2))
    assert len(ahead) == len(wanted)
    for (tensors, who), (same, names) in zip(ahead, wanted, strict=True):
        np.testing.assert_array_equal(tensors, same)
        np.testing.assert_array_equal(who, names)


def test_an_augmentation_leaves_the_choice_of_images(people: TensorSet) -> None:
    plain = BatchSampler(people, BatchConfig(identities=8, images=2), seed=1).draw(2)
    config = BatchConfig(identities=8, images=2, augmentation=Augmentation(hair_dropped_share=1.0))
    hairless = BatchSampler(people, config, seed=1).draw(2)
    np.testing.assert_array_equal(plain[1], hairless[1])
    np.testing.assert_array_equal(plain[0][:, :, HAIR_ROWS:], hairless[0][:, :, HAIR_ROWS:])


def test_no_more_is_drawn_than_wanted_and_errors_arrive() -> None:
    drawn = []

    def draw(number: int) -> tuple[np.ndarray, np.ndarray]:
        drawn.append(number)
        if number == 2:
            message = "batch 2"
            raise RuntimeError(message)
        return np.zeros(1, np.float32), np.zeros(1, np.int32)

    batches = prefetch(draw, range(100), ahead=2)
    next(batches)
    batches.close()
    assert max(drawn) <= 2
    with pytest.raises(RuntimeError, match="batch 2"):
        list(prefetch(draw, range(5), ahead=2))


def test_a_set_of_few_gives_smaller_batches(people: TensorSet) -> None:
    few = people.first_identities(5)
    assert np.unique(few.identities).tolist() == [0, 1, 2, 3, 4]
    sampler = BatchSampler(few, BatchConfig(identities=48, images=4), seed=1)
    assert sampler.batch_size == 20
    assert len(sampler.draw(0)[1]) == 20
    assert people.first_identities(1000) is people


def test_borrowed_intensity_leaves_depth_alone(people: TensorSet) -> None:
    tensors = people.tensors[:40].astype(np.float32)
    mixed = tensors.copy()
    Augmentation(borrowed_share=0.5).apply(mixed, np.random.default_rng(2))
    np.testing.assert_array_equal(mixed[:, 0], tensors[:, 0])
    changed = np.abs(mixed[:, 1:] - tensors[:, 1:]).max(axis=(1, 2, 3)) > 1e-3
    assert 8 <= changed.sum() <= 32
    low, high = tensors[:, 1:].min(axis=0), tensors[:, 1:].max(axis=0)
    assert ((mixed[:, 1:] >= low - 1e-5) & (mixed[:, 1:] <= high + 1e-5)).all()


def test_chips_come_where_they_are_asked_for(people: TensorSet, tmp_path: Path) -> None:
    few = people.subset(np.arange(24))
    chips = np.arange(24, dtype=np.uint8)[:, None, None, None] * np.ones((1, *CHIP_SHAPE), np.uint8)
    np.savez(tmp_path / "a.npz", tensor=few.tensors, identity=few.identities, chip=chips)
    train, held = load_split(tmp_path, held_out_share=0.25, with_chips=True)
    assert train.chips is not None
    assert held.chips is not None
    np.testing.assert_array_equal(held.chips, chips[18:])
    again = load_held(tmp_path, with_chips=True)
    assert again.chips is not None
    assert len(again.chips) == len(again)
    assert load_split(tmp_path)[1].chips is None
    assert load_held(tmp_path).chips is None


def test_shards_without_chips_are_named(people: TensorSet, tmp_path: Path) -> None:
    _write(tmp_path / "train" / "a.npz", people)
    _write(tmp_path / "val" / "b.npz", replace(people, identities=people.identities + 100))
    with pytest.raises(ValueError, match=r"b\.npz: expected a chip for each of 288 tensors, got 0"):
        load_held(tmp_path, with_chips=True)
