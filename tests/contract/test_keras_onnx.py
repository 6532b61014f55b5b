"""Keras against ONNX: the exported file computes the same, and says what it is."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
for module in ("tensorflow", "tf2onnx", "onnx"):
    pytest.importorskip(module, reason=f"needs the training environment ({module})")

import keras  # noqa: E402

from faceid_fast import Authenticator  # noqa: E402
from faceid_fast.face.embedder import Embedder  # noqa: E402
from faceid_fast.face.model_contract import INPUTS, KEYS, OUTPUTS, ModelContract  # noqa: E402
from faceid_fast.sources.renders import bundled_renders  # noqa: E402
from joined_stand_ins import faces, joined_stand_in, tower  # noqa: E402
from training.data.batches import TensorSet  # noqa: E402
from training.data.photographed import Photographs  # noqa: E402
from training.fitted.attempts import honest_distances  # noqa: E402
from training.fitted.key_limits import key_limits  # noqa: E402
from training.fitted.threshold import CAPTURED_MARGIN, threshold_of  # noqa: E402
from training.metrics.verification import embed_joined  # noqa: E402
from training.network.model import NetworkConfig  # noqa: E402
from training.network.run_folder import read_config  # noqa: E402
from training.people.portraits import PORTRAITS_PATH  # noqa: E402
from training.provenance.revision import training_commit  # noqa: E402
from training.reports.left_out import LeftOut  # noqa: E402
from training.ship import export as exporter  # noqa: E402
from training.ship.export import Exported  # noqa: E402
from training.ship.model_card import read_contract  # noqa: E402

# tf2onnx looks for an alias that numpy has removed.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def held() -> TensorSet:
    return faces()


@pytest.fixture(scope="module")
def network() -> keras.Model:
    return joined_stand_in()


@pytest.fixture(scope="module")
def done(network: keras.Model, held: TensorSet, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return exporter.export(network, held, tmp_path_factory.mktemp("model") / "model.onnx", {"steps": 0})


def test_parity_and_contract(done: Exported) -> None:
    assert done.parity <= 1e-5
    contract = read_contract(done.path)
    assert contract == done.contract
    assert {name: tuple(shape) for name, shape in contract.inputs.items()} == INPUTS
    assert contract.outputs == {"embedding": 128, "shape": 128, "picture": 64}
    assert set(contract.thresholds) == set(contract.calibration["modalities"])
    assert all(0.0 < at <= 0.6 for at in contract.thresholds.values())
    assert set(contract.tails) == set(contract.thresholds) == set(contract.key_limits) == {"infrared"}
    assert contract.calibration["n_identities"] == 20
    assert [teacher["licence"] for teacher in contract.teachers] == ["public domain"]


def test_the_keys_limits_let_honest_people_in(done: Exported, held: TensorSet) -> None:
    assert held.chips is not None
    rows = exporter.embed_all(done.path, held.tensors, held.chips)
    for key in KEYS:
        honest = honest_distances(rows[key], held.identities)
        limit = done.contract.key_limits["infrared"][key]
        assert np.mean(honest > limit) <= 0.005
        assert limit <= honest.max() + 1e-4


def test_captured_people_decide_about_infrared(network: keras.Model, held: TensorSet, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    names = np.array(["ada", "ben"])
    left_out = LeftOut(
        {name: rng.uniform(0.1, 0.4, 200) for name in OUTPUTS},
        np.repeat(names, 100),
        0.5 + 0.9 * np.sqrt(rng.uniform(0.0, 1.0, 50_000)),
        np.repeat(names[:1], 50_000),
        np.repeat(names[1:], 50_000),
    )
    photographs = Photographs(
        rng.integers(0, 256, (24, *INPUTS["chip"]), np.uint8),
        np.repeat(np.arange(6, dtype=np.int32), 4),
        np.zeros(24, np.int32),
        np.repeat(np.arange(6) == 5, 4),
    )
    made = exporter.export(
        network, held, tmp_path / "model.onnx", {}, photographs=photographs, left_out=left_out
    ).contract
    honest = {key: left_out.honest[key] for key in KEYS}
    assert dict(made.key_limits["infrared"]) == key_limits({"infrared": [honest]})["infrared"]
    assert made.thresholds["infrared"] == threshold_of(
        (CAPTURED_MARGIN * left_out.strangers).astype(np.float32)
    )
    assert "photographs of real people" in made.calibration["source"]
    assert made.tails["infrared"][-1][1] < 0.92 * 0.6


def test_the_package_loads_what_training_exports(
    done: Exported, network: keras.Model, held: TensorSet
) -> None:
    digest = hashlib.sha256(done.path.read_bytes()).hexdigest()
    few = held.subset(np.arange(5))
    assert few.chips is not None
    theirs = Embedder(done.path, sha256=digest).embed(few.tensors.astype(np.float32), few.chips)
    ours = embed_joined(network, few)
    np.testing.assert_allclose(theirs.shape, ours["shape"], atol=1e-5)
    # Eight-bit numbers: nearly the same.
    assert (theirs.picture * ours["picture"]).sum(axis=1).min() > 0.98
    assert (theirs.joined * ours["embedding"]).sum(axis=1).min() > 0.98


def test_an_authenticator_takes_what_training_exports(done: Exported) -> None:
    embedder = Embedder(done.path, sha256=hashlib.sha256(done.path.read_bytes()).hexdigest())
    auth = Authenticator(embedder=embedder)
    frames = {
        render.person: render.read()
        for render in bundled_renders()
        if render.kind == "enroll" and render.number == 0
    }
    # Untrained towers know nobody in another pose: one frame of each.
    for person in ("ada", "ben"):
        assert auth.enroll(person, [frames[person]], strangers="keep").accepted == 1
        assert auth.verify(frames[person], person).accepted


def test_a_tower_alone_is_not_exported(held: TensorSet, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a tower is not exported"):
        exporter.export(tower(1), held, tmp_path / "m.onnx", {})
    assert not list(tmp_path.iterdir())


def test_tensors_without_chips_are_refused(network: keras.Model, held: TensorSet, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected tensors with their chips, got none"):
        exporter.export(network, replace(held, chips=None), tmp_path / "m.onnx", {})


def _contract_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what takes seconds: the graph is written and read by the other tests."""
    monkeypatch.setattr(exporter, "check_parity", lambda *_: 0.0)
    monkeypatch.setattr(exporter, "quantise_tower", lambda *_: [])
    monkeypatch.setattr(exporter, "measure_latency", lambda _: 0.0)


