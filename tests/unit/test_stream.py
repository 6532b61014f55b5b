from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from faceid_fast import Authenticator, InMemoryStore
from faceid_fast.access.boot_clock import Clock
from faceid_fast.access.lockout import DEVICE
from faceid_fast.errors import InvalidInputError
from faceid_fast.face.aligner import FaceAligner
from faceid_fast.face.crop import NoFace
from faceid_fast.face.liveness import LivenessCheck
from faceid_fast.face.turned import hint_of
from faceid_fast.frame import MAX_AGE_S, Capture, Frame, captured, held_bytes
from faceid_fast.outcome import Outcome
from faceid_fast.sources.cameras.base import Source
from faceid_fast.sources.orientation import rotated
from faceid_fast.sources.renders import bundled_renders
from faceid_fast.stream import Moment, Rules, watch
from stand_ins import LIVE_LIMITS, SIZE, StandInAligner, StandInEmbedder, crop_of, frame_of, no_face

ADA, STRANGER = range(1, 41), range(61, 101)
"""Frames of each, no two the same."""
BOOTED_S = 10_000.0
NOBODY, TURNED, PRINT, FLAT, SEVERAL = 50, 51, 52, 53, 54
SPECIAL: dict[int, Any] = {
    NOBODY: no_face(),
    TURNED: no_face(Outcome.POOR_POSE),
    PRINT: crop_of(PRINT, live=False),
    FLAT: no_face(Outcome.SPOOF),
    SEVERAL: no_face(Outcome.SEVERAL_FACES),
    **{code: crop_of(1) for code in ADA},
    **{code: crop_of(61) for code in STRANGER},
}
ALIGNER = StandInAligner(SPECIAL).as_aligner()


def heads_at(x_mm: Mapping[int, float]) -> FaceAligner:
    """Find the heads of some frames so far to the right, the others in the middle."""
    placed = {
        code: replace(SPECIAL[code], eye_midpoint_mm=np.array([x, 0.0, 600.0], np.float32))
        for code, x in x_mm.items()
    }
    return StandInAligner({**SPECIAL, **placed}).as_aligner()


class Door:
    """An authenticator that knows Ada, what it was asked, and a clock that goes on by a tick a frame."""

    def __init__(self, tick_s: float = 0.1) -> None:
        self.store = InMemoryStore()
        self.auth = Authenticator(
            store=self.store,
            aligner=ALIGNER,
            embedder=StandInEmbedder().as_embedder(),
            liveness=LivenessCheck(LIVE_LIMITS),
        )
        self.auth.enroll("ada", frame_of(1))
        self.asked: list[list[int]] = []
        self._now, self._tick_s = 0.0, tick_s
        self.auth._limiter.clock = lambda: Clock("0", BOOTED_S + self._now)

    def clock(self) -> float:
        self._now += self._tick_s
        return BOOTED_S + self._now

    def decide(self, frames: Sequence[Frame]) -> Any:
        self.asked.append([int(frame.picture.flat[0]) for frame in frames])
        return self.auth.verify(frames, "ada")

    def watch(
        self, codes: Iterable[int | Frame], *, aligner: FaceAligner = ALIGNER, **rules: Any
    ) -> list[Moment]:
        given = Rules(**{"votes": 3, **rules})
        frames = (code if isinstance(code, Frame) else frame_of(code) for code in codes)
        return list(watch(frames, self.decide, rules=given, aligner=aligner, clock=self.clock))

    def captured(self, codes: Iterable[int], source: str = "cam:1", age_s: float = 0.05) -> Iterator[Frame]:
        """Frames of a camera, each so old when it is looked at."""
        for code in codes:
            yield captured(frame_of(code), Capture(source, BOOTED_S + self._now + self._tick_s - age_s))

    @property
    def failures(self) -> dict[str, int]:
        tallies = self.store.amend(lambda ledger: (ledger, ())).tallies
        return {key: tally.failures for key, tally in tallies.items()}


