"""The threshold of the joined distance, from strangers who are real where it counts.

Rendered skin is no face to the picture's tower, so rendered strangers tell nothing about joined distances: a
threshold that lets in one in 10,000 of them would refuse one honest attempt in seven. Those who tell are

- *photographed* strangers (`training.data.photographed`): rendered shapes under photographs of real people;
- *captured* strangers, by networks that had left one of the two out (`training.reports.left_out`).

The threshold is the largest distance at which at most one in `INVERSE_FMR` attempts of each of these groups
would be accepted; an attempt is compared with every reference of the person it claims to be.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from faceid_fast.evaluate.scores import threshold_at_far

INVERSE_FMR: Final = 1000
"""One in so many attempts of strangers may match. So many people as would tell more are not at hand."""


def threshold_of(groups: Iterable[NDArray[np.floating]]) -> float:
    """Choose the threshold from distances of strangers' attempts, the strictest of all groups'.

    A group of fewer than `INVERSE_FMR` attempts tells nothing.

    Raises
    ------
    ValueError
        No group is as large.
    """
    found = [threshold_at_far(group, INVERSE_FMR) for group in groups]
    known = [limit for limit in found if limit is not None]
    if not known:
        message = f"expected a group of {INVERSE_FMR:,} attempts of strangers or more, got none"
        raise ValueError(message)
    return float(np.floor(max(min(known), 1e-3) * 1e4) / 1e4)
