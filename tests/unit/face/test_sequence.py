"""Sequences: live frames pass, frames made of one another do not. Noise is drawn here, on a rendered head."""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from faceid_fast import Authenticator, FaceAligner, Frame, Outcome
from faceid_fast.face.crop import FaceCrop
from faceid_fast.face.sequence import (
    LEAST_CHANGE,
    LEAST_EVIDENCE,
    MOST_ALIKE,
    REACH,
    Likeness,
    Trace,
    compared,
    not_independent,
)
from faceid_fast.sources.orientation import rotated
from faceid_fast.sources.renders import bundled_renders

Depth = NDArray[np.float64]
NOISE_MM, NOISE_GREY = 1.0, 40.0


@cache
def probe() -> tuple[Frame, FaceCrop]:
    frame = next(r for r in bundled_renders() if (r.person, r.kind) == ("ada", "probe")).read()
    face = FaceAligner.bundled().align(frame)
    assert isinstance(face, FaceCrop)
    return frame, face


@cache
def scene() -> tuple[Depth, Depth]:
    """Depth and picture of the head, its own noise taken off by a mean over 5 x 5 pixels."""
    frame, _ = probe()
    depth, picture = frame.depth.astype(float), np.asarray(frame.infrared, float)
    known = depth > 0

    def mean(values: Depth) -> Depth:
        padded = np.pad(values, 2, mode="edge")
        rows, columns = values.shape
        return sum(padded[y : y + rows, x : x + columns] for y in range(5) for x in range(5)) / 25.0  # type: ignore[return-value]

    weight = mean(known.astype(float))
    smooth = mean(np.where(known, depth, 0.0)) / np.maximum(weight, 1e-6)
    near = np.abs(smooth - depth) < 8.0
    return np.where(known, np.where(near, smooth, depth), 0.0), mean(picture)


def made(depth: Depth, picture: Depth) -> Frame:
    frame, _ = probe()
    return Frame(
        depth=np.where(frame.depth > 0, np.clip(np.rint(depth), 1, 65535), 0).astype(np.uint16),
        depth_unit_m=frame.depth_unit_m,
        infrared=np.clip(np.rint(picture), 0, 65535).astype(np.uint16),
        intrinsics=frame.intrinsics,
    )


def noisy(rng: np.random.Generator, depth: Depth, picture: Depth, times: float = 1.0) -> Frame:
    return made(
        depth + times * NOISE_MM * rng.standard_normal(depth.shape),
        picture + times * NOISE_GREY * rng.standard_normal(picture.shape),
    )


def live(seed: int, count: int = 5, step_mm: float = 0.3) -> list[Frame]:
    """Frames of a head that comes nearer by `step_mm` from frame to frame."""
    rng = np.random.default_rng(seed)
    depth, picture = scene()
    return [noisy(rng, depth - number * step_mm, picture) for number in range(count)]


def faces_of(frames: list[Frame], shifts: tuple[tuple[int, int], ...] = ()) -> dict[int, FaceCrop]:
    _, face = probe()
    top, left, bottom, right = face.region
    moved = shifts or ((0, 0),) * len(frames)
    return {
        at: replace(face, region=(max(top + y, 0), max(left + x, 0), bottom + y, right + x))
        for at, (y, x) in enumerate(moved)
    }


def refused(*frames: Frame, shifts: tuple[tuple[int, int], ...] = ()) -> set[int]:
    return not_independent(frames, faces_of(list(frames), shifts))


@pytest.mark.parametrize("seed", range(10))
def test_live_frames_are_independent(seed: int) -> None:
    assert refused(*live(seed)) == set()


def test_renders_of_a_person_are_independent() -> None:
    aligner = FaceAligner.bundled()
    for person in ("ada", "ben"):
        frames = [r.read() for r in bundled_renders() if r.person == person and r.kind != "print"]
        found = {at: aligner.align(frame) for at, frame in enumerate(frames)}
        faces = {at: face for at, face in found.items() if isinstance(face, FaceCrop)}
        assert len(faces) > 4
        assert not_independent(frames, faces) == set()