def outcomes(moments: Iterable[Moment]) -> list[str]:
    return [str(moment.decision.outcome) for moment in moments if moment.decision is not None]


def test_somebody_who_stays_is_one_attempt_charged_once() -> None:
    door = Door()
    moments = door.watch([NOBODY, *STRANGER])
    assert door.asked == [[61, 62, 63]]
    assert outcomes(moments) == ["no_match"]
    assert door.failures == {"ada": 1, DEVICE: 1}
    assert len(moments) == 41
    assert [moment.gathered for moment in moments[:5]] == [0, 1, 2, 0, 0]
    assert all(moment.standing is not None for moment in moments[3:])


def test_nobody_is_no_attempt() -> None:
    door = Door()
    moments = door.watch([NOBODY, TURNED] * 50)
    assert door.asked == []
    assert door.failures == {}
    assert all(isinstance(moment.look, NoFace) for moment in moments)


def test_who_has_gone_may_try_again() -> None:
    door = Door()
    away = [NOBODY] * 12
    moments = door.watch([*STRANGER[:5], *away, *ADA[:5], *away, *STRANGER[5:10]])
    assert door.asked == [[61, 62, 63], [1, 2, 3], [66, 67, 68]]
    assert outcomes(moments) == ["no_match", "accepted", "no_match"]
    assert moments[16].standing is None  # gone for longer than a second


def test_who_looks_aside_or_is_missed_for_a_moment_has_not_gone() -> None:
    door = Door()
    moments = door.watch([*STRANGER[:3], *[NOBODY] * 9, *[TURNED] * 30, *[NOBODY] * 9, *ADA[:5]])
    assert outcomes(moments) == ["no_match"]
    assert door.failures == {"ada": 1, DEVICE: 1}
    assert (moments[-1].standing, moments[-1].attempted) == (None, True)


@pytest.mark.parametrize("fake", [PRINT, FLAT])
def test_pictures_are_asked_about_and_charged_as_what_they_are(fake: int) -> None:
    door = Door()
    moments = door.watch([fake] * 20)
    assert outcomes(moments) == ["spoof"]
    assert door.failures == {"ada": 2, DEVICE: 2}


def test_most_of_the_frames_decide() -> None:
    door = Door()
    assert outcomes(door.watch([ADA[0], STRANGER[0], ADA[1]])) == ["accepted"]
    assert outcomes(door.watch([STRANGER[0], ADA[0], STRANGER[1]])) == ["no_match"]


def test_after_a_gap_an_attempt_begins_anew() -> None:
    door = Door(tick_s=0.5)
    door.watch([*ADA[:2], *[TURNED] * 5, *ADA[2:5]], gather_s=2.0)
    assert door.asked == [[3, 4, 5]]


def test_where_frames_come_slowly_fewer_vote() -> None:
    door = Door(tick_s=1.0)
    door.watch(ADA[:9], votes=7, gather_s=2.5)
    assert door.asked == [[1, 2, 3, 4]]


def test_no_more_frames_are_gathered_than_a_call_may_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    door, size = Door(), held_bytes([frame_of(1)])
    monkeypatch.setattr("faceid_fast.stream.MAX_CALL_BYTES", 4 * size)
    door.watch([1, 2, 3, 4, 5, 6], votes=6)
    assert door.asked == [[1, 2, 3, 4]]


def test_a_larger_frame_is_not_gathered_with_what_would_be_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    door, size = Door(), held_bytes([frame_of(1)])
    monkeypatch.setattr("faceid_fast.stream.MAX_CALL_BYTES", 5 * size)
    side = 2 * SIZE
    large = Frame(
        depth=np.full((side, side), 700, np.uint16),
        depth_unit_m=0.001,
        infrared=np.full((side, side), 4, np.uint16),
        intrinsics=frame_of(1).intrinsics,
    )
    frames = [frame_of(1), frame_of(2), frame_of(3), large]
    asked: list[int] = []

    def decide(given: Sequence[Frame]) -> Any:
        asked.append(held_bytes(given))
        return door.auth.verify(given, "ada")

    list(watch(frames, decide, rules=Rules(votes=6), aligner=ALIGNER, clock=door.clock))
    assert asked == [4 * size]


