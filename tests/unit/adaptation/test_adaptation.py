from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from faceid_fast.access import credential
from faceid_fast.adaptation.rules import DAY_S, MAX_MISSES, Limits, Mode, Verdict, judge
from faceid_fast.authenticator import Authenticator
from faceid_fast.calibration import impostor_tail
from faceid_fast.errors import CredentialError, InvalidInputError, UnknownIdentityError
from faceid_fast.face.liveness import LivenessCheck
from faceid_fast.matching.decision import Decision
from faceid_fast.matching.keys import Distances, KeyDistances
from faceid_fast.outcome import Outcome
from faceid_fast.storage.audit import EventKind
from faceid_fast.storage.memory import InMemoryStore
from faceid_fast.storage.references import Adapted, Origin
from faceid_fast.storage.store import get
from stand_ins import (
    FLOOR,
    KEY_LIMITS,
    KEY_SIZES,
    LIVE_LIMITS,
    THRESHOLD,
    StandInAligner,
    StandInEmbedder,
    Time,
    at_distance,
    contract,
    frame_of,
    keys,
    probe,
    takes_of,
    unit,
)

LIMITS = Limits(0.4, 0.6, KEY_LIMITS)


def at(distance: float, side: int = 1) -> NDArray[np.float32]:
    """A unit vector so far from `unit(0)`, turned to one of many sides."""
    angle = 2.0 * math.asin(distance / 2.0)
    vector = np.zeros(128)
    vector[0], vector[side] = math.cos(angle), math.sin(angle)
    return vector.astype(np.float32)


def look(
    query: NDArray[np.float32],
    adapted: tuple[Adapted, ...] = (),
    mode: Mode = Mode.CONFIRMED,
    *,
    shape: float = 0.0,
    picture: float = 0.0,
    **options: Any,
) -> Verdict:
    """Judge a probe whose keys lie so far from those of the enrolled reference."""
    options.setdefault("now", 0.0)
    joined = float(np.linalg.norm(query.astype(np.float64) - unit(0)))
    distances = Distances(joined, KeyDistances(shape, picture))
    seen = probe(query, shape=shape, picture=picture)
    return judge(seen, "infrared", distances, adapted, limits=LIMITS, mode=mode, **options)


def kept(vector: NDArray[np.float32], **changes: Any) -> Adapted:
    fields = {
        "modality": "infrared",
        "origin": Origin.CONFIRMED,
        "made_at": 0.0,
        "uses_left": 50,
        "misses": 0,
        "keys": keys(1),
    }
    return Adapted(vector, **{**fields, **changes})


def test_never_changes_nothing() -> None:
    verdict = look(at(0.5), (kept(at(0.5)),), Mode.NEVER, confirmed=True)
    assert not verdict.accepted
    assert not verdict.near_miss
    assert len(verdict.adapted) == 1


@pytest.mark.parametrize(
    ("distance", "accepted", "near_miss"), [(0.3, True, False), (0.5, False, True), (0.7, False, False)]
)
def test_what_the_enrolment_says(distance: float, accepted: bool, near_miss: bool) -> None:
    verdict = look(at(distance))
    assert (verdict.accepted, verdict.near_miss, verdict.adapted) == (accepted, near_miss, ())


def test_a_confirmed_picture_lets_in_within_the_floor_only() -> None:
    admitted = look(at(0.5), confirmed=True)
    assert not admitted.accepted  # not by what it brings itself
    assert admitted.admitted == 1
    (reference,) = admitted.adapted
    assert (reference.origin, reference.uses_left) == (Origin.CONFIRMED, 50)
    used = look(at(0.55), admitted.adapted)
    assert used.accepted
    assert used.adapted[0].uses_left == 49
    assert not look(at(0.65), admitted.adapted).accepted  # near the adapted one, beyond the floor
    assert not look(at(0.55, side=2), admitted.adapted).accepted  # within the floor, but another look
    assert not look(at(0.65), confirmed=True).admitted


def test_what_an_adapted_reference_accepted_admits_nothing() -> None:
    verdict = look(at(0.5), (kept(at(0.5)),), Mode.ANCHORED, now=2 * DAY_S)
    assert verdict.accepted
    assert verdict.admitted == 0


