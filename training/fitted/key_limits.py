"""Limits of the two keys: how far the shape and the picture of an honest attempt may be from the references.

The keys are asked in addition to the joined distance, whose threshold keeps strangers out. A key's limit is
there to refuse what has one of the two only, so it is as small as honest people allow: the least distance
that all but a key's `REFUSED_SHARES` of the honest attempts keep, in every group of people that it is
measured on. The shape tells people apart less well than the picture, so more is asked of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from faceid_fast.face.model_contract import KEYS

REFUSED_SHARES: Final = {"shape": 0.02, "picture": 0.005}
"""Of the honest attempts of any group that a key may refuse."""
STEP: Final = 1e-4

Floats = NDArray[np.floating]


def limit_of(groups: Iterable[Floats], refused_share: float) -> float:
    """Choose the limit of a key from honest distances, of each group of people apart.

    Raises
    ------
    ValueError
        No group has a distance.
    """
    # A distance that there is: between two, one more than may be would be refused of a small group.
    quantiles = [
        float(np.quantile(group, 1.0 - refused_share, method="higher")) for group in groups if len(group)
    ]
    if not quantiles:
        message = "expected honest distances, got none"
        raise ValueError(message)
    return round(float(np.clip(np.ceil(max(quantiles) / STEP) * STEP, STEP, 2.0)), 4)


def key_limits(
    honest: Mapping[str, Iterable[Mapping[str, Floats]]],
) -> dict[str, dict[str, float]]:
    """Limits by modality and key, from honest distances by modality: of each group, by key."""
    each = {modality: list(groups) for modality, groups in honest.items()}
    return {
        modality: {key: limit_of((group[key] for group in groups), REFUSED_SHARES[key]) for key in KEYS}
        for modality, groups in each.items()
    }
