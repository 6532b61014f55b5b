"""Is it a live face? For now one cue: a picture is flat, a face is not.

A first line, not a full defence: it stops flat photographs and screens. A photograph bent round a
cylinder of 75 mm radius or less has the relief of a flat-looking face and passes, and so does a mask.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .face import FaceCrop

MIN_RELIEF_MM: Final = 4.5
"""Least root mean square distance from a plane, within 50 mm of the face's middle: the largest half
millimetre that no rendered face fell below.

Measured on renders only (aligned, so of these figures alone: what the aligner refuses is not in them):

- 2979 faces, all captures of the validation and test splits in which one was found: least 4.7, 1 % below
  5.6, median 9.0, largest 16.2 mm.
- `training.rooms.render_print` at 0.4 to 0.8 m, by time of flight and structured light in turns, 24 of
  each, refusals for flatness included: flat ones reach 2.2 mm; with the middle 10 mm before the edges 2.6,
  20 mm 2.8, 30 mm 2.9, 45 mm 5.6 and 60 mm 6.8 mm; 1 and 4 of the last two kinds pass.
- Half-cylinders at 0.4 to 0.8 m, upright or tilted by 8 degrees: radius 105 mm up to 3.2, 90 mm 3.8, 80 mm
  4.4, 75 mm 4.7, 70 mm 5.1 mm.
"""


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
