from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from faceid_fast import Frame, Intrinsics, InvalidInputError
from faceid_fast.frame import MAX_FRAMES, held_bytes
from faceid_fast.sources.camera_checks import checks_of
from faceid_fast.sources.camera_figures import measure
from faceid_fast.sources.camera_kinds import (
    ANY,
    HOLE_BANDS_MM,
    KINDS,
)
from stand_ins import frame_of

HEIGHT, WIDTH, FOCAL_PX = 240, 320, 300.0
BALLS = ((120, 110, 60, 700.0, 180.0), (240, 160, 35, 900.0, 120.0))
"""Column, row and radius in pixels, distance in millimetres, and how bright."""
HOLES = ((120, 110, 1), (100, 120, 3), (140, 90, 3))
"""Column, row and radius of holes within the first ball."""


def scene(
    *,
    count: int = 10,
    noise_mm: float = 1.0,
    offset_px: tuple[float, float] = (0.0, 0.0),
    single: float = 0.0,
    holes: Sequence[tuple[int, int, int]] = (),
    moves_mm: float = 0.0,
    color: bool = False,
    seed: int = 0,
) -> list[Frame]:
    """Two balls before a slanted wall, in tenths of millimetres."""
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    depth, picture = 1200.0 + 0.2 * column, np.full((HEIGHT, WIDTH), 60.0)
    for x, y, radius, distance, bright in BALLS:
        square = (column - x) ** 2 + (row - y) ** 2
        depth = np.where(square < radius**2, distance + square / 80.0, depth)
        seen = (column - x - offset_px[0]) ** 2 + (row - y - offset_px[1]) ** 2
        picture = np.where(seen < radius**2, bright, picture)
    frames = []
    for number in range(count):
        measured = depth + noise_mm * rng.standard_normal(depth.shape) + moves_mm * number
        measured[rng.random(depth.shape) < single] = 0.0
        for x, y, radius in holes:
            measured[(column - x) ** 2 + (row - y) ** 2 <= radius**2] = 0.0
        grey = np.clip(picture + rng.normal(0.0, 2.0, picture.shape), 0, 255).astype(np.uint8)
        taken: dict[str, Any] = {"color": np.dstack([grey] * 3)} if color else {"infrared": grey}
        frames.append(
            Frame(
                depth=np.rint(10.0 * measured).astype(np.uint16),
                depth_unit_m=1e-4,
                intrinsics=Intrinsics(FOCAL_PX, FOCAL_PX, 160.0, 120.0),
                **taken,
            )
        )
    return frames


@pytest.mark.parametrize("noise_mm", [0.3, 1.0, 4.0])
def test_noise_is_that_which_was_added(noise_mm: float) -> None:
    figures = measure(scene(noise_mm=noise_mm))
    assert figures.noise_temporal_mm == pytest.approx(noise_mm, rel=0.05)
    assert figures.noise_spatial_mm == pytest.approx(noise_mm, rel=0.05)
    assert figures.noise_at_m == pytest.approx(1.22, abs=0.01)


def test_what_moves_is_no_noise() -> None:
    still, seen = scene(count=20), scene(count=20, seed=1)
    half_moves = []
    for number, (here, there) in enumerate(zip(still, seen, strict=True)):
        depth = here.depth.copy()
        depth[:, 200:] = np.roll(there.depth, 6 * number, axis=0)[:, 200:]
        half_moves.append(
            Frame(depth=depth, depth_unit_m=1e-4, infrared=here.infrared, intrinsics=here.intrinsics)
        )
    assert measure(half_moves).noise_temporal_mm == pytest.approx(1.0, rel=0.1)
    assert measure(scene(moves_mm=40.0)).noise_temporal_mm is None  # all of it
    assert measure(scene(count=4)).noise_temporal_mm is None  # too few


def test_frames_that_repeat_each_other_have_no_noise_in_time() -> None:
    assert measure(scene(count=1) * 8).noise_temporal_mm == 0.0


def test_depth_in_the_range_of_faces_is_measured_on_if_there_is_enough() -> None:
    far = [
        Frame(
            depth=np.where(frame.depth > 11_000, frame.depth * np.uint16(4), frame.depth),
            depth_unit_m=1e-4,
            infrared=frame.infrared,
            intrinsics=frame.intrinsics,
        )
        for frame in scene()
    ]
    assert measure(far).noise_at_m == pytest.approx(0.73, abs=0.02)