def test_a_strong_success_is_kept_when_anchored() -> None:
    assert look(at(0.3), mode=Mode.CONFIRMED).admitted == 0
    verdict = look(at(0.3), mode=Mode.ANCHORED)
    assert verdict.adapted[0].origin is Origin.SUCCESS
    assert verdict.adapted[0].uses_left == 20
    assert look(at(0.35), mode=Mode.ANCHORED).admitted == 0  # accepted, but without room to spare
    assert look(at(0.3), verdict.adapted, Mode.ANCHORED, now=3 * DAY_S).admitted == 0  # one slot


def test_at_most_one_a_day_and_two_at_a_time() -> None:
    first = look(at(0.5), confirmed=True).adapted
    assert look(at(0.55), first, confirmed=True, now=DAY_S - 1).admitted == 0
    second = look(at(0.55), first, confirmed=True, now=DAY_S).adapted
    assert len(second) == 2
    third = look(at(0.5, side=3), second, confirmed=True, now=2 * DAY_S)
    assert len(third.adapted) == 2
    assert third.ended == 1
    assert [each.made_at for each in third.adapted] == [DAY_S, 2 * DAY_S]  # the oldest went


def test_uses_days_and_misses_end() -> None:
    last = look(at(0.5), (kept(at(0.5), uses_left=1),))
    assert last.accepted
    assert (last.adapted, last.ended) == ((), 1)
    for now in (31 * DAY_S, -1.0, math.nan):  # later, and a clock that was set back
        over = look(at(0.5), (kept(at(0.5)),), now=now)
        assert not over.accepted
        assert (over.adapted, over.ended) == ((), 1)
    missing: tuple[Adapted, ...] = (kept(at(0.5, side=5)),)
    for _ in range(MAX_MISSES - 1):
        missing = look(at(0.1), missing).adapted
        assert len(missing) == 1
    assert look(at(0.1), missing).adapted == ()
    assert look(at(0.1), (kept(at(0.3), misses=9),)).adapted[0].misses == 0  # it matched again


BEYOND = [{"shape": 1.0}, {"picture": 1.2}]
"""Keys just beyond their limits, each alone."""


@pytest.mark.parametrize("beyond", BEYOND)
@pytest.mark.parametrize("distance", [0.0, 0.3, 0.5])
def test_a_key_that_disagrees_refuses_and_admits_nothing(beyond: dict[str, float], distance: float) -> None:
    """Neither an enrolled nor an adapted reference lets such a probe in, and it is no near miss."""
    within = {name: limit - 0.01 for name, limit in KEY_LIMITS._asdict().items()}
    for mode in (Mode.CONFIRMED, Mode.ANCHORED):
        adapted = (kept(at(distance)),)
        assert look(at(distance), adapted, mode, **within).accepted
        refused = look(at(distance), adapted, mode, **beyond)
        assert (refused.accepted, refused.near_miss) == (False, False)
        assert refused.adapted is adapted
        assert look(at(distance), (), mode, confirmed=True, **beyond).admitted == 0
        assert look(at(distance), (), mode, confirmed=True, **within).admitted == 1


@pytest.mark.parametrize("beyond", BEYOND)
def test_an_adapted_reference_never_widens_the_keys(beyond: dict[str, float]) -> None:
    """Its own keys are the probe's; the enrolled ones disagree, and they count."""
    assert not look(at(0.5), (kept(at(0.5), keys=keys(1, **beyond)),), **beyond).accepted


@pytest.mark.parametrize("beyond", BEYOND)
def test_an_adapted_reference_matches_by_its_own_keys_too(beyond: dict[str, float]) -> None:
    for others in (keys(1, **beyond), None):
        verdict = look(at(0.5), (kept(at(0.5), keys=others),))
        assert not verdict.accepted
        assert verdict.near_miss
    assert look(at(0.5), (kept(at(0.5)),)).accepted


def test_an_admitted_probe_keeps_its_keys() -> None:
    (reference,) = look(at(0.5), confirmed=True, shape=0.5, picture=0.25).adapted
    wanted = keys(1, shape=0.5, picture=0.25)
    assert reference.keys is not None
    np.testing.assert_array_equal(reference.keys.shape, wanted.shape)
    np.testing.assert_array_equal(reference.keys.picture, wanted.picture)