def one_bit(frame: Frame, rng: np.random.Generator) -> Frame:
    plane = ("depth", "infrared")[int(rng.integers(2))]
    changed = np.asarray(getattr(frame, plane)).copy()
    changed.flat[int(rng.integers(changed.size))] ^= 1
    return replace(frame, **{plane: changed})  # type: ignore[arg-type]


def plus_minus_one(frame: Frame, rng: np.random.Generator) -> Frame:
    depth, picture = frame.depth.astype(float), np.asarray(frame.infrared, float)
    return made(depth + rng.integers(-1, 2, depth.shape), picture + rng.integers(-1, 2, depth.shape))


def with_noise(frame: Frame, rng: np.random.Generator) -> Frame:
    return noisy(rng, frame.depth.astype(float), np.asarray(frame.infrared, float))


def brighter(frame: Frame, rng: np.random.Generator) -> Frame:
    return made(frame.depth.astype(float), np.asarray(frame.infrared) * rng.uniform(1.02, 1.3))


def steps_of(step: int) -> Any:
    def rounded(frame: Frame, _: np.random.Generator) -> Frame:
        return made(np.rint(frame.depth / step) * step, np.rint(np.asarray(frame.infrared) / step) * step)

    return rounded


FAKES = {
    "one bit": one_bit,
    "+-1": plus_minus_one,
    "noise": with_noise,
    "brighter": brighter,
    **{f"steps of {step}": steps_of(step) for step in (2, 3, 5, 8)},
}