def test_frames_that_end_early_vote_too() -> None:
    door = Door()
    moments = door.watch([NOBODY, ADA[0], ADA[1]])
    assert door.asked == [[1, 2]]
    assert len(moments) == 4
    assert moments[-1].decision is moments[-1].standing
    assert moments[-1].gathered == 0
    assert moments[-1].frame is moments[-2].frame
    assert door.watch([]) == []


def test_time_and_rate() -> None:
    moments = Door(tick_s=0.1).watch([NOBODY] * 40)
    assert moments[0].seconds == 0.0
    assert moments[0].frames_per_s == 0.0
    assert moments[-1].seconds == pytest.approx(3.9)
    assert moments[-1].frames_per_s == pytest.approx(10.0)
    assert Door(tick_s=0.0).watch([NOBODY] * 3)[-1].frames_per_s == 0.0


def test_who_is_locked_out_is_told_so_once() -> None:
    door = Door()
    away = [NOBODY] * 12
    moments = door.watch([code for _ in range(7) for code in [*STRANGER[:9], *away]])
    assert outcomes(moments) == ["no_match"] * 5 + ["locked_out"] * 2
    assert door.failures == {"ada": 5, DEVICE: 5}


@pytest.mark.parametrize(
    "rules",
    [
        {"votes": 0},
        {"votes": 257},
        {"votes": True},
        {"votes": 2.0},
        {"gather_s": 0},
        {"absence_s": float("nan")},
    ],
)
def test_rules_that_are_none(rules: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match=f"{next(iter(rules))}: expected"):
        Rules(**rules)


class Loose(Source):
    """Frames of a camera that is away for a while before some of them, or at the end."""

    name = "loose"

    def __init__(self, parts: Iterable[Iterable[int]], ends: Callable[[], None] = lambda: None) -> None:
        self._frames = iter([(part, frame_of(code)) for part, codes in enumerate(parts) for code in codes])
        self._ends = ends

    def _read(self) -> Frame | None:
        self.interruptions, frame = next(self._frames, (self.interruptions, None))
        if frame is None:
            self._ends()
        return frame

    def _release(self) -> None:
        pass


def test_after_a_camera_was_away_others_may_stand_there() -> None:
    """What was gathered or decided before does not hold any longer, however short it was away."""
    door = Door(tick_s=0.01)
    seen = list(watch(Loose([ADA[:5], STRANGER[:5]]), door.decide, rules=Rules(votes=3), aligner=ALIGNER))
    assert door.asked == [[1, 2, 3], [61, 62, 63]]
    assert outcomes(seen) == ["accepted", "no_match"]
    assert seen[5].standing is None
    door = Door(tick_s=0.01)
    list(watch(Loose([ADA[:2], STRANGER[:1]]), door.decide, rules=Rules(votes=3), aligner=ALIGNER))
    assert door.asked == [[61]]


def test_frames_that_were_gathered_long_before_the_end_decide_nothing() -> None:
    """A door must not open when its program is stopped, for somebody who was there an hour ago."""
    door = Door()

    def an_hour_later() -> None:
        door._now += 3600.0

    frames = Loose([ADA[:2]], an_hour_later)
    moments = list(watch(frames, door.decide, rules=Rules(votes=3), aligner=ALIGNER, clock=door.clock))
    assert (door.asked, len(moments)) == ([], 2)


