"""What tells faces from pictures: the truth table, the cues of bent sheets, the sequence, the contract."""

from __future__ import annotations

import dataclasses
import json
import math
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from faceid_fast.errors import InvalidInputError, ModelContractError, ModelError
from faceid_fast.face.aligner import FaceAligner
from faceid_fast.face.bundled import read_bundled_model
from faceid_fast.face.crop import FaceCrop, HeadPose, NoFace
from faceid_fast.face.liveness import Liveness, LivenessCheck
from faceid_fast.face.liveness_limits import CUES, FIGURES, SCORE, Limits, likeness_of
from faceid_fast.face.sequence import repeated
from faceid_fast.frame import Frame, Intrinsics
from faceid_fast.outcome import Outcome
from faceid_fast.sources.renders import KINDS, bundled_renders
from stand_ins import LIVE_LIMITS, crop_of, cues_of, frame_of

CAMERA = Intrinsics(580.0, 580.0, 319.5, 239.5)
SHAPE = (480, 640)
NOISE_MM = 1.0
GEOMETRIES = [
    (distance_mm, pitch_deg, half_height_mm)
    for distance_mm in (400.0, 600.0, 800.0)
    for pitch_deg in (-8.0, 0.0, 8.0)
    for half_height_mm in (100.0, 130.0)
]
CHECK = LivenessCheck.bundled()
LEAST = CHECK.limits.least
FIT_SCORE = 0.8
# Each just reaching its own least value would leave their sum below its own.
ENOUGH = LEAST[SCORE] - likeness_of(0.0, LEAST["structure"], FIT_SCORE) + 1e-9
LIKELY = {"agreement": max(ENOUGH, LEAST["agreement"]), "structure": LEAST["structure"]}


def judged(*, fit_score: Any = FIT_SCORE, **figures: Any) -> Liveness:
    """Verdict where everything just reaches its least value, but for what is given."""
    values = {name: figures.get(name, LIKELY.get(name, LEAST[name])) for name in CUES}
    return CHECK.check(dataclasses.replace(crop_of(1), cues=cues_of(**values), fit_score=fit_score))


def test_what_just_reaches_everything_is_live() -> None:
    found = judged()
    assert found.live
    assert found.reasons == ()


TOO_LITTLE = {
    "just below": lambda least: float(np.nextafter(least, -math.inf)),
    "zero": lambda _: 0.0,
    "negative": lambda least: -least,
    "not a number": lambda _: math.nan,
    "infinite": lambda _: math.inf,
    "minus infinity": lambda _: -math.inf,
    "nothing": lambda _: None,
    "true": lambda _: True,
}


@pytest.mark.parametrize("how", TOO_LITTLE)
@pytest.mark.parametrize(
    "failed",
    [set(some) for n in (1, 2) for some in combinations(CUES, n)],
    ids=lambda names: "+".join(sorted(names)),
)
def test_whatever_fails_the_face_is_not_live(failed: set[str], how: str) -> None:
    """The truth table: one figure that is missing or too small is enough, whatever the others say."""
    strong = {name: 1e3 * LEAST[name] for name in CUES}
    weak = {name: TOO_LITTLE[how](LEAST[name]) for name in failed}
    for others in ({}, strong):
        found = judged(**{**others, **weak})
        assert not found.live
        assert found.reasons
        assert not any(character.isdigit() for character in "".join(found.reasons))
        named = {words.split()[0] for words in found.figures(LEAST)}
        assert failed <= named <= {*failed, SCORE}


def test_a_little_of_both_shapes_is_not_enough() -> None:
    poor = 0.6
    both = {"agreement": LEAST["agreement"], "structure": LEAST["structure"]}
    assert likeness_of(*both.values(), poor) < LEAST[SCORE]
    found = judged(**both, fit_score=poor)
    assert not found.live
    assert [words.split()[0] for words in found.figures(LEAST)] == [SCORE]
    assert judged(agreement=LEAST[SCORE], structure=LEAST["structure"], fit_score=poor).live


@pytest.mark.parametrize("fit_score", [0.0, -1.0, math.nan, math.inf, None, True])
def test_a_head_that_explains_little_is_not_live(fit_score: Any) -> None:
    found = judged(fit_score=fit_score)
    assert not found.live
    assert [words.split()[0] for words in found.figures(LEAST)] == [SCORE]


def test_every_figure_has_a_reason_and_a_least_value() -> None:
    assert set(LEAST) == set(FIGURES)
    assert all(0.0 < least < math.inf for least in LEAST.values())
    assert all(judged(**{name: 0.0}).reasons for name in CUES)


