"""Rendered sets: the tests are frozen, and nobody is in two of them."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

pytest.importorskip("cv2", reason="needs the training environment (OpenCV)")

from training.data import config
from training.data.build import cluster_of
from training.data.config import SPLITS, TRAIN

FROZEN = {
    "test": (1000, "08e77b11ea8ffc11"),
    "test_color": (200, "b3f71f9cbc4caea3"),
    "test_worn": (200, "7cf7dbcf8ec81712"),
    "test_cameras": (200, "79353bf15832a78b"),
    "test_crops": (200, "6d20964dd93408a5"),
    "test_alike": (200, "4748b383500eaed3"),
    "test_wide": (200, "3a3b5008655720ac"),
}
"""Identities, and the digest of all else that decides them but the renderer's version."""


def test_the_test_sets_are_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    # Figures of different versions are compared on them: change the renderer's version, not these.
    monkeypatch.setattr(config, "RENDERER_VERSION", 0)
    found = {
        name: (split.identities, split.fingerprint())
        for name, split in SPLITS.items()
        if name.startswith("test")
    }
    assert found == FROZEN


def test_a_changed_wide_camera_is_another_set(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {name: split.fingerprint() for name, split in SPLITS.items()}
    changed = tuple(replace(model, focal_px=model.focal_px + 1) for model in config.WIDE_MODELS)
    monkeypatch.setattr(config, "WIDE_MODELS", changed)
    other = {name for name, split in SPLITS.items() if split.fingerprint() != before[name]}
    assert other == {"train", "train_open", "train_alike", "train_populations", "val_wide", "test_wide"}


def test_nobody_is_in_two_sets() -> None:
    assert len({split.seed for split in SPLITS.values()}) == len(SPLITS)
    for first, second in itertools.combinations(SPLITS.values(), 2):
        apart = sorted([first, second], key=lambda split: split.first_identity)
        assert apart[0].first_identity + apart[0].identities <= apart[1].first_identity
        clusters = [{cluster_of(split, index) for index in range(split.identities)} - {-1} for split in apart]
        assert not clusters[0] & clusters[1]


def test_skins_of_validation_and_test_are_not_trained_on() -> None:
    sets = {False: set[str](), True: set[str]()}
    for name, split in SPLITS.items():
        sets[name.startswith("train")].add(split.portrait_set)
    assert sets == {True: {"train"}, False: {"held"}}


def test_look_alikes_come_in_whole_clusters() -> None:
    clusters = [cluster_of(TRAIN, index) for index in range(250)]
    sizes = {name: clusters.count(name) for name in set(clusters) - {-1}}
    assert set(sizes.values()) == {TRAIN.cluster_size}
    assert sum(sizes.values()) == round(250 * TRAIN.clustered_share)
