from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faceid_fast.errors import InvalidInputError, SourceError
from faceid_fast.frame import Capture, Intrinsics
from faceid_fast.sources.cameras import base, realsense
from faceid_fast.sources.cameras.base import Source
from faceid_fast.sources.source import open_source
from fakes.realsense import Camera, Image, Set, sets_of


@pytest.fixture
def plug(monkeypatch: pytest.MonkeyPatch) -> Any:
    def plugged(camera: Camera) -> Camera:
        monkeypatch.setitem(sys.modules, "pyrealsense2", camera.module())
        return camera

    return plugged


def opened(**options: Any) -> Source:
    return open_source("realsense", **{"timeout_s": 0.05, **options})


def test_color_with_depth_aligned_to_it(plug: Any) -> None:
    camera = plug(Camera(sets_of(3)))
    with opened() as source:
        frames = [next(source) for _ in range(3)]
    assert [int(frame.depth[0, 0]) for frame in frames] == [2400, 2401, 2402]
    assert [frame.picture[0, 0].tolist() for frame in frames] == [[200, 0, 0], [200, 1, 0], [200, 2, 0]]
    assert frames[0].depth_unit_m == 0.00025  # as the device says: not every camera counts millimetres
    assert frames[0].intrinsics == Intrinsics(610.0, 611.0, 32.5, 23.5)
    assert frames[0].modality == "color"
    assert source.live
    assert camera.stopped == 1
    assert camera.asked == [
        ("enable_stream", "depth", 640, 480, "z16", 30),
        ("enable_stream", "color", 640, 480, "rgb8", 30),
        ("start",),
    ]


def test_infrared_has_the_viewpoint_of_depth(plug: Any) -> None:
    camera = plug(Camera(sets_of(1)))
    with opened(infrared=True, emitter="off", serial="7", width=848, fps=60) as source:
        frame = next(source)
    assert (frame.modality, int(frame.picture[0, 0]), int(frame.depth[0, 0])) == ("infrared", 0, 2400)
    assert frame.intrinsics == Intrinsics(580.0, 581.0, 31.0, 24.0)
    assert camera.asked == [
        ("enable_device", "7"),
        ("enable_stream", "depth", 848, 480, "z16", 60),
        ("enable_stream", "infrared", 1, 848, 480, "y8", 60),
        ("start",),
        ("set_option", "emitter_enabled", 0.0),
        ("set_option", "emitter_on_off", 0.0),
    ]


def test_alternating_joins_depth_with_dots_to_a_picture_without(plug: Any) -> None:
    sets = sets_of(6)
    for each, lit in zip(sets, (False, True, False, True, True, False), strict=True):
        assert each.depth is not None
        each.depth.lit = lit
    plug(Camera(sets))
    with opened(infrared=True, emitter="alternate") as source:
        frames = [next(source), next(source)]
        with pytest.raises(SourceError, match="no frame"):
            next(source)
    assert [(int(f.depth[0, 0]), int(f.picture[0, 0])) for f in frames] == [(2401, 2), (2404, 5)]


def test_alternating_needs_what_tells_the_two_apart(plug: Any) -> None:
    camera = plug(Camera(sets_of(1)))
    with (
        opened(infrared=True, emitter="alternate") as source,
        pytest.raises(SourceError, match="emitter='on'"),
    ):
        next(source)
    camera = plug(Camera(sets_of(1), can_alternate=False))
    with pytest.raises(SourceError, match="cannot alternate"):
        opened(infrared=True, emitter="alternate")
    assert camera.stopped == 1  # nothing stays open
    for options in ({"emitter": "alternate"}, {"emitter": "dim"}):
        with pytest.raises(InvalidInputError, match="emitter: expected on, off, alternate"):
            opened(**options)


def test_sets_that_are_filled_up_or_not_full_are_left_out(plug: Any) -> None:
    first, second, third = sets_of(3)
    same_depth = replace(second, depth=first.depth)
    same_color = replace(second, color=first.color)
    plug(Camera([first, same_depth, same_color, replace(second, color=None), Set(), third]))
    with opened() as source:
        assert [int(next(source).depth[0, 0]) for _ in range(2)] == [2400, 2402]


def test_bgr_comes_out_as_rgb(plug: Any) -> None:
    plug(Camera(sets_of(1), color_format="bgr8"))
    with opened() as source:
        assert next(source).picture[0, 0].tolist() == [0, 0, 200]
    plug(Camera(sets_of(1), color_format="yuyv"))
    with opened() as source, pytest.raises(SourceError, match="expected colour as rgb8 or bgr8, got yuyv"):
        next(source)


