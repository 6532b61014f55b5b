"""Replay detection: frames that repeat each other's depth or picture, as no camera records them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from faceid_fast.frame import Frame


def repeated(frames: Sequence[Frame]) -> set[int]:
    """Return the indices of frames that have exactly the depth or the picture of another one, but not both.

    No camera measures the same twice: pictures that change over a depth that does not are a film, played with
    a copied depth map. Two frames that are the same in both are one frame given twice, which proves nothing.
    Frames of different modalities are not compared: an infrared and a colour picture may share their depth.
    """
    found: set[int] = set()
    for mine, others in (("depth", "picture"), ("picture", "depth")):
        alike: dict[tuple[object, ...], list[int]] = {}
        for at, frame in enumerate(frames):
            plane = getattr(frame, mine)
            # A few samples tell most frames apart; frames with equal samples are compared in full.
            key = (frame.modality, plane.shape, plane.dtype.str, plane[::8, ::8].tobytes())
            for before in alike.setdefault(key, []):
                same = np.array_equal(plane, getattr(frames[before], mine))
                if same and not np.array_equal(getattr(frame, others), getattr(frames[before], others)):
                    found |= {before, at}
            alike[key].append(at)
    return found
