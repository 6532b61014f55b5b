"""The rasteriser's conventions, and the sensors' models, without any head."""

import numpy as np
import pytest
from numpy.typing import NDArray

pytestmark = pytest.mark.slow

cv2 = pytest.importorskip("cv2")
if not hasattr(cv2, "triangleRasterize"):
    pytest.skip("OpenCV 4 has no triangleRasterize: renders need OpenCV 5", allow_module_level=True)

from training.camera.raster import Camera, Pose, draw, lit, rotation_of  # noqa: E402
from training.camera.sensor import (  # noqa: E402
    Scene,
    StructuredLight,
    TimeOfFlight,
    color_picture,
    structured_light,
    time_of_flight,
)

QUAD = np.float32([[-300, -300, 0], [300, -300, 0], [300, 300, 0], [-300, 300, 0]])
# Wound so that the cross product points to the camera: the outside of the quad.
QUAD_TRIANGLES = np.int32([[0, 2, 1], [0, 3, 2]])


def _slanted() -> NDArray[np.float32]:
    quad = QUAD.copy()
    quad[:, 2] = 900 + 0.8 * quad[:, 0] + 0.3 * quad[:, 1]
    return quad


@pytest.mark.parametrize(
    "camera",
    [Camera(300, 300, 99.5, 79.5, 200, 160), Camera(310, 290, 80.25, 91.0, 201, 150)],
    ids=["centred", "off-centre, oblong pixels"],
)
def test_depth_is_linear_and_pixel_centres_are_integers(camera: Camera) -> None:
    quad = _slanted()
    depth, (points,) = draw(quad, QUAD_TRIANGLES, (quad,), camera)
    x, y = camera.rays()
    expected = 900 / (1 - 0.8 * x[None, :] - 0.3 * y[:, None])
    seen = np.isfinite(depth)
    assert seen.mean() > 0.5
    assert np.abs(depth - expected)[seen].max() < 0.1
    assert np.abs(points[..., 0] - x * expected)[seen].max() < 0.1
    assert np.abs(points[..., 1] - y[:, None] * expected)[seen].max() < 0.1


def test_only_outer_faces_are_drawn() -> None:
    camera = Camera(300, 300, 99.5, 79.5, 200, 160)
    depth, _ = draw(_slanted(), QUAD_TRIANGLES[:, ::-1].copy(), (QUAD,), camera)
    assert not np.isfinite(depth).any()


def test_supersampling_covers_the_same_pixels() -> None:
    camera = Camera(300, 290, 80.25, 91.0, 201, 150)
    fine = camera.supersampled(2)
    point = np.array([[35.0, -20.0, 800.0]])
    np.testing.assert_allclose(fine.project(point), 2 * camera.project(point) + 0.5)


def test_pose_signs() -> None:
    nose = np.array([0.0, 0.0, -1.0])
    assert (rotation_of(20, 0, 0) @ nose)[0] < 0  # to the image's left
    assert (rotation_of(0, 20, 0) @ nose)[1] > 0  # down
    assert (rotation_of(0, 0, 20) @ np.array([1.0, 0, 0]))[1] > 0  # clockwise
    rotation = Pose(12, -7, 5, (0, 0, 1)).rotation
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)


def test_a_screen_casts_a_shadow() -> None:
    wall, screen = QUAD + np.float32([0, 0, 1000]), 0.2 * QUAD + np.float32([0, 0, 700])
    vertices = np.vstack([wall, screen, np.float32([[0, 0, 1000], [200, 0, 1000]])])
    triangles = np.vstack([QUAD_TRIANGLES, QUAD_TRIANGLES + 4])
    share = lit(vertices, triangles, np.float32([0.1, 0, 0]))
    assert share[8] == 0
    assert share[9] == 1
    assert (share[4:8] == 1).all()


def _flat(distance: float, shape: tuple[int, int] = (96, 128)) -> Scene:
    ones = np.ones(shape, np.float32)
    return Scene(distance * ones, 0.6 * ones, ones, 0 * ones, 0.3 * np.dstack([ones] * 3))


@pytest.mark.parametrize("distance", [400.0, 900.0, 1400.0])
def test_sensors_measure_a_plane(distance: float) -> None:
    flight, infrared = time_of_flight(np.random.default_rng(1), _flat(distance), 2, TimeOfFlight(), 365.0)
    light, _ = structured_light(np.random.default_rng(1), _flat(distance), 1, StructuredLight(), 580.0)
    assert flight.dtype == light.dtype == infrared.dtype == np.uint16
    assert flight.shape == (48, 64)
    assert light.shape == (96, 128)
    for measured in (flight, light):
        readings = measured[measured > 0].astype(float)
        assert len(readings) > 0.95 * measured.size
        assert abs(np.median(readings) - distance) < 8
        assert np.std(readings) < 6


def test_structured_light_throws_shadows_beside_near_things() -> None:
    scene = _flat(1500.0)
    scene.depth_mm[20:70, 50:80] = 800.0
    depth, _ = structured_light(np.random.default_rng(2), scene, 1, StructuredLight(), 580.0)
    beside = depth[25:65, 82:90] == 0
    other_side = depth[25:65, 40:46] == 0
    assert beside.mean() > 0.9
    assert other_side.mean() < 0.2


def test_sensors_repeat_themselves() -> None:
    for sensor in (
        lambda rng: time_of_flight(rng, _flat(800.0), 2, TimeOfFlight(), 365.0),
        lambda rng: structured_light(rng, _flat(800.0), 1, StructuredLight(), 580.0),
        lambda rng: (color_picture(rng, _flat(800.0), 2),),
    ):
        first, second = sensor(np.random.default_rng(7)), sensor(np.random.default_rng(7))
        for a, b in zip(first, second, strict=True):
            np.testing.assert_array_equal(a, b)