def test_tensors_of_another_aligner_are_refused(
    network: keras.Model, held: TensorSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identifier, core, head_model = held.aligner.split()
    other = "0123456789abcdef"
    for note in ("", identifier, f"{identifier} {core} {other}", f"head-fit-0 {core} {head_model}"):
        with pytest.raises(ValueError, match="with head model"):
            exporter.export(network, replace(held, aligner=note), tmp_path / "m.onnx", {}, same_tensors=True)
    rebuilt = replace(held, aligner=f"{identifier} {other} {head_model}")
    with pytest.raises(ValueError, match="tensors: expected those of this build"):
        exporter.export(network, rebuilt, tmp_path / "m.onnx", {})
    _contract_only(monkeypatch)
    done = exporter.export(network, rebuilt, tmp_path / "m.onnx", {}, same_tensors=True)
    assert done.contract.calibration["aligner"] == rebuilt.aligner


def test_the_commit_is_the_one_that_trained(
    done: Exported, network: keras.Model, held: TensorSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "config.json"
    run.write_text(json.dumps({"steps": 3, "training_commit": "abc-dirty"}))
    _contract_only(monkeypatch)
    named: ModelContract = exporter.export(network, held, tmp_path / "m.onnx", read_config(tmp_path)).contract
    assert named.training_commit == "abc-dirty"
    assert named.calibration["training"]["steps"] == 3
    assert named.calibration["export_commit"] == training_commit()
    assert done.contract.training_commit == "unknown"


def test_rows_are_unit_vectors_whatever_the_batch(done: Exported) -> None:
    session = exporter.open_session(done.path)
    rng = np.random.default_rng(1)
    given = {
        "tensor": rng.normal(size=(9, *INPUTS["tensor"])).astype(np.float32),
        "chip": rng.integers(0, 256, (9, *INPUTS["chip"]), np.uint8),
    }
    together = session.run(OUTPUTS, given)
    alone = [
        session.run(OUTPUTS, {name: rows[at : at + 1] for name, rows in given.items()}) for at in range(9)
    ]
    for number, rows in enumerate(together):
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-5)
        np.testing.assert_allclose(rows, np.concatenate([each[number] for each in alone]), atol=1e-5)


@pytest.mark.parametrize("conv_batch_norm", [True, False])
def test_every_kind_of_tower_becomes_the_same_graph(
    held: TensorSet, tmp_path: Path, *, conv_batch_norm: bool
) -> None:
    path = tmp_path / "model.onnx"
    network = joined_stand_in(config=NetworkConfig(conv_batch_norm=conv_batch_norm))
    exporter.write_onnx(network, path)
    few = held.subset(np.arange(8))
    assert few.chips is not None
    given = {"tensor": few.tensors.astype(np.float32), "chip": few.chips}
    assert exporter.check_parity(network, path, given) <= 1e-5
    # Another network is told apart.
    first = network.get_layer("shape_tower").get_layer("whitened_project")
    first.kernel.assign(first.kernel * np.linspace(0.9, 1.1, 64, dtype=np.float32))
    with pytest.raises(ValueError, match="differs from Keras"):
        exporter.check_parity(network, path, given)


def test_without_portraits_the_range_is_found_on_the_models_people(
    held: TensorSet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(exporter, "PORTRAITS_PATH", tmp_path / "none")
    chips = exporter._calibration_chips(held)
    assert chips.shape == (100, *INPUTS["chip"])
    if PORTRAITS_PATH.is_dir():
        monkeypatch.setattr(exporter, "PORTRAITS_PATH", PORTRAITS_PATH)
        mixed = exporter._calibration_chips(held)
        assert mixed.shape == chips.shape
        np.testing.assert_array_equal(mixed[50:], chips[:50])
