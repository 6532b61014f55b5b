"""Frames as evidence: whether they show that somebody stands before a camera now. Pure.

A camera's frames say when they were captured and by which camera (`faceid_fast.frame.Capture`). Such frames
are evidence if they are young, of one camera, in the order of their capture, and used for the first time.
Frames without a capture are *unproven*: a file, or a frame that a program made. Whether they may unlock, the
policy of the store says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from faceid_fast.frame import MAX_AGE_S
from faceid_fast.outcome import Outcome
from faceid_fast.storage.security_state import UsedFrame

from .attempt_limiter import Refusal

if TYPE_CHECKING:
    from faceid_fast.frame import Capture, Frame
    from faceid_fast.storage.policy import VaultPolicy

_SAMPLED_ROWS: Final = 8
"""Every so many rows of a frame go into its digest. The time of its capture tells it from others already."""
_DIGEST_BYTES: Final = 16


class Evidence(NamedTuple):
    """What frames of an attempt prove.

    Attributes
    ----------
    source : the camera that vouches for all of them; None: they are unproven.
    frames : of these frames, what tells whether they are used again; empty if they are unproven.
    """

    source: str | None
    frames: tuple[UsedFrame, ...]


def examine(frames: Sequence[Frame], policy: VaultPolicy, now_s: float) -> Evidence | Refusal:
    """Return what frames prove, or why they may not unlock.

    Parameters
    ----------
    frames : of one attempt, at least one.
    policy : of the store.
    now_s : seconds since the start of the computer, as captures have them.
    """
    captures = [frame.capture for frame in frames if frame.capture is not None]
    if len(captures) < len(frames):
        if not policy.unproven:
            return _unproven("no camera vouches for the frames: they are files, or a program made them")
        # Some of them may be a camera's: mixed with others they prove nothing.
        return Evidence(None, ())
    sources = {each.source for each in captures}
    if len(sources) > 1:
        return Refusal(Outcome.STALE, "the frames are of several cameras: an attempt needs those of one")
    source = sources.pop()
    if policy.cameras and source not in policy.cameras:
        return _unproven("the frames are of a camera that is not pinned")
    if any(later.at_s <= earlier.at_s for earlier, later in pairwise(captures)):
        return Refusal(Outcome.STALE, "the frames are not in the order of their capture, or come twice")
    # Written so that NaN is too old, and so is a time to come.
    if not all(0.0 <= now_s - each.at_s <= MAX_AGE_S for each in captures):
        return Refusal(Outcome.STALE, f"a frame is older than {MAX_AGE_S:g} s: show a new one")
    used = (UsedFrame(_digest(*each), each[1].at_s) for each in zip(frames, captures, strict=True))
    return Evidence(source, tuple(used))


def _unproven(why: str) -> Refusal:
    return Refusal(Outcome.UNPROVEN, f"{why}; the policy of the store asks for a live camera's")


def _digest(frame: Frame, capture: Capture) -> str:
    """Return a digest of a capture and of a part of its content, hexadecimal."""
    made = hashlib.blake2b(capture.source.encode(), digest_size=_DIGEST_BYTES)
    made.update(np.float64(capture.at_s).tobytes())
    for plane in (frame.depth, frame.picture):
        made.update(np.ascontiguousarray(plane[::_SAMPLED_ROWS]).tobytes())
    return made.hexdigest()