@pytest.mark.parametrize("quarters", [1, 3])
def test_a_camera_on_its_side_is_told_so_and_nobody_is_charged(quarters: int) -> None:
    door = Door()
    probes = [r.read() for r in bundled_renders() if (r.person, r.kind) == ("ada", "probe")]
    upright, *_ = probes
    seen = list(
        watch([*(rotated(frame, quarters) for frame in probes), upright, frame_of(NOBODY)], door.decide)
    )
    hint = hint_of(90 * quarters)
    for moment in seen[:2]:
        assert isinstance(moment.look, NoFace)
        assert (moment.look.reasons[0], moment.look.turned_deg) == (hint, 90 * quarters)
        assert moment.gathered == 0
    assert not isinstance(seen[2].look, NoFace)
    assert hint not in getattr(seen[3].look, "reasons", (hint,))  # it was upright since


def test_turns_are_tried_now_and_then() -> None:
    asked = itertools.count()

    class Counting(StandInAligner):
        def align(self, frame: Frame) -> Any:
            next(asked)
            return super().align(frame)

    door = Door(tick_s=0.1)
    aligner = Counting(SPECIAL).as_aligner()
    list(watch(map(frame_of, [NOBODY] * 60), door.decide, aligner=aligner, clock=door.clock))
    assert next(asked) == 60 + 3 * 3  # in six seconds, three times


def test_a_stranger_who_steps_in_without_a_gap_inherits_nothing() -> None:
    door = Door()
    beside = heads_at(dict.fromkeys(STRANGER, 450.0))
    moments = door.watch([*ADA[:5], *STRANGER[:5]], aligner=beside)
    assert door.asked == [[1, 2, 3], [61, 62, 63]]
    assert outcomes(moments) == ["accepted", "no_match"]
    assert moments[4].standing is moments[2].decision
    assert [moment.standing for moment in moments[5:7]] == [None, None]
    assert [moment.attempted for moment in moments[4:8]] == [True, False, False, True]


def test_frames_of_two_heads_make_no_attempt() -> None:
    """Neither of one that takes the place of another, nor of two that change all the time."""
    beside = heads_at(dict.fromkeys(STRANGER, 450.0))
    door = Door()
    door.watch([*ADA[:2], *STRANGER[:3]], aligner=beside)
    assert door.asked == [[61, 62, 63]]
    door = Door()
    both = [code for pair in zip(ADA, STRANGER, strict=True) for code in pair]
    moments = door.watch([*both, NOBODY, NOBODY, NOBODY, NOBODY], aligner=beside)
    assert door.asked == []
    assert {moment.gathered for moment in moments[:-4]} == {1}


def test_several_faces_end_the_verdict_and_what_was_gathered() -> None:
    door = Door()
    moments = door.watch([*ADA[:4], SEVERAL, *STRANGER[:4]])
    assert door.asked == [[1, 2, 3], [61, 62, 63]]
    assert outcomes(moments) == ["accepted", "no_match"]
    assert [moment.standing is None for moment in moments[3:6]] == [False, True, True]
    door = Door()
    door.watch([*ADA[:2], SEVERAL, *ADA[2:5]])
    assert door.asked == [[3, 4, 5]]


@pytest.mark.parametrize("speed_m_s", [0.0, 1.4, -1.4])
def test_a_head_that_moves_keeps_its_verdict(speed_m_s: float) -> None:
    door = Door()
    moving = heads_at({code: 100.0 * speed_m_s * code for code in ADA})
    moments = door.watch(door.captured(ADA), aligner=moving)
    assert door.asked == [[1, 2, 3]]
    assert {moment.standing for moment in moments[2:]} == {moments[2].decision}


def test_a_head_moves_only_so_far_in_the_time_between_two_captures() -> None:
    door = Door()
    beside = heads_at(dict.fromkeys(STRANGER, 300.0))
    moments = door.watch(door.captured([*ADA[:5], *STRANGER[:5]]), aligner=beside)
    assert outcomes(moments) == ["accepted", "no_match"]
    assert moments[5].standing is None


