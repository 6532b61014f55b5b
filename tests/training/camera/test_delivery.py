"""From a sensor's depth to its user's: holes, noise, filters and steps come out as asked."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

cv2 = pytest.importorskip("cv2")
if not hasattr(cv2, "triangleRasterize"):
    pytest.skip("OpenCV 4 has no triangleRasterize: renders need OpenCV 5", allow_module_level=True)

from training.camera.delivery import Delivery, deliver, face_distance  # noqa: E402
from training.camera.filters import Filters, filled, filtered, median, smoothed  # noqa: E402
from training.camera.holes import Holes, lost_readings  # noqa: E402
from training.camera.sensor import (  # noqa: E402
    Scene,
    StructuredLight,
    TimeOfFlight,
    structured_light,
    time_of_flight,
)

SHAPE = (160, 200)
THERE = np.ones(SHAPE, bool)
LIGHT = np.full(SHAPE, 0.6, np.float32)
QUIET = Delivery(white_mm=(1e-4, 1e-4), slow_mm=(1e-4, 1e-4))


def scene(distance_mm: float = 600.0, shape: tuple[int, int] = SHAPE) -> Scene:
    ones = np.ones(shape, np.float32)
    return Scene(distance_mm * ones, 0.6 * ones, ones, 0 * ones)


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def components(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Sizes of the holes, in pixels."""
    return cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)[2][1:, cv2.CC_STAT_AREA]


@pytest.mark.parametrize("share", [0.003, 0.03, 0.1])
@pytest.mark.parametrize("kind", ["single_share", "blob_share", "speckle_share"])
def test_as_much_is_lost_as_was_asked(kind: str, share: float) -> None:
    lost = lost_readings(rng(), THERE, LIGHT, Holes(**{kind: (share, share)}))
    assert lost.mean() == pytest.approx(share, rel=0.25)


def test_nothing_is_lost_by_default_and_nothing_that_is_not_there() -> None:
    assert not lost_readings(rng(), THERE, LIGHT, Holes()).any()
    there = THERE.copy()
    there[:, :100] = False
    holes = Holes(single_share=(0.1, 0.1), blob_share=(0.1, 0.1), speckle_share=(0.1, 0.1))
    lost = lost_readings(rng(), there, LIGHT, holes)
    assert lost.any()
    assert not lost[:, :100].any()


def test_single_holes_are_single_and_blobs_are_of_their_radius() -> None:
    single = components(lost_readings(rng(), THERE, LIGHT, Holes(single_share=(0.01, 0.01))))
    assert np.median(single) == 1
    round_ = components(lost_readings(rng(), THERE, LIGHT, Holes(blob_share=(0.01, 0.01), blob_px=(3, 3))))
    assert 25 <= np.median(round_) <= 37  # a disc of radius 3
    speckle = components(lost_readings(rng(), THERE, LIGHT, Holes(speckle_share=(0.03, 0.03))))
    assert speckle.mean() > 3


def test_time_of_flight_loses_what_is_dim() -> None:
    light = LIGHT.copy()
    light[:, :100] = 0.15
    lost = lost_readings(rng(), THERE, light, Holes(single_share=(0.05, 0.05), dim_power=1.0))
    assert lost.mean() == pytest.approx(0.05, rel=0.15)
    assert lost[:, :100].mean() > 3 * lost[:, 100:].mean()


def test_speckle_follows_darkness_and_lack_of_texture() -> None:
    holes = Holes(speckle_share=(0.05, 0.05))
    dark = LIGHT.copy()
    dark[:, :100] = 0.2
    lost = lost_readings(rng(), THERE, dark, holes)
    assert lost[:, :100].mean() > 2 * lost[:, 100:].mean()
    plain = LIGHT.copy()
    plain[:, 100:] *= rng().uniform(0.6, 1.4, (SHAPE[0], 100)).astype(np.float32)
    lost = lost_readings(rng(), THERE, plain, holes)
    assert lost[:, :95].mean() > 2 * lost[:, 105:].mean()


def test_several_frames_miss_fewer_single_pixels() -> None:
    holes = Holes(single_share=(0.1, 0.1))
    assert lost_readings(rng(), THERE, LIGHT, holes, frames=5).mean() == pytest.approx(0.02, rel=0.2)


@pytest.mark.parametrize("sigma_px", [0.8, 2.8, 6.9])
def test_smoothing_has_the_radius_that_was_asked(sigma_px: float) -> None:
    spike = np.full((121, 121), 8.0, np.float32)  # little, so that float32 tells small differences apart
    spike[60, 60] += 4.0
    response = smoothed(spike, sigma_px, 50.0) - 8.0
    at = np.arange(121) - 60
    weight = response.sum(axis=0)
    assert weight.sum() == pytest.approx(4.0, rel=0.02)
    assert np.sqrt((weight * at**2).sum() / weight.sum()) == pytest.approx(sigma_px, rel=0.06)
    down = response.sum(axis=1)
    assert np.sqrt((down * at**2).sum() / down.sum()) == pytest.approx(sigma_px, rel=0.06)


