"""Frames over random shapes, dtypes, memory layouts and contents."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

from faceid_fast import Frame, Intrinsics, InvalidInputError

K = Intrinsics(100.0, 100.0, 40.0, 30.0)
SIDES = st.integers(48, 90)
DEPTH_DTYPES = st.sampled_from([np.dtype(name) for name in ("uint16", ">u2", "float32", "float64", ">f4")])


def laid_out(array: NDArray[Any], layout: str) -> NDArray[Any]:
    """Give the same values in another memory layout."""
    if layout == "fortran":
        return np.asfortranarray(array)
    if layout == "reversed":
        return np.ascontiguousarray(array[::-1, ::-1])[::-1, ::-1]
    if layout == "strided":
        wide = np.zeros((array.shape[0] * 2, array.shape[1] * 3, *array.shape[2:]), array.dtype)
        wide[::2, ::3] = array
        return wide[::2, ::3]
    return array


LAYOUTS = st.sampled_from(["plain", "fortran", "reversed", "strided"])


@given(SIDES, SIDES, DEPTH_DTYPES, LAYOUTS, LAYOUTS, st.booleans(), st.integers(0, 2**32 - 1))
def test_values_survive_every_layout(
    height: int,
    width: int,
    dtype: np.dtype[Any],
    first: str,
    second: str,
    color: bool,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    depth = rng.integers(0, 65535, (height, width)).astype(dtype)
    if dtype.kind == "f":
        depth[0, :4] = [np.nan, np.inf, -np.inf, -1.0]
    shape = (height, width, 3) if color else (height, width)
    picture = rng.integers(0, 255, shape).astype(np.uint8)
    image = {"color" if color else "infrared": laid_out(picture, second)}
    frame = Frame(depth=laid_out(depth, first), depth_unit_m=0.001, intrinsics=K, **image)
    np.testing.assert_array_equal(frame.depth, depth.astype(np.float32 if dtype.kind == "f" else np.uint16))
    np.testing.assert_array_equal(frame.picture, picture)
    assert frame.shape == (height, width)
    for array in (frame.depth, frame.picture):
        assert array.flags.c_contiguous
        assert array.dtype.isnative
        assert not array.flags.writeable


@given(
    st.builds(
        np.zeros,
        npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=60),
        npst.scalar_dtypes() | npst.unicode_string_dtypes(),
    )
)
def test_any_other_array_is_refused_by_name(array: NDArray[Any]) -> None:
    good = np.zeros((60, 60), np.uint16)
    fits = array.shape == (60, 60) and array.dtype.newbyteorder("=").name in {"uint16", "float32", "float64"}
    if fits:
        return
    with pytest.raises(InvalidInputError, match=r"^depth: expected .*, got "):
        Frame(depth=array, depth_unit_m=0.001, infrared=good, intrinsics=K)


@given(st.floats() | st.integers() | st.booleans() | st.none() | st.text(max_size=3))
def test_unit_is_in_its_range_or_refused(unit: Any) -> None:
    good = np.zeros((60, 60), np.uint16)
    try:
        frame = Frame(depth=good, depth_unit_m=unit, infrared=good, intrinsics=K)
    except InvalidInputError as error:
        assert str(error).startswith("depth_unit_m: expected")  # noqa: PT017
    else:
        assert 1e-7 <= frame.depth_unit_m <= 10.0