def test_frames_of_files_do_not_say_how_far_a_head_could_move() -> None:
    """Pictures one by one are of other poses; still they are of one head only within its reach."""
    for apart_mm, asked in ((350.0, [[1, 2, 3]]), (370.0, [])):
        door = Door()
        posing = heads_at({code: apart_mm * (code % 2) for code in ADA})
        door.watch([*ADA[:3], NOBODY, NOBODY, NOBODY, NOBODY], aligner=posing)
        assert door.asked == asked


def test_a_face_whose_place_is_none_is_another_one() -> None:
    door = Door()
    door.watch([*ADA[:2], *ADA[10:12], NOBODY, NOBODY, NOBODY, NOBODY], aligner=heads_at({11: float("nan")}))
    assert door.asked == []


def test_a_head_that_is_missed_for_a_moment_keeps_its_verdict() -> None:
    for missed in (NOBODY, TURNED, FLAT):
        door = Door()
        moments = door.watch([*ADA[:4], missed, *ADA[4:8]])
        assert {moment.standing for moment in moments[2:]} == {moments[2].decision}
        door = Door()
        door.watch([*ADA[:2], NOBODY, *ADA[2:8]])
        assert door.asked == [[1, 2, 3]]


@pytest.mark.parametrize(("missed", "stands"), [(10, True), (18, False)])
def test_where_frames_come_fast_many_may_be_missed(missed: int, stands: bool) -> None:
    door = Door(tick_s=0.02)
    moments = door.watch([*ADA[:9], *[TURNED] * missed, *ADA[9:20]])
    assert {moment.standing is not None for moment in moments[9 + missed :]} == {stands}
    assert door.asked == [[1, 2, 3]]


def test_a_verdict_on_what_is_no_head_does_not_stand() -> None:
    moments = Door().watch([FLAT] * 9)
    assert [moment.standing for moment in moments] == [None, None, moments[2].decision, *[None] * 6]
    assert [moment.attempted for moment in moments] == [False, False, *[True] * 7]


@pytest.mark.parametrize("missed", [NOBODY, TURNED, FLAT])
def test_who_looks_aside_loses_the_verdict_and_is_not_charged_again(missed: int) -> None:
    """Whoever is there after that may be another one; who was refused and stays is not asked about again."""
    door = Door()
    moments = door.watch([*STRANGER[:4], *[missed] * 5, *STRANGER[4:30]])
    assert door.failures == {"ada": 1, DEVICE: 1}
    assert moments[5].standing is moments[2].decision
    assert {moment.standing for moment in moments[7:]} == {None}
    assert {moment.attempted for moment in moments[2:]} == {True}
    door = Door()
    moments = door.watch([*ADA[:4], *[missed] * 5, *STRANGER[:9]])
    assert (door.asked, moments[-1].standing) == ([[1, 2, 3]], None)


def test_frames_from_before_a_head_was_lost_are_not_gathered_with_those_after() -> None:
    door = Door()
    door.watch([*STRANGER[:2], *[TURNED] * 5, *ADA[:3]])
    assert door.asked == [[1, 2, 3]]


def test_a_camera_that_hangs_and_goes_on_has_not_seen_who_is_there() -> None:
    """It was not away, as far as its driver knows."""
    door = Door()

    def hanging() -> Iterator[int]:
        yield from ADA[:5]
        door._now += 0.8
        yield from STRANGER[:9]

    moments = door.watch(hanging())
    assert door.asked == [[1, 2, 3]]
    assert {moment.standing for moment in moments[5:]} == {None}


@pytest.mark.parametrize(("took_s", "stands"), [(0.6, True), (5.0, False)])
def test_the_time_of_a_decision_is_no_absence_of_the_head(took_s: float, stands: bool) -> None:
    """Unless it takes so long that everybody could have gone."""
    door = Door()

    def decide(frames: Sequence[Frame]) -> Any:
        door._now += took_s
        return door.decide(frames)

    frames = map(frame_of, [*[NOBODY] * 20, *ADA[:9]])
    seen = list(watch(frames, decide, rules=Rules(votes=3), aligner=ALIGNER, clock=door.clock))
    assert door.asked == [[1, 2, 3]]
    assert {moment.standing is not None for moment in seen[23:]} == {stands}


