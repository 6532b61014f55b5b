"""Export a joined network to ONNX, with the contract that the package checks when it loads it.

``python -m training.ship.export --run DIR --data DIR`` takes what `training.network.joined` wrote, measures
threshold and the keys' limits on people held out (with ``--photographs`` and ``--left-out`` real ones: see
`training.fitted.threshold` and `training.fitted.key_limits`), writes ``faceid.onnx`` into the run's
folder, checks it against Keras, turns the picture's tower into 8-bit numbers (`training.ship.quantise`), and
with ``--ship`` copies it into the package and enters its SHA-256 into ``models.json``.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import statistics
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
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
from faceid_fast.face.crop import TENSOR_SHAPE
from faceid_fast.face.embedder import BUNDLED_MODEL
from faceid_fast.face.model_contract import (
    CONTRACT_KEY,
    INPUTS,
    KEYS,
    OUTPUTS,
    ModelContract,
    served_preprocessing,
)
from training.data.batches import MODALITIES, TensorSet, load_held
from training.data.photographed import Photographs, photographed
from training.data.portrait_chips import load_portrait_chips
from training.fitted.attempts import honest_distances
from training.fitted.key_limits import REFUSED_SHARES, key_limits
from training.fitted.threshold import CAPTURED_MARGIN, INVERSE_FMR, threshold_of
from training.metrics.verification import (
    THRESHOLD_CAP,
    THRESHOLD_INVERSE_FMR,
    THRESHOLD_INVERSE_HARD_FMR,
    choose_threshold,
    figures_at,
    pairs_by_modality,
    tail_of,
)
from training.network.options import SHIPPED_FILES, SHIPPED_WEIGHTS
from training.network.run_folder import read_config
from training.people.portraits import PORTRAITS_PATH
from training.provenance.aligner import aligner_digest
from training.provenance.models_manifest import record_model
from training.provenance.revision import ROOT, training_commit
from training.reports.left_out import LeftOut
from training.ship.model_card import CARD, write_card
from training.ship.quantise import CALIBRATION_CHIPS, quantise_tower

MODELS = ROOT / "python" / "faceid_fast" / "models"
OPSET = 15
PARITY_TOLERANCE = 1e-5
PARITY_IMAGES = 16
QUANTISED_TOWER = "dlib_resnet"
"""Part of the names of the nodes that become 8-bit numbers."""
CAPTURED_MODALITY = MODALITIES[0]
"""Of the captured people: those who are at hand were all seen in infrared."""
PHOTOGRAPHED_SOURCE = "rendered people held out, under photographs of real people"
REAL_RULE = (
    f"largest distance at which at most one in {INVERSE_FMR:,} pairs of strangers matches: in infrared, of "
    f"captured ones by networks that had left one out, their distances {CAPTURED_MARGIN} times; in "
    "colour, of rendered shapes under photographs of real people"
)
PAIRS_RULE = (
    f"largest distance with FMR <= 1/{THRESHOLD_INVERSE_FMR} over pairs of strangers and "
    f"<= 1/{THRESHOLD_INVERSE_HARD_FMR} over pairs of look-alikes, and at most {THRESHOLD_CAP}"
)
LIMITS_RULE = (
    "A key's limit refuses at most "
    + " and ".join(f"{share:.1%} ({key})" for key, share in REFUSED_SHARES.items())
    + " of the honest attempts of any group of people"
)
TEACHERS = (
    {
        "name": "dlib_face_recognition_resnet_model_v1 (Davis King)",
        "licence": "public domain",
        "used_for": "the weights of the picture's tower, in 8-bit numbers, below a projection of our own",
    },
)

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
    photographs: Photographs | None = None,
    left_out: LeftOut | None = None,
    same_tensors: bool = False,
) -> Exported:
    """Write ``network`` to ``path`` with a contract whose thresholds and limits come from ``held``.

    Parameters
    ----------
    network : as `training.network.joined.join` makes it.
    held : rendered identities that the training has not seen, with their chips.
    path : of the ONNX file.
    training : how the network was trained, as `training.network.run_folder.read_config` gives it; its
        ``training_commit`` becomes the contract's, all of it stands under ``calibration.training``.
    photographs : what rendered people get for pictures, so that they are faces to the picture's tower.
    left_out : what networks that had left captured people out measured on them.
    same_tensors : the core was built anew since the tensors were made, and still makes the same.

    Raises
    ------
    ValueError
        It is no joined network, the ONNX file computes something else than the network, or the tensors come
        without a note of their aligner, or from another preprocessing, head model or (without
        ``same_tensors``) core, or without chips.
    """
    _check_joined(network)
    if held.chips is None:
        message = "held: expected tensors with their chips, got none"
        raise ValueError(message)
    _check_aligner(held.aligner, same_tensors=same_tensors)
    write_onnx(network, path)
    first = {"tensor": held.tensors[:PARITY_IMAGES].astype(np.float32), "chip": held.chips[:PARITY_IMAGES]}
    parity = check_parity(network, path, first)
    quantise_tower(path, QUANTISED_TOWER, _calibration_chips(held), TENSOR_SHAPE)
    if photographs is not None:
        held = photographed(held, photographs.of(held=False))
    assert held.chips is not None
    rows = embed_all(path, held.tensors, held.chips)
    pairs = pairs_by_modality(rows["embedding"], held, alike_are_strangers=photographs is None)
    deciding = dict(pairs)
    if left_out is not None:
        margin = (CAPTURED_MARGIN * left_out.strangers).astype(np.float32)
        deciding[CAPTURED_MODALITY] = replace(pairs[CAPTURED_MODALITY], impostor=margin)
    if photographs is None:
        thresholds = {name: choose_threshold(each) for name, each in deciding.items()}
    else:
        thresholds = {name: threshold_of(each.impostor) for name, each in deciding.items()}
    honest = _honest(rows, held)
    if left_out is not None:
        # Those of rendered people, seen by all kinds of cameras, would let more swaps in.
        honest[CAPTURED_MODALITY] = [{key: left_out.honest[key] for key in KEYS}]
    limits = key_limits(honest)
    calibration = {
        "source": (
            "people held out, as they were rendered or captured"
            if photographs is None
            else PHOTOGRAPHED_SOURCE
        )
        + ("" if left_out is None else ", and captured people by networks that had left them out"),
        "rule": f"{PAIRS_RULE if photographs is None else REAL_RULE}. {LIMITS_RULE}",
        "n_identities": len(np.unique(held.identities)),
        "modalities": {name: figures_at(each, thresholds[name]) for name, each in pairs.items()},
        "training": training,
        "aligner": held.aligner,
        "export_commit": training_commit(),
    }
    tails = {name: tail_of(each) for name, each in deciding.items()}
    sizes = {name: rows[name].shape[1] for name in OUTPUTS}
    contract = _contract(network, sizes, thresholds, limits, tails, calibration)
    _write_contract(path, contract)
    return Exported(path, contract, parity, measure_latency(path))


def _check_joined(network: keras.Model) -> None:
    """Refuse a tower alone: what saw a part of a face is not exported."""
    outputs = sorted(network.output) if isinstance(network.output, dict) else "one output"
    if outputs != sorted(OUTPUTS):
        message = f"network: expected one of training.network.joined, got {outputs}: a tower is not exported"
        raise ValueError(message)


def _calibration_chips(held: TensorSet) -> NDArray[np.uint8]:
    """Chips that show the range of activations: of ``held``, and as many portraits if they are there."""
    assert held.chips is not None
    chosen = np.random.default_rng(0).permutation(len(held))[:CALIBRATION_CHIPS]
    if not PORTRAITS_PATH.is_dir():
        return held.chips[chosen]
    portraits = load_portrait_chips(smiling=False).of(held=False).chips
    return np.concatenate([portraits[: CALIBRATION_CHIPS // 2], held.chips[chosen]])[:CALIBRATION_CHIPS]


def _honest(rows: Mapping[str, Floats], held: TensorSet) -> dict[str, list[dict[str, Any]]]:
    """Distances of held-out people's honest attempts, by modality and key."""
    return {
        name: [{key: honest_distances(rows[key][chosen], held.identities[chosen]) for key in KEYS}]
        for name, chosen in held.rows_of_modalities().items()
    }