def half_cylinder(radius_mm: float, distance_mm: float, pitch_deg: float, half_height_mm: float) -> Frame:
    """Bend a picture round a cylinder before a wall; only its depth matters here."""
    rows, columns = np.indices(SHAPE)
    rays = np.stack(
        [(columns - CAMERA.cx) / CAMERA.fx, (rows - CAMERA.cy) / CAMERA.fy, np.ones(SHAPE)], axis=-1
    )
    axis = np.array([0.0, math.cos(math.radians(pitch_deg)), math.sin(math.radians(pitch_deg))])
    center = np.array([0.0, 0.0, distance_mm + radius_mm])
    across = rays - (rays @ axis)[..., None] * axis
    offset = center - (center @ axis) * axis
    a, b, c = (across**2).sum(axis=-1), across @ offset, offset @ offset - radius_mm**2
    hit = b**2 - a * c > 0
    points = rays * ((b - np.sqrt(np.where(hit, b**2 - a * c, 0.0))) / a)[..., None]
    on_sheet = hit & (np.abs((points - center) @ axis) < half_height_mm)
    depth = np.where(on_sheet, points[..., 2], distance_mm + 900.0)
    rng = np.random.default_rng(0)
    depth += rng.normal(0, NOISE_MM, SHAPE)
    color: NDArray[np.uint8] = rng.integers(40, 200, (*SHAPE, 3)).astype(np.uint8)
    return Frame(depth=depth.astype(np.float32), depth_unit_m=0.001, color=color, intrinsics=CAMERA)


@pytest.mark.parametrize("radius_mm", [60.0, 70.0, 80.0, 90.0, 105.0, 150.0, 300.0])
def test_no_picture_round_a_cylinder_passes_the_cues(radius_mm: float) -> None:
    found = [FaceAligner.bundled().align(half_cylinder(radius_mm, *geometry)) for geometry in GEOMETRIES]
    crops = [look for look in found if isinstance(look, FaceCrop)]
    assert not any(CHECK.check(crop).live for crop in crops)
    # It was looked at, not only passed over for not being a head.
    assert crops or any(isinstance(look, NoFace) and look.outcome is Outcome.SPOOF for look in found)


@pytest.mark.parametrize("radius_mm", [60.0, 90.0, 150.0, 300.0])
def test_nor_where_it_is_held_is_given(radius_mm: float) -> None:
    for distance_mm, pitch_deg, half_height_mm in GEOMETRIES:
        frame = half_cylinder(radius_mm, distance_mm, pitch_deg, half_height_mm)
        pose = HeadPose(np.eye(3, dtype=np.float32), np.float32([0, -20, distance_mm]), 0.0, 0.0, 0.0)
        crop = FaceAligner.bundled().cut_out(frame, pose)
        assert not CHECK.check(crop).live


def test_bundled_faces_are_live_and_the_print_is_not() -> None:
    kinds = {"enroll": True, "probe": True, "print": False, "beard": True}
    seen = set()
    for render in bundled_renders(KINDS):
        found = FaceAligner.bundled().align(render.read())
        if kinds[render.kind]:
            assert isinstance(found, FaceCrop)
            verdict_on_it = CHECK.check(found)
            assert verdict_on_it.live, verdict_on_it.reasons
        else:
            assert isinstance(found, NoFace)
            assert found.outcome is Outcome.SPOOF
            assert "mm from a plane" in found.measured[0]
        seen.add(render.kind)
    assert seen == set(kinds)


def test_a_pose_that_was_found_cuts_out_the_same() -> None:
    render = next(render for render in bundled_renders() if render.kind == "probe")
    found = FaceAligner.bundled().align(render.read())
    assert isinstance(found, FaceCrop)
    again = FaceAligner.bundled().cut_out(render.read(), found.pose)
    assert again.cues.agreement == pytest.approx(found.cues.agreement, abs=0.02)
    assert again.cues.relief_mm == pytest.approx(found.cues.relief_mm, rel=0.02)
    np.testing.assert_allclose(again.eye_midpoint_mm[2], found.eye_midpoint_mm[2], atol=10.0)


@pytest.mark.parametrize(
    ("rotation", "translation"),
    [
        (np.eye(3), [0, 0, 100]),
        (np.eye(3), [0, 0, 5000]),
        (np.eye(3), [0, 0, math.nan]),
        (np.full((3, 3), math.inf), [0, 0, 600]),
        (np.eye(2), [0, 0, 600]),
        (np.eye(3), [0, 600]),
    ],
)
def test_poses_that_cannot_be_cut_out(rotation: Any, translation: Any) -> None:
    pose = HeadPose(np.asarray(rotation, np.float32), np.float32(translation), 0.0, 0.0, 0.0)
    with pytest.raises(InvalidInputError, match="pose: expected"):
        FaceAligner.bundled().cut_out(frame_of(1), pose)


