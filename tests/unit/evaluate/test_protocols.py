from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from faceid_fast.errors import SourceError
from faceid_fast.evaluate.acquisition import Acquired, acquire
from faceid_fast.evaluate.protocols import MOST_ENROLLED, compare, evaluate
from faceid_fast.face.liveness import LivenessCheck
from faceid_fast.frame import Frame
from faceid_fast.outcome import Outcome
from stand_ins import LIVE_LIMITS, StandInAligner, StandInEmbedder, at_distance, frame_of, no_face, unit

PEOPLE, CAPTURES = 3, 54


@dataclass(frozen=True)
class Shot:
    person: str
    number: int
    code: int = 0
    posed: bool = True

    @property
    def label(self) -> str:
        return str(self.number)

    @property
    def pose(self) -> int | None:
        return self.number // 6 if self.posed else None

    @property
    def expression(self) -> int | None:
        return self.number % 6 if self.posed else None

    def read(self) -> Frame:
        return frame_of(self.code)


def everybody() -> list[Shot]:
    return [Shot(f"person {p}", n, code=p) for p in range(PEOPLE) for n in range(CAPTURES)]


def acquired(shots: list[Shot], failed: dict[int, Outcome] | None = None) -> Acquired:
    """Give every person one vector of their own: genuine distances 0, impostor distances sqrt(2)."""
    vectors = np.stack([unit(shot.code) for shot in shots])
    for index in failed or {}:
        vectors[index] = np.nan
    return Acquired(shots, vectors, failed or {}, "infrared")


def test_counts_and_perfect_scores() -> None:
    report = evaluate(compare(acquired(everybody())), threshold=0.5)
    pairs = {name: (s.n_genuine, s.n_impostor) for name, s in report.protocols.items()}
    assert pairs == {
        "frontal": (3 * 15, 3 * 36),
        "yaw0": (3 * 153, 3 * 18 * 18),
        "all": (3 * 1431, 3 * 54 * 54),
        "unlock": (3 * 45, 3 * 2 * 45),
    }
    for scores in report.protocols.values():
        assert scores.eer == 0.0
        assert scores.genuine_mean == 0.0
        assert scores.impostor_mean == pytest.approx(np.sqrt(2))
        assert (scores.far_at_threshold, scores.frr_at_threshold) == (0.0, 0.0)
        assert scores.failure_to_acquire == 0.0
    assert (report.people, report.captures, report.failures) == (3, 162, {})


def test_failures_lose_their_genuine_pairs() -> None:
    failed = {24: Outcome.NO_FACE, 0: Outcome.POOR_POSE}  # person 0: one frontal, one turned
    report = evaluate(compare(acquired(everybody(), failed)), threshold=0.5)
    frontal = report.protocols["frontal"]
    assert frontal.failure_to_acquire == pytest.approx(1 / 18)
    assert frontal.frr_at_threshold == pytest.approx(5 / 45)
    assert frontal.far_at_threshold == 0.0
    assert report.protocols["yaw0"].failure_to_acquire == pytest.approx(1 / 54)
    assert report.protocols["all"].failure_to_acquire == pytest.approx(2 / 162)
    assert report.protocols["unlock"].frr_at_threshold == pytest.approx(2 / 135)
    assert report.failures == {"no_face": 1, "poor_pose": 1}


def test_unlock_takes_the_nearest_reference() -> None:
    shots = [Shot("ada", 2), Shot("ada", 8), Shot("ada", 25), Shot("ben", 26), Shot("ben", 27)]
    vectors = np.stack([unit(5), at_distance(0.3), unit(0), unit(9), unit(9)])
    scores = evaluate(compare(Acquired(shots, vectors, {}, "infrared")), threshold=0.5).protocols["unlock"]
    assert (scores.n_genuine, scores.n_impostor) == (2, 2)
    assert scores.genuine_mean == pytest.approx(0.15, abs=1e-6)  # ada 0.3, ben 0
    assert scores.frr_at_threshold == 0.0


