"""Verification figures of a network on rendered identities.

``python -m training.reports.evaluate --run DIR --data DIR --split test`` prints the figures of a trained
network, each with its 95 % interval, on rendered test identities (validation without ``--split``), and with
``--model ONNX`` those of an exported model. Of a joined network there are those of the joined vector, and of
each of its two keys alone at the key's limit. Real captures have their own command (``faceid evaluate``).
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceid_fast.calibration.binomial import LEVEL
from faceid_fast.evaluate.intervals import RESAMPLES, SEED
from faceid_fast.face.embedder import Embedder
from faceid_fast.face.model_contract import KEYS, OUTPUTS
from training.data.batches import TensorSet, load_held, load_shards
from training.fitted.attempts import honest_distances
from training.fitted.key_limits import key_limits
from training.metrics.verification import choose_thresholds, embed, embed_joined
from training.reports.figures import describe

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Measured:
    """What is measured.

    Attributes
    ----------
    embed : unit rows (N, D) of faces by the name of the output; of a single tower "embedding" alone.
    thresholds : of the joined vectors, by modality.
    limits : of each key, by modality; empty for a single tower.
    described : what it is, for the record.
    """

    embed: Callable[[TensorSet], dict[str, Floats]]
    thresholds: Mapping[str, float]
    limits: Mapping[str, Mapping[str, float]]
    described: dict[str, Any]


def _of_run(run: Path, data: Path) -> Measured:
    """A trained network, with the thresholds and limits that its export would choose from renders alone."""
    from training.network.run_folder import inputs_of, read_config  # noqa: PLC0415 - Keras, which --model does without
    from training.network.train import load_best  # noqa: PLC0415

    network = load_best(run)
    if isinstance(network.output, dict):

        def embed_faces(faces: TensorSet) -> dict[str, Floats]:
            return embed_joined(network, faces)

        held = load_held(data, with_chips=True)
        rows = embed_faces(held)
        return Measured(
            embed_faces, choose_thresholds(rows["embedding"], held), _limits(rows, held), {"run": run.name}
        )
    inputs = inputs_of(read_config(run))

    def embed_seen(faces: TensorSet) -> dict[str, Floats]:
        return {"embedding": embed(network, faces.seen_through(inputs).tensors)}

    held = load_held(data)
    thresholds = choose_thresholds(embed_seen(held)["embedding"], held)
    return Measured(embed_seen, thresholds, {}, {"run": run.name})


def _limits(rows: Mapping[str, Floats], held: TensorSet) -> dict[str, dict[str, float]]:
    honest = {
        name: [{key: honest_distances(rows[key][chosen], held.identities[chosen]) for key in KEYS}]
        for name, chosen in held.rows_of_modalities().items()
    }
    return key_limits(honest)


def _of_model(path: Path) -> Measured:
    """An exported model as the package runs it, with the thresholds and limits of its contract."""
    embedder = Embedder(path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    contract = embedder.contract

    def embed_all(faces: TensorSet, batch: int = 256) -> dict[str, Floats]:
        assert faces.chips is not None
        parts = [
            embedder.embed(
                faces.tensors[at : at + batch].astype(np.float32),
                np.ascontiguousarray(faces.chips[at : at + batch]),
            )
            for at in range(0, len(faces), batch)
        ]
        each = zip(*((part.joined, part.shape, part.picture) for part in parts), strict=True)
        return {name: np.concatenate(found) for name, found in zip(OUTPUTS, each, strict=True)}

    described = {"id": contract.model_id, "training_commit": contract.training_commit}
    return Measured(embed_all, contract.thresholds, contract.key_limits, described)


def outcomes_of(folder: Path) -> Counter[str]:
    """Outcomes of aligning the captures behind a folder's shards, counted; empty where shards do not tell.

    Captures that it refused are in no pair: without their number the rates would look better than they are.
    """
    outcomes: Counter[str] = Counter()
    for path in sorted(folder.rglob("*.npz")):
        with np.load(path) as shard:
            if "outcomes" in shard:
                outcomes.update(json.loads(str(shard["outcomes"])))
    return outcomes


def main() -> None:
    """Print the figures of a trained network or an exported model on rendered identities."""
    parser = argparse.ArgumentParser(description=__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--run", type=Path, help="folder that training.network.train wrote")
    which.add_argument("--model", type=Path, help="an exported model (.onnx)")
    parser.add_argument("--data", type=Path, required=True, help="folder of rendered shards")
    parser.add_argument("--split", default="val", help="folder in it; val (default): what training holds out")
    parser.add_argument("--out", type=Path, help="write the JSON here too")
    arguments = parser.parse_args()
    measured = _of_run(arguments.run, arguments.data) if arguments.run else _of_model(arguments.model)
    with_chips = bool(measured.limits)
    held = (
        load_held(arguments.data, with_chips=with_chips)
        if arguments.split == "val"
        else load_shards(arguments.data / arguments.split, with_chips=with_chips)
    )
    rows = measured.embed(held)
    # A gigabyte that nobody needs any more.
    held = replace(held, tensors=held.tensors[:0].copy(), chips=None)
    record = {
        "model": measured.described,
        "split": arguments.split,
        "aligner": held.aligner,
        "outcomes": outcomes_of(arguments.data / arguments.split),
        "thresholds": dict(measured.thresholds),
        "key_limits": {name: dict(limits) for name, limits in measured.limits.items()},
        "intervals": {"over": "identities", "level": LEVEL, "resamples": RESAMPLES, "seed": SEED},
        "modalities": describe(rows["embedding"], held, dict(measured.thresholds)),
        "keys": {
            key: describe(rows[key], held, {name: each[key] for name, each in measured.limits.items()})
            for key in KEYS
            if key in rows
        },
    }
    text = json.dumps(record, indent=2) + "\n"
    if arguments.out:
        arguments.out.write_text(text)
    print(text, end="")


if __name__ == "__main__":
    main()