def test_only_frames_and_poses_are_cut_out() -> None:
    with pytest.raises(InvalidInputError, match="frame, pose: expected a Frame and a HeadPose"):
        FaceAligner.bundled().cut_out(frame_of(1), None)  # type: ignore[arg-type]


@pytest.mark.parametrize("crop", [None, "face", dataclasses.replace(crop_of(1), cues=None)])  # type: ignore[arg-type]
def test_only_crops_with_cues_are_judged(crop: Any) -> None:
    with pytest.raises(InvalidInputError, match="crop: expected a FaceCrop with its cues, got"):
        CHECK.check(crop)


def test_depth_that_stays_under_a_picture_that_moves_is_a_copy() -> None:
    one, other, third = frame_of(1), frame_of(2), frame_of(3)
    assert repeated([one, other, third]) == set()
    copied = dataclasses.replace(other, depth=one.depth)
    assert repeated([one, copied, third]) == {0, 1}
    still = dataclasses.replace(third, infrared=one.infrared)
    assert repeated([one, other, still]) == {0, 2}
    assert repeated([one, one, other]) == set()  # one frame, given twice
    assert repeated([one, frame_of(1, "color")]) == set()  # two pictures of one moment
    assert repeated([]) == set()


def test_a_difference_between_the_samples_looked_at_first_counts() -> None:
    one = frame_of(1)
    infrared = one.infrared.copy()  # type: ignore[union-attr]
    infrared[1, 1] += 1
    assert repeated([one, dataclasses.replace(one, infrared=infrared)]) == {0, 1}
    depth = one.depth.copy()
    depth[1, 1] += 1
    assert repeated([one, dataclasses.replace(one, depth=depth, infrared=infrared)]) == set()


def test_the_limits_ask_for_every_cue_and_for_nothing_that_lets_pass() -> None:
    text = read_bundled_model("liveness.json").decode()
    assert Limits.from_json(text) == CHECK.limits
    record = json.loads(text)
    less = {name: value for name, value in record["least"].items() if name != "noise_mm"}
    for least in (
        less,
        {**less, "luck": 1.0},
        {**less, "noise_mm": 0.0},
        {**less, "noise_mm": -0.1},
        {**less, "noise_mm": 1e999},
        {**less, "noise_mm": True},
        {**less, "noise_mm": "1"},
        None,
    ):
        with pytest.raises(ModelContractError, match=r"limits\.least"):
            Limits.from_json(json.dumps({**record, "least": least}))
        with pytest.raises(ModelContractError, match=r"limits\.least"):
            dataclasses.replace(CHECK.limits, least=least)
    for change in (
        {"limits_id": 7},
        {"training_commit": None},
        {"calibration": []},
        {"preprocessing": "head"},
    ):
        with pytest.raises(ModelContractError, match=rf"limits\.{next(iter(change))}: expected"):
            Limits.from_json(json.dumps({**record, **change}))


def test_limits_cannot_be_lowered_afterwards() -> None:
    mine = dict(LEAST)
    limits = dataclasses.replace(CHECK.limits, least=mine)
    mine["relief_mm"] = 1e-9
    assert limits.least["relief_mm"] == LEAST["relief_mm"]
    with pytest.raises(TypeError):
        limits.least["relief_mm"] = 1e-9  # type: ignore[index]


def test_limits_of_other_faces_and_versions_are_refused() -> None:
    record = json.loads(read_bundled_model("liveness.json"))
    with pytest.raises(ModelContractError, match=r"limits\.preprocessing: expected"):
        Limits.from_json(json.dumps({**record, "preprocessing": {"id": "head-fit-0"}}))
    with pytest.raises(ModelContractError, match=r"limits\.schema_version: expected 2, got 1"):
        Limits.from_json(json.dumps({**record, "schema_version": 1}))
    with pytest.raises(ModelContractError, match="limits: expected the fields calibration, least"):
        Limits.from_json(json.dumps({**record, "luck": 1}))
    for text in ("", "7", "[1]", "{", "null", "[" * 100_000):
        with pytest.raises(ModelError, match="limits: expected a JSON object"):
            Limits.from_json(text)


def test_only_limits_make_a_check() -> None:
    with pytest.raises(InvalidInputError, match="limits: expected Limits, got dict"):
        LivenessCheck(dict(LEAST))  # type: ignore[arg-type]
    assert LivenessCheck(LIVE_LIMITS).check(crop_of(1)).live
    assert not LivenessCheck(LIVE_LIMITS).check(crop_of(1, live=False)).live
