"""Attempts of held-out people: some captures of everybody count as enrolled, the others as attempts."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

REFERENCES: Final = 4
"""Captures of each person that count as enrolled; the others are attempts."""

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
            found.append(nearest(references, attempts))
    return np.concatenate(found) if found else np.empty(0)


def nearest(references: Floats, attempts: Floats) -> Floats:
    """Distances (N,) of unit rows (N, D) to the nearest of others (M, D)."""
    return np.asarray(np.sqrt(np.maximum(2.0 - 2.0 * (attempts @ references.T).max(axis=1), 0.0)))
