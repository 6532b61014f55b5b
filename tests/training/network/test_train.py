"""The loop: it can memorise, it resumes, it corrects its BatchNorm statistics."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the training environment (TensorFlow)")

import keras

from training.data.batches import BatchConfig, TensorSet
from training.metrics.verification import all_pairs, embed, measure
from training.network import run_folder
from training.network.batch_norm import TOLERATED_DRIFT, check_batch_norm
from training.network.losses import LossConfig
from training.network.train import TrainConfig, load_best, train

# Keras hands numpy its variables in a way that numpy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:keras")

TINY = TrainConfig(steps=20, validate_every=8, batch=BatchConfig(identities=8, images=3))


def _weights(run: Path) -> list[np.ndarray]:
    return load_best(run).get_weights()


@pytest.mark.parametrize("loss", ["infonce", "margin"])
def test_memorises_64_images(tmp_path: Path, loss: str) -> None:
    """The first gate: without structure to learn, 16 identities x 4 images of pure noise."""
    noise = np.random.default_rng(0).standard_normal((64, 4, 72, 64)).astype(np.float16)
    who = np.repeat(np.arange(16, dtype=np.int32), 4)
    held = TensorSet(noise, who, np.full(64, -1, np.int32), np.zeros(64, np.int32))
    config = TrainConfig(
        steps=150, validate_every=150, batch=BatchConfig(16, 4, 0.0), loss=LossConfig(name=loss)
    )
    figures = train(held, held, tmp_path, config)
    assert figures.eer == 0.0
    assert figures.genuine_mean < 0.5
    assert figures.impostor_mean > 0.9


def test_resumed_run_equals_an_uninterrupted_one(
    people: TensorSet, strangers: TensorSet, tmp_path: Path, train_in_two_parts: Callable[..., None]
) -> None:
    train(people, strangers, tmp_path / "whole", TINY)

    train_in_two_parts(people, strangers, tmp_path / "parts", TINY)
    for whole, parts in zip(_weights(tmp_path / "whole"), _weights(tmp_path / "parts"), strict=True):
        # Sums on several threads are not reproducible to the last bit.
        np.testing.assert_allclose(parts, whole, rtol=1e-3, atol=1e-4)
    with (tmp_path / "parts" / "log.csv").open(newline="") as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == [8, 16, 20]


def test_another_configuration_is_refused(people: TensorSet, strangers: TensorSet, tmp_path: Path) -> None:
    train(people, strangers, tmp_path, replace(TINY, steps=2))
    with pytest.raises(ValueError, match="another configuration"):
        train(people, strangers, tmp_path, replace(TINY, steps=3))


def test_a_run_names_the_commit_that_began_it(
    people: TensorSet, strangers: TensorSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = replace(TINY, steps=2)

    def commits_after(commit: str) -> tuple[str, list[str] | None]:
        monkeypatch.setattr(run_folder, "training_commit", lambda: commit)
        train(people, strangers, tmp_path, short)
        config = json.loads((tmp_path / "config.json").read_text())
        assert config["steps"] == 2
        return config["training_commit"], config.get("resumed_at")

    assert commits_after("first") == ("first", None)
    assert commits_after("first") == ("first", None)
    assert commits_after("second") == ("first", ["second"])
    assert commits_after("second") == ("first", ["second"])


def test_foreign_statistics_are_corrected(people: TensorSet, strangers: TensorSet, tmp_path: Path) -> None:
    train(people, strangers, tmp_path, replace(TINY, steps=40))
    network = load_best(tmp_path)
    before = measure(all_pairs(embed(network, strangers.tensors), strangers))

    def draw(number: int) -> np.ndarray:
        rows = np.random.default_rng(number).choice(len(people), 64)
        return people.tensors[rows].astype(np.float32)

    check_batch_norm(network, draw)
    assert check_batch_norm(network, draw) <= TOLERATED_DRIFT
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(layer.moving_mean + 3.0)
    assert check_batch_norm(network, draw) > 1.0
    assert check_batch_norm(network, draw) <= TOLERATED_DRIFT
    after = measure(all_pairs(embed(network, strangers.tensors), strangers))
    assert after.genuine_mean == pytest.approx(before.genuine_mean, abs=0.1)