def test_density_in_the_whole_and_in_the_middle() -> None:
    (frame,) = scene(count=1)
    depth = frame.depth.copy()
    depth[:60] = 0
    half = Frame(depth=depth, depth_unit_m=1e-4, infrared=frame.infrared, intrinsics=frame.intrinsics)
    figures = measure([half])
    assert (figures.density, figures.density_middle) == (0.75, 1.0)
    assert figures.median_m == pytest.approx(1.22, abs=0.02)


def test_single_holes_are_told_from_round_ones() -> None:
    figures = measure(scene(single=0.004))
    assert figures.single_holes == pytest.approx(0.004, rel=0.1)
    assert figures.round_holes is not None
    assert sum(figures.round_holes) < 0.0005
    clean = measure(scene())
    assert (clean.single_holes, clean.round_holes) == (0.0, (0.0, 0.0, 0.0))


def test_round_holes_are_counted_by_their_diameter() -> None:
    """Of 1 and 3 pixels' radius at 0.7 m, where a pixel is 2.4 mm wide: of 5 and 29 pixels, 6 and 14 mm."""
    figures = measure(scene(holes=HOLES))
    of_surfaces = HEIGHT * WIDTH
    assert HOLE_BANDS_MM[1] == (5.0, 10.0)
    assert figures.round_holes == (0.0, pytest.approx(5 / of_surfaces), pytest.approx(58 / of_surfaces))
    assert figures.single_holes == 0.0


def test_shadows_and_the_frame_s_edge_are_no_holes() -> None:
    (frame,) = scene(count=1)
    depth = frame.depth.copy()
    depth[100:104, 179:183] = 0  # beside the first ball: half before it, half behind
    depth[:3, 40:43] = 0
    depth[150, 20:60] = 0  # a scratch
    figures = measure(
        [Frame(depth=depth, depth_unit_m=1e-4, infrared=frame.infrared, intrinsics=frame.intrinsics)]
    )
    assert (figures.single_holes, figures.round_holes) == (0.0, (0.0, 0.0, 0.0))


@pytest.mark.parametrize("offset_px", [(0.0, 0.0), (3.0, -2.0), (-7.5, 4.0), (0.5, 11.0)])
@pytest.mark.parametrize("color", [False, True])
def test_a_picture_that_is_off_the_depth(offset_px: tuple[float, float], color: bool) -> None:
    found = measure(scene(offset_px=offset_px, color=color, single=0.01)).offset_px
    assert found == pytest.approx(offset_px, abs=0.3)


def test_without_edges_nothing_is_said_of_registration() -> None:
    rng = np.random.default_rng(0)
    frames = scene(count=5)
    for picture in (rng.integers(0, 255, (HEIGHT, WIDTH)), np.zeros((HEIGHT, WIDTH))):
        unlike = [
            Frame(
                depth=frame.depth,
                depth_unit_m=1e-4,
                infrared=picture.astype(np.uint8),
                intrinsics=frame.intrinsics,
            )
            for frame in frames
        ]
        assert measure(unlike).offset_px is None
    wall = [replace_depth(frame, np.full_like(frame.depth, 9000)) for frame in frames]
    assert measure(wall).offset_px is None
    assert measure([frame_of(1)]).offset_px is None


def replace_depth(frame: Frame, depth: NDArray[Any]) -> Frame:
    return Frame(depth=depth, depth_unit_m=1e-4, infrared=frame.infrared, intrinsics=frame.intrinsics)


def test_the_rate_and_what_was_dropped() -> None:
    frames = scene(count=6)
    at = [0.0, 0.1, 0.2, 0.5, 0.6, 0.7]
    figures = measure(frames, at)
    assert figures.frames_per_s == pytest.approx(5 / 0.7)
    assert figures.dropped == 2
    assert figures.jitter_ms == pytest.approx(1e3 * np.diff(at).std())
    regular = measure(frames, [number / 30 for number in range(6)])
    assert (regular.frames_per_s, regular.dropped) == (pytest.approx(30.0), 0)
    assert regular.jitter_ms == pytest.approx(0.0, abs=1e-9)
    for unknown in (
        measure(frames),
        measure(frames[:1], [1.0]),
        measure(frames, [0.0] * 6),
        measure(frames, [0.0, 1e-300, 2e-300, 3e-300, 4e-300, 1e9]),  # a recording's index may say so
    ):
        assert (unknown.frames_per_s, unknown.jitter_ms, unknown.dropped) == (None, None, None)