def test_smoothing_keeps_edges_and_holes() -> None:
    depth = np.full((60, 80), 600.0, np.float32)
    depth[:, 40:] = 640.0
    depth[20, 20] = 0.0
    smooth = smoothed(depth, 5.0, 10.0)
    np.testing.assert_allclose(smooth, depth, atol=1e-3)
    assert np.abs(smoothed(depth, 5.0, 100.0) - depth).max() > 5  # no edge to this one


def test_medians_take_noise_away_and_keep_holes() -> None:
    depth = 600 + 3 * rng().standard_normal((60, 80)).astype(np.float32)
    depth[30, 40] = 0
    calm = median(depth, 5)
    assert calm[30, 40] == 0
    assert calm[calm > 0].std() < 0.4 * depth[depth > 0].std()


def test_holes_are_filled_as_far_and_from_where_it_was_asked() -> None:
    depth = np.full((30, 60), 600.0, np.float32)
    depth[:, 40:] = 900.0
    depth[:, 30:40] = 0.0
    sources = {source: filled(depth, 3, source)[15] for source in ("left", "farthest", "nearest")}
    assert sources["left"][30:40].tolist() == [600] * 3 + [0] * 7
    for source in ("farthest", "nearest"):
        assert sources[source][30:40].tolist() == [600] * 3 + [0] * 4 + [900] * 3
    whole = {source: filled(depth, 16, source)[15] for source in ("left", "farthest", "nearest")}
    assert whole["left"][39] == 600
    assert (whole["nearest"] > 0).all()
    depth[:, 31:39] = 600.0  # single columns, between two distances
    depth[:, 39] = 0.0
    assert filled(depth, 1, "farthest")[15, 39] == 900
    assert filled(depth, 1, "nearest")[15, 39] == 600


def test_depth_comes_in_the_units_that_were_asked() -> None:
    depth = np.linspace(400, 900, SHAPE[0] * SHAPE[1], dtype=np.float32).reshape(SHAPE)
    for unit in (1.0, 4.0):
        rounded = filtered(rng(), depth, Filters(units_mm=((unit, 1.0),)), 1.0)
        assert not (rounded % unit).any()
        assert np.abs(rounded - depth).max() <= unit / 2 + 1e-3


def test_noise_is_as_large_and_as_slow_as_asked() -> None:
    flat = np.full(SHAPE, 500.0, np.float32)
    white = Delivery(white_mm=(3.0, 3.0), slow_mm=(1e-4, 1e-4))
    noisy = deliver(rng(), flat, LIGHT, white, frames=1, focal_px=600.0) - 500
    assert noisy.std() == pytest.approx(3.0, rel=0.05)
    assert abs(np.mean(noisy[:, 1:] * noisy[:, :-1])) < 0.5
    assert (deliver(rng(), flat, LIGHT, white, frames=4, focal_px=600.0) - 500).std() == pytest.approx(
        1.5, rel=0.1
    )
    slow = Delivery(white_mm=(1e-4, 1e-4), slow_mm=(2.0, 2.0), slow_px=(8.0, 8.0))
    wavy = deliver(rng(), flat, LIGHT, slow, frames=4, focal_px=600.0) - 500
    assert wavy.std() == pytest.approx(2.0, rel=0.3)
    assert np.mean(wavy[:, 4:] * wavy[:, :-4]) > 0.7 * wavy.var()


def test_triangulated_noise_grows_with_the_square_of_the_distance() -> None:
    depth = np.full(SHAPE, 500.0, np.float32)
    depth[:, 100:] = 1000.0
    noise = Delivery(white_mm=(1.0, 1.0), slow_mm=(1e-4, 1e-4), noise_power=2.0)
    noisy = deliver(rng(), depth, LIGHT, noise, frames=1, focal_px=600.0)
    near, far = noisy[:, :100].std(), noisy[:, 100:].std()
    assert far / near == pytest.approx(4.0, rel=0.15)


def test_guesses_in_the_dark_are_no_face() -> None:
    depth = np.full(SHAPE, 900.0, np.float32)
    scattered = rng().random(SHAPE) < 0.05
    depth[scattered] = 450.0
    assert face_distance(depth) == 900.0


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("baseline_mm", [50.0, 75.0])
def test_shadows_are_on_their_side_and_as_wide_as_the_step_in_disparity(
    side: str, baseline_mm: float
) -> None:
    before = scene(1500.0)
    before.depth_mm[30:130, 80:120] = 800.0
    sensor = StructuredLight(baseline_mm=baseline_mm, shadow_sides=(side,), shadow_slack_px=0.0, fatten_px=0)
    depth, _ = structured_light(rng(), before, 1, sensor, 580.0)
    missing = (depth == 0)[40:120]
    right, left = missing[:, 120:160].sum(axis=1).mean(), missing[:, 40:80].sum(axis=1).mean()
    width = 580.0 * baseline_mm * (1 / 800.0 - 1 / 1500.0)
    there, other = (right, left) if side == "right" else (left, right)
    assert width - 1.0 <= there <= width + 0.5
    assert other < 0.5
    assert missing[:, 82:118].mean() < 0.02


