"""Export a trained network to ONNX, with the contract that the package checks when it loads it.

``python -m training.ship.export --run DIR --data DIR`` measures the thresholds on rendered validation
identities, writes ``faceid.onnx`` into the run's folder, checks it against Keras, and with ``--ship``
copies it into the package and enters its SHA-256 into ``models.json``.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from faceid_fast.calibration.impostor_tail import Tail
from faceid_fast.face.embedder import BUNDLED_MODEL
from faceid_fast.face.model_contract import CONTRACT_KEY, ModelContract, served_preprocessing
from training.data.batches import TensorSet, load_held
from training.metrics.verification import (
    THRESHOLD_CAP,
    THRESHOLD_INVERSE_FMR,
    THRESHOLD_INVERSE_HARD_FMR,
    choose_threshold,
    embed,
    figures_at,
    pairs_by_modality,
    tail_of,
)
from training.network.model import OUTPUT_NAME
from training.network.options import SHIPPED_WEIGHTS
from training.network.run_folder import inputs_of, read_config
from training.provenance.aligner import aligner_digest
from training.provenance.models_manifest import record_model
from training.provenance.revision import ROOT, training_commit
from training.ship.model_card import CARD, write_card

MODELS = ROOT / "python" / "faceid_fast" / "models"
OPSET = 15
PARITY_TOLERANCE = 1e-5

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Exported:
    """An exported model and what was measured on it.

    Attributes
    ----------
    path : the ONNX file.
    contract : what its metadata says.
    parity : largest absolute difference from Keras, over several batch sizes.
    latency_ms : median of one input on one thread.
    """

    path: Path
    contract: ModelContract
    parity: float
    latency_ms: float


def export(
    network: keras.Model,
    held: TensorSet,
    path: Path,
    training: dict[str, Any],
    *,
    same_tensors: bool = False,
) -> Exported:
    """Write ``network`` to ``path`` with a contract whose thresholds come from ``held``.

    Parameters
    ----------
    network : as `training.network.model.build_network` makes it, trained.
    held : rendered identities that the training has not seen.
    path : of the ONNX file.
    training : how the network was trained, as `training.network.run_folder.read_config` gives it; its
        ``training_commit`` becomes the contract's, all of it stands under ``calibration.training``.
    same_tensors : the core was built anew since the tensors were made, and still makes the same.

    Raises
    ------
    ValueError
        The ONNX file computes something else than the network, or the tensors come without a note of
        their aligner, or from another preprocessing, head model or (without ``same_tensors``) core; or
        the network was trained on a part of the tensor only, for comparison.
    """
    if not inputs_of(training).complete:
        message = (
            "the run has seen a part of the tensor only (inputs, hair_band): the package gives the whole "
            "tensor, so such a network is for comparison and is not exported"
        )
        raise ValueError(message)
    _check_aligner(held.aligner, same_tensors=same_tensors)
    embeddings = embed(network, held.tensors)
    pairs = pairs_by_modality(embeddings, held)
    thresholds = {name: choose_threshold(each) for name, each in pairs.items()}
    calibration = {
        "source": f"{'real people' if training.get('layout') else 'rendered identities'} "
        "that the training has not seen",
        "rule": (
            f"largest distance with FMR <= 1/{THRESHOLD_INVERSE_FMR} over pairs of strangers and "
            f"<= 1/{THRESHOLD_INVERSE_HARD_FMR} over pairs of look-alikes, at most {THRESHOLD_CAP}"
        ),
        "n_identities": len(np.unique(held.identities)),
        "modalities": {name: figures_at(each, thresholds[name]) for name, each in pairs.items()},
        "training": training,
        "aligner": held.aligner,
        "export_commit": training_commit(),
    }
    write_onnx(network, path)
    tails = {name: tail_of(each) for name, each in pairs.items()}
    contract = _contract(network, path, thresholds, tails, calibration)
    _write_contract(path, contract)
    parity = check_parity(network, path, held.tensors[:64].astype(np.float32))
    return Exported(path, contract, parity, measure_latency(path))


def _check_aligner(aligner: str, *, same_tensors: bool) -> None:
    """The contract names the shipped preprocessing: the network must have been trained with it."""
    served = aligner_digest()
    given, wanted = aligner.split(), served.split()
    if len(given) != len(wanted) or (given[0], given[-1]) != (wanted[0], wanted[-1]):
        message = (
            f"tensors: expected those of {wanted[0]} with head model {wanted[-1]}, "
            f"got {aligner or 'no note of their aligner'!r}"
        )
        raise ValueError(message)
    if given != wanted and not same_tensors:
        message = (
            f"tensors: expected those of this build ({served}), got {aligner!r}: align again, or say "
            "--same-tensors if the core has changed elsewhere (tests/contract/test_tensor_golden.py passes)"
        )
        raise ValueError(message)


def write_onnx(network: keras.Model, path: Path) -> None:
    """Write the graph: batch size free, opset 15, named input and output."""
    network(np.zeros((1, *network.input_shape[1:]), np.float32))  # export needs a traced network
    network.export(path, format="onnx", opset_version=OPSET, verbose=False)
    model = onnx.load(path)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    _rename_output(model.graph, OUTPUT_NAME)
    model.producer_name, model.producer_version = "faceid_fast.training", ""
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def _rename_output(graph: onnx.GraphProto, name: str) -> None:
    """Give the single output a name that says what it is (the converter calls it ``Identity:0``)."""
    (output,) = graph.output
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [name if entry == output.name else entry for entry in names]
    output.name = name


def check_parity(network: keras.Model, path: Path, tensors: Floats) -> float:
    """Check that onnxruntime computes what Keras does; returns the largest absolute difference.

    On the given tensors, on noise over their whole range, and on empty input, in batches of 1, 7
    and all.

    Raises
    ------
    ValueError
        It is above `PARITY_TOLERANCE`, or not a number.
    """
    session = open_session(path)
    name = session.get_inputs()[0].name
    noise = np.random.default_rng(0).uniform(-3.0, 3.0, tensors.shape).astype(np.float32)
    largest = 0.0
    for content in (tensors, noise, np.zeros_like(tensors[:1])):
        for size in {1, 7, len(content)}:
            ours = np.asarray(network(content[:size], training=False))
            theirs = session.run(None, {name: content[:size]})[0]
            largest = max(largest, float(np.max(np.abs(ours - theirs))))
    if not largest <= PARITY_TOLERANCE:
        message = f"{path}: differs from Keras by {largest:.2g}, expected <= {PARITY_TOLERANCE:g}"
        raise ValueError(message)
    return largest


def open_session(path: Path) -> onnxruntime.InferenceSession:
    """Open a session as the package opens it: one thread, no spinning, all optimisations."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def measure_latency(path: Path, repeats: int = 200) -> float:
    """Median milliseconds for one input on one thread."""
    session = open_session(path)
    entry = session.get_inputs()[0]
    feed = {entry.name: np.zeros((1, *entry.shape[1:]), np.float32)}
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        session.run(None, feed)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds) * 1e3


