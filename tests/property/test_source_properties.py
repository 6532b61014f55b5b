"""Registration against a plain reference, frames turned and mirrored, and what is written is what is read."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from numpy.typing import NDArray

from faceid_fast import Frame, Intrinsics
from faceid_fast._core import depth_text
from faceid_fast.errors import InvalidInputError
from faceid_fast.sources.files.arrays import read_array
from faceid_fast.sources.layouts.npz import read_npz
from faceid_fast.sources.orientation import mirrored, rotated
from faceid_fast.sources.registration import Extrinsics, register

STRAIGHT = Extrinsics()
# Numbers of halves are exact, so that a point turned four times is the same one.
halves = st.integers(-200, 400).map(lambda n: n / 2)
focals = st.floats(20, 400)
cameras = st.builds(Intrinsics, fx=focals, fy=focals, cx=halves, cy=halves)


def frame(seed: int, height: int, width: int, intrinsics: Intrinsics, *, color: bool = True) -> Frame:
    rng = np.random.default_rng(seed)
    depth = rng.integers(0, 1200, (height, width)).astype(np.uint16)
    picture = rng.integers(0, 256, (height, width, 3) if color else (height, width)).astype(np.uint8)
    kind = {"color" if color else "infrared": picture}
    return Frame(depth=depth, depth_unit_m=0.001, intrinsics=intrinsics, **kind)  # type: ignore[arg-type]


frames = st.builds(
    frame, st.integers(0, 99), st.integers(48, 70), st.integers(48, 70), cameras, color=st.booleans()
)


def points(seen: Frame) -> NDArray[np.float64]:
    """(H, W, 3), what each pixel shows: x to the right, y down, z away."""
    rows, columns = np.indices(seen.shape)
    z, k = seen.depth.astype(np.float64), seen.intrinsics
    return np.stack([(columns - k.cx) / k.fx * z, (rows - k.cy) / k.fy * z, z], axis=-1)


def same(one: Frame, other: Frame) -> bool:
    return (
        np.array_equal(one.depth, other.depth)
        and np.array_equal(one.picture, other.picture)
        and (one.modality, one.depth_unit_m, one.intrinsics)
        == (other.modality, other.depth_unit_m, other.intrinsics)
    )


# --- orientation


@given(seen=frames, turns=st.integers(-9, 9))
def test_points_turn_with_the_frame(seen: Frame, turns: int) -> None:
    turned = rotated(seen, turns)
    angle = -math.pi / 2 * turns  # y goes down: counter-clockwise is the negative sense
    c, s = round(math.cos(angle)), round(math.sin(angle))
    expected = np.rot90(points(seen), turns) @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
    np.testing.assert_allclose(points(turned), expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(turned.picture, np.rot90(seen.picture, turns))


@given(seen=frames, turns=st.integers(0, 3))
def test_four_quarters_and_two_mirrors_give_the_same_frame(seen: Frame, turns: int) -> None:
    assert same(rotated(rotated(seen, turns), 4 - turns), seen)
    assert same(rotated(rotated(rotated(rotated(seen, 1), 1), 1), 1), seen)
    assert same(mirrored(mirrored(seen)), seen)
    assert same(rotated(mirrored(seen), 1), mirrored(rotated(seen, -1)))


@given(seen=frames)
def test_points_are_mirrored_with_the_frame(seen: Frame) -> None:
    expected = points(seen)[:, ::-1] * (-1, 1, 1)
    np.testing.assert_allclose(points(mirrored(seen)), expected, rtol=1e-9, atol=1e-9)


def test_what_cannot_be_turned() -> None:
    seen = frame(0, 48, 48, Intrinsics(50, 50, 24, 24))
    for turns in (1.0, "1", None, True, np.timedelta64(1)):
        with pytest.raises(InvalidInputError, match="quarter_turns: expected a whole number"):
            rotated(seen, turns)  # type: ignore[arg-type]
    for no_frame in (None, seen.depth):
        with pytest.raises(InvalidInputError, match="frame: expected a Frame"):
            rotated(no_frame, 1)  # type: ignore[arg-type]
        with pytest.raises(InvalidInputError, match="frame: expected a Frame"):
            mirrored(no_frame)  # type: ignore[arg-type]


# --- registration


def reference(
    depth: NDArray[Any],
    of_depth: Intrinsics,
    of_image: Intrinsics,
    shape: tuple[int, int],
    between: Extrinsics,
) -> NDArray[np.float64]:
    """Millimetres, each pixel of the image asked for each square of depth in turn."""
    k, q = ([np.float64(np.float32(v)) for v in (c.fx, c.fy, c.cx, c.cy)] for c in (of_depth, of_image))
    rotation, translation = np.array(between.rotation), 1000.0 * np.array(between.translation_m)
    rows, columns = np.indices(shape)
    seen = np.full(shape, np.inf)

    def moved(column: float, row: float, mm: float) -> NDArray[np.float64]:
        point = [(column - k[2]) / k[0] * mm, (row - k[3]) / k[1] * mm, mm]
        return np.array([a * point[0] + b * point[1] + c * point[2] for a, b, c in rotation]) + translation

    for (row, column), mm in np.ndenumerate(depth):
        if not (mm > 0 and np.isfinite(mm)):
            continue
        corners = [moved(column + x, row + y, float(mm)) for x in (-0.5, 0.5) for y in (-0.5, 0.5)]
        if min(corner[2] for corner in corners) <= 0:
            continue
        u = [q[0] * x / z + q[2] for x, _, z in corners]
        v = [q[1] * y / z + q[3] for _, y, z in corners]
        if max(u) - min(u) > 64 or max(v) - min(v) > 64:
            continue
        inside = (min(u) <= columns) & (columns < max(u)) & (min(v) <= rows) & (rows < max(v))
        seen[inside] = np.minimum(seen[inside], np.float32(moved(column, row, float(mm))[2]))
    return np.where(np.isinf(seen), 0.0, seen)


@st.composite
def rotations(draw: st.DrawFn) -> tuple[tuple[float, ...], ...]:
    axis = np.array(draw(st.tuples(st.floats(0.1, 1), st.floats(-1, 1), st.floats(-1, 1))))
    x, y, z = axis / np.linalg.norm(axis)
    angle = draw(st.floats(-0.6, 0.6))
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    rotation = np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross
    return tuple(map(tuple, rotation.tolist()))


@settings(max_examples=60, deadline=None)
@given(
    depth=arrays_of.arrays(
        np.uint16, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 2000)
    ),
    of_depth=st.builds(
        Intrinsics, fx=st.floats(5, 20), fy=st.floats(5, 20), cx=st.floats(0, 9), cy=st.floats(0, 9)
    ),
    of_image=st.builds(
        Intrinsics, fx=st.floats(5, 50), fy=st.floats(5, 50), cx=st.floats(0, 9), cy=st.floats(0, 9)
    ),
    shape=st.tuples(st.integers(1, 16), st.integers(1, 16)),
    rotation=rotations(),
    translation=st.tuples(*[st.floats(-0.5, 0.5)] * 3),
)
def test_registered_depth_is_that_of_a_plain_reference(
    depth: NDArray[np.uint16],
    of_depth: Intrinsics,
    of_image: Intrinsics,
    shape: tuple[int, int],
    rotation: Any,
    translation: Any,
) -> None:
    between = Extrinsics(rotation, translation)
    cameras = {"depth_intrinsics": of_depth, "image_intrinsics": of_image, "extrinsics": between}
    seen = register(depth.astype(np.float32), 0.001, shape, **cameras)  # type: ignore[arg-type]
    expected = reference(depth, of_depth, of_image, shape, between)
    # A corner may fall upon the centre of a pixel: rounding then says on which side.
    assert (np.abs(seen - expected) > 1e-3 * np.maximum(expected, 1.0)).mean() <= 0.01
    whole = register(depth, 0.001, shape, **cameras)  # type: ignore[arg-type]
    assert whole.dtype == np.uint16
    np.testing.assert_array_equal(whole, np.where(seen <= 65535, np.rint(seen), 0))


@given(seen=frames, unit=st.sampled_from([0.001, 0.0002, 1.0]), dtype=st.sampled_from(["uint16", "float32"]))
def test_the_same_camera_sees_the_same_depth(seen: Frame, unit: float, dtype: str) -> None:
    depth = seen.depth.astype(dtype)
    same = register(
        depth,
        unit,
        seen.shape,
        depth_intrinsics=seen.intrinsics,
        image_intrinsics=seen.intrinsics,
        extrinsics=STRAIGHT,
    )
    assert same.dtype == depth.dtype
    np.testing.assert_allclose(same, depth, rtol=1e-6)


def test_units_that_do_not_reach_are_holes() -> None:
    k = Intrinsics(50, 50, 2, 2)
    away = Extrinsics(translation_m=(0, 0, 10.0))
    depth = np.full((5, 5), 60_000, np.uint16)
    seen = register(depth, 1e-3, (5, 5), depth_intrinsics=k, image_intrinsics=k, extrinsics=away)
    assert (seen == 0).all()
    metres = depth.astype(np.float64) * 1e-3
    seen = register(metres, 1.0, (5, 5), depth_intrinsics=k, image_intrinsics=k, extrinsics=away)
    assert seen[2, 2] == pytest.approx(70.0)


@pytest.mark.parametrize(
    ("changed", "part"),
    [
        ({"depth": np.zeros((3, 3), np.int32)}, "depth: expected an array"),
        ({"depth": np.zeros((0, 3), np.uint16)}, "depth: expected 1 to 4096"),
        ({"depth_unit_m": 0}, "depth_unit_m"),
        ({"shape": (0, 4)}, "shape: expected"),
        ({"shape": (4, 5000)}, "shape: expected"),
        ({"shape": [4, 4]}, "shape: expected"),
        ({"shape": (4, True)}, "shape: expected"),
        ({"depth_intrinsics": None}, "depth_intrinsics: expected Intrinsics"),
        ({"image_intrinsics": 5}, "image_intrinsics: expected Intrinsics"),
        ({"extrinsics": None}, "extrinsics: expected Extrinsics"),
    ],
)
def test_what_cannot_be_registered(changed: dict[str, Any], part: str) -> None:
    k = Intrinsics(50, 50, 2, 2)
    right: dict[str, Any] = {"depth": np.ones((4, 4), np.uint16), "depth_unit_m": 0.001, "shape": (4, 4)}
    right |= {"depth_intrinsics": k, "image_intrinsics": k, "extrinsics": STRAIGHT}
    assert register(**right).shape == (4, 4)
    with pytest.raises(InvalidInputError, match=part):
        register(**{**right, **changed})


@pytest.mark.parametrize(
    ("rotation", "translation", "part"),
    [
        (np.eye(2), (0, 0, 0), "rotation: expected three"),
        (np.zeros((3, 3, 3)), (0, 0, 0), "rotation: expected -1.001 to 1.001"),
        (np.zeros(3), (0, 0, 0), "rotation: expected three"),
        (np.zeros((3, 3)), (0, 0, 0), "rotation: expected a rotation"),
        (np.array(1.0), (0, 0, 0), "rotation: expected three"),
        (np.eye(3) * 0.99, (0, 0, 0), "rotation: expected a rotation"),
        (np.diag([1, 1, -1]), (0, 0, 0), "rotation: expected a rotation"),
        (np.full((3, 3), np.nan), (0, 0, 0), "rotation: expected -1.001 to 1.001"),
        ("left", (0, 0, 0), "rotation: expected three"),
        (np.eye(3), (0, 0), "translation_m: expected "),
        (np.eye(3), (0, 0, 11), "translation_m: expected -10 to 10 metres"),
        (np.eye(3), (0, 0, np.inf), "translation_m: expected "),
        (np.eye(3), None, "translation_m: expected "),
    ],
)
def test_extrinsics_that_are_none(rotation: Any, translation: Any, part: str) -> None:
    with pytest.raises(InvalidInputError, match=part):
        Extrinsics(rotation, translation)


# --- written and read


@given(
    depth=arrays_of.arrays(
        np.int32, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.integers(-1, 99_999)
    ),
    separator=st.sampled_from(["\t", " ", "  ", "\t "]),
    end=st.sampled_from(["\n", "\r\n", "\t\n", " \r\n"]),
    cap=st.integers(0, 65_535),
)
def test_depth_texts(depth: NDArray[np.int32], separator: str, end: str, cap: int) -> None:
    text = "".join(separator.join(map(str, row)) + end for row in depth.tolist())
    read = depth_text(text.encode(), *depth.shape, missing=-1, cap_mm=cap)
    np.testing.assert_array_equal(read, np.where((depth < 0) | (depth > cap), 0, depth))


@given(
    array=arrays_of.arrays(
        st.sampled_from(["u1", "<u2", ">u2", "<i4", "<f4", ">f8"]),
        arrays_of.array_shapes(max_dims=3, max_side=9),
    ),
    order=st.sampled_from(["C", "F"]),
    step=st.integers(1, 3),
)
def test_arrays_of_any_stride(array: NDArray[Any], order: Any, step: int) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.array(array, order=order)[::step])
    buffer.seek(0)
    np.testing.assert_array_equal(read_array(buffer, "x"), array[::step])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(seen=frames, unit=st.floats(1e-6, 1.0), compressed=st.booleans())
def test_frames_in_archives(tmp_path: Path, seen: Frame, unit: float, *, compressed: bool) -> None:
    k = seen.intrinsics
    camera = {"fx": k.fx, "fy": k.fy, "cx": k.cx, "cy": k.cy, "depth_unit_m": unit}
    save = np.savez_compressed if compressed else np.savez
    save(tmp_path / "x.npz", depth=seen.depth, **{seen.modality: seen.picture}, **camera)  # type: ignore[arg-type]
    read = read_npz(tmp_path / "x.npz")
    assert same(
        read, Frame(depth=seen.depth, depth_unit_m=unit, intrinsics=k, **{seen.modality: seen.picture})
    )
