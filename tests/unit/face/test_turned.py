from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceid_fast import Authenticator, FaceAligner, Frame, InMemoryStore, Intrinsics, NoFace, Outcome
from faceid_fast.access.lockout import DEVICE
from faceid_fast.face.crop import FaceCrop
from faceid_fast.face.liveness import LivenessCheck
from faceid_fast.face.turned import hint_of, in_best_turn
from faceid_fast.frame import MAX_FRAMES
from faceid_fast.matching.decision import Decision
from faceid_fast.sources.orientation import rotated
from faceid_fast.sources.recognized import shots_at
from faceid_fast.sources.renders import bundled_renders
from stand_ins import LIVE_LIMITS, SIZE, StandInAligner, StandInEmbedder, crop_of, cues_of, no_face

CASES = Path(__file__).resolve().parents[4] / "shared" / "cases"
PEOPLE = {
    (person, kind): [r.read() for r in bundled_renders() if (r.person, r.kind) == (person, kind)]
    for person in ("ada", "ben")
    for kind in ("enroll", "probe", "print")
}


def door(**options: Any) -> Authenticator:
    auth = Authenticator(**options)
    auth.enroll("ada", PEOPLE["ada", "enroll"])
    return auth


def turned(kind: str, clockwise: int, person: str = "ada") -> list[Frame]:
    """Frames of a camera that has to be turned clockwise by so many quarters."""
    return [rotated(frame, clockwise) for frame in PEOPLE[person, kind]]


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_turned_camera_s_faces_are_found_and_its_turn_is_told(quarters: int) -> None:
    auth = door()
    upright, seen = auth.verify(PEOPLE["ada", "probe"], "ada"), auth.verify(turned("probe", quarters), "ada")
    assert (seen.outcome, seen.turned_deg) == (Outcome.ACCEPTED, 90 * quarters)
    assert seen.reasons == (hint_of(90 * quarters),)
    assert f"{90 * quarters} degrees clockwise" in seen.reasons[0]
    assert (upright.turned_deg, upright.reasons) == (0, ())
    found = auth.identify(turned("probe", quarters)[0])
    assert (found.identity, found.turned_deg) == ("ada", 90 * quarters)
    stranger = auth.verify(turned("probe", quarters, "ben"), "ada")
    assert (stranger.outcome, stranger.turned_deg) == (Outcome.NO_MATCH, 90 * quarters)
    assert stranger.reasons[1:] == (hint_of(90 * quarters),)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_without_trying_turns_nothing_is_turned(quarters: int) -> None:
    auth = door(try_turns=False)
    seen = auth.verify(turned("probe", quarters), "ada")
    assert (seen.accepted, seen.turned_deg) == (False, 0)
    assert not any("clockwise" in reason for reason in seen.reasons)


def test_a_turned_camera_can_enrol() -> None:
    auth = Authenticator()
    assert auth.enroll("ada", turned("enroll", 1)).accepted == len(PEOPLE["ada", "enroll"])
    assert auth.verify(PEOPLE["ada", "probe"], "ada").accepted
    assert auth.verify(turned("probe", 3), "ada").accepted
    assert not auth.verify(turned("probe", 1, "ben"), "ada").accepted


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_prints_pass_in_no_turn(quarters: int) -> None:
    for frame in turned("print", quarters):
        assert not door(lockout=False).verify(frame, "ada").accepted


def test_chips_of_a_turned_camera_are_upright() -> None:
    aligner = FaceAligner.bundled()
    sideways = dict(enumerate(turned("probe", 1)))
    found = in_best_turn(sideways, {number: no_face() for number in sideways}, aligner)
    assert found
    for number, crop_ in found.items():
        upright = aligner.align(PEOPLE["ada", "probe"][number])
        assert isinstance(upright, FaceCrop)
        assert np.mean(np.abs(crop_.chip.astype(int) - upright.chip)) < 1.0
        assert np.mean(np.abs(np.rot90(crop_.chip, axes=(1, 2)).astype(int) - upright.chip)) > 20.0


def test_aligning_turns_nothing() -> None:
    """Neither training nor the evaluation may see other faces than before."""
    for frame in turned("probe", 1):
        assert isinstance(FaceAligner.bundled().align(frame), NoFace)


@pytest.mark.parametrize(("case", "wanted_deg"), [("turned_90", 270), ("turned_180", 180)])
def test_captures_of_a_turned_camera(case: str, wanted_deg: int) -> None:
    if not (CASES / case).exists():
        pytest.skip(f"no captures at {CASES / case}")
    auth = Authenticator()
    auth.enroll("ada", [shot.read() for shot in shots_at(CASES / "right")])
    for shot in shots_at(CASES / case):
        seen = auth.verify(shot.read(), "ada")
        assert (seen.outcome, seen.turned_deg) == (Outcome.ACCEPTED, wanted_deg)


