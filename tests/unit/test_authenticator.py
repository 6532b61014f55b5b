from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import faceid_fast
from faceid_fast import authenticator as module
from faceid_fast.authenticator import MAX_REFERENCES, Authenticator
from faceid_fast.enrollment import POSES
from faceid_fast.errors import InvalidInputError, ModelError, UnknownIdentityError
from faceid_fast.outcome import Outcome
from faceid_fast.store import InMemoryStore, References
from stand_ins import (
    THRESHOLD,
    StandInAligner,
    StandInEmbedder,
    at_distance,
    crop_of,
    frame_of,
    no_face,
    unit,
)

ADA, BEN, NOBODY, FLAT = 1, 2, 90, 91


def make(**options: Any) -> Authenticator:
    aligner = StandInAligner({NOBODY: no_face(), FLAT: crop_of(FLAT, relief_mm=0.5)})
    options.setdefault("embedder", StandInEmbedder().as_embedder())
    return Authenticator(aligner=aligner.as_aligner(), **options)


def test_verify_accepts_the_person_and_nobody_else() -> None:
    auth = make()
    auth.enroll("ada", frame_of(ADA))
    auth.enroll("ben", [frame_of(BEN)])
    assert auth.identities == ("ada", "ben")
    assert auth.verify(frame_of(ADA), "ada").accepted
    refused = auth.verify(frame_of(BEN), "ada")
    assert (refused.outcome, refused.identity) == (Outcome.NO_MATCH, "ada")
    assert not refused.accepted
    assert refused.reasons


def test_identify_finds_the_person() -> None:
    auth = make()
    auth.enroll("ada", frame_of(ADA))
    auth.enroll("ben", frame_of(BEN))
    found = auth.identify(frame_of(BEN))
    assert (found.outcome, found.identity) == (Outcome.ACCEPTED, "ben")
    stranger = auth.identify(frame_of(3))
    assert (stranger.outcome, stranger.identity) == (Outcome.NO_MATCH, None)


def test_empty_gallery_is_an_outcome_and_an_unknown_name_an_error() -> None:
    auth = make()
    nobody = auth.identify(frame_of(ADA))
    assert nobody.outcome is Outcome.NOT_ENROLLED
    assert not nobody.accepted
    with pytest.raises(UnknownIdentityError, match="identity: expected somebody enrolled, got 'ada'"):
        auth.verify(frame_of(ADA), "ada")
    with pytest.raises(KeyError):
        auth.remove("ada")


def test_distances_only_with_diagnostics() -> None:
    for diagnostics in (False, True):
        auth = make(diagnostics=diagnostics)
        auth.enroll("ada", frame_of(ADA))
        for decision in (auth.verify(frame_of(BEN), "ada"), auth.identify(frame_of(BEN))):
            if diagnostics:
                assert decision.distance == pytest.approx(np.sqrt(2))
                assert decision.identity == "ada"
            else:
                assert decision.distance is None
        assert (auth.verify(frame_of(ADA), "ada").distance == 0.0) is diagnostics


def test_timings_name_the_stages() -> None:
    auth = make()
    auth.enroll("ada", frame_of(ADA))
    for decision in (auth.verify(frame_of(ADA), "ada"), auth.identify(frame_of(ADA))):
        stages = dict(decision.timings_ms)
        total = stages.pop("total")
        assert list(stages) == ["align", "liveness", "embed", "match"]
        assert all(value >= 0 for value in stages.values())
        assert sum(stages.values()) <= total
    assert list(auth.verify(frame_of(NOBODY), "ada").timings_ms) == ["align", "total"]


@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not Outcome.ACCEPTED])
def test_what_the_aligner_finds_is_the_outcome(outcome: Outcome) -> None:
    aligner = StandInAligner({NOBODY: no_face(outcome)}).as_aligner()
    auth = Authenticator(aligner=aligner, embedder=StandInEmbedder().as_embedder())
    auth.enroll("ada", frame_of(ADA))
    for decision in (auth.verify(frame_of(NOBODY), "ada"), auth.identify(frame_of(NOBODY))):
        assert decision.outcome is outcome
        assert decision.reasons == ("nothing there",)


def test_flat_faces_are_spoofs_even_of_the_right_person() -> None:
    embedder = StandInEmbedder({FLAT: unit(ADA)}).as_embedder()
    auth = make(embedder=embedder)
    auth.enroll("ada", frame_of(ADA))
    assert auth.verify(frame_of(FLAT), "ada").outcome is Outcome.SPOOF
    assert auth.identify(frame_of(FLAT)).outcome is Outcome.SPOOF