def test_shadows_outlast_holes_and_smoothing_but_not_filling() -> None:
    before = scene(1500.0)
    before.depth_mm[30:130, 80:120] = 800.0
    for fill_chance, expected in ((0.0, 1.0), (1.0, 0.0)):
        way = Delivery(
            white_mm=(0.1, 0.1),
            slow_mm=(0.1, 0.1),
            holes=Holes(single_share=(0.01, 0.01)),
            filters=Filters(smooth_chance=1.0, fill_chance=fill_chance, fill_px=(40,)),
        )
        sensor = StructuredLight(fatten_px=0, delivery=way)
        depth, _ = structured_light(rng(), before, 1, sensor, 580.0)
        assert (depth[40:120, 122:138] == 0).mean() == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize("step_px", [1 / 8, 1 / 32])
def test_disparity_comes_in_steps(step_px: float) -> None:
    slope = scene(900.0)
    slope.depth_mm[:] = np.linspace(880, 940, SHAPE[1], dtype=np.float32)
    sensor = StructuredLight(steps_px=(step_px,), baseline_mm=50.0)
    depth, _ = structured_light(rng(), slope, 1, sensor, 580.0)
    disparity = 580.0 * 50.0 / depth[depth > 0].astype(float)
    # Depth is rounded to 1 mm, which is half of that, z^2 / (f b), in disparity.
    off = np.abs(disparity / step_px - np.rint(disparity / step_px)) * step_px
    assert off.max() <= 0.5 * 580.0 * 50.0 / depth[depth > 0].min() ** 2 + 1e-6
    spread = np.diff(np.unique(depth[depth > 0].astype(float)))
    assert np.median(spread) == pytest.approx(step_px * 900.0**2 / (580.0 * 50.0), abs=0.6)


def test_windows_smooth_as_squares_of_their_side_do() -> None:
    bump = scene(600.0)
    column = np.arange(SHAPE[1]) - 100
    bump.depth_mm[:] -= 6.0 * np.exp(-0.5 * (column / 3.0) ** 2).astype(np.float32)
    heights = []
    for windows in ((1.0, 1.0), (9.0, 9.0)):
        still = StructuredLight(
            windows_px=windows, noise_at_metre_mm=(0.0, 0.0), steps_px=(1 / 1000,), fatten_px=0
        )
        depth, _ = structured_light(rng(), bump, 1, still, 580.0)
        profile = depth.astype(float).mean(axis=0)
        heights.append(np.median(profile[40:60]) - profile[98:103].mean())
    # Along a row a Gaussian of 3 px becomes one of sqrt(9 + 81 / 12) px, and as much lower.
    assert heights[1] / heights[0] == pytest.approx(3.0 / np.sqrt(9 + 81 / 12), abs=0.1)


def test_flying_pixels_fly_as_often_as_asked() -> None:
    before = scene(900.0, (320, 400))
    before.depth_mm[60:260, 101:299] = 700.0
    counts = []
    for flying in (None, (0.5, 0.5), (1.0, 1.0)):
        sensor = TimeOfFlight(edge_mm=(10.0, 10.0), stray=(0.0, 0.0), flying=flying)
        depth, _ = time_of_flight(rng(), before, 2, sensor, 365.0)
        counts.append(int(((depth > 730) & (depth < 870)).sum()))
    assert counts[0] < 0.3 * counts[2]
    assert 0.3 < (counts[1] - counts[0]) / (counts[2] - counts[0]) < 0.7


def test_passive_cameras_see_by_the_room_s_light() -> None:
    dark = scene()
    dark = Scene(dark.depth_mm, dark.radiance, dark.facing, dark.hair, np.full((*SHAPE, 3), 0.3, np.float32))
    assert dark.color is not None
    dark.color[:, :100] = 0.001
    found = []
    for passive in (False, True):
        depth, _ = structured_light(rng(), dark, 1, StructuredLight(passive=passive), 580.0)
        found.append((depth[:, :95] > 0).mean())
    assert found[0] > 0.95
    assert found[1] < 0.5


def test_without_a_delivery_no_random_number_is_drawn() -> None:
    for take in (
        lambda draws: time_of_flight(draws, scene(), 1, TimeOfFlight(), 365.0),
        lambda draws: structured_light(draws, scene(), 1, StructuredLight(), 580.0),
    ):
        plain, chosen = rng(), rng()
        take(plain)
        take(chosen)
        assert plain.random() == chosen.random()
    assert face_distance(scene().depth_mm) == 600.0
    flat = deliver(rng(), scene().depth_mm, LIGHT, QUIET, frames=1, focal_px=580.0)
    np.testing.assert_array_equal(flat, 600.0)