@pytest.mark.parametrize("kind", FAKES)
@pytest.mark.parametrize("seed", range(5))
def test_what_is_made_of_one_frame_is_found(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    frame = live(seed, 1)[0]
    assert refused(frame, FAKES[kind](frame, rng)) == {0, 1}
    assert refused(FAKES[kind](frame, rng), FAKES[kind](frame, rng)) == {0, 1}


def test_one_fake_is_found_among_live_frames() -> None:
    rng = np.random.default_rng(3)
    frames = live(3)
    frames.insert(4, with_noise(frames[1], rng))
    assert refused(*frames) == {1, 4}


@pytest.mark.parametrize("shift", [(0, 3), (-5, 0), (4, -7)])
@pytest.mark.parametrize("noise", [False, True])
def test_a_shift_by_whole_pixels_hides_nothing(shift: tuple[int, int], *, noise: bool) -> None:
    frame = live(4, 1)[0]
    rolled = [np.roll(np.asarray(plane), shift, (0, 1)) for plane in (frame.depth, frame.infrared)]
    moved = replace(frame, depth=rolled[0], infrared=rolled[1])
    if noise:
        rng = np.random.default_rng(5)
        added = np.rint(NOISE_MM * rng.standard_normal(moved.depth.shape)).astype(int)
        moved = replace(moved, depth=np.where(moved.depth > 0, moved.depth + added, 0).astype(np.uint16))
    assert refused(frame, moved, shifts=((0, 0), shift)) == {0, 1}


def test_a_picture_shown_again_over_depth_that_moves_is_found() -> None:
    one, other = live(6, 2)
    picture = np.asarray(one.infrared).copy()
    picture[:: picture.shape[0] // 4, 0] ^= 1
    assert refused(one, replace(other, infrared=picture)) == {0, 1}


def test_what_does_not_move_at_all_is_no_live_head() -> None:
    """A bust before a camera that stands still: its noise is new, but its relief is there again."""
    assert refused(*live(7, step_mm=0.0)) == {0, 1, 2, 3, 4}


def test_frames_that_show_no_face_and_single_ones_are_not_looked_at() -> None:
    frame = live(8, 1)[0]
    faces = faces_of([frame])
    assert not_independent([], {}) == set()
    assert not_independent([frame], faces) == set()
    assert not_independent([frame, frame], faces) == set()


def test_pictures_of_other_modalities_are_not_compared() -> None:
    """One moment may be seen in infrared and in colour, over the same depth."""
    frame = live(9, 1)[0]
    color = Frame(
        depth=frame.depth,
        depth_unit_m=frame.depth_unit_m,
        color=np.dstack([np.asarray(frame.infrared) // 256] * 3).astype(np.uint8),
        intrinsics=frame.intrinsics,
    )
    assert refused(frame, color) == set()


def test_depth_in_other_units_and_dtypes_is_judged_alike() -> None:
    metres = [replace(frame, depth=frame.depth * np.float32(1e-3), depth_unit_m=1.0) for frame in live(10)]
    assert refused(*metres) == set()
    assert refused(metres[0], replace(metres[0], depth=metres[0].depth + np.float32(0))) == {0, 1}
    rng = np.random.default_rng(1)
    again = with_noise(live(10)[0], rng)
    assert refused(metres[0], replace(again, depth=again.depth * np.float32(1e-3), depth_unit_m=1.0)) == {
        0,
        1,
    }


def test_faces_of_a_turned_camera_are_compared_in_their_turn() -> None:
    for turns in (1, 2, 3):
        upright = live(11, 3)
        upright.append(with_noise(upright[0], np.random.default_rng(2)))
        sideways = [rotated(frame, turns) for frame in upright]
        faces = {at: replace(face, turned_deg=90 * turns) for at, face in faces_of(upright).items()}
        assert not_independent(sideways, faces) == {0, 3}
        one, other = (Trace.of(frame, faces_of([frame])[0]) for frame in upright[:2])
        turned_one, turned_other = (Trace.of(frame, faces[0]) for frame in sideways[:2])
        assert compared(one, other) == compared(turned_one, turned_other)


def test_repetition_is_found_within_reach() -> None:
    frames = live(12, REACH + 1)
    again = with_noise(frames[1], np.random.default_rng(1))
    assert refused(*frames, again) == {1, REACH + 1}
    assert refused(*frames, with_noise(frames[0], np.random.default_rng(1))) == set()  # a recording of 17


def test_where_hardly_anything_was_measured_nothing_is_told_but_of_copies() -> None:
    frame, face = probe()
    top, left, *_ = face.region
    small = replace(face, region=(top + 40, left + 40, top + 52, left + 52))
    one = live(13, 1)[0]
    other = with_noise(one, np.random.default_rng(1))
    assert not_independent([one, other], {0: small, 1: small}) == set()
    assert not_independent([frame, frame], {0: small, 1: small}) == {0, 1}
    for region in ((0, 0, 1, 1), (0, 0, 2, 400), (-5, -5, 2, 2), (10**6, 10**6, 10**6 + 9, 10**6 + 9)):
        strange = replace(face, region=region)
        not_independent([one, other], {0: strange, 1: strange})  # raises nothing


@pytest.mark.parametrize(
    ("likeness", "repeats"),
    [
        (Likeness(), False),
        (Likeness(0.5, LEAST_EVIDENCE, LEAST_CHANGE), False),
        (Likeness(0.5, LEAST_EVIDENCE, LEAST_CHANGE - 0.1), True),
        (Likeness(0.01, LEAST_EVIDENCE - 0.1, 0.0), False),  # nothing moves, and nothing is repeated
        (Likeness(MOST_ALIKE, 90.0, 1e6), True),
        (Likeness(MOST_ALIKE - 0.01, 90.0, 1e6), False),
        (Likeness(same_picture=0.99), True),
        (Likeness(same_step=False), True),
    ],
)
def test_each_sign_is_enough(likeness: Likeness, *, repeats: bool) -> None:
    assert likeness.repeats == repeats


@pytest.mark.parametrize("kind", ["as it is", *FAKES])
def test_an_attempt_of_one_frame_of_the_right_person_is_a_spoof(kind: str) -> None:
    auth = Authenticator()
    auth.enroll("ada", [r.read() for r in bundled_renders() if (r.person, r.kind) == ("ada", "enroll")])
    probes = [r.read() for r in bundled_renders() if (r.person, r.kind) == ("ada", "probe")]
    assert auth.verify(probes, "ada").accepted
    rng = np.random.default_rng(1)
    again = probes[0] if kind == "as it is" else FAKES[kind](probes[0], rng)
    assert auth.verify(again, "ada").accepted  # by itself it would do
    for frames in itertools.permutations([*probes, again]):
        decision = auth.verify(frames, "ada")
        assert decision.outcome is Outcome.SPOOF
        assert "a recording, not a face" in decision.reasons[0]
        auth.unlock("ada")
