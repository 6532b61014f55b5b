"""Verification figures on rendered identities, and the rule that sets the threshold.

``python -m training.evaluate --run DIR --data DIR`` prints the figures of a trained network on the
validation part of the data. Real captures have their own command (``faceid evaluate``); nothing
here may look at them.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import keras

    from training.batches import TensorSet

Floats = NDArray[np.float32]

THRESHOLD_FAR = 1e-4
THRESHOLD_HARD_FAR = 1e-2
THRESHOLD_CAP = 0.6
MINIMUM_PAIRS = 1000  # hard pairs needed to speak of a false accept rate of 1e-3


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
    """Embed (N, 2, 72, 64) tensors: (N, D) float32 unit rows."""
    rows = [
        np.asarray(network(tensors[start : start + batch].astype(np.float32), training=False))
        for start in range(0, len(tensors), batch)
    ]
    return np.concatenate(rows)


def all_pairs(embeddings: Floats, held: TensorSet) -> Pairs:
    """Distances of every pair of rows of one modality (each pair once): one camera, one kind of picture."""
    squared = 2.0 - 2.0 * (embeddings @ embeddings.T)
    first, second = np.triu_indices(len(embeddings), 1)
    alike = held.modalities[first] == held.modalities[second]
    first, second = first[alike], second[alike]
    distances = np.sqrt(np.maximum(squared[first, second], 0.0)).astype(np.float32)
    same = held.identities[first] == held.identities[second]
    together = (held.clusters[first] == held.clusters[second]) & (held.clusters[first] >= 0)
    return Pairs(distances[same], distances[~same], distances[~same & together])


def threshold_at_far(impostor: Floats, far: float) -> float | None:
    """Find the largest threshold that accepts (``distance <= threshold``) at most a share of impostors.

    None where there are fewer than 1 / far pairs. Always below the first distance that must be
    refused, whatever the ties.
    """
    if len(impostor) * far < 1.0 - 1e-9:
        return None
    allowed = int(np.floor(len(impostor) * far + 1e-9))
    if allowed >= len(impostor):
        return 2.0
    refused = np.partition(impostor, allowed)[allowed]
    return float(np.nextafter(np.float32(refused), np.float32(-1.0)))


def tar_at_far(genuine: Floats, impostor: Floats, far: float) -> float | None:
    """Share of genuine pairs accepted at the threshold of a false accept rate."""
    threshold = threshold_at_far(impostor, far)
    return None if threshold is None else float(np.mean(genuine <= threshold))


def equal_error_rate(genuine: Floats, impostor: Floats) -> float:
    """Where false accepts and false rejects meet (mean of both at the closest threshold)."""
    genuine, impostor = np.sort(genuine), np.sort(impostor)
    thresholds = np.concatenate([genuine, impostor])
    rejected = 1.0 - np.searchsorted(genuine, thresholds, side="right") / len(genuine)
    accepted = np.searchsorted(impostor, thresholds, side="right") / len(impostor)
    best = int(np.argmin(np.abs(rejected - accepted)))
    return float((rejected[best] + accepted[best]) / 2.0)


def measure(pairs: Pairs) -> Figures:
    """Every figure of a set of pairs."""
    genuine, impostor, hard = pairs.genuine, pairs.impostor, pairs.hard
    return Figures(
        eer=equal_error_rate(genuine, impostor),
        tar_at_far_1e_2=tar_at_far(genuine, impostor, 1e-2),
        tar_at_far_1e_3=tar_at_far(genuine, impostor, 1e-3),
        hard_eer=equal_error_rate(genuine, hard) if len(hard) else None,
        hard_tar_at_far_1e_2=tar_at_far(genuine, hard, 1e-2),
        hard_tar_at_far_1e_3=tar_at_far(genuine, hard, 1e-3),
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
    known from renders.
    """
    wanted = [(pairs.impostor, THRESHOLD_FAR)]
    if len(pairs.hard) >= MINIMUM_PAIRS:
        wanted.append((pairs.hard, THRESHOLD_HARD_FAR))
    limits = [threshold_at_far(impostor, far) for impostor, far in wanted]
    # Too few pairs to know (a smoke run): nothing that was seen is accepted.
    nearest = float(np.min(pairs.impostor)) - 1e-4
    threshold = min(nearest if limit is None else limit for limit in limits)
    return float(np.floor(np.clip(threshold, 1e-3, THRESHOLD_CAP) * 1e4) / 1e4)


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


def main() -> None:
    """Print the figures of a trained network on rendered validation identities."""
    from training.batches import load_split  # noqa: PLC0415  the heavy parts, only when run
    from training.train import load_best  # noqa: PLC0415

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="folder that training.train wrote")
    parser.add_argument("--data", type=Path, required=True, help="folder of rendered shards")
    arguments = parser.parse_args()
    _, held = load_split(arguments.data)
    pairs = all_pairs(embed(load_best(arguments.run), held.tensors), held)
    print(json.dumps(report(pairs, choose_threshold(pairs)), indent=2))


if __name__ == "__main__":
    main()
