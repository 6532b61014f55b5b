from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

import cv2
import pytest

from faceid_fast.errors import InvalidInputError, SourceError
from faceid_fast.frame import Frame
from faceid_fast.sources.cameras import reopening
from faceid_fast.sources.cameras.base import Source
from faceid_fast.sources.cameras.newest import Newest
from faceid_fast.sources.cameras.opencv import OpenNI2
from faceid_fast.sources.cameras.realsense import RealSense
from faceid_fast.sources.cameras.record3d import Record3D
from faceid_fast.sources.cameras.reopening import Reopening
from fakes import capture, realsense, record3d
from stand_ins import frame_of

GONE = SourceError("camera: unplugged")


class Camera(Source):
    """Follows a script: frames, and what to raise; at its end it has dropped out."""

    def __init__(
        self, script: Iterable[Frame | Exception], *, live: bool = True, origin: str | None = None
    ) -> None:
        self.name, self.live, self.origin = "camera", live, origin
        self._script = iter(script)
        self.released = 0

    def _read(self) -> Frame | None:
        item = next(self._script, GONE if self.live else None)
        if isinstance(item, Exception):
            raise item
        return item

    def _release(self) -> None:
        self.released += 1


class Plug:
    """What each opening finds: a camera, or an error; then nothing is plugged in any more."""

    def __init__(self, *found: Camera | Exception) -> None:
        self._found = iter(found)
        self.opened = 0

    def __call__(self) -> Source:
        self.opened += 1
        item = next(self._found, GONE)
        if isinstance(item, Exception):
            raise item
        return item


def code(frame: Frame | None) -> int:
    assert frame is not None
    return int(frame.picture.flat[0])


def reopened(plug: Callable[[], Source], told: list[str], **others: Any) -> Reopening:
    return Reopening(plug, told=told.append, first_pause_s=0.001, longest_pause_s=0.002, **others)


def test_a_camera_that_drops_out_is_opened_again_and_said_once() -> None:
    told: list[str] = []
    before, silent, after = Camera([frame_of(1), frame_of(2)]), Camera([]), Camera([frame_of(3), frame_of(4)])
    plug = Plug(before, GONE, GONE, silent, GONE, after)
    camera = reopened(plug, told, goes_on=lambda: plug.opened < 8)
    assert (camera.name, camera.live, camera.interruptions) == ("camera", True, 0)
    assert [code(next(camera)) for _ in range(2)] == [1, 2]
    assert (told, camera.interruptions) == ([], 0)
    assert [code(next(camera)) for _ in range(2)] == [3, 4]
    assert (plug.opened, camera.interruptions) == (6, 1)
    assert told == [
        "camera: unplugged: opening it again until it answers",
        "camera: back after 0 s",  # one that opens without a frame was not back
    ]
    with pytest.raises(SourceError, match="camera: unplugged"):
        next(camera)
    assert (before.released, silent.released, after.released) == (1, 1, 1)
    camera.close()


def test_another_camera_that_is_plugged_in_gives_its_own_name() -> None:
    first, second = Camera([frame_of(1)], origin="camera:1"), Camera([frame_of(2)], origin="camera:2")
    camera = reopened(Plug(first, second), [])
    seen = [(camera.origin, next(camera).capture) for _ in range(2)]
    assert camera.origin == "camera:2"
    assert [each and each.source for _, each in seen] == ["camera:1", "camera:2"]
    with Newest(
        reopened(Plug(Camera([frame_of(1)], origin="camera:1")), [], goes_on=lambda: False)
    ) as newest:
        capture = next(newest).capture
    assert capture is not None
    assert (newest.origin, capture.source) == ("camera:1", "camera:1")