def test_where_frames_come_slowly_one_may_be_missed() -> None:
    door = Door(tick_s=0.4)
    moments = door.watch([*ADA[:5], TURNED, *ADA[5:8], TURNED, TURNED, *ADA[8:10]])
    assert {moment.standing for moment in moments[2:11]} == {moments[2].decision}
    assert [moment.standing for moment in moments[11:]] == [None] * 2


def test_stale_frames_decide_nothing() -> None:
    """What a camera gives late shows who was there, not who is."""
    door = Door()
    late = door.captured(ADA[5:9], age_s=MAX_AGE_S + 0.01)
    moments = door.watch(itertools.chain(door.captured(ADA[:5]), late))
    assert (door.asked, moments[4].standing) == ([[1, 2, 3]], moments[2].decision)
    assert {moment.standing for moment in moments[5:]} == {None}
    for age_s, votes in itertools.product((MAX_AGE_S + 0.01, 3600.0, -1.0), (1, 3)):
        door = Door()
        door.watch(door.captured(ADA, age_s=age_s), votes=votes)
        assert door.asked == []
    door = Door()
    door.watch(door.captured(ADA[:3], age_s=MAX_AGE_S - 0.25))
    assert door.asked == [[1, 2, 3]]


def test_frames_that_become_stale_while_others_are_gathered_are_left_out() -> None:
    assert Rules().gather_s < MAX_AGE_S
    door = Door(tick_s=1.0)
    slow = {"votes": 9, "gather_s": 3.0, "absence_s": 5.0}
    door.watch(door.captured(ADA[:6], age_s=0.0), **slow)
    assert door.asked == [[3, 4]]
    door = Door(tick_s=1.0)
    door.watch(ADA[:6], **slow)
    assert door.asked == [[1, 2, 3, 4]]  # those of files have no age


def test_captured_frames_that_were_gathered_before_the_end_are_left_out_when_stale() -> None:
    door = Door()

    def ending() -> Iterator[Frame]:
        yield from door.captured(ADA[:2])
        door._now += MAX_AGE_S

    door.watch(ending(), gather_s=60.0)
    assert door.asked == []


def test_frames_of_several_cameras_make_no_attempt() -> None:
    door = Door()
    one, other = door.captured(ADA[:2], "cam:1"), door.captured(ADA[2:7], "cam:2")
    door.watch(itertools.chain(one, other))
    assert door.asked == [[3, 4, 5]]
    door = Door()
    one, other = door.captured(ADA, "cam:1"), door.captured(STRANGER, "cam:2")
    door.watch([frame for pair in zip(one, other, strict=True) for frame in pair] + [frame_of(NOBODY)] * 9)
    assert door.asked == []
    door = Door()
    moments = door.watch(itertools.chain(door.captured(ADA[:5]), map(frame_of, STRANGER[:5])))
    assert (door.asked, moments[5].standing) == ([[1, 2, 3], [61, 62, 63]], None)


def test_frames_out_of_order_begin_anew() -> None:
    door = Door()

    def again() -> Iterator[Frame]:
        first, second = door.captured(ADA[:2])
        yield from (first, second, second)
        yield from door.captured(ADA[2:4])

    door.watch(again())
    assert door.asked == [[2, 3, 4]]
    door = Door()

    def swapped() -> Iterator[Frame]:
        yield from door.captured(ADA[:5])
        door._now -= 0.15
        stale = list(door.captured(ADA[5:6]))
        door._now += 0.15
        yield from stale

    moments = door.watch(swapped())
    assert moments[4].standing is moments[2].decision
    assert moments[5].standing is None