# With stand-ins: the first pixel of a frame says what is found in it, and each corner stands for a turn.

ADA, BEN = 1, 9
NOTHING, CUT, TILTED, FLAT, NEAR, FAR, TWO, HOLES, FAKE, VAGUE = range(50, 60)
LIKE_A_FACE = {"agreement": 0.9, "structure": 0.9}


def crop(code: int, *, live: bool = True, **cues: float) -> FaceCrop:
    made = crop_of(code, live=live)
    object.__setattr__(made, "cues", cues_of(**{"relief_mm": 1.0 if live else 0.0, **cues}))
    return made


FOUND: dict[int, FaceCrop | NoFace] = {
    ADA: crop(ADA, **LIKE_A_FACE),
    BEN: crop(BEN, **LIKE_A_FACE),
    NOTHING: no_face(),
    CUT: no_face(Outcome.CUT_OFF),
    TILTED: no_face(Outcome.POOR_POSE),
    FLAT: no_face(Outcome.SPOOF),
    NEAR: no_face(Outcome.TOO_NEAR),
    FAR: no_face(Outcome.TOO_FAR),
    TWO: no_face(Outcome.SEVERAL_FACES),
    HOLES: no_face(Outcome.POOR_DEPTH),
    FAKE: crop(FAKE, live=False, **LIKE_A_FACE),
    VAGUE: crop(VAGUE, live=False, agreement=0.2, structure=0.2),
}
OUTCOMES = {
    code: look.outcome if isinstance(look, NoFace) else Outcome.SPOOF if code >= NOTHING else None
    for code, look in FOUND.items()
}


class Counting(StandInAligner):
    """Counts how often it is asked."""

    asked = 0

    def align(self, frame: Frame) -> FaceCrop | NoFace:
        self.asked += 1
        return super().align(frame)


def shot(upright: int, *clockwise: int, noise: int = 0) -> Frame:
    """A frame in which `upright` is found, and others after turns of 90, 180 and 270 degrees clockwise."""
    first, second, third = (*clockwise, NOTHING, NOTHING, NOTHING)[:3]
    picture = np.full((SIZE, SIZE), 7, np.uint16)
    picture[0, 0], picture[-1, 0], picture[-1, -1], picture[0, -1] = upright, first, second, third
    picture[3, 3] = noise
    return Frame(
        depth=np.full((SIZE, SIZE), 600 + noise, np.uint16),
        depth_unit_m=0.001,
        infrared=picture,
        intrinsics=Intrinsics(60.0, 60.0, 31.5, 31.5),
    )


def decided(*frames: Frame, try_turns: bool = True) -> tuple[Decision, int, dict[str, int]]:
    """The decision on Ada, how many times a frame was aligned, and what was charged."""
    store, aligner = InMemoryStore(), Counting(FOUND)
    auth = Authenticator(
        store=store,
        aligner=aligner.as_aligner(),
        embedder=StandInEmbedder().as_embedder(),
        liveness=LivenessCheck(LIVE_LIMITS),
        try_turns=try_turns,
    )
    auth.enroll("ada", shot(ADA, noise=99))
    aligner.asked = 0
    decision = auth.verify(frames, "ada")
    tallies = store.amend(lambda state: (state, ())).tallies
    return decision, aligner.asked, {name: tally.failures for name, tally in tallies.items()}


@pytest.mark.parametrize("upright", [BEN, ADA, TILTED, FLAT, NEAR, FAR, TWO, HOLES])
def test_who_or_what_is_seen_upright_is_judged_as_it_is(upright: int) -> None:
    """Whatever the frame shows in another turn."""
    decision, asked, charged = decided(shot(upright, ADA, ADA, ADA))
    assert (asked, decision.turned_deg) == (1, 0)
    assert decision.accepted == (upright == ADA)
    if upright == FLAT:
        assert charged == {"ada": 2, DEVICE: 2}


@pytest.mark.parametrize("upright", [NOTHING, CUT, VAGUE])
def test_a_face_in_another_turn_is_judged_like_any_other(upright: int) -> None:
    decision, asked, charged = decided(shot(upright, NOTHING, VAGUE, ADA))
    assert (decision.outcome, decision.turned_deg, asked) == (Outcome.ACCEPTED, 270, 4)
    assert not any(charged.values())
    decision, _, charged = decided(shot(upright, BEN))
    assert (decision.outcome, decision.turned_deg) == (Outcome.NO_MATCH, 90)
    assert charged == {"ada": 1, DEVICE: 1}
    decision, _, charged = decided(shot(upright, NOTHING, FAKE))
    found_deg = 0 if upright == VAGUE else 180  # it was a spoof as it was
    assert (decision.outcome, decision.turned_deg) == (Outcome.SPOOF, found_deg)
    assert (decision.reasons[-1] == hint_of(180)) == (upright != VAGUE)
    assert charged == {"ada": 2, DEVICE: 2}  # a picture held on its side is no free try


