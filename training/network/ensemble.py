"""Join networks of different seeds to one: their embeddings side by side, projected to 128 numbers.

``python -m training.network.ensemble --runs A B C --data DIR --out DIR`` writes a run's folder that
``training.reports.evaluate`` and ``training.ship.export`` take like any other. What one network has learned
by accident the others have not: their mean squared distance errs less than each. The projection keeps the
directions in which embeddings of training images reach farthest, so that distances stay what they were.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from training.data.batches import TensorSet, load_split
from training.metrics.verification import embed, measure_network
from training.network.checkpoint import save_network
from training.network.model import OUTPUT_NAME, Mirror, UnitLength
from training.network.run_folder import inputs_of, read_config
from training.network.train import load_best, set_threads
from training.network.whitening import principal_directions
from training.provenance.revision import training_commit

PROJECTED_IMAGES = 12_000
"""Of the training set, to find the projection: a few thousand would do."""


def join(members: list[keras.Model], tensors: NDArray[np.float16], *, mirrored: bool = False) -> keras.Model:
    """Build the network that embeds as all ``members`` together.

    Parameters
    ----------
    members : of the same input and embedding size.
    tensors : (N, 4, 72, 64) training tensors, which decide the projection.
    mirrored : every member also sees the face in the mirror, and the mean of both counts: what it makes of
        a turned head is evened out, at twice the time.
    """
    first = members[0]
    size = first.output_shape[-1]
    inputs = keras.Input(first.input_shape[1:], name=first.inputs[0].name, dtype="float32")
    named = [keras.Model(m.input, m.output, name=f"member_{k}") for k, m in enumerate(members)]
    views = [inputs, Mirror(name="mirror")(inputs)] if mirrored else [inputs]
    said = [[member(view) for view in views] for member in named]
    means = [layers.Average()(of_member) if mirrored else of_member[0] for of_member in said]
    side_by_side = layers.Concatenate(name="members")(means) if len(means) > 1 else means[0]
    project = layers.Dense(size, use_bias=False, name="project")
    outputs = UnitLength(name=OUTPUT_NAME, dtype="float32")(project(side_by_side))
    network = keras.Model(inputs, outputs, name="faceid")
    embeddings = embed(keras.Model(inputs, side_by_side), tensors)
    project.set_weights([principal_directions(embeddings, size)])
    return network


def ensemble(
    runs: list[Path], train: TensorSet, held: TensorSet, out: Path, *, mirrored: bool = False
) -> keras.Model:
    """Join the best networks of ``runs``; write ``best.keras``, ``config.json`` and ``figures.json``.

    Raises
    ------
    ValueError
        A run saw a part of the tensor only: joined, nothing would tell any more.
    """
    members = [read_config(run) for run in runs]
    for run, member in zip(runs, members, strict=True):
        if not inputs_of(member).complete:
            message = f"{run}: expected a network of whole tensors, got one that saw {inputs_of(member)}"
            raise ValueError(message)
    chosen = np.random.default_rng(0).permutation(len(train))[:PROJECTED_IMAGES]
    networks = [load_best(run) for run in runs]
    network = join(networks, train.tensors[np.sort(chosen)], mirrored=mirrored)
    figures = measure_network(network, held)
    out.mkdir(parents=True, exist_ok=True)
    save_network(out / "best.keras", network)
    commits = sorted({member["training_commit"] for member in members})
    config = {
        "members": members,
        "mirrored": mirrored,
        "training_commit": commits[0] if len(commits) == 1 else training_commit(),
    }
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (out / "figures.json").write_text(json.dumps(asdict(figures), indent=2) + "\n")
    return network


def main() -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--runs", type=Path, nargs="+", required=True, help="folders that training.network.train wrote"
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of rendered shards")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--mirrored", action="store_true", help="every network also sees the face mirrored")
    arguments = parser.parse_args()
    set_threads(2)
    ensemble(arguments.runs, *load_split(arguments.data), arguments.out, mirrored=arguments.mirrored)
    print((arguments.out / "figures.json").read_text())


if __name__ == "__main__":
    main()