def test_pauses_grow_until_the_camera_is_steady(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    pauses: list[float] = []

    class Ended(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            assert timeout is not None
            now[0] += timeout
            pauses.append(timeout)
            return False

    monkeypatch.setattr(reopening.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(reopening, "_SLICE_S", 100.0)
    monkeypatch.setattr(reopening.threading, "Event", Ended)
    flapping = [Camera([frame_of(2), frame_of(3)]), Camera([frame_of(4), frame_of(5)]), Camera([frame_of(6)])]
    plug = Plug(Camera([frame_of(1)]), GONE, GONE, GONE, flapping[0], flapping[1], flapping[2])
    camera = Reopening(plug, told=lambda _: None, first_pause_s=1.0, longest_pause_s=5.0)
    for wanted in (1, 2, 3, 4):
        assert code(next(camera)) == wanted
    assert pauses == [1.0, 2.0, 4.0, 5.0, 5.0]  # it was back for a moment only
    now[0] += reopening.STEADY_S
    assert [code(next(camera)) for _ in range(2)] == [5, 6]
    assert pauses[5:] == [1.0]


def test_what_fails_at_first_is_a_mistake_and_no_loose_plug() -> None:
    with pytest.raises(SourceError, match="unplugged"):
        Reopening(Plug())
    plug = Plug(Camera([SourceError("camera: cannot alternate its emitter")]), Camera([frame_of(1)]))
    told: list[str] = []
    with pytest.raises(SourceError, match="alternate"):
        next(reopened(plug, told))
    assert (plug.opened, told) == (1, [])


def test_a_recording_ends_and_damage_in_it_is_raised() -> None:
    told: list[str] = []
    plug = Plug(Camera([frame_of(1)], live=False), Camera([frame_of(2)]))
    assert [code(each) for each in reopened(plug, told)] == [1]
    damaged = Plug(Camera([frame_of(1), GONE], live=False), Camera([frame_of(2)]))
    source = reopened(damaged, told)
    next(source)
    with pytest.raises(SourceError, match="unplugged"):
        next(source)
    assert (plug.opened, damaged.opened, told) == (1, 1, [])


def test_other_errors_are_not_waited_for() -> None:
    camera = reopened(Plug(Camera([frame_of(1), InvalidInputError("frame: no")]), Camera([])), [])
    next(camera)
    with pytest.raises(InvalidInputError, match="frame: no"):
        next(camera)


@pytest.mark.parametrize("newest", [False, True])
def test_closing_ends_the_wait_at_once(newest: bool) -> None:
    lost = threading.Event()
    camera = Reopening(Plug(Camera([frame_of(1)])), told=lambda _: lost.set(), first_pause_s=600.0)
    source: Source = Newest(camera) if newest else camera
    assert code(next(source)) == 1
    ended = threading.Event()

    def read() -> None:
        assert next(source, None) is None
        ended.set()

    reader = threading.Thread(target=read)
    reader.start()
    assert lost.wait(10)
    source.interrupt()
    assert ended.wait(10)
    source.close()
    reader.join()


def test_a_camera_that_comes_back_after_the_end_is_closed() -> None:
    """Opening takes seconds, and cannot be interrupted."""
    late = Camera([frame_of(2)])
    cameras: list[Reopening] = []

    def opening() -> Source:
        if not cameras:
            return Camera([frame_of(1)])
        cameras[0].close()
        return late

    cameras.append(reopened(opening, []))
    assert code(next(cameras[0])) == 1
    assert next(cameras[0], None) is None
    assert late.released == 1
    with pytest.raises(SourceError, match="closed"):
        next(cameras[0])


def test_the_log_is_told_where_nobody_else_is(caplog: pytest.LogCaptureFixture) -> None:
    camera = Reopening(Plug(Camera([frame_of(1)]), Camera([frame_of(2)])), first_pause_s=0.001)
    with caplog.at_level(logging.WARNING):
        assert [code(next(camera)) for _ in range(2)] == [1, 2]
    assert len(caplog.records) == 2


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"opening": "realsense"}, "opening: expected a function, got str"),
        ({"opening": lambda: None}, "opening: expected a function that returns a Source, .* NoneType"),
        ({"told": None}, "told: expected a function"),
        ({"goes_on": True}, "goes_on: expected a function"),
        ({"first_pause_s": 0.0}, "first_pause_s: expected 0.001 to 3600"),
        ({"longest_pause_s": "1"}, "longest_pause_s: expected 0.001 to 3600"),
    ],
)
def test_arguments_that_are_none(given: dict[str, Any], named: str) -> None:
    plug = Plug(Camera([]))
    with pytest.raises(InvalidInputError, match=named):
        Reopening(**{"opening": plug, **given})
    assert plug.opened == 0


def test_the_newest_frame_says_how_often_its_camera_was_away() -> None:
    camera = reopened(Plug(Camera([frame_of(1)]), Camera([frame_of(2)]), Camera([frame_of(3)])), [])
    seen = []
    with Newest(camera) as newest:
        while len(seen) < 1 or seen[-1][0] != 3:
            frame = next(newest)
            seen.append((code(frame), newest.interruptions))
    assert all(interruptions == number - 1 for number, interruptions in seen)


def unplugged_realsense(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Source]:
    found = realsense.Camera([realsense.sets_of(1)[0], RuntimeError("Frame didn't arrive")])
    monkeypatch.setitem(sys.modules, "pyrealsense2", found.module())
    return lambda: RealSense(infrared=True, timeout_s=0.01)


def unplugged_openni2(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Source]:
    found = capture.Camera([capture.maps_of(0)])  # and nothing after it
    monkeypatch.setattr(cv2, "VideoCapture", found.capture)
    return lambda: OpenNI2(infrared=True, focal_px=500.0, timeout_s=0.01)


def unplugged_record3d(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Source]:
    phone = record3d.Phone()
    monkeypatch.setitem(sys.modules, "record3d", phone.module())

    def opening() -> Source:
        source = Record3D(timeout_s=0.01)
        color = capture.maps_of(0)[capture.COLOR]
        phone.send(record3d.Shot(color[..., 0].astype("float32") + 1, color))
        return source

    return opening


@pytest.mark.parametrize("plugged", [unplugged_realsense, unplugged_openni2, unplugged_record3d])
def test_cameras_that_are_unplugged(plugged: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each stand-in gives one frame whenever it is opened."""
    told: list[str] = []
    with reopened(plugged(monkeypatch), told) as camera:
        frames = [next(camera) for _ in range(3)]
        assert camera.interruptions == 2
    assert len(frames) == 3
    assert [line.split(": ")[1][:4] for line in told[1::2]] == ["back", "back"]
