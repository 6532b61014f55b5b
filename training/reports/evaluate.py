"""Verification figures of a network on rendered identities.

``python -m training.reports.evaluate --run DIR --data DIR --split test`` prints the figures of a trained
network, each with its 95 % interval, on rendered test identities (validation without ``--split``), and with
``--model ONNX`` those of an exported model. Real captures have their own command (``faceid evaluate``);
nothing here may look at them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceid_fast.calibration.binomial import LEVEL
from faceid_fast.evaluate.intervals import RESAMPLES, SEED
from faceid_fast.face.embedder import Embedder
from training.data.batches import load_held, load_shards
from training.metrics.verification import choose_thresholds, embed
from training.reports.figures import describe

Floats = NDArray[np.float32]


def _of_run(run: Path, data: Path) -> tuple[Callable[[Any], Floats], dict[str, float], dict[str, Any]]:
    """A trained network, the thresholds that its export would choose, and what it is."""
    from training.network.run_folder import inputs_of, read_config  # noqa: PLC0415 - Keras, which --model does without
    from training.network.train import load_best  # noqa: PLC0415

    network = load_best(run)
    inputs = inputs_of(read_config(run))
    held = load_held(data)

    def embed_seen(tensors: NDArray[np.float16]) -> Floats:
        seen = tensors if inputs.complete else tensors.copy()
        inputs.empty_rest(seen)
        return embed(network, seen)

    return embed_seen, choose_thresholds(embed_seen(held.tensors), held), {"run": run.name}


def _of_model(path: Path) -> tuple[Callable[[Any], Floats], dict[str, float], dict[str, Any]]:
    """An exported model as the package runs it, the thresholds of its contract, and what it is."""
    embedder = Embedder(path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    contract = embedder.contract

    def embed_all(tensors: NDArray[np.float16], batch: int = 256) -> Floats:
        starts = range(0, len(tensors), batch)
        return np.concatenate([embedder.embed(tensors[at : at + batch].astype(np.float32)) for at in starts])

    described = {"id": contract.model_id, "training_commit": contract.training_commit}
    return embed_all, dict(contract.thresholds), described


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
    embed_all, thresholds, model = (
        _of_run(arguments.run, arguments.data) if arguments.run else _of_model(arguments.model)
    )
    held = (
        load_held(arguments.data)
        if arguments.split == "val"
        else load_shards(arguments.data / arguments.split)
    )
    embeddings = embed_all(held.tensors)
    held = replace(held, tensors=held.tensors[:0].copy())  # half a gigabyte that nobody needs any more
    record = {
        "model": model,
        "split": arguments.split,
        "aligner": held.aligner,
        "outcomes": outcomes_of(arguments.data / arguments.split),
        "thresholds": thresholds,
        "intervals": {"over": "identities", "level": LEVEL, "resamples": RESAMPLES, "seed": SEED},
        "modalities": describe(embeddings, held, thresholds),
    }
    text = json.dumps(record, indent=2) + "\n"
    if arguments.out:
        arguments.out.write_text(text)
    print(text, end="")


if __name__ == "__main__":
    main()