def embed_all(
    path: Path, tensors: NDArray[np.floating], chips: NDArray[np.uint8], batch: int = 32
) -> dict[str, Floats]:
    """Run an exported model on (N, 4, 72, 64) tensors and (N, 3, 150, 150) chips: rows by output."""
    session = open_session(path)
    parts = [
        session.run(
            OUTPUTS,
            {"tensor": tensors[at : at + batch].astype(np.float32), "chip": chips[at : at + batch]},
        )
        for at in range(0, len(tensors), batch)
    ]
    return {
        name: np.concatenate(found) for name, found in zip(OUTPUTS, zip(*parts, strict=True), strict=True)
    }


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
    """Write the graph: batch size free, opset 15, named inputs and outputs."""
    empty = {
        name: np.zeros((1, *shape), np.uint8 if name == "chip" else np.float32)
        for name, shape in INPUTS.items()
    }
    network(empty)  # export needs a traced network
    network.export(path, format="onnx", opset_version=OPSET, verbose=False)
    model = onnx.load(path)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    model.producer_name, model.producer_version = "faceid_fast.training", ""
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def check_parity(network: keras.Model, path: Path, faces: Mapping[str, NDArray[Any]]) -> float:
    """Check that onnxruntime computes what Keras does; returns the largest absolute difference.

    On the given faces, on noise over their whole range, and on empty input, in batches of 1, 7 and all.
    It is checked before the picture's tower is turned into 8-bit numbers, which differ by design.

    Raises
    ------
    ValueError
        It is above `PARITY_TOLERANCE`, or not a number.
    """
    session = open_session(path)
    rng = np.random.default_rng(0)
    noise = {
        "tensor": rng.uniform(-3.0, 3.0, faces["tensor"].shape).astype(np.float32),
        "chip": rng.integers(0, 256, faces["chip"].shape, np.uint8),
    }
    empty = {name: np.zeros_like(part[:1]) for name, part in faces.items()}
    largest = 0.0
    for content in (faces, noise, empty):
        for size in {1, 7, len(content["chip"])}:
            given = {name: part[:size] for name, part in content.items()}
            ours = network(given, training=False)
            theirs = session.run(OUTPUTS, given)
            for name, found in zip(OUTPUTS, theirs, strict=True):
                largest = max(largest, float(np.max(np.abs(np.asarray(ours[name]) - found))))
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
    feed = {
        "tensor": np.zeros((1, *INPUTS["tensor"]), np.float32),
        "chip": np.zeros((1, *INPUTS["chip"]), np.uint8),
    }
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        session.run(None, feed)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds) * 1e3


