"""The Rust preprocessing against the plain numpy oracle, on synthetic surfaces and on real captures."""

from __future__ import annotations

import io

import numpy as np
import pytest
from align_oracle import cut_patch, draw, plane_distance, tensor_of
from numpy.typing import NDArray

from faceid_fast import Frame, Intrinsics
from faceid_fast.face import FaceCrop, read_bundled_model


def template() -> NDArray[np.float64]:
    with np.load(io.BytesIO(read_bundled_model("head.npz"))) as arrays:
        return arrays["template"].astype(float)


def assert_same_tensor(frame: Frame, crop: FaceCrop) -> None:
    unit = frame.depth_unit_m * 1000.0
    depth = np.nan_to_num(frame.depth.astype(float) * unit, nan=0.0, posinf=0.0, neginf=0.0)
    picture = frame.infrared if frame.color is None else frame.color
    k = frame.intrinsics
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