def test_another_modality_and_another_mode_do_not_count() -> None:
    assert not look(at(0.5), (kept(at(0.5), modality="color"),)).accepted
    anchored = kept(at(0.5), origin=Origin.SUCCESS)
    assert look(at(0.5), (anchored,), Mode.ANCHORED).accepted
    assert not look(at(0.5), (anchored,), Mode.CONFIRMED).accepted  # switched off: what it made ends


@given(st.integers(1, 10**9))
def test_thresholds_only_ever_tighten(identities: int) -> None:
    tail = ((1e-6, 0.3), (1e-5, 0.35), (1e-4, 0.45), (1e-3, 0.55))
    at_once = impostor_tail.tightened(0.45, tail, identities)
    assert 0.0 < at_once <= 0.45
    assert impostor_tail.tightened(0.45, tail, identities + 1) <= at_once
    if identities == 1:
        assert at_once == 0.45


def test_thresholds_follow_the_measured_tail() -> None:
    tail = ((1e-6, 0.3), (1e-5, 0.35), (1e-4, 0.45), (1e-3, 0.55))
    assert impostor_tail.tightened(0.45, tail, 10) == 0.35
    assert impostor_tail.tightened(0.45, tail, 2) == 0.35  # what is between is not known
    assert impostor_tail.tightened(0.45, tail, 1000) == pytest.approx(0.3 * 0.8)
    assert impostor_tail.tightened(0.2, tail, 10) == 0.2
    assert impostor_tail.tightened(0.5, (), 10) == pytest.approx(0.4)
    assert impostor_tail.floor(0.45, tail) == 0.55
    assert impostor_tail.floor(0.6, tail) == 0.6
    for poor in ((), ((0.01, 0.6),)):
        with pytest.raises(InvalidInputError, match="adaptation: expected a model whose contract says"):
            impostor_tail.floor(0.4, poor)
    with pytest.raises(InvalidInputError, match="far: expected a share"):
        impostor_tail.distance_at(tail, 0.0)


ADA, NEAR, FAR = 0, 40, 41
PIN = "1234"


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credential, "_MEMORY_KIB", 64)


@pytest.fixture
def now() -> Time:
    return Time()


def adapting(now: Time, mode: str = "confirmed", **options: Any) -> tuple[Authenticator, InMemoryStore]:
    store = InMemoryStore()
    embedder = StandInEmbedder({NEAR: at_distance(0.7), FAR: at_distance(0.9)})
    auth = Authenticator(
        store=store,
        aligner=StandInAligner({}).as_aligner(),
        embedder=embedder.as_embedder(),
        liveness=LivenessCheck(LIVE_LIMITS),
        adaptation=mode,
        **options,
    )
    auth._limiter.clock = now
    auth.set_credential(PIN)
    auth.enroll("ada", frame_of(ADA))
    return auth, store


def outcome(auth: Authenticator, code: int) -> Outcome:
    decision: Decision = auth.verify(frame_of(code), "ada")
    return decision.outcome


def test_a_near_miss_and_the_credential_have_the_next_picture_kept(now: Time) -> None:
    assert THRESHOLD < 0.7 < FLOOR < 0.9
    auth, store = adapting(now)
    assert outcome(auth, NEAR) is Outcome.NO_MATCH
    auth.unlock("ada", credential=PIN)
    now.seconds += 9.0
    assert outcome(auth, NEAR) is Outcome.NO_MATCH  # the new picture is kept, not let in
    assert outcome(auth, NEAR) is Outcome.ACCEPTED
    assert outcome(auth, FAR) is Outcome.NO_MATCH
    assert not auth.identify(frame_of(NEAR)).accepted  # 1:N looks at what was enrolled only
    assert get(store, "ada").adapted[0].uses_left == 49
    assert [event.kind for event in store.events()][-2:] == [EventKind.UNLOCKED, EventKind.ADAPTED]
    assert auth.undo_adaptation("ada") == 1
    assert outcome(auth, NEAR) is Outcome.NO_MATCH
    assert store.events()[-1].kind is EventKind.ADAPTED_UNDONE
    assert auth.undo_adaptation("ada") == 0


