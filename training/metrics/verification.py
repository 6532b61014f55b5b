"""Verification: genuine and impostor distances, their error rates, and the rule that sets the threshold.

A comparison of two vectors matches where their distance is at most the threshold. Its error rates are FMR
(false match rate: impostor pairs that match) and FNMR (false non-match rate: genuine pairs that do not). The
keys ``far``, ``frr`` and ``tar_at_far`` of files mean FMR, FNMR and 1 - FNMR at an FMR.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from faceid_fast.calibration.impostor_tail import Tail
from faceid_fast.evaluate.scores import equal_error_rate, tar_at_far, threshold_at_far
from faceid_fast.matching.decision import MAX_DISTANCE
from training.data.batches import TensorSet
from training.metrics.intervals import blocks

if TYPE_CHECKING:
    import keras

Floats = NDArray[np.float32]

THRESHOLD_INVERSE_FMR = 10_000
"""One in so many pairs of strangers may match."""
THRESHOLD_INVERSE_HARD_FMR = 100
"""One in so many pairs of look-alikes may match."""
THRESHOLD_CAP = 0.6
"""No threshold is larger: nothing else tells here how far apart real impostors lie."""
UNMEASURED_CAP = 0.4
"""Nor larger than this where the pairs are too few: the threshold of 2018, and stricter than any since."""
TAIL_INVERSE_FMRS = tuple(
    round(10 ** (eighths / 8)) for eighths in range(44, 15, -1)
)  # 1 in 316,228 to 1 in 100
MINIMUM_PAIRS = 1000  # of look-alikes: with fewer, less than ten of them would set the threshold


@dataclass(frozen=True)
class Pairs:
    """Euclidean distances of all pairs of images, by kind of pair.

    Attributes
    ----------
    genuine : both images show one identity.
    impostor : the images show two identities, look-alikes included.
    hard : the images show two look-alikes, identities of one cluster; empty where there are no clusters.
    """

    genuine: Floats
    impostor: Floats
    hard: Floats


@dataclass(frozen=True)
class Figures:
    """Error rates and mean distances of a set of pairs, as `measure` finds them.

    Rates are fractions. ``tar_at_far_1e_2`` is 1 - FNMR at an FMR of 1e-2. ``hard_*`` are of look-alikes, the
    impostors of one cluster, only. A figure that the pairs are too few to support is None.
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
        """Mean of 1 - FNMR at FMR 1e-2 and 1e-3, over impostors and look-alikes; decides the best weights."""
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


def embed_joined(network: keras.Model, held: TensorSet, batch: int = 64) -> dict[str, Floats]:
    """Embed faces with a joined network: unit rows (N, D) float32 by the name of the output.

    Raises
    ------
    ValueError
        The tensors come without their chips.
    """
    if held.chips is None:
        message = "held: expected tensors with their chips, got none"
        raise ValueError(message)
    parts = [
        network(
            {
                "tensor": held.tensors[start : start + batch].astype(np.float32),
                "chip": held.chips[start : start + batch],
            },
            training=False,
        )
        for start in range(0, len(held), batch)
    ]
    return {name: np.concatenate([np.asarray(part[name]) for part in parts]) for name in network.output}


def all_pairs(embeddings: Floats, held: TensorSet, *, alike_are_strangers: bool = True) -> Pairs:
    """Distances of all pairs of embeddings of one modality, each pair once.

    Parameters
    ----------
    embeddings : (N, D) float32 unit rows.
    held : whose they are; infrared is never compared with colour.
    alike_are_strangers : two identities of one cluster are impostors, and look-alikes; if not, pairs of them
        are left out, because they share a picture.
    """
    kinds: tuple[list[Floats], list[Floats], list[Floats]] = ([], [], [])
    for rows in held.rows_of_modalities().values():
        who, cluster = held.identities[rows], held.clusters[rows]
        for block in blocks(embeddings[rows]):
            mine = slice(block.start, block.start + len(block.distances))
            same = who[mine, None] == who[None, block.start :]
            alike = cluster[mine, None] == cluster[None, block.start :]
            together = alike & (cluster[mine, None] >= 0)
            strangers = ~same if alike_are_strangers else ~same & ~together
            for found, chosen in zip(kinds, (same, strangers, strangers & together), strict=True):
                found.append(block.distances[chosen & block.once])
    return Pairs(*(np.concatenate([np.empty(0, np.float32), *found]) for found in kinds))


def measure(pairs: Pairs) -> Figures:
    """Compute every figure of a set of pairs.

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
    """Choose a threshold from pairs of held-out people alone: rendered ones, or captures of one's own.

    It is the largest distance at which at most 1 in 10,000 pairs of strangers and at most 1 in 100 pairs of
    look-alikes match, and never more than 0.6. Where the pairs are too few to tell, no pair that was seen
    may match, and it is at most 0.4. What ships has a threshold from photographed and captured strangers
    instead (`training.fitted.threshold`).

    Look-alikes count because rendered strangers lie farther apart than real ones: a threshold set on
    strangers alone lets real strangers in. At 1 in 1,000 look-alikes, four of five rendered genuine pairs
    would be refused.
    """
    wanted = [(pairs.impostor, THRESHOLD_INVERSE_FMR)]
    if len(pairs.hard) >= MINIMUM_PAIRS:
        wanted.append((pairs.hard, THRESHOLD_INVERSE_HARD_FMR))
    limits = [threshold_at_far(impostor, inverse) for impostor, inverse in wanted]
    nearest = min(float(np.min(pairs.impostor)) - 1e-4, UNMEASURED_CAP)
    threshold = min(THRESHOLD_CAP, *(nearest if limit is None else limit for limit in limits))
    return float(np.floor(max(threshold, 1e-3) * 1e4) / 1e4)


def tail_of(pairs: Pairs) -> Tail:
    """Lower tail of the impostor distances: (FMR, distance), down to the lowest FMR the pairs support.

    Look-alikes are among the impostors, and are most of the nearest: they stand for how near real strangers
    lie.
    """
    rows = [(1.0 / inverse, threshold_at_far(pairs.impostor, inverse)) for inverse in TAIL_INVERSE_FMRS]
    found = [(share, float(np.floor(at * 1e4) / 1e4)) for share, at in rows if at is not None]
    return tuple((share, at) for share, at in found if 0.0 < at < MAX_DISTANCE)


def pairs_by_modality(
    embeddings: Floats, held: TensorSet, *, alike_are_strangers: bool = True
) -> dict[str, Pairs]:
    """`all_pairs` of each modality that ``held`` shows, by its name."""
    return {
        name: all_pairs(embeddings[rows], held.subset(rows), alike_are_strangers=alike_are_strangers)
        for name, rows in held.rows_of_modalities().items()
    }


def choose_thresholds(embeddings: Floats, held: TensorSet) -> dict[str, float]:
    """Choose a threshold for each modality that ``held`` shows, by its name; see `choose_threshold`."""
    return {name: choose_threshold(pairs) for name, pairs in pairs_by_modality(embeddings, held).items()}


def figures_at(pairs: Pairs, threshold: float) -> dict[str, float | int | None]:
    """Collect the figures of a set of pairs and the error rates at a threshold, as JSON."""
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