def test_a_person_whose_references_all_failed_is_refused() -> None:
    shots = [Shot("ada", 2), Shot("ada", 3), Shot("ben", 2), Shot("ben", 3)]
    vectors = np.stack([np.full(128, np.nan, np.float32), unit(0), unit(1), unit(1)])
    scores = evaluate(
        compare(Acquired(shots, vectors, {0: Outcome.CUT_OFF}, "infrared")), threshold=0.5
    ).protocols["unlock"]
    assert (scores.n_genuine, scores.n_impostor) == (2, 2)
    assert scores.frr_at_threshold == 0.5


def test_missing_captures() -> None:
    shots = [
        shot for shot in everybody() if shot.number % 7 and (shot.person != "person 1" or shot.number == 30)
    ]
    report = evaluate(compare(acquired(shots)), threshold=0.5)
    assert report.protocols["all"].eer == 0.0
    assert report.protocols["frontal"].n_genuine == 2 * 10  # 28 is missing too
    turned = evaluate(compare(acquired([Shot("ada", 0), Shot("ada", 1)])), threshold=0.5)
    assert turned.protocols["frontal"].eer is None
    assert turned.protocols["frontal"].n_genuine == 0
    assert turned.protocols["unlock"].n_genuine == 0
    assert turned.protocols["all"].n_genuine == 1


def test_acquire_follows_the_stages() -> None:
    done: list[int] = []
    shots = [Shot("ada", 24, code=1), Shot("ada", 25, code=2), Shot("ben", 24, code=3)]
    result = acquire(
        shots,
        StandInAligner({2: no_face(Outcome.CUT_OFF)}).as_aligner(),
        StandInEmbedder().as_embedder(),
        LivenessCheck(LIVE_LIMITS),
        progress=done.append,
    )
    assert result.failures == {1: Outcome.CUT_OFF}
    assert np.isnan(result.vectors[1]).all()
    np.testing.assert_array_equal(result.vectors[2], unit(3))
    assert done == [1, 2, 3]
    assert result.modality == "infrared"
    assert [set(laps) for laps in result.timings_ms] == [
        {"read", "align", "liveness", "embed"},
        {"read", "align"},
        {"read", "align", "liveness", "embed"},
    ]


def test_acquire_takes_captures_of_one_modality() -> None:
    class Colored(Shot):
        def read(self) -> Frame:
            return frame_of(self.code, "color")

    stages = StandInAligner().as_aligner(), StandInEmbedder().as_embedder(), LivenessCheck(LIVE_LIMITS)
    with pytest.raises(SourceError, match="of one modality, got infrared and color"):
        acquire([Shot("ada", 1), Colored("ada", 2)], *stages)
    with pytest.raises(SourceError, match="got none"):
        acquire([], *stages)


def test_without_poses_the_first_captures_are_enrolled() -> None:
    shots = [Shot(f"person {p}", n, code=p, posed=False) for p in range(2) for n in range(14)]
    shots += [Shot("somebody seen once", 0, code=2, posed=False)]
    shots += [Shot("somebody seen four times", n, code=3, posed=False) for n in range(4)]
    compared = compare(acquired(shots))
    assert list(compared.protocols) == ["all", "unlock"]
    enrolled = np.setdiff1d(np.arange(len(shots)), compared.unlocking.probes)
    chosen = [(shots[index].person, shots[index].number) for index in enrolled]
    assert chosen == [
        *(("person 0", n) for n in range(MOST_ENROLLED)),
        *(("person 1", n) for n in range(MOST_ENROLLED)),
        ("somebody seen four times", 0),
        ("somebody seen four times", 1),
    ]
    report = evaluate(compared, threshold=0.5)
    assert report.protocols["unlock"].n_genuine == 2 * 9 + 2
    assert report.protocols["unlock"].n_impostor == 3 * (2 * 9 + 1 + 2) - (2 * 9 + 2)
    assert report.protocols["all"].eer == 0.0
