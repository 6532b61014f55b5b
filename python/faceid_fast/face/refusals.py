"""Why a frame gave no face, in words: the core's refusal, and what the frame's depth says about it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from faceid_fast.outcome import Outcome

from .crop import NoFace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from faceid_fast.frame import Frame

LEAST_DEPTH_SHARE: Final = 0.05
"""A frame in which fewer pixels have depth can hardly show a face, and its median says little."""
_LOOKED_AT: Final = 20_000
"""About so many pixels are enough for a median of three digits; every empty frame of a stream costs it."""


def refusal(kind: str, figures: Sequence[float], frame: Frame) -> NoFace:
    """Put a refusal of the core into words.

    Parameters
    ----------
    kind : a key of `_REFUSALS`, as the core names it.
    figures : the measurements that the core gives with it.
    frame : the frame that was refused. Of its depth nothing but its median and the share of missing pixels
        gets into the reason.
    """
    outcome, reason = _REFUSALS[kind]
    if outcome is Outcome.NO_FACE:
        return NoFace(outcome, (_nothing_found(reason, frame),))
    measured = (f"{figures[0]:.1f} mm from a plane",) if kind == "flat" else ()
    return NoFace(outcome, (reason.format(*figures),), measured)


def _nothing_found(reason: str, frame: Frame) -> str:
    """Say what the depth is like where nothing was found: a wrong unit is the commonest reason."""
    step = max(math.isqrt(frame.depth.size // _LOOKED_AT), 1)
    looked_at = frame.depth[::step, ::step]
    known = looked_at[_is_there(looked_at)]
    share = known.size / looked_at.size
    if share == 0 and not _is_there(frame.depth).any():
        return "no depth: every pixel of the frame's depth is missing (0, negative, NaN or infinite)"
    if share < LEAST_DEPTH_SHARE:
        return f"hardly any depth: only {share:.1%} of the frame's pixels have some"
    # In double precision: a float32's largest numbers, two of which are averaged, are depth too.
    median_m = float(np.median(known.astype(np.float64))) * frame.depth_unit_m
    digits = ".3g" if median_m < 1000 else ".0f"
    return f"{reason} (median {median_m:{digits}} m; is depth_unit_m = {frame.depth_unit_m:g} right?)"


def _is_there(depth: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether each pixel has depth; of floats, NaN compares with nothing."""
    there: NDArray[np.bool_] = (depth > 0) & (depth < math.inf)
    return there


_REFUSALS: Final = {
    "no_face": (Outcome.NO_FACE, "nothing of the size and shape of a face was found in the depth"),
    "several_faces": (Outcome.SEVERAL_FACES, "two faces are at nearly the same distance; let one step back"),
    "too_near": (Outcome.TOO_NEAR, "the nearest head is at {:.0f} mm; move back to 300 mm or more"),
    "too_far": (Outcome.TOO_FAR, "the nearest head is at {:.0f} mm; come within 1500 mm"),
    "cut_off": (Outcome.CUT_OFF, "the face leaves the frame; centre it"),
    "poor_pose": (
        Outcome.POOR_POSE,
        "the face is turned too far (yaw {:.0f}, pitch {:.0f}, roll {:.0f} degrees); look at the camera",
    ),
    "poor_depth": (
        Outcome.POOR_DEPTH,
        "only {:.0%} of the face has depth; avoid glare and covering the face",
    ),
    "flat": (Outcome.SPOOF, "what is there is flat: a picture, not a face"),
}
