"""The chips of the Rust core against plain numpy and OpenCV, on renders and on real captures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from faceid_fast.face.aligner import FaceAligner
from faceid_fast.face.crop import CHIP_SHAPE, FaceCrop, HeadPose
from faceid_fast.frame import Frame, Intrinsics
from faceid_fast.sources.layouts.kinect_v2 import captures
from faceid_fast.sources.renders import bundled_renders
from tests.contract.chip_oracle import SIDE, chip_of, chip_to_frame, frame_to_chip, samples_along, toned

KINECT_V2 = Path(__file__).resolve().parents[3] / "shared/data/kinect_v2"
FRAMES = [render.read() for render in bundled_renders() if render.kind != "print"]


def tinted(frame: Frame) -> Frame:
    """Return the frame with its infrared as a picture in colours that differ across it."""
    assert frame.infrared is not None
    grey = np.sqrt(frame.infrared / float(frame.infrared.max())) * 255
    across = np.linspace(0.0, 1.0, grey.shape[1])
    tint = np.stack([np.ones_like(across), 0.6 + 0.3 * across, 0.9 - 0.4 * across**2], axis=1)
    return replace(frame, infrared=None, color=(grey[..., None] * tint).astype(np.uint8))


def enlarged(frame: Frame, scale: float) -> Frame:
    """Return what a camera with so many times as many pixels sees."""
    k, (height, width) = frame.intrinsics, frame.depth.shape
    size = round(scale * width), round(scale * height)
    kind = "infrared" if frame.color is None else "color"
    cx, cy = scale * (k.cx + 0.5) - 0.5, scale * (k.cy + 0.5) - 0.5
    return Frame(
        depth=cv2.resize(frame.depth, size, interpolation=cv2.INTER_NEAREST),
        depth_unit_m=frame.depth_unit_m,
        intrinsics=Intrinsics(scale * k.fx, scale * k.fy, cx, cy),
        **{kind: cv2.resize(frame.picture, size, interpolation=cv2.INTER_CUBIC)},
    )


def aligned(frame: Frame) -> FaceCrop:
    crop = FaceAligner.bundled().align(frame)
    assert isinstance(crop, FaceCrop)
    return crop


def rolled(pose: HeadPose, roll_deg: float, shift_mm: float) -> HeadPose:
    roll = Rotation.from_euler("z", roll_deg, degrees=True).as_matrix()
    aside = np.array([shift_mm, 0.0, 0.0])
    return replace(pose, rotation=roll @ pose.rotation, translation_mm=pose.translation_mm + aside)


def assert_chip_is_the_oracles(frame: Frame, crop: FaceCrop) -> None:
    assert crop.chip.shape == CHIP_SHAPE
    assert crop.chip.dtype == np.uint8
    apart = np.abs(crop.chip.astype(int) - chip_of(frame, crop))
    # In single precision what lies half way between two numbers may be rounded to the other one.
    assert apart.max() <= 1
    assert np.mean(apart > 0) <= 0.001
    assert crop.chip.max() > 100


@pytest.mark.parametrize("scale", [1.0, 2.6, 4.5])
@pytest.mark.parametrize("number", [0, 5, 11])
def test_chips_of_renders_are_the_oracles(number: int, scale: float) -> None:
    for frame in (FRAMES[number], tinted(FRAMES[number])):
        large = frame if scale == 1.0 else enlarged(frame, scale)
        crop = aligned(large)
        assert (samples_along(chip_to_frame(large, crop)) > 1) == (scale > 1.0)
        assert_chip_is_the_oracles(large, crop)


@pytest.mark.parametrize(("roll_deg", "shift_mm"), [(35.0, 0.0), (-80.0, 60.0), (180.0, -90.0)])
def test_chips_at_any_pose_are_the_oracles(roll_deg: float, shift_mm: float) -> None:
    for frame in (FRAMES[2], tinted(FRAMES[2]), enlarged(tinted(FRAMES[2]), 3.0)):
        pose = rolled(aligned(frame).pose, roll_deg, shift_mm)
        crop = FaceAligner.bundled().cut_out(frame, pose)
        assert_chip_is_the_oracles(frame, crop)
        if shift_mm:
            assert np.mean(crop.chip == 0) > 0.05  # what is outside of the frame


def test_chips_refer_to_the_principal_point_that_was_found() -> None:
    k = FRAMES[7].intrinsics
    beside = Intrinsics(k.fx, k.fy, k.cx + 40.0, k.cy, 45.0)
    doubtful = replace(FRAMES[7], intrinsics=beside)
    crop = aligned(doubtful)
    assert abs(crop.principal_point_px[0] - beside.cx) > 5.0
    assert_chip_is_the_oracles(doubtful, crop)


def test_infrared_of_8_bits_has_the_chip_of_16() -> None:
    assert FRAMES[0].infrared is not None
    byte = (FRAMES[0].infrared >> 8).astype(np.uint8)
    assert len(np.unique(byte)) > 20
    found = aligned(replace(FRAMES[0], infrared=byte))
    wide = aligned(replace(FRAMES[0], infrared=byte.astype(np.uint16)))
    np.testing.assert_array_equal(found.chip, wide.chip)
    assert_chip_is_the_oracles(replace(FRAMES[0], infrared=byte), found)


def test_a_dark_picture_has_a_dark_chip() -> None:
    pose = aligned(FRAMES[0]).pose
    black = replace(FRAMES[0], infrared=np.zeros_like(FRAMES[0].picture))
    assert not FaceAligner.bundled().cut_out(black, pose).chip.any()


def test_a_pose_that_shows_no_face_has_a_chip_that_is_0() -> None:
    pose = aligned(FRAMES[0]).pose
    for rotation in (0 * pose.rotation, 1e6 * pose.rotation, np.full((3, 3), 3e38, np.float32)):
        crop = FaceAligner.bundled().cut_out(FRAMES[0], replace(pose, rotation=rotation))
        assert not crop.chip.any()


@pytest.mark.parametrize("number", [1, 6])
def test_chips_are_those_of_opencv(number: int) -> None:
    for frame in (FRAMES[number], tinted(FRAMES[number])):
        crop = aligned(frame)
        map_ = frame_to_chip(frame, crop)
        picture = frame.picture.astype(np.float32)
        values = cv2.warpAffine(picture, map_, (SIDE, SIDE), flags=cv2.INTER_LINEAR)
        wanted = toned(values.reshape(SIDE, SIDE, -1).astype(float)).astype(int)
        apart = np.abs(crop.chip - wanted)
        # OpenCV rounds places to a 32nd of a pixel.
        assert np.mean(apart) < 0.5
        assert np.quantile(apart, 0.99) <= 3
        # A shift of half a pixel would be seen.
        assert np.mean(np.abs(np.roll(crop.chip, 1, axis=2) - wanted)) > 2.0


@pytest.mark.skipif(not KINECT_V2.is_dir(), reason="needs ../shared/data/kinect_v2")
def test_chips_of_real_captures_are_the_oracles() -> None:
    for capture in captures(KINECT_V2)[24::60]:
        frame = capture.read()
        assert_chip_is_the_oracles(frame, aligned(frame))
