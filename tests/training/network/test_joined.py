"""The joined network: three outputs of two inputs, and which input each of them sees."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the training environment (TensorFlow)")

import keras

from faceid_fast.face.crop import CHIP_SHAPE
from joined_stand_ins import KEPT, MOVED, PLAIN, faces, joined_stand_in, picture_stand_in, tower
from training.data.batches import TensorSet
from training.metrics.verification import embed, embed_joined
from training.network import joined as module
from training.network.checkpoint import save_network
from training.network.joined import PLAIN_WEIGHT, SHAPE_WEIGHT, DepthOnly, join, picture_tower, shape_tower
from training.network.projection import KEY_SIZE, PLAIN_SIZE, Projection
from training.network.relief import ReliefAngle
from training.network.train import load_best
from training.teachers import dlib_resnet

# Keras hands numpy its variables in a way that numpy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:keras")


@pytest.fixture(scope="module")
def network() -> keras.Model:
    return joined_stand_in()


@pytest.fixture(scope="module")
def some() -> TensorSet:
    return faces(4, 2)


def _changed(some: TensorSet, *, depth: bool = False, picture: bool = False, chip: bool = False) -> TensorSet:
    rng = np.random.default_rng(11)
    tensors, chips = some.tensors.copy(), some.chips
    if depth:
        tensors[:, 0] = rng.uniform(-2, 2, tensors[:, 0].shape)
    if picture:
        tensors[:, 1:] = rng.uniform(-2, 2, tensors[:, 1:].shape)
    if chip:
        chips = rng.integers(0, 256, (len(some), *CHIP_SHAPE), np.uint8)
    return replace(some, tensors=tensors, chips=chips)


def test_outputs_are_unit_rows_of_their_sizes(network: keras.Model, some: TensorSet) -> None:
    rows = embed_joined(network, some)
    assert {name: each.shape for name, each in rows.items()} == {
        "embedding": (8, 128),
        "shape": (8, KEY_SIZE + PLAIN_SIZE + 2),
        "picture": (8, KEY_SIZE),
    }
    for each in rows.values():
        assert each.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(each, axis=1), 1.0, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"picture": True}, {"shape", "picture", "embedding"}),
        ({"chip": True}, {"shape"}),
        ({"picture": True, "chip": True}, {"shape"}),
        ({"depth": True}, {"picture"}),
        ({"depth": True, "picture": True}, {"picture"}),
    ],
)
def test_each_key_sees_its_own_half_only(
    network: keras.Model, some: TensorSet, changes: dict[str, bool], same: set[str]
) -> None:
    before, after = embed_joined(network, some), embed_joined(network, _changed(some, **changes))
    for name in before:
        if name in same:
            np.testing.assert_array_equal(after[name], before[name])
        else:
            assert np.abs(after[name] - before[name]).max() > 1e-3


def test_the_joined_vector_is_both_by_their_weights_without_the_relief(
    network: keras.Model, some: TensorSet
) -> None:
    rows = embed_joined(network, some)
    length = np.hypot(SHAPE_WEIGHT, 1.0)
    shape = rows["shape"][:, :KEY_SIZE]
    shape = shape / np.linalg.norm(shape, axis=1, keepdims=True)
    both = np.concatenate([SHAPE_WEIGHT / length * shape, rows["picture"] / length], axis=1)
    np.testing.assert_allclose(rows["embedding"], both, atol=1e-5)


def test_the_shape_is_what_the_tower_says_of_emptied_pictures_and_the_relief(some: TensorSet) -> None:
    depth = tower(2)
    rows = embed_joined(join(shape_tower(depth, MOVED, PLAIN), picture_stand_in(3)), some)
    alone = some.tensors.copy()
    alone[:, 1:] = 0
    said = embed(depth, alone)
    relief = np.asarray(ReliefAngle()(some.tensors[:, :1].astype(np.float32)))
    parts = [
        _unit((said - MOVED.mean) @ MOVED.matrix),
        PLAIN_WEIGHT * _unit(said @ PLAIN.matrix),
        np.sqrt(1.0 + PLAIN_WEIGHT**2) * relief,
    ]
    np.testing.assert_allclose(rows["shape"], _unit(np.concatenate(parts, axis=1)), atol=1e-5)
    np.testing.assert_array_equal(np.asarray(DepthOnly()(some.tensors)), some.tensors[:, :1])


def _unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def test_it_is_kept_and_loaded(network: keras.Model, some: TensorSet, tmp_path: Path) -> None:
    save_network(tmp_path / "best.keras", network)
    again = embed_joined(load_best(tmp_path), some)
    for name, rows in embed_joined(network, some).items():
        np.testing.assert_array_equal(again[name], rows)


def test_faces_without_chips_are_refused(network: keras.Model, some: TensorSet) -> None:
    with pytest.raises(ValueError, match="expected tensors with their chips, got none"):
        embed_joined(network, replace(some, chips=None))


def test_the_picture_tower_whitens_dlibs_unit_vectors(some: TensorSet) -> None:
    rng = np.random.default_rng(6)
    mean = 0.05 * rng.standard_normal(128)
    matrix = np.eye(128) + 0.1 * rng.standard_normal((128, 128))
    projection = Projection(mean.astype(np.float32), ((matrix + matrix.T) @ KEPT).astype(np.float32))
    keras.utils.set_random_seed(4)
    trunk = dlib_resnet.build(None)
    tower_ = picture_tower(None, projection)
    for layer in trunk.layers:  # the same random weights in both
        if layer.name == "last":
            tower_.get_layer("picture_last").set_weights(layer.get_weights())
        elif layer.weights:
            tower_.get_layer("dlib_resnet").get_layer(layer.name).set_weights(layer.get_weights())
    assert some.chips is not None
    images = some.chips[:3].transpose(0, 2, 3, 1).astype(np.float32)
    vectors = np.asarray(trunk(images), np.float64)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    wanted = (unit - mean) @ projection.matrix
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    np.testing.assert_allclose(np.asarray(tower_(images)), wanted, atol=1e-4)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, "--shape: expected a run that saw"),
        ({"inputs": "depth", "hair_band": False}, "--shape: expected a run that saw"),
        (
            {"inputs": "depth", "captured": "of them", "left_out": ["p01"]},
            r"--leave-out: the run left out \['p01'\]",
        ),
    ],
)
def test_a_run_that_does_not_belong_there_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    config: dict[str, object],
    words: str,
) -> None:
    (tmp_path / "shape").mkdir()
    (tmp_path / "shape" / "config.json").write_text(json.dumps({"training_commit": "abc"} | config))
    monkeypatch.setattr(module, "set_threads", lambda _: None)  # only before TensorFlow's first operation
    places = {name: str(tmp_path / name) for name in ("shape", "captured", "data", "out")}
    words_given = [word for name, place in places.items() for word in (f"--{name}", place)]
    monkeypatch.setattr(sys, "argv", ["joined", *words_given])
    with pytest.raises(SystemExit):
        module.main()
    assert re.search(words, capsys.readouterr().err)
    assert not (tmp_path / "out").exists()
