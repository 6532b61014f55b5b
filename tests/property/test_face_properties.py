"""Whatever depth comes in, the aligner answers with a face or a reason, and never invents numbers."""

from __future__ import annotations

from functools import cache

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from faceid_fast.face.aligner import FaceAligner
from faceid_fast.face.crop import CHIP_SHAPE, TENSOR_SHAPE, FaceCrop, NoFace
from faceid_fast.frame import Frame, Intrinsics
from faceid_fast.outcome import Outcome
from faceid_fast.sources.renders import bundled_renders


@cache
def render() -> Frame:
    return next(r for r in bundled_renders() if r.kind == "enroll").read()


def assert_sound(found: FaceCrop | NoFace) -> None:
    if isinstance(found, NoFace):
        assert found.outcome is not Outcome.ACCEPTED
        assert found.reasons
        return
    assert found.tensor.shape == TENSOR_SHAPE
    assert found.tensor.dtype == np.float32
    assert np.isfinite(found.tensor).all()
    assert np.abs(found.tensor[0]).max() <= 2.5
    assert np.abs(found.tensor[1]).max() <= 3.0
    assert np.all(found.tensor[:, ~found.valid] == 0)
    assert found.chip.shape == CHIP_SHAPE
    assert found.chip.dtype == np.uint8
    np.testing.assert_allclose(found.pose.rotation @ found.pose.rotation.T, np.eye(3), atol=1e-4)
    assert 200.0 < found.distance_mm < 1700.0
    assert 0.0 <= found.valid_share <= 1.0


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(48, 200), st.integers(48, 200)),
    dtype=st.sampled_from([np.uint16, np.float32, np.float64]),
    unit=st.sampled_from([0.0001, 0.001, 0.01, 1.0]),
    seed=st.integers(0, 2**32 - 1),
    order=st.sampled_from("CF"),
    step=st.sampled_from([1, 2]),
    color=st.booleans(),
)
def test_any_depth_gets_an_answer(
    shape: tuple[int, int], dtype: type, unit: float, seed: int, order: str, step: int, color: bool
) -> None:
    rng = np.random.default_rng(seed)
    wide = (shape[0], shape[1] * step)
    smooth = 0.6 + 0.2 * np.sin(np.arange(wide[1]) / 15)[None, :] * np.cos(np.arange(wide[0]) / 20)[:, None]
    depth = smooth + rng.normal(0, rng.choice([0.0, 0.002, 0.1]), wide)
    units = np.clip(depth / unit, 0, 65535).astype(dtype)
    if dtype is not np.uint16:
        units[rng.random(wide) < 0.1] = rng.choice([np.nan, np.inf, -np.inf, -1.0, 0.0, 3e38])
    depth_view = np.asarray(units, order=order)[:, ::step]  # type: ignore[call-overload]
    size = (shape[0], shape[1], 3) if color else shape
    picture = rng.integers(0, 256, size, np.uint8)
    frame = Frame(
        depth=depth_view,
        depth_unit_m=unit,
        color=picture if color else None,
        infrared=None if color else picture,
        intrinsics=Intrinsics(rng.uniform(30, 800), rng.uniform(30, 800), shape[1] / 2, shape[0] / 2),
    )
    assert_sound(FaceAligner.bundled().align(frame))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_holes_in_a_face_never_break_the_answer(data: st.DataObject) -> None:
    whole = render()
    depth = whole.depth.copy()
    height, width = depth.shape
    for _ in range(data.draw(st.integers(0, 6))):
        top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
        size = data.draw(st.integers(1, 60))
        depth[top : top + size, left : left + size] = data.draw(st.sampled_from([0, 1, 65535]))
    frame = Frame(
        depth=depth, depth_unit_m=whole.depth_unit_m, infrared=whole.infrared, intrinsics=whole.intrinsics
    )
    assert_sound(FaceAligner.bundled().align(frame))


@settings(max_examples=30, deadline=None)
@given(layout=st.sampled_from(["F", "strided", "float32", "float64"]))
def test_memory_layout_does_not_change_the_answer(layout: str) -> None:
    whole = render()
    depth = {
        "F": np.asfortranarray(whole.depth),
        "strided": np.repeat(whole.depth, 2, axis=1)[:, ::2],
        "float32": whole.depth.astype(np.float32),
        "float64": whole.depth.astype(np.float64),
    }[layout]
    other = Frame(
        depth=depth, depth_unit_m=whole.depth_unit_m, infrared=whole.infrared, intrinsics=whole.intrinsics
    )
    expected, got = FaceAligner.bundled().align(whole), FaceAligner.bundled().align(other)
    assert isinstance(expected, FaceCrop)
    assert isinstance(got, FaceCrop)
    np.testing.assert_array_equal(expected.tensor, got.tensor)


@settings(max_examples=40, deadline=None)
@given(depth=npst.arrays(np.uint16, (48, 48), elements=st.sampled_from([0, 600, 601, 1200])))
def test_flat_steps_are_no_face(depth: np.ndarray) -> None:
    frame = Frame(
        depth=depth,
        depth_unit_m=0.001,
        infrared=np.full((48, 48), 90, np.uint8),
        intrinsics=Intrinsics(60.0, 60.0, 23.5, 23.5),
    )
    assert isinstance(FaceAligner.bundled().align(frame), NoFace)