@pytest.mark.parametrize("too_late", ["credential", "picture", "never shown", "far", "somebody else's"])
def test_without_all_of_it_nothing_is_kept(now: Time, too_late: str) -> None:
    auth, store = adapting(now)
    auth.enroll("ben", frame_of(1))
    assert outcome(auth, FAR if too_late == "far" else NEAR) is Outcome.NO_MATCH
    if too_late == "credential":
        now.seconds += 11.0
    if too_late != "never shown":
        auth.unlock("ben" if too_late == "somebody else's" else "ada", credential=PIN)
    if too_late == "picture":
        now.seconds += 11.0
    outcome(auth, NEAR)
    assert get(store, "ada").adapted == ()


def test_a_wrong_credential_confirms_nothing(now: Time) -> None:
    auth, store = adapting(now)
    outcome(auth, NEAR)
    for typed in ("4321", None, "", "12345678"):
        with pytest.raises(CredentialError):
            auth.unlock("ada", credential=typed)
    outcome(auth, NEAR)
    assert get(store, "ada").adapted == ()


def test_without_adaptation_nothing_is_kept_or_written(now: Time) -> None:
    auth, store = adapting(now, "never")
    before = store.revision()
    for code in (ADA, NEAR):
        outcome(auth, code)
        auth.unlock("ada", credential=PIN)
        outcome(auth, code)
    assert store.revision() == before


def test_enrolling_anew_forgets_what_was_adapted(now: Time) -> None:
    auth, store = adapting(now, "anchored")
    assert outcome(auth, ADA) is Outcome.ACCEPTED
    assert len(get(store, "ada").adapted) == 1
    auth.enroll("ada", frame_of(ADA + 1))
    assert len(get(store, "ada").adapted) == 1
    auth.enroll("ada", frame_of(ADA), replace=True)
    assert get(store, "ada").adapted == ()


def test_what_is_no_mode_and_a_model_without_a_tail() -> None:
    stages = {
        "aligner": StandInAligner({}).as_aligner(),
        "embedder": StandInEmbedder().as_embedder(),
        "liveness": LivenessCheck(LIVE_LIMITS),
    }
    with pytest.raises(InvalidInputError, match="adaptation: expected never or confirmed or"):
        Authenticator(adaptation="x", **stages)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="policy: expected default or door, got 7"):
        Authenticator(policy=7, **stages)  # type: ignore[arg-type]
    bare = contract(tails={"infrared": (), "color": ()})
    stages["embedder"] = StandInEmbedder(contract=bare).as_embedder()
    with pytest.raises(InvalidInputError, match="adaptation: expected a model whose contract says"):
        Authenticator(adaptation="anchored", **stages)  # type: ignore[arg-type]


def test_searching_among_many_tightens_the_threshold() -> None:
    tail = ((1e-5, 0.3), (1e-4, THRESHOLD), (1e-3, FLOOR))
    model = contract(tails={"infrared": tail, "color": tail})
    embedder = StandInEmbedder({NEAR: at_distance(0.5)}, contract=model)
    stages = {
        "aligner": StandInAligner({}).as_aligner(),
        "embedder": embedder.as_embedder(),
        "liveness": LivenessCheck(LIVE_LIMITS),
    }
    auth = Authenticator(lockout=False, diagnostics=True, **stages)  # type: ignore[arg-type]
    auth.enroll("ada", frame_of(ADA))
    assert auth.identify(frame_of(NEAR)).accepted
    auth.enroll("ben", frame_of(1))
    refused = auth.identify(frame_of(NEAR))
    assert (refused.outcome, refused.threshold) == (Outcome.NO_MATCH, 0.3)
    assert auth.verify(frame_of(NEAR), "ada").accepted  # 1:1 is what it was
    own = Authenticator(lockout=False, threshold=THRESHOLD, **stages)  # type: ignore[arg-type]
    for name, code in (("ada", ADA), ("ben", 1)):
        own.enroll(name, frame_of(code))
    assert own.identify(frame_of(NEAR)).accepted  # who chooses a threshold has chosen it


def test_a_sequence_uses_up_what_it_is_accepted_by(now: Time) -> None:
    auth, store = adapting(now)
    outcome(auth, NEAR)
    auth.unlock("ada", credential=PIN)
    outcome(auth, NEAR)
    other = 50  # of nobody
    for left in (49, 48):
        assert auth.verify([frame_of(other), *takes_of(NEAR, 2)], "ada").accepted
        assert get(store, "ada").adapted[0].uses_left == left


