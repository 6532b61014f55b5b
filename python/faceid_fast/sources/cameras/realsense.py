"""RealSense cameras (D400 and similar) and their recordings, by librealsense."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from faceid_fast.checks import checked_flag, checked_integer, checked_path
from faceid_fast.errors import InvalidInputError, SourceError
from faceid_fast.frame import MAX_SIDE_PX, Frame

from .base import (
    LIVE_TIMEOUT_S,
    MAX_FPS,
    Source,
    blaming,
    came_s,
    checked_timeout,
    frame_of,
    lens_of,
    library,
    origin_of,
    silent,
)

EMITTERS: Final = ("on", "off", "alternate")
_OPENING: Final = "is a RealSense plugged in (USB 3), and no other program using it?"
_READING: Final = "unplug it and plug it in again"
_LEFT: Final = 1
"""Index of the left infrared stream, from whose viewpoint depth is measured."""
_SLICE_S: Final = 0.2
"""Time between two checks for the end of a recording."""


class RealSense(Source):
    """A RealSense: colour with depth aligned to it, or left infrared, to which depth is registered already.

    Depth is in the unit that the device reports; intrinsics are those of the stream that depth is aligned
    to. If the library completes a set with the depth or the picture of the previous set, the set is dropped:
    repeated depth would look like a replay.

    Parameters
    ----------
    infrared : bool
        Whether to use the left infrared picture instead of colour.
    emitter : "on", "off" or "alternate", optional
        State of the projector of dots, which improve depth but are visible in infrared; by default unchanged.
        "alternate" (only with `infrared`) lights the dots in every second frame, and joins the depth of a lit
        frame to the picture of the next, unlit one. That gives half as many frames, whose picture is a frame
        later than their depth. The frames' metadata tell which frames are lit; some drivers are known to
        report the opposite.
    width, height, fps : int
        Of all streams; 0 leaves the choice to the library.
    serial : str, optional
        Serial number of the camera, if there are several.
    file : str or Path, optional
        A recording instead of a camera (``.db3``, with older libraries ``.bag``); every frame is read,
        however slowly.
    timeout_s : float
        Longest time to wait for a frame.

    Raises
    ------
    SourceError
        If there is no camera or recording that gives these streams.
    InvalidInputError
        If an argument is not usable.
    """

    def __init__(
        self,
        *,
        infrared: bool = False,
        emitter: str | None = None,
        width: int = 640,
        height: int = 480,
        fps: int = 30,
        serial: str | None = None,
        file: str | Path | None = None,
        timeout_s: float = LIVE_TIMEOUT_S,
    ) -> None:
        self._timeout_s = checked_timeout(timeout_s)
        self._infrared = checked_flag("infrared", infrared)
        checked_integer("width", width, 0, MAX_SIDE_PX)
        checked_integer("height", height, 0, MAX_SIDE_PX)
        checked_integer("fps", fps, 0, MAX_FPS)
        if emitter not in {None, *EMITTERS} or (emitter == "alternate" and not infrared):
            message = f"emitter: expected {', '.join(EMITTERS)} (the last with infrared), got {emitter!a:.40}"
            raise InvalidInputError(message)
        place = None if file is None else checked_path("file", file)
        if place is not None and not place.is_file():
            message = f"{place}: expected a recording of a RealSense, got no file"
            raise SourceError(message)
        self.name = "RealSense" if place is None else f"RealSense recording {place.name}"
        self.live = place is None
        self._alternates = emitter == "alternate"
        self._playback: Any = None
        self._lit_depth: tuple[NDArray[Any], float] | None = None
        self._numbers = (-1, -1)
        self._rs = library("pyrealsense2", "realsense")
        with blaming(self.name, _OPENING):
            self._pipeline = self._rs.pipeline()
            config = self._rs.config()
            if place is None:
                self._ask_camera(config, serial, (width, height), fps)
            else:
                self._ask_file(config, place)
                self._unhurry(config)
            profile = self._pipeline.start(config)
        try:
            with blaming(self.name, _OPENING):
                self._prepare(profile, emitter)
        except BaseException:
            with suppress(SourceError):
                self.close()
            raise

    def _ask_camera(self, config: Any, serial: str | None, size: tuple[int, int], fps: int) -> None:
        rs = self._rs
        if serial is not None:
            config.enable_device(serial)
        config.enable_stream(rs.stream.depth, *size, rs.format.z16, fps)
        if self._infrared:
            config.enable_stream(rs.stream.infrared, _LEFT, *size, rs.format.y8, fps)
        else:
            config.enable_stream(rs.stream.color, *size, rs.format.rgb8, fps)

    def _ask_file(self, config: Any, place: Path) -> None:
        """Request the streams as they were recorded: a recording cannot be converted."""
        rs = self._rs
        config.enable_device_from_file(str(place), repeat_playback=False)
        config.enable_stream(rs.stream.depth)
        if self._infrared:
            config.enable_stream(rs.stream.infrared, _LEFT)
        else:
            config.enable_stream(rs.stream.color)

    def _unhurry(self, config: Any) -> None:
        """Make the recording wait for its reader; set before it starts, or its first frames are lost."""
        device = config.resolve(self._rs.pipeline_wrapper(self._pipeline)).get_device()
        self._playback = device.as_playback()
        self._playback.set_real_time(False)

    def _prepare(self, profile: Any, emitter: str | None) -> None:
        """Read the depth unit and the intrinsics, which hold for every frame, and set the emitter."""
        rs = self._rs
        device = profile.get_device()
        if self.live:
            number = rs.camera_info.serial_number
            self.origin = origin_of("realsense", device.get_info(number) if device.supports(number) else None)
        sensor = device.first_depth_sensor()
        self._depth_unit_m = float(sensor.get_depth_scale())
        if self._infrared:
            stream = profile.get_stream(rs.stream.infrared, _LEFT)
        else:
            stream = profile.get_stream(rs.stream.color)
        self._format = stream.format()
        seen = stream.as_video_stream_profile().get_intrinsics()
        self._intrinsics = lens_of(self.name, seen.fx, seen.fy, seen.ppx, seen.ppy)
        self._align = None if self._infrared else rs.align(rs.stream.color)
        if self.live and emitter is not None:
            sensor.set_option(rs.option.emitter_enabled, 0.0 if emitter == "off" else 1.0)
            if sensor.supports(rs.option.emitter_on_off):
                sensor.set_option(rs.option.emitter_on_off, 1.0 if self._alternates else 0.0)
            elif self._alternates:
                message = f"{self.name}: this camera cannot alternate its emitter: emitter='on' or 'off'"
                raise SourceError(message)

    def _read(self) -> Frame | None:
        until = time.monotonic() + self._timeout_s
        while (left_s := until - time.monotonic()) > 0:
            with blaming(self.name, _READING):
                came, frames = self._pipeline.try_wait_for_frames(int(1e3 * min(left_s, _SLICE_S)) + 1)
                if came:
                    read = self._parts(frames)
                    if read is not None:
                        parts, at_s = read
                        frame = frame_of(
                            self.name, depth_unit_m=self._depth_unit_m, intrinsics=self._intrinsics, **parts
                        )
                        return self._stamped(frame, at_s)
                elif self._playback and self._playback.current_status() == self._rs.playback_status.stopped:
                    return None
        raise silent(self.name, self._timeout_s, _READING)

    def _parts(self, frames: Any) -> tuple[dict[str, NDArray[Any]], float] | None:
        """Return depth and picture of a set, and when the older of them came; None unless both are new."""
        if self._align is not None:
            frames = self._align.process(frames)
        depth = frames.get_depth_frame()
        picture = frames.get_infrared_frame(_LEFT) if self._infrared else frames.get_color_frame()
        if not depth or not picture:
            return None
        numbers = depth.get_frame_number(), picture.get_frame_number()
        if numbers[0] == self._numbers[0] or numbers[1] == self._numbers[1]:
            return None
        self._numbers = numbers
        given = np.asanyarray(depth.get_data()), came_s(self._waited_s(picture))
        if self._alternates:
            if self._is_lit(depth):
                self._lit_depth = given[0].copy(), given[1]
                return None
            if self._lit_depth is None:
                return None
            given, self._lit_depth = self._lit_depth, None
        samples, at_s = given
        pixels = np.asanyarray(picture.get_data())
        if self._infrared:
            return {"depth": samples, "infrared": pixels}, at_s
        return {"depth": samples, "color": self._rgb(pixels)}, at_s

    def _waited_s(self, picture: Any) -> float:
        """Return for how many seconds a picture has waited in the library, which notes the time of day."""
        arrival = self._rs.frame_metadata_value.time_of_arrival
        if not picture.supports_frame_metadata(arrival):
            return 0.0
        return time.time() - float(picture.get_frame_metadata(arrival)) / 1e3

    def _rgb(self, pixels: NDArray[Any]) -> NDArray[Any]:
        if self._format == self._rs.format.rgb8:
            return pixels
        if self._format == self._rs.format.bgr8:
            return pixels[..., ::-1]
        message = f"{self.name}: expected colour as rgb8 or bgr8, got {self._format}: record it so"
        raise SourceError(message)

    def _is_lit(self, depth: Any) -> bool:
        mode = self._rs.frame_metadata_value.frame_laser_power_mode
        if not depth.supports_frame_metadata(mode):
            message = (
                f"{self.name}: frames do not say whether the emitter was lit: emitter='on', or install the "
                "driver that passes metadata on"
            )
            raise SourceError(message)
        return bool(depth.get_frame_metadata(mode))

    def _release(self) -> None:
        with blaming(self.name, _READING):
            self._pipeline.stop()
