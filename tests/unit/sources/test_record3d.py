from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from faceid_fast.errors import InvalidInputError, SourceError
from faceid_fast.frame import Capture, Intrinsics
from faceid_fast.sources.cameras import record3d
from faceid_fast.sources.cameras.base import Source
from faceid_fast.sources.source import open_source
from fakes.record3d import LIDAR, Phone, Shot


@pytest.fixture
def phone(monkeypatch: pytest.MonkeyPatch) -> Phone:
    plugged = Phone()
    monkeypatch.setitem(sys.modules, "record3d", plugged.module())
    return plugged


def opened(**options: Any) -> Source:
    return open_source("record3d", **{"timeout_s": 0.05, **options})


def shot_of(height: int = 64, width: int = 48, **changes: Any) -> Shot:
    """Depth that grows to the right and downwards, red that grows to the right."""
    depth = 0.3 + np.add.outer(np.arange(height) * 0.001, np.arange(width) * 0.1)
    color = np.zeros((height, width, 3), np.uint8)
    color[..., 0] = np.arange(width)
    return Shot(**{"depth": depth.astype(np.float32), "color": color, **changes})


def test_the_front_camera_is_turned_back_from_its_mirror(phone: Phone) -> None:
    shot = shot_of()
    shot.depth[5, 0] = np.nan
    with opened() as source:
        phone.send(shot)
        frame = next(source)
    np.testing.assert_array_equal(frame.depth, shot.depth[:, ::-1])
    assert np.isnan(frame.depth[5, 47])
    np.testing.assert_array_equal(frame.picture, shot.color[:, ::-1])
    assert frame.depth_unit_m == 1.0
    assert frame.depth.dtype == np.float32
    assert frame.intrinsics == Intrinsics(100.0, 101.0, 47 - 40.0, 30.0)
    assert phone.disconnected == 1


def test_color_is_brought_to_the_size_of_depth_and_doubt_is_missing(phone: Phone) -> None:
    shot = shot_of(kind=LIDAR)
    shot.color = np.repeat(np.repeat(shot.color, 4, axis=0), 4, axis=1)
    shot.confidence = np.full((64, 48), 2, np.uint8)
    shot.confidence[0, :2] = 0, 1
    shot.lens = (400.0, 404.0, 4 * 23.5 + 1.5, 4 * 31.5 + 1.5)
    with opened() as source:
        phone.send(shot)
        frame = next(source)
    assert frame.shape == (64, 48)
    assert frame.picture[3, :4, 0].tolist() == [0, 1, 2, 3]
    assert frame.intrinsics == Intrinsics(100.0, 101.0, 23.5, 31.5)
    assert np.isnan(frame.depth[0, 0])
    np.testing.assert_array_equal(frame.depth[1:], shot.depth[1:])
    assert frame.depth[0, 1] == shot.depth[0, 1]
    for least, missing in ((0, 0), (2, 2)):
        with opened(least_confidence=least) as source:
            phone.send(shot)
            assert np.isnan(next(source).depth).sum() == missing


@pytest.mark.parametrize("turn_deg", [0, 90, 180, 270])
def test_points_stay_where_they_are_when_a_frame_is_turned(phone: Phone, turn_deg: int) -> None:
    """The lens turns with the picture: what pixels look at turns around the camera's axis, nothing else."""
    shot = shot_of(kind=LIDAR)
    with opened(turn_deg=turn_deg) as source:
        phone.send(shot)
        frame = next(source)
    v, u = 7, 11
    fx, fy, cx, cy = shot.lens
    ray = np.array([(u - cx) / fx, (v - cy) / fy])
    (turned_v,), (turned_u,) = np.nonzero(frame.depth == shot.depth[v, u])
    k = frame.intrinsics
    c, s = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}[turn_deg]
    wanted = np.array([[c, -s], [s, c]]) @ ray
    np.testing.assert_allclose([(turned_u - k.cx) / k.fx, (turned_v - k.cy) / k.fy], wanted, atol=1e-12)
    assert frame.picture[turned_v, turned_u, 0] == u


def test_a_frame_is_a_copy_and_the_newest_is_what_is_given(phone: Phone) -> None:
    with opened() as source:
        first, second = shot_of(), shot_of()
        second.depth = second.depth + np.float32(1.0)
        phone.send(first)
        phone.send(second)
        kept = second.depth.copy()
        second.depth[:] = 7.0  # the library's buffer is used again
        np.testing.assert_array_equal(next(source).depth, kept[:, ::-1])
        with pytest.raises(SourceError, match=r"no frame for 0\.05 s: connect the phone by USB"):
            next(source)


def test_what_goes_wrong_says_what_to_do(phone: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(timeout_s=60) as source:
        phone.send(shot_of())
        phone.unplug()
        next(source)  # what came is still there
        with pytest.raises(SourceError, match="has stopped streaming: connect the phone"):
            next(source)
    assert phone.disconnected == 0  # nothing was left to disconnect
    with opened() as source:
        phone.send(None)
        with pytest.raises(SourceError, match="'NoneType' object has no attribute"):
            next(source)
    phone.connects = False
    with pytest.raises(SourceError, match="does not stream"):
        opened()
    monkeypatch.setitem(sys.modules, "record3d", phone.module(devices=0))
    with pytest.raises(SourceError, match="no device 0 of 0"):
        opened()
    for options in ({"turn_deg": 45}, {"least_confidence": 3}):
        with pytest.raises(InvalidInputError, match="expected 0, "):
            opened(**options)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"color": np.zeros((64, 96, 3), np.uint8)}, "expected depth in the proportions of colour"),
        ({"color": np.zeros((0, 0, 3), np.uint8)}, "gave no usable frame"),
        ({"color": np.zeros((64, 48), np.uint8)}, "gave no usable frame"),
        ({"depth": np.zeros((64, 48), np.int16)}, "gave no usable frame"),
        ({"lens": (0.0, 0.0, 0.0, 0.0)}, "does not say what its lens is like"),
    ],
)
def test_what_is_no_frame(phone: Phone, changes: dict[str, Any], message: str) -> None:
    with opened() as source:
        phone.send(shot_of(**changes))
        with pytest.raises(SourceError, match=f"Record3D: {message}"):
            next(source)


def test_a_frame_is_as_old_as_when_the_phone_sent_it(phone: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    """A phone that fell asleep has left its last frame, which must not look new."""
    monkeypatch.setattr(record3d, "since_boot_s", lambda: 40.0)
    with opened(turn_deg=90) as source:
        phone.send(shot_of())
        monkeypatch.setattr(record3d, "since_boot_s", lambda: 3640.0)
        assert next(source).capture == Capture("record3d:00008101-0", 40.0)
    assert source.origin == "record3d:00008101-0"
