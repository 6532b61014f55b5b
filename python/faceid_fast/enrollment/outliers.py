"""References unlike all others of a person: they may show somebody else."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from faceid_fast.storage.references import References


def strangers(
    references: References | None, places: Sequence[int], thresholds: Mapping[str, float]
) -> list[int]:
    """Those of the frames at `places`, the last references, that no other reference would accept.

    The only reference of its modality has nothing to be unlike.
    """
    if references is None or not places:
        return []
    wide = references.vectors.astype(np.float64)
    distances = np.linalg.norm(wide[:, None] - wide[None], axis=2)
    modalities = np.array(references.modalities)
    comparable = (modalities[:, None] == modalities[None]) & ~np.eye(len(wide), dtype=bool)
    # Where no threshold is known, nothing is strange: such references are not compared with anything.
    near = distances <= np.array([thresholds.get(modality, math.inf) for modality in modalities])
    strange = comparable.any(axis=1) & ~(comparable & near).any(axis=1)
    return [place for place, odd in zip(places, strange[-len(places) :], strict=True) if odd]


def without(references: References, places: Sequence[int], odd: Sequence[int]) -> References:
    """References without those of some of the frames at `places`, the last ones; at least one is left."""
    if not odd:
        return references
    first = len(references.vectors) - len(places)
    kept = [*range(first), *(first + i for i, place in enumerate(places) if place not in odd)]
    return references.rows(kept)
