from __future__ import annotations

import copy
import dataclasses
import itertools
import math
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from faceid_fast import (
    Capture,
    FaceAligner,
    Frame,
    GuessedIntrinsicsWarning,
    Intrinsics,
    InvalidInputError,
    NoFace,
)
from faceid_fast.errors import FaceIDError
from faceid_fast.frame import (
    DEPTH_UNIT_RANGE_M,
    FOCAL_RANGE_PX,
    MAX_PRINCIPAL_DEVIATION_PX,
    MAX_PRINCIPAL_POINT_PX,
    MAX_SIDE_PX,
    MIN_SIDE_PX,
    as_frames,
    captured,
)
from faceid_fast.sources.orientation import mirrored, rotated

K = Intrinsics(100.0, 100.0, 40.0, 30.0)
DEPTH = np.full((60, 80), 700, np.uint16)
INFRARED = np.full((60, 80), 9, np.uint16)
COLOR = np.full((60, 80, 3), 9, np.uint8)


def make(**changes: Any) -> Frame:
    arguments: dict[str, Any] = {"depth": DEPTH, "depth_unit_m": 0.001, "infrared": INFRARED, "intrinsics": K}
    return Frame(**{**arguments, **changes})


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"depth": DEPTH.astype(np.int32)}, ["depth", "uint16 or float32 or float64", "int32"]),
        ({"depth": DEPTH.tolist()}, ["depth", "an array (H, W)", "list"]),
        ({"depth": DEPTH[None]}, ["depth", "(H, W)", "(1, 60, 80)"]),
        ({"depth": DEPTH[:, :70]}, ["depth", "registered to infrared", "(60, 80)", "(60, 70)"]),
        ({"depth": DEPTH.T}, ["depth", "registered to infrared", "(80, 60)"]),
        ({"depth": np.ma.masked_equal(DEPTH, 0)}, ["depth", "masked"]),
        ({"depth": None}, ["depth", "NoneType"]),
        ({"infrared": INFRARED.astype(np.float32)}, ["infrared", "uint8 or uint16", "float32"]),
        ({"infrared": COLOR}, ["infrared", "(H, W)", "(60, 80, 3)"]),
        ({"infrared": None}, ["color, infrared", "exactly one", "neither"]),
        ({"color": COLOR}, ["color, infrared", "exactly one", "both"]),
        ({"infrared": None, "color": COLOR[..., :2]}, ["color", "(H, W, 3)", "(60, 80, 2)"]),
        ({"infrared": None, "color": COLOR / 255.0}, ["color", "uint8", "float64"]),
        ({"infrared": INFRARED[:40], "depth": DEPTH[:40]}, ["infrared", str(MIN_SIDE_PX), "(40, 80)"]),
        ({"depth_unit_m": 0.0}, ["depth_unit_m: expected 1e-07 to 10 metres per unit, got 0"]),
        ({"depth_unit_m": -0.001}, ["depth_unit_m", "got -0.001"]),
        ({"depth_unit_m": 0.99e-7}, ["depth_unit_m", "got 9.9e-08"]),
        ({"depth_unit_m": 1e-50}, ["depth_unit_m", "got 1e-50"]),
        ({"depth_unit_m": 10.1}, ["depth_unit_m", "got 10.1"]),
        ({"depth_unit_m": 1e300}, ["depth_unit_m", "got 1e+300"]),
        ({"depth_unit_m": math.nan}, ["depth_unit_m", "got nan"]),
        ({"depth_unit_m": math.inf}, ["depth_unit_m", "got inf"]),
        ({"depth_unit_m": "mm"}, ["depth_unit_m", "'mm'"]),
        ({"depth_unit_m": True}, ["depth_unit_m", "bool"]),
        ({"depth_unit_m": 10**5000}, ["depth_unit_m", "got inf"]),
        ({"depth_unit_m": np.longdouble("1e4000")}, ["depth_unit_m", "got inf"]),
        ({"depth_unit_m": np.timedelta64("NaT")}, ["depth_unit_m", "timedelta64"]),
        ({"intrinsics": (1, 2, 3, 4)}, ["intrinsics", "Intrinsics", "tuple"]),
    ],
)
def test_refusal_names_argument_expected_and_given(changes: dict[str, Any], parts: list[str]) -> None:
    with pytest.raises(InvalidInputError) as caught:
        make(**changes)
    for part in parts:
        assert part in str(caught.value)
    assert isinstance(caught.value, FaceIDError)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("name", ["infrared", "color"])