@pytest.mark.parametrize(("distance", "accepted"), [(THRESHOLD - 1e-4, True), (THRESHOLD + 1e-4, False)])
def test_threshold_of_the_contract(distance: float, accepted: bool) -> None:
    embedder = StandInEmbedder({ADA: unit(0), BEN: at_distance(distance)}).as_embedder()
    auth = make(embedder=embedder)
    auth.enroll("ada", frame_of(ADA))
    assert auth.threshold == THRESHOLD
    assert auth.verify(frame_of(BEN), "ada").accepted is accepted
    assert auth.identify(frame_of(BEN)).accepted is accepted


def test_the_threshold_is_compared_with_the_unrounded_distance() -> None:
    """Half of all distances get smaller when rounded to float32: the next smaller threshold would do."""
    rng = np.random.default_rng(5)
    for _ in range(20):
        pair = rng.standard_normal((2, 128))
        pair[1] += 2 * pair[0]
        reference, probe = (pair / np.linalg.norm(pair, axis=1, keepdims=True)).astype(np.float32)
        distance = float(np.sqrt(((reference.astype(float) - probe) ** 2).sum()))
        embedder = StandInEmbedder({ADA: reference, BEN: probe}).as_embedder()
        for threshold, accepted in ((distance, True), (np.nextafter(distance, 0.0), False)):
            auth = make(embedder=embedder, threshold=float(threshold))
            auth.enroll("ada", frame_of(ADA))
            assert auth.verify(frame_of(BEN), "ada").accepted is accepted
            assert auth.identify(frame_of(BEN)).accepted is accepted


def test_threshold_of_the_caller() -> None:
    embedder = StandInEmbedder({ADA: unit(0), BEN: at_distance(0.3)}).as_embedder()
    auth = make(embedder=embedder, threshold=0.2)
    auth.enroll("ada", frame_of(ADA))
    assert not auth.verify(frame_of(BEN), "ada").accepted
    with pytest.raises(InvalidInputError, match="threshold"):
        make(threshold=float("nan"))


def test_enrollment_reports_every_frame() -> None:
    turned = {
        10: crop_of(10, yaw_deg=25.0),
        11: crop_of(11, yaw_deg=-25.0),
        12: crop_of(12, pitch_deg=-15.0),
        NOBODY: no_face(Outcome.TOO_FAR),
        FLAT: crop_of(FLAT, relief_mm=0.5),
    }
    auth = Authenticator(
        aligner=StandInAligner(turned).as_aligner(), embedder=StandInEmbedder().as_embedder()
    )
    result = auth.enroll("ada", [frame_of(code) for code in (NOBODY, ADA, 10, FLAT, 11, 12)])
    assert (result.identity, result.accepted, result.references) == ("ada", 4, 4)
    assert result.enrolled
    assert result.poses == ("frontal", "left", "right", "up")
    assert result.missing == ("down",)
    assert [(entry.index, entry.outcome) for entry in result.rejected] == [
        (0, Outcome.TOO_FAR),
        (3, Outcome.SPOOF),
    ]
    assert all(entry.reasons for entry in result.rejected)
    assert any("down" in warning for warning in result.warnings)
    assert any("2 of 6" in warning for warning in result.warnings)


def test_nothing_usable_enrolls_nobody() -> None:
    auth = make()
    result = auth.enroll("ada", [frame_of(NOBODY), frame_of(FLAT)])
    assert (result.accepted, result.references, result.enrolled) == (0, 0, False)
    assert result.missing == POSES
    assert len(result.rejected) == 2
    assert auth.identities == ()
    with pytest.raises(UnknownIdentityError):
        auth.verify(frame_of(ADA), "ada")


def test_enrolling_again_adds() -> None:
    auth = make()
    auth.enroll("ada", frame_of(ADA))
    result = auth.enroll("ada", frame_of(BEN))
    assert (result.accepted, result.references) == (1, 2)
    assert any("frame 0 is unlike" in warning for warning in result.warnings)
    assert auth.verify(frame_of(ADA), "ada").accepted
    assert auth.verify(frame_of(BEN), "ada").accepted
    unusable = auth.enroll("ada", frame_of(NOBODY))
    assert (unusable.accepted, unusable.references) == (0, 2)


def test_same_person_gives_no_warning_about_likeness() -> None:
    auth = make(embedder=StandInEmbedder({ADA: unit(0), BEN: at_distance(0.3)}).as_embedder())
    result = auth.enroll("ada", [frame_of(ADA), frame_of(BEN)])
    assert not any("unlike" in warning for warning in result.warnings)


@pytest.mark.parametrize("frames", [[], None, 7, [None], ["frame"]])
def test_what_is_not_frames_is_refused(frames: Any) -> None:
    auth = make()
    with pytest.raises(InvalidInputError, match=r"frames?: expected"):
        auth.enroll("ada", frames)
    assert auth.identities == ()


