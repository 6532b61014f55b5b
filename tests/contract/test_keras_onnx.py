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

from faceid_fast.face.embedder import Embedder  # noqa: E402
from training.data.batches import TensorSet  # noqa: E402
from training.network.model import NetworkConfig, build_network  # noqa: E402
from training.network.run_folder import read_config  # noqa: E402
from training.provenance.aligner import aligner_digest  # noqa: E402
from training.provenance.revision import training_commit  # noqa: E402
from training.ship import export as exporter  # noqa: E402
from training.ship.model_card import read_contract  # noqa: E402

# tf2onnx looks for an alias that numpy has removed.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def held() -> TensorSet:
    rng = np.random.default_rng(5)
    tensors = np.clip(rng.standard_normal((80, 4, 72, 64)), -2.5, 2.5).astype(np.float16)
    who = np.repeat(np.arange(20, dtype=np.int32), 4)
    return TensorSet(tensors, who, who // 4, np.zeros_like(who), aligner_digest())


def _network(config: NetworkConfig | None = None) -> keras.Model:
    """Untrained, with BatchNorm statistics that are not the identity."""
    keras.utils.set_random_seed(7)
    network = build_network(config)
    rng = np.random.default_rng(7)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(rng.normal(0, 0.3, layer.moving_mean.shape))
            layer.moving_variance.assign(rng.uniform(0.5, 2, layer.moving_variance.shape))
    return network


@pytest.mark.parametrize("conv_batch_norm", [True, False])
def test_parity_and_contract(held: TensorSet, tmp_path: Path, *, conv_batch_norm: bool) -> None:
    network = _network(NetworkConfig(conv_batch_norm=conv_batch_norm))
    done = exporter.export(network, held, tmp_path / "model.onnx", {"steps": 0})
    assert done.parity <= 1e-5
    contract = read_contract(done.path)
    assert contract == done.contract
    assert contract.input_shape == (4, 72, 64)
    assert (contract.input_name, contract.output_name) == ("tensor", "embedding")
    assert contract.embedding_size == 128
    assert set(contract.thresholds) == set(contract.calibration["modalities"])
    assert all(0.0 < at <= 0.6 for at in contract.thresholds.values())
    assert set(contract.tails) == set(contract.thresholds)
    assert contract.calibration["n_identities"] == 20


def test_the_package_loads_what_training_exports(held: TensorSet, tmp_path: Path) -> None:
    network = _network()
    done = exporter.export(network, held, tmp_path / "model.onnx", {})
    digest = hashlib.sha256(done.path.read_bytes()).hexdigest()
    tensors = held.tensors[:5].astype(np.float32)
    theirs = Embedder(done.path, sha256=digest).embed(tensors)
    np.testing.assert_allclose(theirs, np.asarray(network(tensors)), atol=1e-5)


def test_tensors_of_another_aligner_are_refused(held: TensorSet, tmp_path: Path) -> None:
    identifier, core, head_model = held.aligner.split()
    other = "0123456789abcdef"
    for note in ("", identifier, f"{identifier} {core} {other}", f"head-fit-0 {core} {head_model}"):
        with pytest.raises(ValueError, match="with head model"):
            exporter.export(
                _network(), replace(held, aligner=note), tmp_path / "m.onnx", {}, same_tensors=True
            )
    rebuilt = replace(held, aligner=f"{identifier} {other} {head_model}")
    with pytest.raises(ValueError, match="tensors: expected those of this build"):
        exporter.export(_network(), rebuilt, tmp_path / "m.onnx", {})
    done = exporter.export(_network(), rebuilt, tmp_path / "m.onnx", {}, same_tensors=True)
    assert done.contract.calibration["aligner"] == rebuilt.aligner


def test_the_commit_is_the_one_that_trained(held: TensorSet, tmp_path: Path) -> None:
    run = tmp_path / "config.json"
    run.write_text(json.dumps({"steps": 3, "training_commit": "abc-dirty"}))
    done = exporter.export(_network(), held, tmp_path / "m.onnx", read_config(tmp_path))
    assert done.contract.training_commit == "abc-dirty"
    assert done.contract.calibration["training"]["steps"] == 3
    assert done.contract.calibration["export_commit"] == training_commit()
    unnamed = exporter.export(_network(), held, tmp_path / "m.onnx", {})
    assert unnamed.contract.training_commit == "unknown"


def test_rows_are_unit_vectors_whatever_the_batch(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    exporter.write_onnx(_network(), path)
    session = exporter.open_session(path)
    rows = np.random.default_rng(1).normal(size=(9, 4, 72, 64)).astype(np.float32)
    together = session.run(["embedding"], {"tensor": rows})[0]
    alone = np.concatenate([session.run(["embedding"], {"tensor": row[None]})[0] for row in rows])
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_another_network_is_told_apart(held: TensorSet, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    network = _network()
    exporter.write_onnx(network, path)
    first = network.get_layer("dense")
    first.kernel.assign(first.kernel * np.linspace(0.9, 1.1, 128, dtype=np.float32))
    with pytest.raises(ValueError, match="differs from Keras"):
        exporter.check_parity(network, path, held.tensors.astype(np.float32))
