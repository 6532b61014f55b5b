"""References unlike all others of a person: they may show somebody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from faceid_fast.matching.gallery import Gallery

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
    unlike = np.zeros(len(references.vectors), dtype=bool)
    modalities = np.array(references.modalities)
    for modality, threshold in thresholds.items():  # with others, references are not compared at all
        rows = np.flatnonzero(modalities == modality)
        if len(rows) > 1:
            vectors = references.vectors[rows]
            found = Gallery.from_arrays(vectors, list(map(str, rows))).within(vectors, threshold)
            unlike[rows] = np.diff(found.offsets) == 1  # each finds itself
    return [place for place, odd in zip(places, unlike[-len(places) :], strict=True) if odd]


def without(references: References, places: Sequence[int], odd: Sequence[int]) -> References:
    """References without those of some of the frames at `places`, the last ones; at least one is left."""
    if not odd:
        return references
    first = len(references.vectors) - len(places)
    kept = [*range(first), *(first + i for i, place in enumerate(places) if place not in odd)]
    return references.rows(kept)