def test_more_than_there_is_memory_for_is_refused_before_it_is_copied(name: str) -> None:
    image = {"infrared": INFRARED, "color": COLOR}[name]
    absurd = np.broadcast_to(image[:1], (1 << 40, *image.shape[1:]))
    with pytest.raises(InvalidInputError, match=f"{name}: expected 48 to 4096 pixels a side"):
        make(**{"infrared": None, name: absurd})


def test_too_large_is_refused() -> None:
    wide = np.zeros((MIN_SIDE_PX, MAX_SIDE_PX + 1), np.uint16)
    with pytest.raises(InvalidInputError, match="pixels a side"):
        make(depth=wide, infrared=wide)


@pytest.mark.parametrize(
    "values",
    [
        (0.0, 1.0, 0, 0),
        (1.0, -1.0, 0, 0),
        (math.nan, 1, 0, 0),
        (1, 1, math.inf, 0),
        ("1", 1, 0, 0),
        (1, 1, 0, None),
        (0.99, 1, 0, 0),
        (1, 1e-50, 0, 0),
        (1.01e5, 1, 0, 0),
        (1, 1e300, 0, 0),
        (1, 1, -1.01e5, 0),
        (1, 1, 0, 1e300),
        (1, 1, 0, 0, -1.0),
        (1, 1, 0, 0, math.nan),
        (1, 1, 0, 0, 1.01e4),
    ],
)
def test_bad_intrinsics(values: tuple[Any, ...]) -> None:
    wanted = r"intrinsics\.(f|c|principal_deviation_p)[xy]: expected .* pixels, got "
    with pytest.raises(InvalidInputError, match=wanted):
        Intrinsics(*values)


@pytest.mark.parametrize("unit", DEPTH_UNIT_RANGE_M)
@pytest.mark.parametrize("focal", FOCAL_RANGE_PX)
@pytest.mark.parametrize("center", [-MAX_PRINCIPAL_POINT_PX, 0.0, MAX_PRINCIPAL_POINT_PX])
@pytest.mark.parametrize("deviation", [0.0, MAX_PRINCIPAL_DEVIATION_PX])
def test_whatever_can_be_made_can_be_looked_at(
    unit: float, focal: float, center: float, deviation: float
) -> None:
    lens = Intrinsics(focal, focal, center, -center, deviation)
    rng = np.random.default_rng(1)
    depths: list[NDArray[Any]] = [
        DEPTH,
        np.full((60, 80), 65535, np.uint16),
        np.full((60, 80), 0.7 / unit, np.float32),
        np.full((60, 80), 3e38, np.float32),
        (0.7 + 0.1 * rng.random((60, 80))) / unit,
    ]
    for depth in depths:
        frame = make(depth=depth, depth_unit_m=unit, intrinsics=lens)
        assert isinstance(FaceAligner.bundled().align(frame), NoFace)


def test_modality() -> None:
    assert make().modality == "infrared"
    assert make(infrared=None, color=COLOR).modality == "color"


def test_arrays_are_copies_that_cannot_be_written() -> None:
    depth, infrared = DEPTH.copy(), INFRARED.copy()
    frame = make(depth=depth, infrared=infrared)
    depth[:] = 0
    infrared[:] = 0
    assert (frame.depth == 700).all()
    assert (frame.picture == 9).all()
    for array in (frame.depth, frame.picture):
        assert array.flags.c_contiguous
        assert not array.flags.writeable
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.flags.writeable = True
        assert isinstance(array.base, bytes)  # which the core reads where they lie
    with pytest.raises(AttributeError):
        frame.depth = depth  # type: ignore[misc]