def test_a_recording_is_played_to_its_end(plug: Any, tmp_path: Path) -> None:
    file = tmp_path / "a.db3"
    file.write_bytes(b"")
    camera = plug(Camera([*sets_of(2), None, *sets_of(1)], ends=True))
    with open_source(file) as source:
        assert [frame.capture for frame in source] == [None, None]
    assert (source.live, source.origin) == (False, None)
    assert camera.asked == [
        ("enable_device_from_file", str(file), False),
        ("enable_stream", "depth"),
        ("enable_stream", "color"),
        ("set_real_time", False),
        ("start",),
    ]
    with pytest.raises(SourceError, match="expected a recording"):
        open_source(tmp_path / "none.bag")


def test_what_goes_wrong_says_what_to_do(plug: Any) -> None:
    plug(Camera(at_start=RuntimeError("No device connected")))
    with pytest.raises(SourceError, match="RealSense: No device connected: is a RealSense plugged in"):
        opened()
    lost = RuntimeError("stop() cannot be called")
    plug(Camera(sets_of(1), at_stop=lost, can_alternate=False))
    with pytest.raises(SourceError, match="cannot alternate"):
        opened(infrared=True, emitter="alternate")
    camera = plug(Camera([*sets_of(1), RuntimeError("get_xu failed\nENODEV")]))
    with opened() as source:
        next(source)
        with pytest.raises(
            SourceError, match="get_xu failed ENODEV: unplug it and plug it in again"
        ) as caught:
            next(source)
        assert isinstance(caught.value, OSError)
    assert camera.stopped == 1
    plug(Camera([None] * 1000))
    with opened() as source, pytest.raises(SourceError, match=r"no frame for 0\.05 s"):
        next(source)


@pytest.mark.parametrize(
    "part",
    [
        {"depth": Image(np.zeros((48, 64), np.int32), 0)},
        {"depth": Image(np.zeros((40, 64), np.uint16), 0)},
        {"color": Image(np.zeros((48, 64), np.uint8), 0)},
    ],
)
def test_what_is_no_frame(plug: Any, part: dict[str, Image]) -> None:
    plug(Camera(sets_of(1, **part)))
    with opened() as source, pytest.raises(SourceError, match="RealSense: gave no usable frame: "):
        next(source)


def test_frames_say_which_camera_gave_them_and_when(plug: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if they waited in the library; and no clock that was set makes them younger than they are."""
    monkeypatch.setattr(base, "since_boot_s", lambda: 500.0)
    monkeypatch.setattr(realsense.time, "time", lambda: 1_700_000_000.0)
    sets = sets_of(5)
    for each, arrived_s in zip(sets, (None, -0.25, -3600.0, 10.0, -1e9), strict=True):
        assert each.color is not None
        each.color.arrived_s = None if arrived_s is None else 1_700_000_000.0 + arrived_s
    plug(Camera(sets))
    with opened() as source:
        captures = [next(source).capture for _ in range(5)]
    assert source.origin == "realsense:0123456789"
    assert captures == [Capture(source.origin, at_s) for at_s in (500.0, 499.75, 0.0, 500.0, 0.0)]


@pytest.mark.parametrize("serial", [None, "", "a\nb", "7" * 200])
def test_a_camera_without_a_number_is_named_by_its_kind(plug: Any, serial: str | None) -> None:
    plug(Camera(sets_of(1), serial=serial))
    with opened() as source:
        capture = next(source).capture
    assert source.origin == "realsense"
    assert capture is not None
    assert capture.source == "realsense"


def test_depth_that_waits_for_its_picture_is_as_old_as_it_is(
    plug: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(base, "since_boot_s", lambda: now[0])
    lit, dark = sets_of(2)
    assert lit.depth is not None
    assert dark.depth is not None
    lit.depth.lit, dark.depth.lit = True, False
    plug(Camera([lit]))
    with opened(infrared=True, emitter="alternate", timeout_s=0.001) as source:
        with pytest.raises(SourceError, match="no frame"):
            next(source)
        now[0] = 3700.0
        source._pipeline._script = iter([dark])  # type: ignore[attr-defined]
        assert next(source).capture == Capture("realsense:0123456789", 100.0)
