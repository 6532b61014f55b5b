"""Verification: genuine and impostor distances, their error rates, and the rule that sets the threshold."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from faceid_fast.calibration import Tail
from faceid_fast.evaluate.scores import equal_error_rate, tar_at_far, threshold_at_far
from faceid_fast.policy import MAX_DISTANCE
from training.data.batches import TensorSet
from training.metrics.intervals import blocks

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


def measure_network(network: keras.Model, held: TensorSet) -> Figures:
    """Figures of a network on people that it was not trained on."""
    return measure(all_pairs(embed(network, held.tensors), held))


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


def figures_at(pairs: Pairs, threshold: float) -> dict[str, float | int | None]:
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
