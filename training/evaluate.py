"""Verification figures on rendered identities, and the rule that sets the threshold.

``python -m training.evaluate --run DIR --data DIR --split test`` prints the figures of a trained network,
each with its 95 % interval, on rendered test identities (validation without ``--split``), and with
``--model ONNX`` those of an exported model. Real captures have their own command (``faceid evaluate``);
nothing here may look at them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from faceid_fast.calibration import Tail
from faceid_fast.embed import Embedder
from faceid_fast.evaluate.intervals import LEVEL, RESAMPLES, SEED
from faceid_fast.evaluate.scores import equal_error_rate, tar_at_far, threshold_at_far
from faceid_fast.policy import MAX_DISTANCE
from training.data.batches import TensorSet
from training.intervals import blocks

if TYPE_CHECKING:
    import keras

Floats = NDArray[np.float32]

THRESHOLD_INVERSE_FAR = 10_000
THRESHOLD_INVERSE_HARD_FAR = 100
THRESHOLD_CAP = 0.6
UNMEASURED_CAP = 0.4  # the threshold of 2018, and stricter than what has been measured since
TAIL_INVERSE_FARS = tuple(
    round(10 ** (eighths / 8)) for eighths in range(44, 15, -1)
)  # 1 in 316,228 to 1 in 100
MINIMUM_PAIRS = 1000  # of look-alikes: with fewer, less than ten of them would set the threshold


@dataclass(frozen=True)
class Pairs:
    """Euclidean distances of all pairs of images.

    Attributes
    ----------
    genuine : of one identity.
    impostor : of two identities, look-alikes included.
    hard : of two identities of one cluster of look-alikes; empty where there are no clusters.
    """

    genuine: Floats
    impostor: Floats
    hard: Floats


@dataclass(frozen=True)
class Figures:
    """What `measure` finds. Rates are fractions; `hard_*` hold impostors of the same cluster only.

    A figure that the pairs are too few to support is None.
    """

    eer: float
    tar_at_far_1e_2: float | None
    tar_at_far_1e_3: float | None
    hard_eer: float | None
    hard_tar_at_far_1e_2: float | None
    hard_tar_at_far_1e_3: float | None
    genuine_mean: float
    impostor_mean: float
    hard_mean: float | None
    n_genuine: int
    n_impostor: int
    n_hard: int

    @property
    def score(self) -> float:
        """What the best weights are chosen by: TAR at FAR 1e-2 and 1e-3, of the hardest kind known."""
        hard = self.hard_tar_at_far_1e_2, self.hard_tar_at_far_1e_3
        every = self.tar_at_far_1e_2, self.tar_at_far_1e_3
        known = [rate for rate in (*hard, *every) if rate is not None]
        return float(np.mean(known)) if known else 1.0 - self.eer


def embed(network: keras.Model, tensors: NDArray[np.float16], batch: int = 256) -> Floats:
    """Embed (N, channels, height, width) tensors: (N, D) float32 unit rows."""
    rows = [
        np.asarray(network(tensors[start : start + batch].astype(np.float32), training=False))
        for start in range(0, len(tensors), batch)
    ]
    return np.concatenate(rows)


def all_pairs(embeddings: Floats, held: TensorSet) -> Pairs:
    """Distances of every pair of rows of one modality (each pair once): one camera, one kind of picture."""
    kinds: tuple[list[Floats], list[Floats], list[Floats]] = ([], [], [])
    for rows in held.rows_of_modalities().values():
        who, cluster = held.identities[rows], held.clusters[rows]
        for block in blocks(embeddings[rows]):
            mine = slice(block.start, block.start + len(block.distances))
            same = who[mine, None] == who[None, block.start :]
            alike = cluster[mine, None] == cluster[None, block.start :]
            together = alike & (cluster[mine, None] >= 0)
            for found, chosen in zip(kinds, (same, ~same, ~same & together), strict=True):
                found.append(block.distances[chosen & block.once])
    return Pairs(*(np.concatenate([np.empty(0, np.float32), *found]) for found in kinds))


def measure(pairs: Pairs) -> Figures:
    """Every figure of a set of pairs.

    Raises
    ------
    ValueError
        There are no genuine or no impostor pairs.
    """
    genuine, impostor, hard = pairs.genuine, pairs.impostor, pairs.hard
    eer = equal_error_rate(genuine, impostor)
    if eer is None:
        message = f"expected pairs of both kinds, got {len(genuine)} genuine and {len(impostor)} impostor"
        raise ValueError(message)
    return Figures(
        eer=eer,
        tar_at_far_1e_2=tar_at_far(genuine, impostor, 100),
        tar_at_far_1e_3=tar_at_far(genuine, impostor, 1000),
        hard_eer=equal_error_rate(genuine, hard),
        hard_tar_at_far_1e_2=tar_at_far(genuine, hard, 100),
        hard_tar_at_far_1e_3=tar_at_far(genuine, hard, 1000),
        genuine_mean=float(np.mean(genuine)),
        impostor_mean=float(np.mean(impostor)),
        hard_mean=float(np.mean(hard)) if len(hard) else None,
        n_genuine=len(genuine),
        n_impostor=len(impostor),
        n_hard=len(hard),
    )


def choose_threshold(pairs: Pairs) -> float:
    """Set the default threshold of the shipped model, from rendered validation pairs alone.

    The largest distance at which at most one in ten thousand pairs of strangers *and* at most one in
    a hundred pairs of look-alikes is accepted, and never more than 0.6. Look-alikes, because
    rendered strangers lie farther apart than real ones, so that a threshold set on them alone lets
    real strangers in; not fewer of them, because at one in a thousand four of five rendered genuine
    pairs were refused; the cap, because the distance between rendered and real impostors is not
    known from renders. Where there are too few pairs to tell, nothing that was seen is accepted, nor anything
    beyond 0.4.
    """
    wanted = [(pairs.impostor, THRESHOLD_INVERSE_FAR)]
    if len(pairs.hard) >= MINIMUM_PAIRS:
        wanted.append((pairs.hard, THRESHOLD_INVERSE_HARD_FAR))
    limits = [threshold_at_far(impostor, inverse_far) for impostor, inverse_far in wanted]
    nearest = min(float(np.min(pairs.impostor)) - 1e-4, UNMEASURED_CAP)
    threshold = min(nearest if limit is None else limit for limit in limits)
    return float(np.floor(np.clip(threshold, 1e-3, THRESHOLD_CAP) * 1e4) / 1e4)


def tail_of(pairs: Pairs) -> Tail:
    """Lower end of the strangers' distances, as far as there are pairs to tell.

    Look-alikes are among them, and are most of the nearest: they stand for how near real strangers lie.
    """
    rows = [(1.0 / inverse, threshold_at_far(pairs.impostor, inverse)) for inverse in TAIL_INVERSE_FARS]
    found = [(share, float(np.floor(at * 1e4) / 1e4)) for share, at in rows if at is not None]
    return tuple((share, at) for share, at in found if 0.0 < at < MAX_DISTANCE)


def pairs_by_modality(embeddings: Floats, held: TensorSet) -> dict[str, Pairs]:
    """`all_pairs` of each modality that ``held`` shows, by its name."""
    return {
        name: all_pairs(embeddings[rows], held.subset(rows))
        for name, rows in held.rows_of_modalities().items()
    }


def choose_thresholds(embeddings: Floats, held: TensorSet) -> dict[str, float]:
    """Set a threshold by `choose_threshold` for each modality that ``held`` shows, by its name."""
    return {name: choose_threshold(pairs) for name, pairs in pairs_by_modality(embeddings, held).items()}


def report(pairs: Pairs, threshold: float) -> dict[str, float | int | None]:
    """Collect the figures and the rates at a threshold, as JSON."""
    rates: dict[str, float | int | None] = {
        "threshold": threshold,
        "far": float(np.mean(pairs.impostor <= threshold)),
        "hard_far": float(np.mean(pairs.hard <= threshold)) if len(pairs.hard) else None,
        "frr": float(np.mean(pairs.genuine > threshold)),
    }
    return {
        key: round(value, 6) if isinstance(value, float) else value
        for key, value in {**asdict(measure(pairs)), **rates}.items()
    }


def _of_run(run: Path, data: Path) -> tuple[Callable[[Any], Floats], dict[str, float], dict[str, Any]]:
    """A trained network, the thresholds that its export would choose, and what it is."""
    from training.data.batches import load_held  # noqa: PLC0415  the heavy parts, only when run
    from training.network.run_folder import inputs_of  # noqa: PLC0415
    from training.network.train import load_best  # noqa: PLC0415

    network = load_best(run)
    inputs = inputs_of(json.loads((run / "config.json").read_text()))
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
    """What the aligner made of the captures behind a folder's shards, counted; empty where they do not say.

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
    from training.data.batches import load_held, load_shards  # noqa: PLC0415
    from training.figures import describe  # noqa: PLC0415  it builds on this module

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
