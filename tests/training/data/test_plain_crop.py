"""Crops without 3-D alignment: like the tensor of a frontal face, at the eyes, and empty for nothing."""

from __future__ import annotations

import numpy as np

from faceid_fast.face.aligner import FaceAligner
from faceid_fast.face.crop import TENSOR_SHAPE, FaceCrop
from faceid_fast.frame import Frame, Intrinsics
from faceid_fast.sources.renders import bundled_renders
from training.data.plain_crop import eyes_in, plain_crop


def _crops() -> tuple[np.ndarray, np.ndarray, Frame, FaceCrop]:
    frame = bundled_renders()[0].read()
    face = FaceAligner.bundled().align(frame)
    assert isinstance(face, FaceCrop)
    return plain_crop(frame, face.eye_midpoint_mm), face.tensor, frame, face


def test_a_plain_crop_of_a_frontal_face_is_much_like_the_aligned_tensor() -> None:
    plain, aligned, _, face = _crops()
    assert plain.shape == TENSOR_SHAPE
    assert plain.dtype == np.float32
    both = (plain[0] != 0) & face.valid & (np.abs(plain[0]) < 2.4) & (np.abs(aligned[0]) < 2.4)
    assert both.mean() > 0.4
    assert np.corrcoef(plain[0][both], aligned[0][both])[0, 1] > 0.5
    assert np.corrcoef(plain[1][both], aligned[1][both])[0, 1] > 0.5


def test_a_plain_crop_stays_at_the_eyes_when_the_principal_point_is_uncertain() -> None:
    plain, _, frame, _ = _crops()
    k = frame.intrinsics
    doubtful = Frame(
        depth=frame.depth,
        depth_unit_m=frame.depth_unit_m,
        infrared=frame.infrared,
        intrinsics=Intrinsics(k.fx, k.fy, k.cx + 40.0, k.cy - 40.0, 45.0),
    )
    face = FaceAligner.bundled().align(doubtful)
    assert isinstance(face, FaceCrop)
    assert np.hypot(face.principal_point_px[0] - k.cx, face.principal_point_px[1] - k.cy) < 50.0
    cut = plain_crop(doubtful, eyes_in(doubtful, face))
    both = (plain[0] != 0) & (cut[0] != 0)
    assert both.mean() > 0.4
    assert np.corrcoef(plain[1][both], cut[1][both])[0, 1] > 0.3


def test_a_plain_crop_of_nothing_is_empty() -> None:
    empty = Frame(
        depth=np.zeros((100, 100), np.uint16),
        depth_unit_m=0.001,
        color=np.zeros((100, 100, 3), np.uint8),
        intrinsics=Intrinsics(300.0, 300.0, 50.0, 50.0),
    )
    assert not plain_crop(empty, np.array([0.0, 0.0, 600.0])).any()
