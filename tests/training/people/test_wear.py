"""Glasses and caps: where they stand on a head, and who wears them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")
if not hasattr(cv2, "triangleRasterize"):
    pytest.skip("OpenCV 4 has no triangleRasterize: renders need OpenCV 5", allow_module_level=True)

from training.camera.raster import Camera, Pose  # noqa: E402
from training.data.config import TEST, TRAIN  # noqa: E402
from training.people.person import Identity, Studio  # noqa: E402
from training.people.wear import Cap, Wear, draw_glasses, draw_wear  # noqa: E402
from training.scenes.crops import render_head  # noqa: E402

CAMERA = Camera(365.0, 365.0, 64.5, 64.5, 130, 130)
POSE = Pose(0.0, 0.0, 0.0, (0.0, -5.0, 750.0))


def _bare_and_worn(studio: Studio, identity: Identity, wear: Wear, pose: Pose = POSE) -> list[np.ndarray]:
    neutral = np.zeros(53, np.float32)
    captures = [
        render_head(
            np.random.default_rng(2), studio, identity, neutral, pose, CAMERA, background="none", wear=worn
        )
        for worn in (None, wear)
    ]
    assert [capture.worn for capture in captures] == [0, wear.code]
    return [capture.depth_mm.astype(float) for capture in captures]


def test_glasses_stand_before_the_eyes(studio: Studio, identity: Identity) -> None:
    glasses = replace(draw_glasses(np.random.default_rng(0)), rim=5.0, before_eyes=18.0)
    bare, worn = _bare_and_worn(studio, identity, Wear(glasses=glasses))
    both = (bare > 0) & (worn > 0)
    nearer = both & (bare - worn > 6)
    u, v = np.rint(CAMERA.project(np.float64([[0, -5, 750]]))[0]).astype(int)
    band = np.zeros_like(nearer)
    band[v - 18 : v + 24, u - 36 : u + 36] = True
    assert nearer[band].sum() > 40
    cheeks = np.s_[v + 30 : v + 40, u - 15 : u + 15]
    assert nearer[cheeks].mean() < 0.1


def test_a_cap_covers_the_skull_and_not_the_mouth(studio: Studio, identity: Identity) -> None:
    cap = Cap(-50.0, 0.0, 15.0, 65.0, 0.1, 0.4, (0.3, 0.3, 0.3))
    bare, worn = _bare_and_worn(studio, identity, Wear(cap=cap), replace(POSE, pitch_deg=15.0))
    v = int(CAMERA.project(np.float64([[0, -5, 750]]))[0, 1])
    both = (bare > 0) & (worn > 0)
    brim = np.s_[v - 40 : v - 8, 45:85]  # seen from above: the head is bowed
    mouth = np.s_[v + 25 : v + 40, 55:75]
    assert (bare - worn)[brim][both[brim]].max() > 35
    assert np.abs(np.median((bare - worn)[mouth][both[mouth]])) < 4


def test_tests_show_nothing_worn_and_training_does() -> None:
    def share(split_glasses: float, cap_share: float) -> float:
        codes = []
        for seed in range(400):
            rng = np.random.default_rng(seed)
            own = draw_glasses(rng) if rng.random() < split_glasses else None
            codes.append(draw_wear(rng, own, others=split_glasses > 0, cap_share=cap_share).code)
        return float(np.mean(np.array(codes) > 0))

    assert share(TEST.glasses_share, TEST.cap_share) == 0
    assert 0.15 < share(TRAIN.glasses_share, TRAIN.cap_share) < 0.4