def _contract(
    network: keras.Model,
    sizes: dict[str, int],
    thresholds: dict[str, float],
    limits: dict[str, dict[str, float]],
    tails: dict[str, Tail],
    calibration: dict[str, Any],
) -> ModelContract:
    weights = hashlib.sha256(b"".join(np.asarray(w).tobytes() for w in network.weights))
    contract = ModelContract(
        model_id=f"faceid-two-keys-{weights.hexdigest()[:12]}",
        outputs=sizes,
        thresholds=thresholds,
        key_limits=limits,
        tails=tails,
        teachers=TEACHERS,
        training_commit=str(calibration["training"].get("training_commit", "unknown")),
        calibration=calibration,
        preprocessing=served_preprocessing(),
    )
    contract.check()
    return contract


def _write_contract(path: Path, contract: ModelContract) -> None:
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {CONTRACT_KEY: contract.to_json()})
    onnx.save(model, path)


def ship(run: Path) -> str:
    """Copy the model of a run into the package and record its SHA-256, which is returned.

    The weights of its towers become those that a fine-tune begins with; dlib's are not among them.
    """
    target = MODELS / BUNDLED_MODEL
    shutil.copyfile(run / BUNDLED_MODEL, target)
    SHIPPED_WEIGHTS.mkdir(exist_ok=True)
    for name in SHIPPED_FILES:
        shutil.copyfile(run / name, SHIPPED_WEIGHTS / name)
    return record_model(target)


def main() -> None:
    """Command line; see the module's docstring."""
    from training.network.joined import load_joined  # noqa: PLC0415  TensorFlow: only when run

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="folder that training.network.joined wrote")
    parser.add_argument("--data", type=Path, required=True, help="folder of rendered shards")
    parser.add_argument("--photographs", type=Path, help="what training.data.photographed took")
    parser.add_argument("--left-out", type=Path, help="what training.reports.left_out measured")
    parser.add_argument("--ship", action="store_true", help="copy the model into the package")
    parser.add_argument(
        "--same-tensors",
        action="store_true",
        help="the core was rebuilt since the tensors were made, for reasons that do not change them",
    )
    arguments = parser.parse_args()
    held = load_held(arguments.data, with_chips=True)
    training = read_config(arguments.run)
    left_out = None
    if arguments.left_out is not None:
        # A fold's threshold must not have seen the people on whom the fold is measured.
        left_out = LeftOut.read(arguments.left_out).without(training["left_out"])
    done = export(
        load_joined(arguments.run),
        held,
        arguments.run / BUNDLED_MODEL,
        training,
        photographs=None if arguments.photographs is None else Photographs.read(arguments.photographs),
        left_out=left_out,
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
