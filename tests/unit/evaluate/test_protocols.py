from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from faceid_fast.authenticator import Authenticator
from faceid_fast.errors import InvalidInputError, SourceError
from faceid_fast.evaluate.acquisition import Acquired, AcquiredKeys, acquire
from faceid_fast.evaluate.breakdown import by_person, by_pose
from faceid_fast.evaluate.protocols import MOST_ENROLLED, compare, evaluate
from faceid_fast.face.liveness import LivenessCheck
from faceid_fast.frame import Frame
from faceid_fast.outcome import Outcome
from stand_ins import (
    LIVE_LIMITS,
    THRESHOLD,
    StandInAligner,
    StandInEmbedder,
    at_distance,
    contract,
    frame_of,
    no_face,
    unit,
)

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


LIMITS = {"shape": 0.9, "picture": 1.1}


def keyed(
    shots: list[Shot], beyond: dict[str, set[int]], failed: dict[int, Outcome] | None = None
) -> Acquired:
    """The same, with keys that agree, but those of some captures: beyond a limit from all others."""
    found = acquired(shots, failed)
    keys = {}
    for name, size in (("shape", 64), ("picture", 32)):
        rows = [unit(1 if index in beyond.get(name, ()) else 0, size) for index in range(len(shots))]
        keys[name] = np.stack(rows)
        keys[name][list(failed or {})] = np.nan
    return replace(found, keys=AcquiredKeys(**keys, limits=LIMITS))


@pytest.mark.parametrize("name", ["shape", "picture"])
def test_at_the_threshold_each_key_refuses(name: str) -> None:
    """Rates at the threshold follow the keys; the equal error rate and the means do not."""
    shots = [Shot(f"person {p}", n, code=p, posed=False) for p in range(2) for n in range(4)]
    compared = compare(keyed(shots, {name: {3, 7}}))  # a probe of each
    report, plain = evaluate(compared, 0.5), evaluate(compare(keyed(shots, {})), 0.5)
    unlock, counts = report.protocols["unlock"], report.counts["unlock"]
    assert (unlock.frr_at_threshold, plain.protocols["unlock"].frr_at_threshold) == (0.5, 0.0)
    assert unlock.far_at_threshold == 0.0
    assert (unlock.eer, unlock.genuine_mean) == (0.0, 0.0)
    assert report.key_limits == LIMITS
    other = "picture" if name == "shape" else "shape"
    assert counts.genuine_refused == {"distance": 0, name: 2, other: 0}
    assert counts.impostor_refused == {"distance": 4, name: 2, other: 0}
    assert plain.counts["unlock"].impostor_refused == {"distance": 4, "shape": 0, "picture": 0}
    pairs = report.protocols["all"]
    assert pairs.frr_at_threshold == pytest.approx(6 / 12)
    lenient = evaluate(compared, 1.9)  # now the distance refuses nobody, and the keys still do
    assert lenient.protocols["unlock"].far_at_threshold == pytest.approx(2 / 4)
    assert plain.protocols["all"].far_at_threshold == 0.0
    groups = by_person(compared)
    assert [group.refusals(0.5) for group in groups] == [1, 1]
    assert [group.accepted(1.9) for group in groups] == [2, 2]
    assert [group.refused(0.5) for group in groups] == [0.5, 0.5]


def test_by_pose_the_keys_refuse_too() -> None:
    shots = everybody()
    turned = {at for at, shot in enumerate(shots) if shot.pose == 3}
    groups = by_pose(compare(keyed(shots, {"shape": turned})))
    assert groups is not None
    enrolled_too = {group.name: group.refusals(0.5) for group in groups}
    assert set(enrolled_too.values()) == {0}  # each key is near that of the reference of the same pose
    probes = {at for at, shot in enumerate(shots) if shot.pose == 3 and shot.expression != 2}
    groups = by_pose(compare(keyed(shots, {"shape": probes})))
    assert groups is not None
    assert {group.name: group.refusals(0.5) for group in groups if group.refusals(0.5)} == {"3": 15}


def test_captures_without_a_face_have_no_keys_that_agree() -> None:
    shots = [Shot(f"person {p}", n, code=p, posed=False) for p in range(2) for n in range(4)]
    report = evaluate(compare(keyed(shots, {}, {0: Outcome.CUT_OFF})), 0.5)
    assert report.counts["unlock"].genuine_refused == {"distance": 0, "shape": 0, "picture": 0}
    assert report.protocols["unlock"].frr_at_threshold == 0.0


def test_figures_at_the_threshold_are_what_an_authenticator_decides() -> None:
    """The same captures, enrolled and verified: as many are refused and accepted."""
    random = np.random.default_rng(4)
    model = StandInEmbedder()
    shots = [Shot(f"person {p}", n, code=10 * p + n + 1, posed=False) for p in range(6) for n in range(9)]
    for shot in shots:
        person = int(shot.person[-1])
        for of, size, spread in (
            (model.special, 128, 0.03),
            (model.shapes, 64, 0.11),
            (model.pictures, 32, 0.22),
        ):
            center = np.random.default_rng((person, size)).standard_normal(size) * 0.07
            noisy = unit(0, size) * 2 + center + random.normal(0.0, spread * 2, size)
            of[shot.code] = (noisy / np.linalg.norm(noisy)).astype(np.float32)
    stages = StandInAligner().as_aligner(), model.as_embedder(), LivenessCheck(LIVE_LIMITS)
    compared = compare(acquire(shots, *stages))
    report = evaluate(compared, THRESHOLD)
    auth = Authenticator(
        aligner=stages[0], embedder=stages[1], liveness=stages[2], lockout=False, threshold=THRESHOLD
    )
    probes = set(compared.unlocking.probes.tolist())
    for name in compared.names:
        mine = [shot for at, shot in enumerate(shots) if shot.person == name and at not in probes]
        auth.enroll(name, [shot.read() for shot in mine], strangers="keep")
    decided = [
        (shots[at].person == name, auth.verify(shots[at].read(), name).accepted)
        for at in probes
        for name in compared.names
    ]
    refused = sum(not accepted for own, accepted in decided if own)
    matched = sum(accepted for own, accepted in decided if not own)
    unlock, counts = report.protocols["unlock"], report.counts["unlock"]
    assert 0 < refused == round(unlock.frr_at_threshold * unlock.n_genuine)
    assert 0 < matched == round(unlock.far_at_threshold * unlock.n_impostor)
    assert min(counts.genuine_refused["shape"], counts.genuine_refused["picture"]) > 0


def test_captures_of_a_modality_without_limits_are_refused() -> None:
    one = StandInEmbedder(contract=contract(key_limits={"color": LIMITS}))
    with pytest.raises(InvalidInputError, match=r"captures: expected color frames, .* got infrared ones"):
        acquire(
            [Shot("ada", 1)], StandInAligner().as_aligner(), one.as_embedder(), LivenessCheck(LIVE_LIMITS)
        )


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