def test_two_attempts_at_once_use_up_two(now: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    """The slower one matches again what the quicker one has left."""
    auth, store = adapting(now)
    outcome(auth, NEAR)
    auth.unlock("ada", credential=PIN)
    outcome(auth, NEAR)
    alter = store.alter

    def late(*arguments: Any) -> Any:
        monkeypatch.undo()
        assert outcome(auth, NEAR) is Outcome.ACCEPTED
        return alter(*arguments)

    monkeypatch.setattr(store, "alter", late)
    assert outcome(auth, NEAR) is Outcome.ACCEPTED
    assert get(store, "ada").adapted[0].uses_left == 48

    def too_late(*arguments: Any) -> Any:
        monkeypatch.undo()
        auth.remove("ada")
        return alter(*arguments)

    monkeypatch.setattr(store, "alter", too_late)
    with pytest.raises(UnknownIdentityError):
        outcome(auth, NEAR)


def test_undoing_counts_what_it_undoes(now: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    auth, store = adapting(now, "anchored")
    outcome(auth, ADA)
    alter = store.alter

    def late(*arguments: Any) -> Any:
        monkeypatch.undo()
        assert auth_elsewhere.undo_adaptation("ada") == 1
        return alter(*arguments)

    auth_elsewhere = Authenticator(
        store=store,
        aligner=StandInAligner({}).as_aligner(),
        embedder=StandInEmbedder().as_embedder(),
        liveness=LivenessCheck(LIVE_LIMITS),
    )
    monkeypatch.setattr(store, "alter", late)
    assert auth.undo_adaptation("ada") == 0


@pytest.mark.parametrize("key", ["shape", "picture"])
def test_of_several_frames_one_that_a_key_refuses_stands_for_none(now: Time, key: str) -> None:
    """The nearest frame is refused by a key: the near miss is the other's, and the other one is kept."""
    auth, store = adapting(now)
    model: Any = auth._stages.pipeline._embedder
    nearer, size = 60, dict(zip(("shape", "picture"), KEY_SIZES, strict=True))[key]
    model.special[nearer] = at_distance(0.65)
    getattr(model, f"{key}s")[nearer] = at_distance(1.3, size)
    frames = [frame_of(nearer), frame_of(NEAR)]
    assert auth.verify(frames, "ada").outcome is Outcome.NO_MATCH
    auth.unlock("ada", credential=PIN)
    assert auth.verify(frames, "ada").outcome is Outcome.NO_MATCH
    (kept_one,) = get(store, "ada").adapted
    np.testing.assert_array_equal(kept_one.vector, at_distance(0.7))
    assert outcome(auth, NEAR) is Outcome.ACCEPTED
    assert outcome(auth, nearer) is Outcome.NO_MATCH


@pytest.mark.parametrize("key", ["shape", "picture"])
def test_a_near_miss_that_a_key_refuses_confirms_nothing(now: Time, key: str) -> None:
    auth, store = adapting(now, "anchored")
    model: Any = auth._stages.pipeline._embedder
    size = dict(zip(("shape", "picture"), KEY_SIZES, strict=True))[key]
    for code, distance in ((NEAR, 0.7), (61, 0.1)):
        model.special[code] = at_distance(distance)
        getattr(model, f"{key}s")[code] = at_distance(1.3, size)
        assert outcome(auth, code) is Outcome.NO_MATCH
        auth.unlock("ada", credential=PIN)
        assert outcome(auth, code) is Outcome.NO_MATCH
    assert get(store, "ada").adapted == ()


def test_a_refused_sequence_keeps_nothing(now: Time) -> None:
    auth, store = adapting(now, "anchored")
    refused = auth.verify([frame_of(ADA), frame_of(50), frame_of(51)], "ada")
    assert refused.outcome is Outcome.NO_MATCH
    assert get(store, "ada").adapted == ()


@pytest.mark.parametrize(
    "changed",
    [
        {"vector": unit(0) * 2},
        {"vector": unit(0).astype(np.float64)},
        {"modality": "thermal"},
        {"origin": "confirmed"},
        {"made_at": math.nan},
        {"uses_left": -1},
        {"misses": True},
    ],
)
def test_what_is_no_adapted_reference(changed: dict[str, Any]) -> None:
    vector = changed.pop("vector", unit(0))
    with pytest.raises(InvalidInputError, match="adapted: expected a"):
        kept(vector, **changed)
