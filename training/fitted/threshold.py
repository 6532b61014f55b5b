"""The threshold of the joined distance, from strangers who are real where it counts.

Rendered skin is no face to the picture's tower, so strangers who are rendered throughout tell nothing about
joined distances: a threshold that lets in one in 10,000 of them would refuse one honest attempt in seven.
Those who tell are

- *captured* strangers, by networks that had left one of the two out (`training.reports.left_out`). They are
  few, of one camera, and other strangers lie nearer: their distances count by `CAPTURED_MARGIN`, which is
  about one more decade of their false match rate.
- *photographed* strangers (`training.data.photographed`): rendered shapes under photographs of real people.
  They stand for kinds of pictures that nobody was captured in: for colour. As infrared they are imitations.
  Portraits of the same people taught the projection of pictures what varies within a person; those held back
  are measured by `training.reports.portraits`.

The threshold of a kind of picture is the largest distance at which at most one in `INVERSE_FMR` single pairs
of strangers matches.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from faceid_fast.evaluate.scores import threshold_at_far

INVERSE_FMR: Final = 10_000
"""One in so many pairs of strangers may match, one picture against one: the product's own target."""
CAPTURED_MARGIN: Final = 0.92


def threshold_of(strangers: NDArray[np.floating]) -> float:
    """Choose the threshold from distances of single pairs of strangers.

    Raises
    ------
    ValueError
        They are too few to tell.
    """
    found = threshold_at_far(strangers, INVERSE_FMR)
    if found is None:
        message = f"expected {INVERSE_FMR:,} pairs of strangers or more, got {len(strangers):,}"
        raise ValueError(message)
    return float(np.floor(max(found, 1e-3) * 1e4) / 1e4)