def test_what_is_not_a_frame_is_refused() -> None:
    auth = make()
    auth.enroll("ada", frame_of(ADA))
    bad: Any = np.zeros((64, 64))
    for call in (lambda: auth.verify(bad, "ada"), lambda: auth.identify(bad)):
        with pytest.raises(InvalidInputError, match="frame: expected a Frame, got ndarray"):
            call()


def test_too_many_references_change_nothing() -> None:
    auth = make()
    auth.enroll("ada", frame_of(ADA))
    with pytest.raises(InvalidInputError, match=rf"at most {MAX_REFERENCES}"):
        auth.enroll("ada", [frame_of(ADA)] * MAX_REFERENCES)
    assert auth.enroll("ada", frame_of(ADA)).references == 2


def test_remove_is_final() -> None:
    auth = make()
    auth.enroll("ada", frame_of(ADA))
    auth.enroll("ben", frame_of(BEN))
    auth.remove("ada")
    assert auth.identities == ("ben",)
    assert not auth.identify(frame_of(ADA)).accepted
    with pytest.raises(UnknownIdentityError):
        auth.verify(frame_of(ADA), "ada")
    auth.remove("ben")
    assert auth.identify(frame_of(BEN)).outcome is Outcome.NOT_ENROLLED


def test_a_store_brings_its_people() -> None:
    store = InMemoryStore()
    store.put(References("ada", unit(ADA)[None], ("frontal",)))
    auth = make(store=store)
    assert auth.verify(frame_of(ADA), "ada").accepted


class FailingStore(InMemoryStore):
    failing = False

    def put(self, references: References) -> None:
        if self.failing:
            message = "disk full"
            raise OSError(message)
        super().put(references)


def test_a_failing_store_changes_nothing() -> None:
    store = FailingStore()
    auth = make(store=store)
    auth.enroll("ada", frame_of(ADA))
    store.failing = True
    for name in ("ada", "ben"):
        with pytest.raises(OSError, match="disk full"):
            auth.enroll(name, frame_of(BEN))
    assert auth.identities == ("ada",)
    assert not auth.identify(frame_of(BEN)).accepted
    assert auth.verify(frame_of(ADA), "ada").accepted


def test_a_failing_gallery_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    auth = make()
    auth.enroll("ada", frame_of(ADA))

    def fail(*_: object) -> None:
        raise MemoryError

    class Unwilling(module.Gallery):
        add = fail
        replace = fail

    gallery = Unwilling(dim=128)
    monkeypatch.setattr(auth, "_gallery", gallery)
    with pytest.raises(MemoryError):
        auth.enroll("ben", frame_of(BEN))
    assert auth.identities == ("ada",)


@pytest.mark.parametrize("content", [np.nan, np.inf, 0.0, 100.0])
def test_a_broken_model_never_accepts_or_enrolls(content: float) -> None:
    embedder = StandInEmbedder({BEN: np.full(128, content, np.float32)}).as_embedder()
    auth = make(embedder=embedder)
    auth.enroll("ada", frame_of(ADA))
    for call in (
        lambda: auth.verify(frame_of(BEN), "ada"),
        lambda: auth.identify(frame_of(BEN)),
        lambda: auth.enroll("ben", frame_of(BEN)),
    ):
        with pytest.raises((InvalidInputError, ModelError)):
            call()
    assert auth.identities == ("ada",)


def test_module_functions_share_one_authenticator(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Authenticator] = []
    gate = threading.Barrier(4)

    def slow_authenticator() -> Authenticator:
        made.append(make())
        return made[-1]

    monkeypatch.setattr(module, "_default", None)
    monkeypatch.setattr(module, "Authenticator", slow_authenticator)

    def work() -> None:
        gate.wait()
        module.default_authenticator()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert faceid_fast.enroll("ada", frame_of(ADA)).enrolled
    assert faceid_fast.verify(frame_of(ADA), "ada").accepted
    assert faceid_fast.identify(frame_of(ADA)).identity == "ada"


def test_threads_never_accept_somebody_removed() -> None:
    auth = make()
    auth.enroll("ben", frame_of(BEN))
    wrong: list[str] = []
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            if not auth.verify(frame_of(BEN), "ben").accepted:
                wrong.append("ben refused")
            if auth.identify(frame_of(3)).accepted:
                wrong.append("a stranger accepted")

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(50):
        auth.enroll("ada", frame_of(ADA))
        if not auth.identify(frame_of(ADA)).accepted:
            wrong.append("ada refused")
        auth.remove("ada")
        if auth.identify(frame_of(ADA)).accepted:
            wrong.append("ada accepted after she was removed")
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
