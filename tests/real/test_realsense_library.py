"""librealsense itself, where it is installed: it records a camera of software; the recording is played."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faceid_fast.frame import Intrinsics
from faceid_fast.sources.source import open_source

rs: Any = pytest.importorskip("pyrealsense2", exc_type=ImportError)

WIDTH, HEIGHT, FRAMES, DEPTH_UNIT_M = 640, 480, 12, 0.00025


def lens(focal_px: float, cx: float, cy: float) -> Any:
    made = rs.intrinsics()
    made.width, made.height = WIDTH, HEIGHT
    made.fx = made.fy = focal_px
    made.ppx, made.ppy = cx, cy
    made.model, made.coeffs = rs.distortion.none, [0.0] * 5
    return made


def stream(kind: Any, number: int, index: int, pixel_format: Any, size: int, intrinsics: Any) -> Any:
    made = rs.video_stream()
    made.type, made.uid, made.index, made.fmt, made.bpp = kind, number, index, pixel_format, size
    made.width, made.height, made.fps, made.intrinsics = WIDTH, HEIGHT, 30, intrinsics
    return made


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Depth of 0.6 m and a little more in every frame, colour of red 200, infrared that counts."""
    path = tmp_path_factory.mktemp("realsense") / "a.db3"
    device = rs.software_device()
    stereo, color = device.add_sensor("Stereo Module"), device.add_sensor("RGB Camera")
    near, far = lens(580.0, 320.0, 240.0), lens(610.0, 322.0, 238.0)
    depths = stereo.add_video_stream(stream(rs.stream.depth, 1, 0, rs.format.z16, 2, near))
    infrareds = stereo.add_video_stream(stream(rs.stream.infrared, 2, 1, rs.format.y8, 1, near))
    colors = color.add_video_stream(stream(rs.stream.color, 3, 0, rs.format.rgb8, 3, far))
    stereo.add_read_only_option(rs.option.depth_units, DEPTH_UNIT_M)
    beside = rs.extrinsics()
    beside.rotation, beside.translation = list(np.eye(3).ravel()), [0.0, 0.0, 0.0]
    depths.register_extrinsics_to(colors, beside)
    context = rs.context()
    device.add_to(context)
    device.create_matcher(rs.matchers.default)
    recorder = rs.recorder(str(path), device)
    queue = rs.frame_queue(100, True)
    sensors = recorder.query_sensors()
    for sensor in sensors:
        sensor.open(sensor.get_stream_profiles())
        sensor.start(queue)
    for n in range(FRAMES):
        red = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        red[..., 0], red[..., 1] = 200, n
        for sensor, profile, pixels in (
            (stereo, depths, np.full((HEIGHT, WIDTH), 2400 + n, np.uint16)),
            (stereo, infrareds, np.full((HEIGHT, WIDTH), n, np.uint8)),
            (color, colors, red),
        ):
            frame = rs.software_video_frame()
            frame.pixels, frame.bpp = pixels, pixels.nbytes // (WIDTH * HEIGHT)
            frame.stride, frame.frame_number = WIDTH * frame.bpp, n + 1
            frame.timestamp, frame.domain = n * 33.3, rs.timestamp_domain.hardware_clock
            frame.profile = profile.as_video_stream_profile()
            if frame.bpp == 2:
                frame.depth_units = DEPTH_UNIT_M
            sensor.on_video_frame(frame)
        time.sleep(0.03)  # it is written by a thread of its own
    time.sleep(0.5)
    for sensor in sensors:
        sensor.stop()
        sensor.close()
    return path


def test_color_with_depth_aligned_to_it(recorded: Path) -> None:
    with open_source(recorded) as source:
        frames = list(source)
    assert [int(frame.depth[240, 320]) for frame in frames] == [2400 + n for n in range(FRAMES)]
    assert [frame.picture[240, 320].tolist() for frame in frames] == [[200, n, 0] for n in range(FRAMES)]
    assert {frame.capture for frame in frames} == {None}
    assert frames[0].depth_unit_m == pytest.approx(DEPTH_UNIT_M)
    assert frames[0].intrinsics == Intrinsics(610.0, 610.0, 322.0, 238.0)


def test_infrared_has_the_viewpoint_of_depth(recorded: Path) -> None:
    with open_source(recorded, infrared=True) as source:
        frames = list(source)
    assert [int(frame.picture[0, 0]) for frame in frames] == list(range(FRAMES))
    assert [int(frame.depth[0, 0]) for frame in frames] == [2400 + n for n in range(FRAMES)]
    assert frames[0].intrinsics == Intrinsics(580.0, 580.0, 320.0, 240.0)


def test_every_name_of_a_capture_is_there() -> None:
    """A camera of software has neither a number, unless it is given one, nor times of arrival."""
    assert rs.frame_metadata_value.time_of_arrival is not None
    device = rs.software_device()
    assert not device.supports(rs.camera_info.serial_number)
    device.register_info(rs.camera_info.serial_number, "0123456789")
    assert device.supports(rs.camera_info.serial_number)
    assert device.get_info(rs.camera_info.serial_number) == "0123456789"
