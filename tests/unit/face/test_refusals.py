from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from faceid_fast import FaceAligner, Frame, Intrinsics, NoFace, Outcome
from faceid_fast.face.refusals import refusal
from faceid_fast.sources.recognized import shots_at
from faceid_fast.sources.renders import bundled_renders

CASES = Path(__file__).resolve().parents[4] / "shared" / "cases"


def frame_of(depth: NDArray[Any], depth_unit_m: float = 0.001) -> Frame:
    return Frame(
        depth=depth,
        depth_unit_m=depth_unit_m,
        infrared=np.full(depth.shape, 9, np.uint16),
        intrinsics=Intrinsics(400.0, 400.0, 40.0, 30.0),
    )


def reason_of(frame: Frame) -> str:
    found = FaceAligner.bundled().align(frame)
    assert isinstance(found, NoFace)
    assert found.outcome is Outcome.NO_FACE
    assert found.measured == ()
    (reason,) = found.reasons
    return reason


@pytest.mark.parametrize(
    ("unit_m", "said"),
    [
        (0.00025, "(median 0.2 m; is depth_unit_m = 0.00025 right?)"),
        (0.004, "(median 3.2 m; is depth_unit_m = 0.004 right?)"),
        (1.0, "(median 800 m; is depth_unit_m = 1 right?)"),
        (5.0, "(median 4000 m; is depth_unit_m = 5 right?)"),
        (1e-6, "(median 0.0008 m; is depth_unit_m = 1e-06 right?)"),
    ],
)
def test_a_face_in_a_wrong_unit_is_told_by_the_median(unit_m: float, said: str) -> None:
    face = bundled_renders()[0].read()
    depth = np.where(face.depth > 0, np.uint16(800), np.uint16(0))  # so that the median is round
    assert reason_of(frame_of(depth, unit_m)) == (
        f"nothing of the size and shape of a face was found in the depth {said}"
    )


@pytest.mark.parametrize("missing", [0.0, -1.0, np.nan, np.inf])
def test_no_depth_at_all(missing: float) -> None:
    assert reason_of(frame_of(np.full((60, 80), missing, np.float32))).startswith("no depth: every pixel")


def test_hardly_any_depth() -> None:
    depth = np.zeros((480, 640), np.uint16)
    depth[:12] = 700
    assert reason_of(frame_of(depth)) == "hardly any depth: only 2.5% of the frame's pixels have some"
    depth[:] = 0
    depth[1, 1] = 700  # one that is not looked at
    assert reason_of(frame_of(depth)) == "hardly any depth: only 0.0% of the frame's pixels have some"


@given(arrays(np.float32, (60, 80), elements=st.floats(width=32)), st.floats(1e-7, 10.0))
def test_any_depth_has_its_reason(depth: NDArray[np.float32], unit_m: float) -> None:
    """Whatever is in it, and no more of it than its median."""
    (reason,) = refusal("no_face", (), frame_of(depth, unit_m)).reasons
    assert reason.startswith(("nothing of the size", "no depth: every", "hardly any depth: only"))
    assert len(reason) < 160


@pytest.mark.parametrize(
    ("case", "said"),
    [("depth_in_quarter_mm_said_to_be_mm", "median 2.82 m"), ("no_depth_at_all", "no depth")],
)
def test_captures_that_went_wrong(case: str, said: str) -> None:
    if not (CASES / case).exists():
        pytest.skip(f"no captures at {CASES / case}")
    for shot in shots_at(CASES / case):
        assert said in reason_of(shot.read())
