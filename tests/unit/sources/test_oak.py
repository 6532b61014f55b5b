from __future__ import annotations

import sys
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from faceid_fast.errors import SourceError
from faceid_fast.frame import Capture, Intrinsics
from faceid_fast.sources.cameras import base
from faceid_fast.sources.cameras.base import Source
from faceid_fast.sources.source import open_source
from fakes.oak import NOW, Device, Image, group_of


@pytest.fixture
def plug(monkeypatch: pytest.MonkeyPatch) -> Any:
    def plugged(device: Device) -> Device:
        monkeypatch.setitem(sys.modules, "depthai", device.module())
        return device

    return plugged


def opened(**options: Any) -> Source:
    return open_source("oak", **{"timeout_s": 0.05, **options})


def test_color_with_depth_aligned_to_it(plug: Any) -> None:
    device = plug(Device([None, group_of(0), None, group_of(1)]))
    with opened() as source:
        frames = [next(source), next(source)]
    assert [int(frame.depth[0, 0]) for frame in frames] == [600, 601]
    assert frames[1].picture[0, 0].tolist() == [200, 1, 0]
    assert frames[0].depth_unit_m == 0.001
    assert frames[0].intrinsics == Intrinsics(520.0, 521.0, 33.0, 22.0)
    assert source.live
    assert (device.stopped, device.closed) == (1, 1)


def test_what_is_asked_of_the_camera(plug: Any) -> None:
    device = plug(Device())
    opened(device="10.0.0.7", width=800, height=600, fps=20).close()
    assert device.asked == [
        ("open", ("info", "10.0.0.7")),
        ("A", (800, 600), {"type": "BGR888i", "fps": 20, "enableUndistortion": True}),
        ("setExtendedDisparity", True),
        ("setSubpixel", True),
        ("setLeftRightCheck", True),
        ("B", (640, 400), {"fps": 20}),
        ("C", (640, 400), {"fps": 20}),
        ("threshold", timedelta(milliseconds=25)),
    ]
    both = {("B", "stereo.left"), ("C", "stereo.right"), ("A", "sync.color")}
    assert set(device.links) == both | {("A", "stereo.align_to"), ("stereo", "sync.depth")}


def test_where_depth_is_aligned_by_a_node_of_its_own(plug: Any) -> None:
    device = plug(Device(platform="RVC4"))
    opened().close()
    aligned = {("A", "align.align_to"), ("stereo", "align"), ("align", "sync.depth")}
    assert aligned <= set(device.links)
    assert ("stereo", "sync.depth") not in device.links


def test_what_goes_wrong_says_what_to_do(plug: Any) -> None:
    plug(Device(at_open=RuntimeError("No available devices")))
    with pytest.raises(SourceError, match="OAK: No available devices: is an OAK plugged in"):
        opened()
    device = plug(Device(at_start=RuntimeError("Camera 1 not found")))
    with pytest.raises(SourceError, match="Camera 1 not found"):
        opened()
    assert device.closed == 1  # nothing stays open
    plug(Device(version="2.30.0.0"))
    with pytest.raises(SourceError, match=r"expected version 3, got 2\.30\.0\.0: pip install"):
        opened()
    device = plug(Device([group_of(0), RuntimeError("X_LINK_ERROR")]))
    with opened() as source:
        next(source)
        with pytest.raises(SourceError, match="X_LINK_ERROR: unplug it"):
            next(source)
    assert (device.stopped, device.closed) == (1, 1)
    plug(Device(runs=False))
    with opened(timeout_s=60) as source, pytest.raises(SourceError, match="the camera has stopped"):
        next(source)
    plug(Device())
    with opened() as source, pytest.raises(SourceError, match=r"no frame for 0\.05 s"):
        next(source)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"depth": Image(np.zeros((48, 64), np.uint8))}, "gave no usable frame: depth: expected"),
        (
            {"depth": Image(np.zeros((40, 64), np.uint16))},
            "gave no usable frame: depth: expected depth registered",
        ),
        (
            {"color": Image(np.zeros((48, 64, 3), np.uint8), [[0.0] * 3] * 3)},
            "does not say what its lens is like",
        ),
    ],
)
def test_what_is_no_frame(plug: Any, part: dict[str, Image], message: str) -> None:
    plug(Device([{**group_of(0), **part}]))
    with opened() as source, pytest.raises(SourceError, match=f"OAK: {message}"):
        next(source)


def test_a_group_without_depth(plug: Any) -> None:
    plug(Device([{"color": group_of(0)["color"]}]))
    with opened() as source, pytest.raises(SourceError, match="OAK: 'depth'"):
        next(source)


def test_frames_say_which_camera_gave_them_and_when(plug: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The older of depth and picture counts; no time of the camera makes a frame younger than it is."""
    monkeypatch.setattr(base, "since_boot_s", lambda: 500.0)
    groups = [group_of(n) for n in range(3)]
    groups[1]["depth"].taken = NOW - timedelta(seconds=3)
    for image in groups[2].values():
        image.taken = NOW + timedelta(seconds=3)
    plug(Device(groups))
    with opened() as source:
        captures = [next(source).capture for _ in range(3)]
    assert source.origin == "oak:14442C10D13EABCE00"
    assert captures == [Capture(source.origin, at_s) for at_s in (500.0, 497.0, 500.0)]
