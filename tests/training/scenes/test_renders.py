"""Cameras, wear and portraits: each delivers what it says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")
if not hasattr(cv2, "triangleRasterize"):
    pytest.skip("OpenCV 4 has no triangleRasterize: renders need OpenCV 5", allow_module_level=True)

from training.camera.models import BY_NAME, CAMERA_MODELS, LARGEST_CROP_PX  # noqa: E402
from training.camera.raster import Camera, Pose  # noqa: E402
from training.data.build import make_identity, render_identity  # noqa: E402
from training.data.config import TEST, TRAIN, TRAIN_ALIKE  # noqa: E402
from training.data.raw import RawShard  # noqa: E402
from training.heads.ict import DEFAULT_PATH, ParametricHead  # noqa: E402
from training.people.person import Identity, Studio  # noqa: E402
from training.people.portraits import CACHE, PORTRAITS_PATH, Portraits, make_maps  # noqa: E402
from training.people.wear import Cap, Wear, draw_glasses, draw_wear  # noqa: E402
from training.scenes.crops import render_crop, render_head  # noqa: E402
from training.scenes.poses import random_expression  # noqa: E402

if not DEFAULT_PATH.is_dir():
    pytest.skip(f"no parametric head: {DEFAULT_PATH} is missing", allow_module_level=True)

CAMERA = Camera(365.0, 365.0, 64.5, 64.5, 130, 130)
POSE = Pose(0.0, 0.0, 0.0, (0.0, -5.0, 750.0))


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio(ParametricHead.load())


@pytest.fixture(scope="module")
def identity(studio: Studio) -> Identity:
    rng = np.random.default_rng(3)
    return studio.identity(rng, rng.standard_normal(100), hair_varies=False)


@pytest.mark.parametrize("model", CAMERA_MODELS, ids=lambda model: model.name)
def test_cameras_deliver_their_pictures(studio: Studio, identity: Identity, model: object) -> None:
    camera = BY_NAME[model.name]
    for wanted in ("infrared", "color", "both"):
        modality = camera.delivered(wanted)
        capture = render_crop(np.random.default_rng(1), studio, identity, modality=modality, model=camera)
        got = {name for name in ("infrared", "color") if getattr(capture, name) is not None}
        assert got <= set(camera.pictures)
        assert got == ({wanted} if wanted != "both" else {"infrared", "color"}) & set(camera.pictures) or (
            len(camera.pictures) == 1
        )
        assert got
        near, far = camera.distance_mm or TEST.poses.distance_mm
        assert near - 40 < capture.distance_mm < far + 40
        if camera.binned:
            assert max(capture.depth_mm.shape) < 1.25 * LARGEST_CROP_PX
        u, v = np.rint(capture.camera.project(capture.eye_midpoint_mm)[0]).astype(int)
        patch = capture.depth_mm[v - 4 : v + 5, u - 4 : u + 5].astype(float)
        assert abs(np.median(patch[patch > 0]) - capture.distance_mm) < 60


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


def test_a_shard_gives_back_captures_of_unlike_pictures(studio: Studio) -> None:
    split = replace(TRAIN, captures=6, portrait_share=0.0)
    captures, _ = render_identity(studio, split, 3)
    shard = RawShard.of(captures, [0] * 6, [-1] * 6)
    assert len(set(zip(shard.has_infrared.tolist(), shard.has_color.tolist(), strict=True))) > 1
    for capture, (depth, pictures, _) in zip(captures, shard.crops(), strict=True):
        np.testing.assert_array_equal(depth, capture.depth_mm)
        for name in ("infrared", "color"):
            picture = getattr(capture, name)
            assert (name in pictures) == (picture is not None)
            if picture is not None:
                np.testing.assert_array_equal(pictures[name], picture)
    again, _ = render_identity(studio, split, 3)
    for first, second in zip(captures, again, strict=True):
        np.testing.assert_array_equal(first.depth_mm, second.depth_mm)
        assert (first.worn, first.camera_model) == (second.worn, second.camera_model)


def test_missing_portraits_are_named(studio: Studio, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="figshare"):
        make_maps(studio.head, tmp_path)


@pytest.mark.skipif(
    not CACHE.exists(), reason=f"no maps of portraits at {CACHE}: a first render of TRAIN makes them"
)
def test_portraits_of_the_sets_are_other_people() -> None:
    train, held = Portraits.of_set("train"), Portraits.of_set("held")
    assert not set(train.names) & set(held.names)
    assert len(train.names) + len(held.names) == 91
    assert len(held.names) >= 20
    detail = train.blend(np.random.default_rng(0))
    assert detail.shape == (352, 544, 3)
    assert -3.2 < detail.min() < -0.5  # brows, lashes, nostrils
    assert 0 < detail.max() < 0.6
    assert (detail[:, :100] == 0).all()  # nothing is known of the sides
    assert not np.array_equal(train.detail[0], train.detail[1])
    assert PORTRAITS_PATH.name == "portraits"


def test_look_alikes_of_one_skin_differ_in_shape_alone(studio: Studio) -> None:
    for split, shared in ((TRAIN, False), (TRAIN_ALIKE, True)):
        plain = replace(split, portrait_share=0.0, glasses_share=0.0)
        (first, one), (second, other) = (make_identity(studio, plain, index) for index in (0, 1))
        assert one == other >= 0
        assert np.array_equal(first.skin.infrared, second.skin.infrared) is shared
        assert not np.array_equal(first.weights, second.weights)


def test_mouths_are_wide_open_where_a_split_says_so(studio: Studio) -> None:
    jaw = studio.head.expression_index("jawOpen")
    for share, least in ((0.0, 0), (0.5, 15), (1.0, 40)):
        rng = np.random.default_rng(6)
        drawn = [random_expression(rng, studio.head, wide_open_share=share)[jaw] for _ in range(40)]
        wide = sum(weight >= 0.6 for weight in drawn)
        assert wide >= least
        assert share > 0 or wide <= 12
