"""The Rust preprocessing against the plain numpy oracle, on renders and on real captures."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from faceid_fast.face import FaceAligner, FaceCrop, read_bundled_model
from faceid_fast.frame import Frame
from faceid_fast.sources.kinect_v2 import captures
from faceid_fast.sources.renders import bundled_renders
from tests.contract.align_oracle import cut_patch, draw, plane_distance, tensor_of

KINECT_V2 = Path(__file__).resolve().parents[3] / "shared/data/kinect_v2"


def template() -> NDArray[np.float64]:
    with np.load(io.BytesIO(read_bundled_model("head.npz"))) as arrays:
        return np.asarray(arrays["template"], np.float64)


def assert_same_tensor(frame: Frame) -> FaceCrop:
    crop = FaceAligner.bundled().align(frame)
    assert isinstance(crop, FaceCrop)
    depth = frame.depth.astype(float) * frame.depth_unit_m * 1000.0
    depth = np.where(np.isfinite(depth) & (depth > 0), depth, 0.0)
    picture = frame.infrared if frame.color is None else frame.color
    k = frame.intrinsics
    assert picture is not None
    patch = cut_patch(depth, picture, (k.fx, k.fy, k.cx, k.cy), crop.region, crop.band_mm)
    z, light, valid = draw(patch, crop.pose.rotation.astype(float), crop.pose.translation_mm.astype(float))
    # A cell on a triangle's edge may be missed in single precision; it then counts for neither its
    # neighbours' mean nor their deviation, so the bound is on quantiles.
    assert np.count_nonzero(valid != crop.valid) <= 12
    both = valid & crop.valid
    difference = np.abs(crop.tensor - tensor_of(z, light, valid, template()))[:, both]
    assert np.quantile(difference, 0.9) < 1e-3
    assert np.quantile(difference, 0.99) < 3e-2
    assert np.all(crop.tensor[:, ~crop.valid] == 0)
    assert crop.relief_mm == pytest.approx(plane_distance(z, both), rel=0.01)
    return crop


def as_color_in_metres(frame: Frame) -> Frame:
    """Return the frame with float depth in metres (NaN for missing) and its infrared as grey colour."""
    assert frame.infrared is not None
    depth = frame.depth.astype(np.float32) * np.float32(frame.depth_unit_m)
    depth[depth == 0] = np.nan
    grey = np.sqrt(frame.infrared / max(1.0, float(frame.infrared.max()))) * 255
    color = np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)
    return Frame(color=color, depth=depth, depth_unit_m=1.0, intrinsics=frame.intrinsics)


@pytest.mark.parametrize("number", [0, 3, 7])
def test_tensor_of_a_render_is_the_oracles(number: int) -> None:
    faces = [render for render in bundled_renders() if render.kind != "print"]
    frame = faces[number % len(faces)].read()
    infrared = assert_same_tensor(frame)
    color = assert_same_tensor(as_color_in_metres(frame))
    # Depth decides the pose and is the same in both; only the masking of hair differs a little.
    assert np.linalg.norm(infrared.eye_midpoint_mm - color.eye_midpoint_mm) < 4.0


@pytest.mark.skipif(not KINECT_V2.is_dir(), reason="needs ../shared/data/kinect_v2")
def test_tensor_of_real_captures_is_the_oracles() -> None:
    for capture in captures(KINECT_V2)[24::60]:
        assert_same_tensor(capture.read())
