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
    if len(captures) < len(frames) and policy.unproven:
        # Some of them may be a camera's: mixed with others they prove nothing.
        return Evidence(None, ())
    if (why := _not_of_the_store(frames, captures, policy)) is not None:
        return Refusal(Outcome.UNPROVEN, f"{why}; the policy of the store asks for a live camera's")
    if (why := _no_sequence(captures, now_s)) is not None:
        return Refusal(Outcome.STALE, why)
    used = (UsedFrame(_digest(*each), each[1].at_s) for each in zip(frames, captures, strict=True))
    return Evidence(captures[0].source, tuple(used))


def _not_of_the_store(
    frames: Sequence[Frame], captures: Sequence[Capture], policy: VaultPolicy
) -> str | None:
    """Say why the cameras of frames do not count for a store; None if they do."""
    if len(captures) < len(frames):
        return "no camera vouches for the frames: they are files, or a program made them"
    if policy.cameras and any(each.source not in policy.cameras for each in captures):
        return "the frames are of a camera that is not pinned"
    return None


def _no_sequence(captures: Sequence[Capture], now_s: float) -> str | None:
    """Say why captures are not those of one camera a moment ago; None if they are."""
    if any(each.source != captures[0].source for each in captures):
        return "the frames are of several cameras: an attempt needs those of one"
    if any(later.at_s <= earlier.at_s for earlier, later in pairwise(captures)):
        return "the frames are not in the order of their capture, or come twice"
    # Written so that NaN is too old, and so is a time to come.
    if not all(0.0 <= now_s - each.at_s <= MAX_AGE_S for each in captures):
        return f"a frame is older than {MAX_AGE_S:g} s: show a new one"
    return None


def _digest(frame: Frame, capture: Capture) -> str:
    """Return a digest of a capture and of a part of its content, hexadecimal."""
    made = hashlib.blake2b(capture.source.encode(), digest_size=_DIGEST_BYTES)
    made.update(np.float64(capture.at_s).tobytes())
    for plane in (frame.depth, frame.picture):
        made.update(np.ascontiguousarray(plane[::_SAMPLED_ROWS]).tobytes())
    return made.hexdigest()