def test_no_more_is_measured_than_a_call_may_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = scene(count=6)
    monkeypatch.setattr("faceid_fast.frame.MAX_CALL_BYTES", held_bytes(frames) - 1)
    with pytest.raises(InvalidInputError, match="MiB of pictures and depth in one call"):
        measure(frames)


def test_noise_in_time_is_the_same_on_a_part_of_the_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = scene(count=8)
    every = measure(frames).noise_temporal_mm
    monkeypatch.setattr("faceid_fast.sources.camera_figures._MOST_PIXELS", 2000)
    assert measure(frames).noise_temporal_mm == pytest.approx(every, rel=0.1)


@pytest.mark.parametrize("missing", [0.0, np.nan, np.inf, -2.0])
def test_no_depth_at_all(missing: float) -> None:
    depth = np.full((60, 80), missing, np.float32)
    infrared = np.zeros((60, 80), np.uint8)
    frame = Frame(depth=depth, depth_unit_m=1.0, infrared=infrared, intrinsics=Intrinsics(60, 60, 40, 30))
    figures = measure([frame] * 6)
    assert (figures.density, figures.median_m, figures.noise_spatial_mm) == (0.0, None, None)
    assert (figures.single_holes, figures.round_holes, figures.noise_temporal_mm) == (None, None, None)
    assert all(check.ok is not True for check in checks_of(figures, ANY))


@pytest.mark.parametrize(
    ("frames", "seconds", "message"),
    [
        ([], None, "frames: expected a list of 1 to 256 frames, got 0"),
        (frame_of(1), None, "frames: expected a list of 1 to 256 frames, got Frame"),
        ([frame_of(1)] * (MAX_FRAMES + 1), None, "got 257"),
        ([1], None, "frame: expected a Frame, got int"),
        ([frame_of(1), *scene(count=1)], None, "of one size, unit and kind of picture, got 2 kinds"),
        ([frame_of(1), frame_of(1, "color")], None, "got 2 kinds"),
        ([frame_of(1)], [], "seconds: expected a list of 1 times, one a frame, got 0"),
        ([frame_of(1)], 1.0, "seconds: expected a list of 1 times, one a frame, got float"),
        ([frame_of(1)] * 2, [1.0, 0.5], "seconds: expected times that never decrease"),
        ([frame_of(1)] * 2, [1.0, math.nan], "seconds: expected"),
        ([frame_of(1)] * 2, ["1", "2"], "seconds: expected"),
    ],
)
def test_what_cannot_be_measured(frames: Any, seconds: Any, message: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        measure(frames, seconds)
    assert message in str(refused.value)


@settings(max_examples=40)
@given(
    st.sampled_from([(48, 48), (50, 61), (64, 90)]).flatmap(
        lambda shape: st.lists(
            arrays(np.float32, shape, elements=st.floats(width=32), fill=st.sampled_from([0.0, 700.0])),
            min_size=1,
            max_size=6,
        )
    ),
    st.floats(1e-7, 10.0),
)
def test_any_depth_is_measured(depths: list[NDArray[np.float32]], unit_m: float) -> None:
    """Whatever a camera gives: every figure is finite, every share one, and the checks can be written."""
    infrared = np.arange(depths[0].size, dtype=np.uint16).reshape(depths[0].shape)
    camera = Intrinsics(1.0, 1e5, -9.0, 1e5)
    figures = measure(
        [Frame(depth=d, depth_unit_m=unit_m, infrared=infrared, intrinsics=camera) for d in depths]
    )
    for share in (
        figures.density,
        figures.density_middle,
        figures.single_holes,
        *(figures.round_holes or ()),
    ):
        assert share is None or 0.0 <= share <= 1.0
    for figure in (figures.median_m, figures.noise_spatial_mm, figures.noise_temporal_mm, figures.noise_at_m):
        assert figure is None or (math.isfinite(figure) and figure >= 0.0)
    for kind in KINDS:
        assert all(check.measured and check.expected for check in checks_of(figures, kind))
