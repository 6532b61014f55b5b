"""Stands in for pyrealsense2: as much of its interface as a camera is driven by, from a script of sets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

DEPTH_SCALE = 0.00025
COLOR_INTRINSICS = SimpleNamespace(fx=610.0, fy=611.0, ppx=32.5, ppy=23.5)
INFRARED_INTRINSICS = SimpleNamespace(fx=580.0, fy=581.0, ppx=31.0, ppy=24.0)


@dataclass
class Image:
    """A frame of a stream."""

    pixels: NDArray[Any]
    number: int
    lit: bool | None = None
    arrived_s: float | None = None
    """By the time of day; None: the frame does not tell."""

    def get_data(self) -> NDArray[Any]:
        return self.pixels

    def get_frame_number(self) -> int:
        return self.number

    def supports_frame_metadata(self, name: str) -> bool:
        return {"laser": self.lit, "arrival": self.arrived_s}[name] is not None

    def get_frame_metadata(self, name: str) -> int:
        assert self.supports_frame_metadata(name)
        return {"laser": int(bool(self.lit)), "arrival": int(1e3 * (self.arrived_s or 0.0))}[name]


@dataclass
class Set:
    """Frames that were taken together; `aligned` after `align`."""

    depth: Image | None = None
    color: Image | None = None
    infrared: Image | None = None
    aligned: bool = False

    def get_depth_frame(self) -> Image | None:
        return self.depth

    def get_color_frame(self) -> Image | None:
        return self.color

    def get_infrared_frame(self, index: int) -> Image | None:
        assert index == 1
        return self.infrared


def sets_of(count: int, **changes: Any) -> list[Set]:
    """Sets whose depth is 2400 + n units, whose red is 200 and whose infrared is n everywhere."""
    made = []
    for n in range(count):
        color = np.zeros((48, 64, 3), np.uint8)
        color[..., 0], color[..., 1] = 200, n
        parts: dict[str, Any] = {
            "depth": Image(np.full((48, 64), 2400 + n, np.uint16), n),
            "color": Image(color, n),
            "infrared": Image(np.full((48, 64), n, np.uint8), n),
        }
        made.append(Set(**{**parts, **changes}))
    return made


@dataclass
class Camera:
    """What the library finds: sets to deliver (None: nothing in time; an exception: raised)."""

    script: Iterable[Set | Exception | None] = ()
    at_start: Exception | None = None
    at_stop: Exception | None = None
    color_format: str = "rgb8"
    ends: bool = False
    """Whether the script is a recording, which has stopped at its end."""
    can_alternate: bool = True
    serial: str | None = "0123456789"
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    """Calls that configure, in order."""
    stopped: int = 0

    def module(self) -> ModuleType:
        """Make the module."""
        rs = ModuleType("pyrealsense2")
        rs.stream = SimpleNamespace(depth="depth", color="color", infrared="infrared")  # type: ignore[attr-defined]
        rs.format = SimpleNamespace(z16="z16", rgb8="rgb8", bgr8="bgr8", y8="y8", yuyv="yuyv")  # type: ignore[attr-defined]
        rs.option = SimpleNamespace(emitter_enabled="emitter_enabled", emitter_on_off="emitter_on_off")  # type: ignore[attr-defined]
        rs.frame_metadata_value = SimpleNamespace(  # type: ignore[attr-defined]
            frame_laser_power_mode="laser", time_of_arrival="arrival"
        )
        rs.camera_info = SimpleNamespace(serial_number="serial_number")  # type: ignore[attr-defined]
        rs.playback_status = SimpleNamespace(stopped="stopped", playing="playing")  # type: ignore[attr-defined]
        rs.pipeline = lambda: _Pipeline(self)  # type: ignore[attr-defined]
        rs.pipeline_wrapper = lambda pipeline: pipeline  # type: ignore[attr-defined]
        rs.config = lambda: _Config(self)  # type: ignore[attr-defined]
        rs.align = _Align  # type: ignore[attr-defined]
        return rs


class _Config:
    def __init__(self, camera: Camera) -> None:
        self._camera = camera

    def enable_stream(self, *arguments: Any) -> None:
        self._camera.asked.append(("enable_stream", *arguments))

    def enable_device(self, serial: str) -> None:
        self._camera.asked.append(("enable_device", serial))

    def enable_device_from_file(self, file_name: str, repeat_playback: bool = True) -> None:
        self._camera.asked.append(("enable_device_from_file", file_name, repeat_playback))

    def resolve(self, pipeline: _Pipeline) -> _Pipeline:
        return pipeline


class _Align:
    def __init__(self, to: str) -> None:
        assert to == "color"

    def process(self, frames: Set) -> Set:
        return Set(frames.depth, frames.color, None, aligned=True)


class _Pipeline:
    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        self._script: Iterator[Any] = iter(camera.script)
        self._over = False

    def start(self, config: _Config) -> _Pipeline:
        assert isinstance(config, _Config)
        if self._camera.at_start is not None:
            raise self._camera.at_start
        self._camera.asked.append(("start",))
        return self

    def stop(self) -> None:
        self._camera.stopped += 1
        if self._camera.at_stop is not None:
            raise self._camera.at_stop

    def try_wait_for_frames(self, timeout_ms: int = 5000) -> tuple[bool, Set]:
        assert isinstance(timeout_ms, int)
        item = next(self._script, None)
        if item is None:
            self._over = self._camera.ends
            return False, Set()
        if isinstance(item, Exception):
            raise item
        return True, item

    # The profile, the device, its sensor and its playback, for short.

    def get_device(self) -> _Pipeline:
        return self

    def first_depth_sensor(self) -> _Pipeline:
        return self

    def as_playback(self) -> _Pipeline:
        return self

    def get_depth_scale(self) -> float:
        return DEPTH_SCALE

    def get_info(self, info: str) -> str:
        assert info == "serial_number"
        assert self._camera.serial is not None
        return self._camera.serial

    def supports(self, option: str) -> bool:
        if option == "serial_number":
            return self._camera.serial is not None
        return option != "emitter_on_off" or self._camera.can_alternate

    def set_option(self, option: str, value: float) -> None:
        self._camera.asked.append(("set_option", option, value))

    def set_real_time(self, real_time: bool) -> None:
        self._camera.asked.append(("set_real_time", real_time))

    def current_status(self) -> str:
        return "stopped" if self._over else "playing"

    def get_stream(self, stream: str, index: int = -1) -> _Stream:
        assert (stream, index) in {("color", -1), ("infrared", 1)}
        if stream == "color":
            return _Stream(COLOR_INTRINSICS, self._camera.color_format)
        return _Stream(INFRARED_INTRINSICS, "y8")


@dataclass
class _Stream:
    intrinsics: SimpleNamespace
    pixel_format: str

    def format(self) -> str:
        return self.pixel_format

    def as_video_stream_profile(self) -> _Stream:
        return self

    def get_intrinsics(self) -> SimpleNamespace:
        return self.intrinsics