@pytest.mark.parametrize("others", [{}, {"infrared": None, "color": COLOR}])
def test_pickled_frames_cannot_be_written_either(others: dict[str, Any]) -> None:
    frame = make(**others)
    again = pickle.loads(pickle.dumps(frame))  # noqa: S301
    assert repr(again) == repr(frame)
    assert again.intrinsics == frame.intrinsics
    for one, other in ((again.depth, frame.depth), (again.picture, frame.picture)):
        np.testing.assert_array_equal(one, other)
        assert not one.flags.writeable
        assert isinstance(one.base, bytes)


def test_float64_depth_becomes_float32_and_overflow_is_missing() -> None:
    depth = DEPTH.astype(np.float64)
    depth[0, 0], depth[0, 1] = 1e300, math.nan
    frame = make(depth=depth)
    assert frame.depth.dtype == np.float32
    assert np.isinf(frame.depth[0, 0])
    assert np.isnan(frame.depth[0, 1])


def test_big_endian_is_taken_by_value() -> None:
    frame = make(depth=DEPTH.astype(">u2"), infrared=INFRARED.astype(">u2"))
    assert frame.depth.dtype == np.uint16
    assert frame.depth.dtype.isnative
    assert (frame.depth == 700).all()


def test_missing_intrinsics_are_guessed_aloud() -> None:
    with pytest.warns(GuessedIntrinsicsWarning, match="60 degrees"):
        frame = make(intrinsics=None)
    assert frame.intrinsics.fx == pytest.approx(40 / math.tan(math.radians(30)))
    assert (frame.intrinsics.cx, frame.intrinsics.cy) == (39.5, 29.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make()


def test_warning_points_at_the_caller() -> None:
    with pytest.warns(GuessedIntrinsicsWarning) as caught:
        make(intrinsics=None)
    assert caught[0].filename == __file__


def test_repr_shows_no_content() -> None:
    assert repr(make()) == "<Frame 60x80 infrared uint16, depth uint16 x 0.001 m>"
    assert repr(make(infrared=None, color=COLOR)) == "<Frame 60x80 color uint8, depth uint16 x 0.001 m>"


def test_from_bgr_is_what_opencv_reads() -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (60, 64, 3)).astype(np.uint8)
    others = {"depth": np.ones((60, 64), np.uint16), "depth_unit_m": 0.001}
    k = Intrinsics(60, 60, 32, 30)
    frame = Frame.from_bgr(rgb[..., ::-1], intrinsics=k, **others)
    np.testing.assert_array_equal(frame.color, rgb)
    assert frame.intrinsics == k
    for wrong in (None, rgb[..., 0], rgb.tolist(), np.dstack([rgb, rgb[..., 0]])):
        with pytest.raises(InvalidInputError, match="color"):
            Frame.from_bgr(wrong, intrinsics=k, **others)


def test_a_camera_matrix_is_taken() -> None:
    matrix = [[525, 0, 319.5], [0, 526.0, 239.5], [0, 0, 1]]
    assert Intrinsics.from_matrix(matrix) == Intrinsics(525, 526, 319.5, 239.5)
    assert Intrinsics.from_matrix(np.array(matrix, np.float32)).fy == 526.0


@pytest.mark.parametrize(
    "matrix",
    [
        None,
        "K",
        np.eye(4),
        [[1, 2], [3, 4]],
        [[525, 0.5, 319.5], [0, 526.0, 239.5], [0, 0, 1]],
        [[525, 0, 0], [0, 526.0, 0], [319.5, 239.5, 1]],
        [[525, 0, 319.5], [0, 526.0, 239.5], [0, 0, math.nan]],
        [[0, 0, 319.5], [0, 526.0, 239.5], [0, 0, 1]],
        [[10**400, 0, 319.5], [0, 526.0, 239.5], [0, 0, 1]],
    ],
)
def test_other_matrices_are_refused(matrix: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"matrix: expected|intrinsics.fx: expected"):
        Intrinsics.from_matrix(matrix)


@pytest.mark.parametrize("given", ["x.png", b"x.png", Path("x.png")])
def test_a_path_is_told_how_frames_are_read(given: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"read_frames\(path\)"):
        as_frames(given)


