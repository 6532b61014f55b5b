"""Outliers: references that match no other reference of their person, and so may show somebody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from faceid_fast.matching.gallery import Gallery

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from faceid_fast.storage.references import References


def find_outliers(
    references: References | None, places: Sequence[int], thresholds: Mapping[str, float]
) -> list[int]:
    """Return the frames whose reference matches no other reference of the person.

    The only reference of a modality is never an outlier.

    Parameters
    ----------
    references : of the person.
    places : indices of the frames that gave the last ``len(places)`` references, in their order.
    thresholds : the largest distance to accept, by modality.
    """
    if references is None or not places:
        return []
    unlike = np.zeros(len(references.vectors), dtype=bool)
    modalities = np.array(references.modalities)
    for modality, threshold in thresholds.items():  # without a threshold a modality is never compared
        rows = np.flatnonzero(modalities == modality)
        if len(rows) > 1:
            vectors = references.vectors[rows]
            found = Gallery.from_arrays(vectors, list(map(str, rows))).within(vectors, threshold)
            unlike[rows] = np.diff(found.offsets) == 1  # each finds itself
    return [place for place, odd in zip(places, unlike[-len(places) :], strict=True) if odd]


def without(references: References, places: Sequence[int], odd: Sequence[int]) -> References:
    """Return the references without those of the frames `odd`; at least one is left.

    Parameters
    ----------
    references, places : as for `strangers`.
    odd : those of `places` to leave out.
    """
    if not odd:
        return references
    first = len(references.vectors) - len(places)
    kept = [*range(first), *(first + i for i, place in enumerate(places) if place not in odd)]
    return references.rows(kept)
