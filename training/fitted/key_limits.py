"""Limits of the two keys: how far the shape and the picture of an honest attempt may be from the references.

The keys are asked in addition to the joined distance, whose threshold keeps strangers out. A key's limit is
there to refuse what has one of the two only, so it is as small as honest people allow: the least distance
that all but `REFUSED_SHARE` of the honest attempts keep, in every group of people that it is measured on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from faceid_fast.face.model_contract import KEYS

REFUSED_SHARE: Final = 0.005
"""Of the honest attempts of any group that one key may refuse."""
REFERENCES: Final = 4
"""Captures of each person that count as enrolled; the others are attempts."""
STEP: Final = 1e-4

Floats = NDArray[np.floating]


def honest_distances(
    rows: Floats, people: NDArray[np.generic], is_reference: NDArray[np.bool_] | None = None
) -> Floats:
    """Distances of every attempt to the nearest of the same person's references.

    Parameters
    ----------
    rows : (N, D) unit rows of one modality.
    people : (N,) who is on each.
    is_reference : (N,) which ones are enrolled; by default the first `REFERENCES` of everybody.
    """
    found = []
    for name in np.unique(people):
        own = np.flatnonzero(people == name)
        enrolled = np.arange(len(own)) < REFERENCES if is_reference is None else is_reference[own]
        references, attempts = rows[own[enrolled]], rows[own[~enrolled]]
        if len(references) and len(attempts):
            cosines = attempts @ references.T
            found.append(np.sqrt(np.maximum(2.0 - 2.0 * cosines.max(axis=1), 0.0)))
    return np.concatenate(found) if found else np.empty(0)


def limit_of(groups: Iterable[Floats]) -> float:
    """Choose the limit of a key from honest distances, of each group of people apart.

    Raises
    ------
    ValueError
        No group has a distance.
    """
    # A distance that there is: between two, one more than may be would be refused of a small group.
    quantiles = [
        float(np.quantile(group, 1.0 - REFUSED_SHARE, method="higher")) for group in groups if len(group)
    ]
    if not quantiles:
        message = "expected honest distances, got none"
        raise ValueError(message)
    return float(np.clip(np.ceil(max(quantiles) / STEP) * STEP, STEP, 2.0))


def key_limits(
    honest: Mapping[str, Iterable[Mapping[str, Floats]]],
) -> dict[str, dict[str, float]]:
    """Limits by modality and key, from honest distances by modality: of each group, by key."""
    each = {modality: list(groups) for modality, groups in honest.items()}
    return {
        modality: {key: limit_of(group[key] for group in groups) for key in KEYS}
        for modality, groups in each.items()
    }
