"""Is it a live face? For now one cue: a picture is flat, a face is not.

A first line, not a full defence: it stops photographs and screens, not masks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .face import FaceCrop

MIN_RELIEF_MM: Final = 3.0
"""Least root mean square distance from a plane. Rendered faces have 4 mm and more within 50 mm of
the face's middle; a sheet of paper keeps what the sensor's noise adds, 1 to 2 mm."""


@dataclass(frozen=True, slots=True)
class Liveness:
    """Verdict and evidence.

    Attributes
    ----------
    live : bool
    reasons : tuple of str
        Why not, empty when live. Without the figure: whoever holds up pictures could bend them by it.
    relief_mm : float
        Root mean square distance of the face's depth from its best plane.
    """

    live: bool
    reasons: tuple[str, ...]
    relief_mm: float


def check(crop: FaceCrop) -> Liveness:
    """Judge an aligned face. Anything but a finite, sufficient relief is not live.

    Parameters
    ----------
    crop : FaceCrop
        As `FaceAligner.align` returns it.
    """
    relief = float(crop.relief_mm)
    if math.isfinite(relief) and relief >= MIN_RELIEF_MM:
        return Liveness(live=True, reasons=(), relief_mm=relief)
    return Liveness(live=False, reasons=("the face is flat: a picture, not a face",), relief_mm=relief)
