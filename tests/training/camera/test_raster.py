"""Pixels and points, and the angle between rotations."""

from __future__ import annotations

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")
if not hasattr(cv2, "triangleRasterize"):
    pytest.skip("OpenCV 4 has no triangleRasterize: renders need OpenCV 5", allow_module_level=True)

from training.camera.raster import Camera, angle_between, rotation_of  # noqa: E402

CAMERA = Camera(365.0, 371.0, 64.5, 60.0, 130, 120)


def test_a_point_comes_back_from_its_pixel_and_depth() -> None:
    point = (-35.0, 80.0, 700.0)
    ((u, v),) = CAMERA.project(np.array([point]))
    assert CAMERA.unproject(u, v, point[2]) == pytest.approx(point)


@pytest.mark.parametrize("turned_deg", [0.0, 0.5, 30.0, 180.0])
def test_the_angle_between_two_rotations_does_not_depend_on_where_they_point(turned_deg: float) -> None:
    start = rotation_of(20.0, -10.0, 5.0)
    turned = start @ rotation_of(0.0, 0.0, turned_deg)
    assert angle_between(start, turned) == pytest.approx(turned_deg, abs=1e-4)
    assert angle_between(turned.astype(np.float32), start) == pytest.approx(turned_deg, abs=0.1)