def test_the_turn_is_chosen_before_anything_is_judged() -> None:
    """That which looks most like a face is not live; another that is gets no chance."""
    decision, *_ = decided(shot(NOTHING, FAKE, crop_in(0.8)))
    assert decision.outcome is Outcome.SPOOF
    decision, *_ = decided(shot(FAKE, crop_in(0.8)))
    assert (decision.outcome, decision.turned_deg) == (Outcome.SPOOF, 0)


def crop_in(share: float) -> int:
    """The code of a live face of Ada that looks a little less like a face."""
    code = 2
    FOUND[code] = crop(ADA, agreement=share, structure=share)
    return code


def test_half_a_face_is_no_bad_one_head_down() -> None:
    """A fit in another turn that is none too good counts for a frame only that shows something as it is."""
    code = 3
    FOUND[code] = replace(crop(code, live=False, **LIKE_A_FACE), fit_score=0.69)
    decision, _, charged = decided(shot(CUT, NOTHING, code))
    assert (decision.outcome, charged) == (Outcome.CUT_OFF, {})
    FOUND[code] = replace(crop(ADA, **LIKE_A_FACE), fit_score=0.69)
    assert not decided(shot(CUT, NOTHING, code))[0].accepted
    assert decided(shot(VAGUE, NOTHING, code))[0].accepted


def test_where_nothing_is_found_in_any_turn_nothing_changes() -> None:
    for upright in (NOTHING, CUT):
        decision, asked, charged = decided(shot(upright))
        as_it_is = decided(shot(upright), try_turns=False)
        assert (decision, charged) == (as_it_is[0], as_it_is[2])
        assert (asked, as_it_is[1]) == (4, 1)


def test_frames_of_one_camera_are_turned_alike() -> None:
    sideways = [shot(CUT, ADA, noise=n) for n in range(2)]
    decision, *_ = decided(*sideways, shot(CUT, NOTHING, BEN, noise=3))
    assert (decision.outcome, decision.turned_deg) == (Outcome.ACCEPTED, 90)
    assert decision.frames == (Outcome.ACCEPTED, Outcome.ACCEPTED, Outcome.CUT_OFF)
    decision, *_ = decided(*sideways, shot(VAGUE, NOTHING, noise=3))
    assert decision.frames[2] is Outcome.SPOOF  # what it was as it is


def test_where_half_of_the_frames_are_upright_the_camera_is() -> None:
    decision, asked, _ = decided(shot(BEN, noise=1), shot(CUT, ADA, ADA, ADA, noise=2))
    assert (decision.outcome, decision.turned_deg, asked) == (Outcome.NO_MATCH, 0, 2)
    one, two = shot(CUT, ADA, noise=2), shot(CUT, ADA, noise=3)
    decision, *_ = decided(shot(BEN, noise=1), one, two)
    assert (decision.outcome, decision.turned_deg) == (Outcome.ACCEPTED, 90)  # two of three


def test_a_recording_is_not_turned() -> None:
    one, film = shot(CUT, ADA, noise=1), shot(CUT, ADA, noise=2)
    copied = Frame(depth=one.depth, depth_unit_m=0.001, infrared=film.picture, intrinsics=one.intrinsics)
    decision, asked, _ = decided(one, copied, shot(CUT, ADA, noise=3))
    assert (decision.outcome, decision.turned_deg, asked) == (Outcome.SPOOF, 0, 1)


@given(
    st.lists(
        st.tuples(*[st.sampled_from([ADA, BEN, NOTHING, CUT, TILTED, FLAT, NEAR, FAKE, VAGUE])] * 4),
        min_size=1,
        max_size=5,
    )
)
def test_a_try_is_a_try_in_whatever_turn(corners: list[tuple[int, int, int, int]]) -> None:
    frames = [shot(*codes, noise=number) for number, codes in enumerate(corners)]
    decision, asked, charged = decided(*frames)
    before, _, charged_before = decided(*frames, try_turns=False)
    assert asked <= 4 * len(frames) <= 4 * MAX_FRAMES
    turn = decision.turned_deg // 90
    ada = [codes[0] == ADA or (turn > 0 and codes[turn] == ADA) for codes in corners]
    assert not decision.accepted or 2 * sum(ada) > sum(
        outcome in {Outcome.ACCEPTED, Outcome.SPOOF} for outcome in decision.frames
    )
    if not decision.accepted:  # what is charged without turns is charged with them
        assert any(charged.values()) >= any(charged_before.values())
    for codes, outcome, seen in zip(corners, decision.frames, before.frames, strict=True):
        if OUTCOMES[codes[0]] not in {None, Outcome.NO_FACE, Outcome.CUT_OFF, Outcome.SPOOF}:
            assert outcome is seen
        if codes[0] == FLAT:
            assert outcome is Outcome.SPOOF
