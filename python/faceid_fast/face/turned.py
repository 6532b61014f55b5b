"""Find the faces of a camera on its side or head down, by trying the frame's other three turns.

Which turn is right is decided by the shape of the depth alone, and whatever is found in it is judged like any
other face, once: a picture that is refused upright gets no second chance to match somebody. So frames of a
live upright face are never turned, nor those of something flat, of a head that is turned too far, too near or
too far away, or of several faces.

Measured on 324 captures of real people: turned by 90 or 270 degrees none of them gives an upright face, by
180 degrees nearly all give one that is not live; one in ten gives one that is, and is not turned. Of 54 of
them cut off at the side by half, none gives a face in another turn. Of 600 rendered pictures and screens, and
84 real sheets, none is live in another turn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from faceid_fast.outcome import Outcome
from faceid_fast.sources.orientation import rotated

from .crop import FaceCrop, NoFace
from .liveness import figures_of
from .liveness_limits import SCORE

if TYPE_CHECKING:
    from faceid_fast.frame import Frame

    from .aligner import FaceAligner

_UNDECIDED: Final = frozenset({Outcome.NO_FACE, Outcome.CUT_OFF})
"""What the aligner says of a face that lies on its side."""
CONFIDENT_SCORE: Final = 0.7
"""Where a frame shows no face as it is, a fit in another turn must score this much: the core's own limit from
which a fit is a face, wherever it is. So half a face at the edge is not taken for a bad one head down."""
LEAST_LIKENESS: Final = 2.3
"""What is found in another turn must have this likeness, as ninety-nine of a hundred rendered live faces do.
Heads are upright; a weaker likeness in another turn is a picture's, by chance."""
_DEG: Final = 90


def may_be_turned(found: FaceCrop | NoFace) -> bool:
    """Whether what the aligner found in a frame may be a turned face; a crop may, unless it is live."""
    return isinstance(found, FaceCrop) or found.outcome in _UNDECIDED


def in_best_turn(
    frames: Mapping[int, Frame], upright: Mapping[int, FaceCrop | NoFace], aligner: FaceAligner
) -> dict[int, FaceCrop]:
    """Find the turn in which frames of one camera look most like faces, and the faces in it.

    Parameters
    ----------
    frames : those that are turned, by their number.
    upright : what was found in all frames as they are.
    aligner : finds the face of a frame.

    Returns
    -------
    dict
        The faces in the best turn by the number of their frame, each with its `turned_deg`; empty if the
        frames look no more like faces in any turn than as they are.
    """
    best: dict[int, FaceCrop] = {}
    most = sum(map(_likeness, upright.values()))
    for turns in (1, 2, 3):
        # Counter-clockwise as `rotated` has it; people are told the clockwise one.
        crops = {}
        for number, frame in frames.items():
            found = aligner.align(rotated(frame, -turns))
            if isinstance(found, NoFace) or _likeness(found) < LEAST_LIKENESS:
                continue
            if isinstance(upright[number], FaceCrop) or found.fit_score >= CONFIDENT_SCORE:
                crops[number] = replace(found, turned_deg=_DEG * turns)
        likeness = sum(map(_likeness, crops.values()))
        if likeness > most:
            most, best = likeness, crops
    return best


def hint_of(turned_deg: int) -> str:
    """Say that a frame was turned, and what to do about it."""
    return (
        f"the frame was turned by {turned_deg} degrees clockwise to find the face: turn the camera, or its "
        f"frames (--turn {turned_deg}; faceid_fast.sources.orientation.rotated), which saves time"
    )


def _likeness(found: FaceCrop | NoFace) -> float:
    """How much the depth has the shape of an upright face: about 3 if it has, 0 where none was found."""
    if isinstance(found, NoFace):
        return 0.0
    likeness = figures_of(found)[SCORE]
    return max(likeness, 0.0) if math.isfinite(likeness) else 0.0
