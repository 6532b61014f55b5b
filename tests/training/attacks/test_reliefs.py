"""Reliefs: the picture stays, the shape becomes another's or less."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from faceid_fast.face.aligner import FaceAligner
from faceid_fast.face.crop import FaceCrop
from faceid_fast.frame import Frame
from faceid_fast.sources.renders import bundled_renders
from training.attacks.reliefs import RELIEFS
from training.heads.ict import DEFAULT_PATH

if not hasattr(cv2, "triangleRasterize"):
    pytest.skip("OpenCV 4 has no triangleRasterize: renders need OpenCV 5", allow_module_level=True)
pytestmark = pytest.mark.skipif(not DEFAULT_PATH.exists(), reason=f"no parametric head at {DEFAULT_PATH}")


@pytest.fixture(scope="module")
def face() -> tuple[Frame, FaceCrop]:
    """Somebody rendered, and where their face is."""
    frame = next(each.read() for each in bundled_renders() if each.kind == "enroll")
    crop = FaceAligner.bundled().align(frame)
    assert isinstance(crop, FaceCrop)
    return frame, crop


def shape_of(frame: Frame, crop: FaceCrop) -> np.ndarray:
    """Depth channel (72, 64) where the pose was, in millimetres from the mean face."""
    return 10.0 * FaceAligner.bundled().cut_out(frame, crop.pose).tensor[0]


@pytest.mark.parametrize("name", RELIEFS)
def test_the_picture_stays_and_the_shape_does_not(face: tuple[Frame, FaceCrop], name: str) -> None:
    frame, crop = face
    relief = RELIEFS[name](frame, crop, np.random.default_rng(1))
    np.testing.assert_array_equal(relief.picture, frame.picture)
    assert relief.depth.dtype == frame.depth.dtype
    assert relief.intrinsics == frame.intrinsics
    apart = shape_of(relief, crop) - shape_of(frame, crop)
    assert 0.5 < np.sqrt(np.mean(apart**2)) < 15.0


def test_the_mean_head_is_the_mean(face: tuple[Frame, FaceCrop]) -> None:
    frame, crop = face
    mean = shape_of(RELIEFS["mean head"](frame, crop, np.random.default_rng(1)), crop)
    inner = np.s_[20:60, 16:48]
    assert np.std(mean[inner]) < 0.6 * np.std(shape_of(frame, crop)[inner])
    one, other = (
        shape_of(RELIEFS["random head"](frame, crop, np.random.default_rng(seed)), crop) for seed in (1, 2)
    )
    assert np.std((one - other)[inner]) > 1.0


def test_half_the_height_is_half(face: tuple[Frame, FaceCrop]) -> None:
    frame, crop = face
    relief = RELIEFS["half height"](frame, crop, np.random.default_rng(1))
    nose = crop.pose.rotation @ np.array([0.0, 40.0, -30.0]) + crop.pose.translation_mm
    column, row = np.rint(
        nose[:2] / nose[2] * [frame.intrinsics.fx, frame.intrinsics.fy] + crop.principal_point_px
    ).astype(int)
    unit_mm = frame.depth_unit_m * 1e3
    towards = -float(crop.pose.rotation[2, 2])  # of a millimetre of height, along the camera's axis
    moved = (float(relief.depth[row, column]) - float(frame.depth[row, column])) * unit_mm
    at = np.array([nose[0] / nose[2], nose[1] / nose[2], 1.0]) * float(frame.depth[row, column]) * unit_mm
    height = float((at - crop.pose.translation_mm) @ crop.pose.rotation[:, 2])
    assert height < -15.0
    assert moved == pytest.approx(0.5 * height * towards, abs=1.5)