def test_an_array_is_told_how_frames_are_made() -> None:
    with pytest.raises(InvalidInputError, match=r"Intrinsics.from_matrix\(K\)"):
        as_frames(np.zeros((60, 80, 3), np.uint8))


@pytest.mark.parametrize(
    "matrix",
    [
        np.broadcast_to(np.float32(1.0), (1 << 33,)),
        np.broadcast_to(np.float32(1.0), (3, 1 << 33)),
        itertools.repeat([1, 0, 0]),
        [[10**5000, 0, 1], [0, 1, 1], [0, 0, 1]],
        np.ma.masked_all((3, 3)),
        memoryview(b"123456789"),
    ],
    ids=["long", "wide", "endless", "many digits", "masked", "memory"],
)
def test_a_matrix_that_claims_much_is_refused_at_once(matrix: Any) -> None:
    with pytest.raises(InvalidInputError, match="matrix: expected"):
        Intrinsics.from_matrix(matrix)


CAPTURE = Capture("realsense:0123456789", 12.5)


def test_a_frame_that_a_caller_makes_is_unproven() -> None:
    frame = make()
    assert frame.capture is None
    with pytest.raises(TypeError, match="capture"):
        make(capture=CAPTURE)
    with pytest.raises(ValueError, match="capture"):
        dataclasses.replace(frame, capture=CAPTURE)
    with pytest.raises(AttributeError):
        frame.capture = CAPTURE  # type: ignore[misc]


@pytest.mark.parametrize("others", [{}, {"infrared": None, "color": COLOR}])
def test_a_captured_frame_shares_its_arrays(others: dict[str, Any]) -> None:
    frame = make(**others)
    given = captured(frame, CAPTURE)
    assert given.capture is CAPTURE
    assert frame.capture is None
    assert given.depth is frame.depth
    assert given.picture is frame.picture
    assert (given.intrinsics, given.depth_unit_m) == (frame.intrinsics, frame.depth_unit_m)
    assert repr(given) == repr(frame)
    for wrong in ({"frame": DEPTH}, {"capture": ("realsense", 12.5)}, {"capture": None}):
        with pytest.raises(InvalidInputError, match=f"{next(iter(wrong))}: expected a "):
            captured(**{"frame": frame, "capture": CAPTURE, **wrong})


@pytest.mark.parametrize("again", [lambda f: pickle.loads(pickle.dumps(f)), copy.copy, copy.deepcopy])  # noqa: S301
def test_a_frame_that_was_stored_proves_nothing_about_now(again: Any) -> None:
    stored = again(captured(make(), CAPTURE))
    assert stored.capture is None
    np.testing.assert_array_equal(stored.depth, DEPTH)


def test_a_turned_frame_is_of_the_same_capture() -> None:
    """A camera on its side has to be turned by its user, and is as good a witness as another one."""
    frame = captured(make(), CAPTURE)
    assert [rotated(frame, turns).capture for turns in range(4)] == [CAPTURE] * 4
    assert mirrored(frame).capture is CAPTURE
    assert (rotated(make(), 1).capture, mirrored(make()).capture) == (None, None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": ""}, "capture.source: expected 1 to 200 printable characters, got ''"),
        ({"source": "x" * 201}, "capture.source: expected 1 to 200"),
        ({"source": "a\nb"}, "capture.source: expected 1 to 200"),
        ({"source": b"oak"}, "capture.source: expected 1 to 200 .* got bytes"),
        ({"source": None}, "capture.source: .* got NoneType"),
        ({"at_s": -0.001}, "capture.at_s: expected 0 to 1e"),
        ({"at_s": math.nan}, "capture.at_s: .* got nan"),
        ({"at_s": math.inf}, "capture.at_s: .* got inf"),
        ({"at_s": "1"}, "capture.at_s: .* got '1'"),
        ({"at_s": True}, "capture.at_s: .* got bool"),
    ],
)
def test_captures_that_are_none(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Capture(**{"source": "oak", "at_s": 1.0, **changes})
    assert isinstance(Capture("oak", np.int64(3)).at_s, float)
