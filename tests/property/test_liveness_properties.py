"""Whatever is missing, not a number, constant or even: under the picture of a real face it is never live."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from faceid_fast.face.aligner import FaceAligner
from faceid_fast.face.crop import FaceCrop
from faceid_fast.face.liveness import LivenessCheck
from faceid_fast.face.liveness_limits import CUES, likeness_of
from faceid_fast.frame import Frame
from faceid_fast.sources.renders import bundled_renders
from stand_ins import crop_of, cues_of

NOTHING = (0.0, -1.0, math.nan, math.inf, -math.inf)
"""What counts as missing, in millimetres."""
ANYTHING = st.one_of(st.floats(), st.none(), st.booleans(), st.integers(), st.just(np.float32("nan")))


@cache
def face() -> tuple[Frame, FaceCrop]:
    """A rendered face that is live."""
    frame = next(render for render in bundled_renders() if render.kind == "probe").read()
    crop = FaceAligner.bundled().align(frame)
    assert isinstance(crop, FaceCrop)
    assert LivenessCheck.bundled().check(crop).live
    return frame, crop


def is_live(depth_mm: NDArray[Any]) -> bool:
    """Whether the face's picture over another depth is live, found or put where it is."""
    frame, crop = face()
    other = Frame(
        depth=depth_mm.astype(np.float32),
        depth_unit_m=0.001,
        infrared=frame.infrared,
        color=frame.color,
        intrinsics=frame.intrinsics,
    )
    aligner, check = FaceAligner.bundled(), LivenessCheck.bundled()
    found = aligner.align(other)
    found_live = isinstance(found, FaceCrop) and check.check(found).live
    return found_live or check.check(aligner.cut_out(other, crop.pose)).live


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_depth_of_even_pieces_and_of_nothing_is_never_live(data: st.DataObject) -> None:
    frame, crop = face()
    shape = frame.depth.shape
    rows, columns = np.indices(shape) / max(shape)
    kinds = data.draw(st.integers(1, 4))
    block = data.draw(st.sampled_from([1, 4, 16, 1000]))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    which = np.kron(
        rng.integers(0, kinds, (shape[0] // block + 1, shape[1] // block + 1)), np.ones((block, block), int)
    )[: shape[0], : shape[1]]
    depth = np.zeros(shape)
    for kind in range(kinds):
        if data.draw(st.booleans()):
            piece = np.full(shape, data.draw(st.sampled_from(NOTHING)))
        else:
            slopes = data.draw(st.tuples(st.floats(-400, 400), st.floats(-400, 400), st.floats(-300, 300)))
            piece = crop.distance_mm + slopes[0] * (rows - 0.5) + slopes[1] * (columns - 0.5)
            piece = piece + slopes[2] * (columns - 0.5) ** 2
        depth[which == kind] = piece[which == kind]
    assert not is_live(depth)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.62, 1.0), st.sampled_from(NOTHING), st.integers(0, 2**32))
def test_a_live_face_of_which_most_is_missing_is_not_live(share: float, nothing: float, seed: int) -> None:
    frame, _ = face()
    millimetres = frame.depth.astype(np.float64) * (1000.0 * frame.depth_unit_m)
    assert is_live(millimetres)
    rng = np.random.default_rng(seed)
    lost = np.kron(
        rng.random((frame.depth.shape[0] // 8 + 1, frame.depth.shape[1] // 8 + 1)), np.ones((8, 8))
    )
    lost = lost[: frame.depth.shape[0], : frame.depth.shape[1]] < share
    assert not is_live(np.where(lost, nothing, millimetres))


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(CUES), ANYTHING, min_size=1))
def test_only_numbers_that_reach_their_least_value_are_live(changes: dict[str, Any]) -> None:
    least = LivenessCheck.bundled().limits.least
    strong = {name: 10.0 * least[name] for name in CUES}
    after = {**strong, **changes}
    crop = crop_of(1)
    object.__setattr__(crop, "cues", cues_of(**after))
    enough = all(
        isinstance(value, (float, np.floating)) and math.isfinite(value) and value >= least[name]
        for name, value in changes.items()
    )
    shape = (float(after[name]) for name in ("agreement", "structure"))
    enough = enough and likeness_of(*shape, crop.fit_score) >= least["likeness"]
    assert LivenessCheck.bundled().check(crop).live is enough


@pytest.mark.parametrize("scale", [0.3, 0.5, 0.6])
def test_a_face_of_the_wrong_size_is_not_live(scale: float) -> None:
    """A doll's: everything about it is right but its millimetres."""
    frame, _ = face()
    millimetres = frame.depth.astype(np.float64) * (1000.0 * frame.depth_unit_m) * scale
    assert not is_live(millimetres)
