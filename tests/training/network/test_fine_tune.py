"""Runs that begin with given weights, see a part of the tensor, or train on few people; the command line."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the training environment (TensorFlow)")

from examples.fine_tune import commands
from faceid_fast.face.crop import TENSOR_SHAPE
from training.data.augment import Augmentation
from training.data.batches import BatchConfig, TensorSet
from training.data.layouts.reading import LAYOUTS
from training.network import train as module
from training.network.options import FINE_TUNE, SHIPPED_TOWER, TrainConfig, configure, parse
from training.network.run_folder import inputs_of, read_config
from training.network.train import load_best, main, train
from training.ship.export import export

# Keras hands numpy its variables in a way that numpy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:keras")

TINY = TrainConfig(steps=4, validate_every=2, batch=BatchConfig(identities=4, images=2))


@pytest.fixture(scope="module")
def first_run(people: TensorSet, strangers: TensorSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("first")
    train(people, strangers, out, replace(TINY, steps=30, validate_every=30))
    return out


def test_fine_tune_begins_with_the_weights_given(
    people: TensorSet, strangers: TensorSet, tmp_path: Path, first_run: Path
) -> None:
    still = replace(FINE_TUNE, steps=2, validate_every=2, learning_rate=0.0, weight_decay=0.0)
    few = people.first_identities(6)
    train(few, strangers, tmp_path / "a", still, init=first_run)
    for ours, theirs in zip(
        load_best(tmp_path / "a").trainable_variables, load_best(first_run).trainable_variables, strict=True
    ):
        np.testing.assert_array_equal(np.asarray(ours.value), np.asarray(theirs.value))
    with (tmp_path / "a" / "log.csv").open(newline="") as file:
        assert next((int(row["step"]), row["phase"]) for row in csv.DictReader(file)) == (0, "init")
    assert json.loads((tmp_path / "a" / "config.json").read_text())["init"] != ""


def test_the_shipped_weights_load_wherever_their_layers_are_defined_now() -> None:
    # The file names the module that its layers stood in when it was written, and their registered names.
    network, _ = module._load_init(SHIPPED_TOWER, TENSOR_SHAPE)
    rows = np.asarray(network(np.zeros((1, *TENSOR_SHAPE), np.float32)))
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, rtol=1e-5)


def test_what_a_fine_tune_makes_worse_is_not_kept(
    people: TensorSet, strangers: TensorSet, tmp_path: Path, first_run: Path
) -> None:
    harmful = replace(FINE_TUNE, steps=4, validate_every=2, learning_rate=0.5, warm_up_steps=0)
    train(people, strangers, tmp_path, harmful, init=first_run / "best.keras")
    with (tmp_path / "log.csv").open(newline="") as file:
        scores = [float(row["score"]) for row in csv.DictReader(file)]
    assert scores[0] == max(scores)
    for ours, theirs in zip(
        load_best(tmp_path).trainable_variables, load_best(first_run).trainable_variables, strict=True
    ):
        np.testing.assert_array_equal(np.asarray(ours.value), np.asarray(theirs.value))


def test_weights_for_other_tensors_are_refused(
    people: TensorSet, strangers: TensorSet, tmp_path: Path, first_run: Path
) -> None:
    narrow = replace(people, tensors=people.tensors[:, :, :, :32])
    with pytest.raises(ValueError, match="expected a network of tensors"):
        train(narrow, strangers, tmp_path, TINY, init=first_run)


def test_a_network_takes_the_shape_of_the_tensors(
    people: TensorSet, strangers: TensorSet, tmp_path: Path
) -> None:
    two, other = (replace(part, tensors=part.tensors[:, :2]) for part in (people, strangers))
    train(two, other, tmp_path, replace(TINY, steps=2))
    assert load_best(tmp_path).input_shape[1:] == two.tensors.shape[1:]


def test_a_fine_tune_of_the_shape_begins_with_the_shipped_tower(
    tmp_path: Path, first_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tower = tmp_path / "shape.keras"
    shutil.copy(first_run / "best.keras", tower)
    monkeypatch.setattr(module, "SHIPPED_TOWER", tower)
    assert module._shipped_tower("depth") == tower
    assert capsys.readouterr().err == ""
    assert module._shipped_tower("both") is None
    tower.unlink()
    assert module._shipped_tower("depth") is None
    assert capsys.readouterr().err.count("trained from random weights") == 2


def test_a_network_that_saw_a_part_is_not_exported(
    people: TensorSet, strangers: TensorSet, tmp_path: Path
) -> None:
    part = replace(TINY, steps=2, inputs="depth", hair_band=False)
    train(people, strangers, tmp_path, part)
    config = read_config(tmp_path)
    assert inputs_of(config) == part.seen
    with pytest.raises(ValueError, match="a tower is not exported"):
        export(load_best(tmp_path), strangers, tmp_path / "faceid.onnx", config)
    assert not (tmp_path / "faceid.onnx").exists()


def test_only_the_identities_asked_for_are_trained_on(
    people: TensorSet, strangers: TensorSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: set[int] = set()
    step = module.Trainer.step

    def spy(self: module.Trainer, number: int, tensors: np.ndarray, identities: np.ndarray) -> object:
        seen.update(identities.tolist())
        return step(self, number, tensors, identities)

    monkeypatch.setattr(module.Trainer, "step", spy)
    train(people, strangers, tmp_path, replace(TINY, identities=5))
    assert seen <= {0, 1, 2, 3, 4}


def test_a_resumed_run_with_augmentations_equals_an_uninterrupted_one(
    people: TensorSet, strangers: TensorSet, tmp_path: Path, train_in_two_parts: Callable[..., None]
) -> None:
    every = Augmentation(cut_out_share=0.5, noise_share=0.5, shifted_share=0.5, gain_share=0.5)
    config = replace(TINY, batch=replace(TINY.batch, mirrored_share=0.5, augmentation=every))
    train(people, strangers, tmp_path / "whole", config)

    train_in_two_parts(people, strangers, tmp_path / "parts", config)
    with (
        np.load(tmp_path / "whole/checkpoint.npz") as whole,
        np.load(tmp_path / "parts/checkpoint.npz") as parts,
    ):
        for name in whole.files:  # sums on several threads are not reproducible to the last bit
            np.testing.assert_allclose(parts[name], whole[name], rtol=1e-3, atol=1e-4)


def test_command_line_gives_the_configuration() -> None:
    words = "--data d --out o --steps 7 --seed 3 --loss margin --mirrored-share 0.25 --identities 30"
    words += " --batch-identities 12 --cut-out-share 0.5 --inputs intensity --no-hair-band --network medium"
    config = configure(parse(arguments=words.split()))
    assert (config.steps, config.seed, config.identities) == (7, 3, 30)
    assert config.loss.name == "margin"
    assert (config.batch.identities, config.batch.mirrored_share) == (12, 0.25)
    assert config.batch.augmentation == Augmentation(cut_out_share=0.5)
    assert (config.inputs, config.hair_band) == ("intensity", False)
    assert config.network.stem_filters == 32
    assert configure(parse(arguments=["--data", "d", "--out", "o"])) == TrainConfig()
    fine = configure(parse(arguments=["--data", "d", "--out", "o", "--layout", "pairs"]))
    assert fine == replace(FINE_TUNE, layout="pairs")
    assert set(LAYOUTS) == {"vap", "pairs", "npz", "kinect_v2"}


def test_the_command_ends_where_there_are_no_captures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["train", "--data", str(tmp_path), "--out", str(tmp_path / "run"), "--layout", "kinect_v2"]
    monkeypatch.setattr("sys.argv", words)
    monkeypatch.setattr(module, "set_threads", lambda _: None)  # only before TensorFlow's first operation
    with pytest.raises(SystemExit, match=r"expected folders of NN_depth\.png and NN_ir\.png, got none"):
        main()


def test_the_example_trains_the_shapes_tower_and_joins_it(tmp_path: Path) -> None:
    trained, joined, exported = commands(Path("faces"), "pairs", tmp_path)
    config = configure(parse(arguments=trained[1:]))
    assert config == replace(FINE_TUNE, layout="pairs", inputs="depth")
    run = parse(arguments=trained[1:]).out
    given = dict(zip(joined[1::2], joined[2::2], strict=True))
    assert given["--shape"] == str(run)
    assert given["--data"] == str(run / "tensors") == exported[exported.index("--data") + 1]
    assert given["--out"] == exported[exported.index("--run") + 1] == str(tmp_path)


def test_chimeras_are_refused_where_half_of_them_is_not_seen() -> None:
    words = ["--data", "d", "--out", "o", "--chimeras", "8"]
    assert configure(parse(arguments=words)).mixture is not None
    for inputs in ("depth", "intensity"):
        with pytest.raises(SystemExit):
            parse(arguments=[*words, "--inputs", inputs])