def _contract(
    network: keras.Model,
    path: Path,
    thresholds: dict[str, float],
    tails: dict[str, Tail],
    calibration: dict[str, Any],
) -> ModelContract:
    session = open_session(path)
    weights = hashlib.sha256(b"".join(np.asarray(w).tobytes() for w in network.weights))
    contract = ModelContract(
        model_id=f"faceid-squeezenet-{weights.hexdigest()[:12]}",
        input_name=session.get_inputs()[0].name,
        output_name=session.get_outputs()[0].name,
        thresholds=thresholds,
        tails=tails,
        training_commit=str(calibration["training"].get("training_commit", "unknown")),
        calibration=calibration,
        preprocessing=served_preprocessing(),
        input_shape=network.input_shape[1:],
        embedding_size=network.output_shape[-1],
    )
    contract.check()
    return contract


def _write_contract(path: Path, contract: ModelContract) -> None:
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {CONTRACT_KEY: contract.to_json()})
    onnx.save(model, path)


def ship(run: Path) -> str:
    """Copy the model of a run into the package and record its SHA-256, which is returned.

    Its Keras weights become those that a fine-tune begins with.
    """
    target = MODELS / BUNDLED_MODEL
    shutil.copyfile(run / BUNDLED_MODEL, target)
    SHIPPED_WEIGHTS.parent.mkdir(exist_ok=True)
    shutil.copyfile(run / "best.keras", SHIPPED_WEIGHTS)
    return record_model(target)


def main() -> None:
    """Command line; see the module's docstring."""
    from training.network.train import load_best  # noqa: PLC0415  TensorFlow: only when run

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="folder that training.network.train wrote")
    parser.add_argument("--data", type=Path, required=True, help="folder of rendered shards")
    parser.add_argument("--ship", action="store_true", help="copy the model into the package")
    parser.add_argument(
        "--same-tensors",
        action="store_true",
        help="the core was rebuilt since the tensors were made, for reasons that do not change them",
    )
    arguments = parser.parse_args()
    held = load_held(arguments.data)
    done = export(
        load_best(arguments.run),
        held,
        arguments.run / BUNDLED_MODEL,
        read_config(arguments.run),
        same_tensors=arguments.same_tensors,
    )
    print(done.contract.to_json())
    if done.contract.training_commit != done.contract.calibration["export_commit"]:
        print(
            f"trained at {done.contract.training_commit}, "
            f"exported at {done.contract.calibration['export_commit']}",
            file=sys.stderr,
        )
    print(f"parity {done.parity:.1e}, one input on one thread {done.latency_ms:.2f} ms")
    if arguments.ship:
        print(f"{MODELS / BUNDLED_MODEL}  sha256 {ship(arguments.run)}")
        write_card()
        print(f"{CARD}: figures of this model are to be measured, see training.ship.model_card")


if __name__ == "__main__":
    main()
