from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import faceid_fast
from faceid_fast import api as module
from faceid_fast.authenticator import Authenticator
from faceid_fast.enrollment.plan import MAX_REFERENCES
from faceid_fast.enrollment.poses import POSES
from faceid_fast.enrollment.result import NoteKind
from faceid_fast.errors import (
    InvalidInputError,
    ModelContractError,
    ModelError,
    OtherModelWarning,
    UnknownIdentityError,
    VaultError,
)
from faceid_fast.face.crop import FaceCrop, NoFace
from faceid_fast.face.liveness import LivenessCheck
from faceid_fast.outcome import Outcome
from faceid_fast.storage.memory import InMemoryStore
from faceid_fast.storage.references import References
from faceid_fast.storage.store import Change, get, put
from faceid_fast.vault import Vault
from stand_ins import (
    LIVE_LIMITS,
    THRESHOLD,
    StandInAligner,
    StandInEmbedder,
    at_distance,
    contract,
    crop_of,
    for_stand_ins,
    frame_of,
    no_face,
    permit,
    references,
    unit,
)

VIEW = memoryview(np.zeros((2, 2)))
ADA, BEN, NOBODY, FLAT = 1, 2, 90, 91


def make(**options: Any) -> Authenticator:
    aligner = StandInAligner({NOBODY: no_face(), FLAT: crop_of(FLAT, live=False)})
    options.setdefault("embedder", StandInEmbedder().as_embedder())
    options.setdefault("liveness", LivenessCheck(LIVE_LIMITS))
    options.setdefault("lockout", False)  # see test_lockout.py
    return Authenticator(aligner=aligner.as_aligner(), **options)


def test_verify_accepts_the_person_and_nobody_else() -> None:
    auth = make()
    auth.enroll("ada", frame_of(ADA))
    auth.enroll("ben", [frame_of(BEN)])
    assert auth.identities == ("ada", "ben")
    assert auth.verify(frame_of(ADA), "ada").accepted
    refused = auth.verify(frame_of(BEN), "ada")
    assert (refused.outcome, refused.identity, refused.claimed) == (Outcome.NO_MATCH, None, "ada")
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
                assert decision.nearest == "ada"
            else:
                assert (decision.distance, decision.nearest) == (None, None)
            assert decision.identity is None
        assert (auth.verify(frame_of(ADA), "ada").distance == 0.0) is diagnostics


def test_timings_name_the_stages() -> None:
    auth = make()
    auth.enroll("ada", frame_of(ADA))
    for decision in (auth.verify(frame_of(ADA), "ada"), auth.identify(frame_of(ADA))):
        stages = dict(decision.timings_ms)
        total = stages.pop("total")
        assert list(stages) == ["align", "liveness", "charge", "embed", "match", "refund"]
        assert all(value >= 0 for value in stages.values())
        assert sum(stages.values()) <= total
    assert list(auth.verify(frame_of(NOBODY), "ada").timings_ms) == ["align", "total"]


@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not Outcome.ACCEPTED])
def test_what_the_aligner_finds_is_the_outcome(outcome: Outcome) -> None:
    aligner = StandInAligner({NOBODY: no_face(outcome)}).as_aligner()
    auth = Authenticator(
        aligner=aligner, embedder=StandInEmbedder().as_embedder(), liveness=LivenessCheck(LIVE_LIMITS)
    )
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


def test_a_moving_picture_before_a_depth_that_stays_is_a_spoof() -> None:
    """Of the right person, at a distance of 0: a film."""
    auth = make()
    auth.enroll("ada", frame_of(ADA))
    first = frame_of(ADA)
    infrared = np.asarray(first.infrared).copy()
    infrared[-1, -1] += 1
    film = [first, replace(first, infrared=infrared)]
    for decision in (auth.verify(film, "ada"), auth.identify(film)):
        assert decision.outcome is Outcome.SPOOF
        assert "a recording" in decision.reasons[0]
    assert auth.enroll("eve", film).accepted == 0


def test_one_frame_given_twice_is_no_sequence() -> None:
    """Nor are those beside it believed. Enrolment knows it, and says no more than that."""
    auth = make()
    twice = auth.enroll("ada", [frame_of(ADA), frame_of(ADA)])
    assert (twice.accepted, twice.known, twice.rejected) == (1, (1,), ())
    for frames in ([frame_of(ADA)] * 2, [frame_of(ADA, take=1), frame_of(ADA), frame_of(ADA)]):
        for decision in (auth.verify(frames, "ada"), auth.identify(frames)):
            assert decision.outcome is Outcome.SPOOF
            assert set(decision.frames) == {Outcome.SPOOF}
            assert "made of one" in decision.reasons[0]
    assert auth.verify([frame_of(ADA), frame_of(ADA, take=1)], "ada").accepted
    assert auth.verify(frame_of(ADA), "ada").accepted  # one frame is no sequence, and asks for none


@pytest.mark.parametrize(
    "found", [crop_of(FLAT, live=False), NoFace(Outcome.SPOOF, ("flat",), ("0.5 mm from a plane",))]
)
def test_how_flat_only_with_diagnostics(found: FaceCrop | NoFace) -> None:
    """A figure would tell whoever bends pictures which way to go on."""
    aligner = StandInAligner({FLAT: found}).as_aligner()
    for diagnostics in (False, True):
        auth = Authenticator(
            aligner=aligner,
            embedder=StandInEmbedder().as_embedder(),
            liveness=LivenessCheck(LIVE_LIMITS),
            diagnostics=diagnostics,
        )
        auth.enroll("ada", frame_of(ADA))
        for refused in (
            auth.verify(frame_of(FLAT), "ada"),
            auth.identify(frame_of(FLAT)),
            *auth.enroll("ben", frame_of(FLAT)).rejected,
        ):
            assert refused.outcome is Outcome.SPOOF
            words = " ".join(refused.reasons)
            assert "flat" in words
            assert any(character.isdigit() for character in words) is diagnostics


@pytest.mark.parametrize(("distance", "accepted"), [(THRESHOLD - 1e-4, True), (THRESHOLD + 1e-4, False)])
def test_threshold_of_the_contract(distance: float, accepted: bool) -> None:
    embedder = StandInEmbedder({ADA: unit(0), BEN: at_distance(distance)}).as_embedder()
    auth = make(embedder=embedder)
    auth.enroll("ada", frame_of(ADA))
    assert auth.thresholds == {"infrared": THRESHOLD, "color": THRESHOLD}
    assert auth.verify(frame_of(BEN), "ada").accepted is accepted
    assert auth.identify(frame_of(BEN)).accepted is accepted


def test_every_modality_has_a_threshold_of_its_own() -> None:
    both = contract(thresholds={"infrared": 0.2, "color": 0.4})
    embedder = StandInEmbedder({ADA: unit(0), BEN: at_distance(0.3)}, contract=both).as_embedder()
    auth = make(embedder=embedder)
    auth.enroll("ada", [frame_of(ADA), frame_of(ADA, "color")])
    refused, accepted = (auth.verify(frame_of(BEN, kind), "ada") for kind in ("infrared", "color"))
    assert (refused.outcome, refused.threshold) == (Outcome.NO_MATCH, 0.2)
    assert (accepted.outcome, accepted.threshold) == (Outcome.ACCEPTED, 0.4)
    assert auth.identify(frame_of(BEN, "color")).accepted
    assert not auth.identify(frame_of(BEN)).accepted


def test_without_a_threshold_for_its_modality_no_frame_is_judged() -> None:
    one = contract(thresholds={"infrared": 0.2})
    embedder = StandInEmbedder({ADA: unit(0)}, contract=one).as_embedder()
    auth = make(embedder=embedder)
    auth.enroll("ada", frame_of(ADA))
    color = frame_of(ADA, "color")
    for use in (
        lambda: auth.enroll("ada", color),
        lambda: auth.verify(color, "ada"),
        lambda: auth.identify(color),
    ):
        with pytest.raises(InvalidInputError, match=r"frame: expected infrared, .*got color"):
            use()
    assert auth.verify(frame_of(ADA), "ada").accepted
    chosen = make(embedder=embedder, threshold=0.1)  # which says nothing about the keys
    with pytest.raises(InvalidInputError, match=r"frame: expected infrared, .*got color"):
        chosen.enroll("ada", color)


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
        FLAT: crop_of(FLAT, live=False),
    }
    auth = Authenticator(
        aligner=StandInAligner(turned).as_aligner(),
        embedder=StandInEmbedder().as_embedder(),
        liveness=LivenessCheck(LIVE_LIMITS),
    )
    codes = (NOBODY, ADA, 10, FLAT, 11, 12)
    result = auth.enroll("ada", [frame_of(code) for code in codes], strangers="keep")
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
    result = auth.enroll("ada", frame_of(BEN), strangers="keep")
    assert (result.accepted, result.references) == (1, 2)
    (note,) = (note for note in result.notes if note.kind is NoteKind.STRANGERS)
    assert note.message.startswith("frame 0: matches none of the references that this person has: is it")
    assert auth.verify(frame_of(ADA), "ada").accepted
    assert auth.verify(frame_of(BEN), "ada").accepted
    unusable = auth.enroll("ada", frame_of(NOBODY))
    assert (unusable.accepted, unusable.references) == (0, 2)


def test_same_person_gives_no_warning_about_likeness() -> None:
    auth = make(embedder=StandInEmbedder({ADA: unit(0), BEN: at_distance(0.3)}).as_embedder())
    result = auth.enroll("ada", [frame_of(ADA), frame_of(BEN)])
    assert result.accepted == 2
    assert NoteKind.STRANGERS not in {note.kind for note in result.notes}


@pytest.mark.parametrize("frames", [[], None, 7, [None], ["frame"], np.array(1), VIEW, repeat("frame")])
def test_what_is_not_frames_is_refused(frames: Any) -> None:
    auth = make()
    with pytest.raises(InvalidInputError, match=r"frames?: expected"):
        auth.enroll("ada", frames)
    assert auth.identities == ()


def test_endless_frames_are_refused() -> None:
    auth = make()
    with pytest.raises(InvalidInputError, match="frames: expected at most 256 at once, got more"):
        auth.enroll("ada", repeat(frame_of(ADA)))
    assert auth.identities == ()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"store": "people"}, "store: expected a ReferenceStore, got str"),
        ({"store": InMemoryStore}, "store: expected a ReferenceStore, got type"),
        ({"aligner": unit(0)}, "aligner: expected a FaceAligner, got ndarray"),
        ({"embedder": 7}, "embedder: expected an Embedder, got int"),
        ({"lockout": None}, "lockout: expected True or False, got NoneType"),
        ({"diagnostics": "no"}, "diagnostics: expected True or False, got 'no'"),
    ],
)
def test_parts_of_another_type_are_refused(option: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=f"^{message}$"):
        Authenticator(**option)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"strangers": 1}, "strangers: expected leave_out or keep, got 1"),
        ({"strangers": "ask"}, "strangers: expected leave_out or keep, got 'ask'"),
        ({"new": 1}, "new: expected True or False, got 1"),
        ({"replace": None}, "replace: expected True or False, got NoneType"),
        ({"new": True, "replace": True}, "new, replace: expected one of them, got both"),
    ],
)
def test_options_of_an_enrolment_that_are_none_are_refused(option: dict[str, Any], message: str) -> None:
    auth = make()
    with pytest.raises(InvalidInputError, match=f"^{message}$"):
        auth.enroll("ada", frame_of(ADA), **option)
    assert auth.identities == ()


def test_what_is_not_a_frame_is_refused() -> None:
    auth = make()
    auth.enroll("ada", frame_of(ADA))
    bad: Any = np.zeros((64, 64))
    for call in (lambda: auth.verify(bad, "ada"), lambda: auth.identify(bad)):
        with pytest.raises(InvalidInputError, match="frames: expected a Frame or several, got ndarray"):
            call()


def test_too_many_references_change_nothing() -> None:
    auth = make()
    auth.enroll("ada", frame_of(ADA))
    with pytest.raises(InvalidInputError, match=rf"at most {MAX_REFERENCES}"):
        auth.enroll("ada", [frame_of(2 + code) for code in range(MAX_REFERENCES)], strangers="keep")
    assert auth.enroll("ada", frame_of(BEN), strangers="keep").references == 2


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
    put(store, references("ada", unit(ADA)))
    auth = make(store=store)
    assert auth.verify(frame_of(ADA), "ada").accepted


class FailingStore(InMemoryStore):
    failing = False

    def alter(self, identity: str, alter: Callable[[References | None], Change]) -> References | None:
        if self.failing:
            message = "disk full"
            raise OSError(message)
        return super().alter(identity, alter)


def test_a_failing_store_changes_nothing() -> None:
    store = FailingStore()
    auth = make(store=store)
    auth.enroll("ada", frame_of(ADA))
    store.failing = True
    for name in ("ada", "ben"):
        with pytest.raises(OSError, match="disk full"):
            auth.enroll(name, frame_of(BEN), strangers="keep")
    assert auth.identities == ("ada",)
    assert not auth.identify(frame_of(BEN)).accepted
    assert auth.verify(frame_of(ADA), "ada").accepted


def test_a_failing_gallery_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    auth = make()
    auth.enroll("ada", frame_of(ADA))

    shown: list[References | None] = []
    show = auth._index.show

    def fail_once(identity: str, kept: References | None) -> None:
        shown.append(kept)
        if len(shown) == 1:
            raise MemoryError
        show(identity, kept)

    for name in ("ben", "ada"):
        shown.clear()
        with monkeypatch.context() as patch:
            patch.setattr(auth._index, "show", fail_once)
            with pytest.raises(MemoryError):
                auth.enroll(name, frame_of(BEN), strangers="keep")
        assert len(shown) == 2
        assert auth.identities == ("ada",)
        assert not auth.identify(frame_of(BEN)).accepted
        assert auth.verify(frame_of(ADA), "ada").accepted


def test_the_store_is_what_counts_when_two_share_it() -> None:
    """Not meant to be, but nothing may be lost by it, and nobody stay recognised."""
    store = InMemoryStore()
    first, second = make(store=store), make(store=store)
    first.enroll("ada", frame_of(ADA))
    assert second.enroll("ada", frame_of(BEN), strangers="keep").references == 2
    assert len(get(store, "ada").vectors) == 2
    assert second.verify(frame_of(ADA), "ada").accepted  # no longer behind
    first.remove("ada")
    with pytest.raises(UnknownIdentityError):
        second.remove("ada")
    assert not second.identify(frame_of(ADA)).accepted
    assert second.enroll("ada", frame_of(BEN)).references == 1


def test_references_of_another_model_accept_nobody_until_enrolled_anew() -> None:
    store = InMemoryStore()
    old = make(store=store)
    old.enroll("ada", frame_of(ADA))
    with pytest.warns(OtherModelWarning, match="references of 1 people were made with another model"):
        new = make(store=store, embedder=StandInEmbedder(sha256="00" * 32).as_embedder())
    message = r"references of 'ada': expected those of the model 0{64}, got those of (5e){32}: enrol again"
    with pytest.raises(ModelError, match=message):
        new.verify(frame_of(ADA), "ada")
    with pytest.raises(ModelError, match=message):
        new.enroll("ada", frame_of(ADA))
    assert new.identify(frame_of(ADA)).outcome is Outcome.NOT_ENROLLED
    assert new.identities == ("ada",)
    new.enroll("ben", frame_of(BEN))
    assert new.identify(frame_of(BEN)).identity == "ben"  # only ada has to come again
    assert old.verify(frame_of(ADA), "ada").accepted
    assert new.enroll("ada", frame_of(ADA), replace=True).references == 1
    assert new.verify(frame_of(ADA), "ada").accepted


def test_an_embedder_for_another_head_model_is_refused() -> None:
    foreign = contract(preprocessing={**contract().preprocessing, "head_model_sha256": "00" * 32})
    with pytest.raises(ModelContractError, match=r"aligner: expected the head model 0{64}"):
        make(embedder=StandInEmbedder(contract=foreign).as_embedder())


def test_only_one_modality_is_compared() -> None:
    """The same face, in colour: not even a distance of 0 is taken."""
    auth = make(diagnostics=True)
    auth.enroll("ada", frame_of(ADA))
    claimed = auth.verify(frame_of(ADA, "color"), "ada")
    assert (claimed.outcome, claimed.claimed, claimed.distance) == (Outcome.NO_MATCH, "ada", None)
    assert "no color reference" in claimed.reasons[0]
    found = auth.identify(frame_of(ADA, "color"))
    assert (found.outcome, found.identity, found.distance) == (Outcome.NOT_ENROLLED, None, None)
    assert found.reasons == ("nobody is enrolled with color frames",)

    auth.enroll("ben", frame_of(BEN, "color"))
    assert auth.identities == ("ada", "ben")
    assert auth.identify(frame_of(ADA, "color")).outcome is Outcome.NO_MATCH
    assert auth.verify(frame_of(BEN, "color"), "ben").accepted
    assert not auth.verify(frame_of(BEN), "ben").accepted
    with pytest.raises(UnknownIdentityError):
        auth.verify(frame_of(ADA, "color"), "cleo")

    both = auth.enroll("ada", [frame_of(ADA, "color"), frame_of(ADA)])
    assert (both.accepted, both.known, both.references) == (1, (1,), 2)
    for modality in ("infrared", "color"):
        assert auth.identify(frame_of(ADA, modality)).identity == "ada"
    auth.remove("ada")
    assert not auth.identify(frame_of(ADA)).accepted
    assert not auth.identify(frame_of(ADA, "color")).accepted
    with pytest.raises(UnknownIdentityError):
        auth.verify(frame_of(ADA), "ada")


def test_enrollment_speaks_of_the_modality_of_its_frames() -> None:
    auth = make()
    auth.enroll("ada", frame_of(ADA))
    first = auth.enroll("ada", frame_of(BEN, "color"))
    assert first.references == 2
    kinds = {note.kind for note in first.notes}  # there is nothing to be unlike
    assert (NoteKind.STRANGERS in kinds, NoteKind.NOT_COMPARED in kinds) == (False, True)
    turned = StandInAligner({10: crop_of(10, yaw_deg=25.0)}).as_aligner()
    mixed = Authenticator(
        aligner=turned, embedder=StandInEmbedder().as_embedder(), liveness=LivenessCheck(LIVE_LIMITS)
    )
    mixed.enroll("ada", frame_of(10))
    assert mixed.enroll("ada", frame_of(ADA, "color")).poses == ("frontal",)


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

    def slow_authenticator(**_: bool) -> Authenticator:
        made.append(make())
        return made[-1]

    monkeypatch.setattr(module, "_authenticator", None)
    monkeypatch.setattr(module.Authenticator, "open", slow_authenticator)

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
    """Looks that begin and end within one state of ada must see that state."""
    auth = make()
    auth.enroll("ben", frame_of(BEN))
    wrong: set[str] = set()
    seen = {True: 0, False: 0}
    turn = 0  # even: ada is not there; odd: she is
    between = threading.Event()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            before, moving = turn, between.is_set()
            try:
                claimed = auth.verify(frame_of(ADA), "ada").accepted
            except UnknownIdentityError:
                claimed = False
            found = auth.identify(frame_of(ADA)).accepted
            if not auth.verify(frame_of(BEN), "ben").accepted:
                wrong.add("ben refused")
            if auth.identify(frame_of(3)).accepted:
                wrong.add("a stranger accepted")
            if moving or between.is_set() or turn != before:
                continue
            there = before % 2 == 1
            seen[there] += 1
            if claimed is not there or found is not there:
                wrong.add("ada refused" if there else "ada accepted after she was removed")

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for change in range(60):
            between.set()
            if change % 2 == 0:
                auth.enroll("ada", frame_of(ADA))
            else:
                auth.remove("ada")
            turn += 1
            between.clear()
            was = dict(seen)
            for _ in range(200):  # let somebody look
                if seen[turn % 2 == 1] > was[turn % 2 == 1]:
                    break
                time.sleep(0.0005)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert wrong == set()
    assert min(seen.values()) >= 20


@pytest.mark.parametrize("kind", ["memory", "vault"])
def test_what_others_change_is_seen_with_the_next_frame(tmp_path: Path, kind: str) -> None:
    key = bytes(32)
    ours = InMemoryStore() if kind == "memory" else Vault.open(tmp_path / "vault", key=key, create=True)
    theirs = ours if kind == "memory" else Vault.open(tmp_path / "vault", key=key)
    for_stand_ins(ours)
    door, office = make(store=ours), make(store=theirs)
    office.enroll("ada", frame_of(ADA))
    assert door.verify(frame_of(ADA), "ada").accepted
    office.enroll("ada", frame_of(BEN), strangers="keep")
    assert door.identify(frame_of(BEN)).identity == "ada"
    office.remove("ada")
    assert door.identify(frame_of(ADA)).outcome is Outcome.NOT_ENROLLED
    with pytest.raises(UnknownIdentityError):
        door.verify(frame_of(ADA), "ada")


def test_opening_a_vault_and_a_closed_one_refuses(tmp_path: Path) -> None:
    stages = {
        "aligner": StandInAligner({}).as_aligner(),
        "embedder": StandInEmbedder().as_embedder(),
        "liveness": LivenessCheck(LIVE_LIMITS),
    }
    with Vault.open(tmp_path / "vault", key=bytes(32), create=True) as vault:
        for_stand_ins(vault)
    auth = Authenticator.open(tmp_path / "vault", key=bytes(32), **stages)  # type: ignore[arg-type]
    auth.enroll("ada", frame_of(ADA))
    again = Authenticator.open(tmp_path / "vault", key=bytes(32), **stages)  # type: ignore[arg-type]
    assert again.verify(frame_of(ADA), "ada").accepted
    again._store.close()  # type: ignore[attr-defined]
    with pytest.raises(VaultError):
        again.verify(frame_of(ADA), "ada")


def test_it_closes_the_vault_that_it_opened(tmp_path: Path) -> None:
    key = bytes(32)
    with Authenticator.open(tmp_path / "vault", key=key, create=True) as auth:
        assert auth.identities == ()
    with pytest.raises(VaultError, match="closed"):
        _ = auth.identities
    auth.close()
    with Vault.open(tmp_path / "vault", key=key) as vault:
        with Authenticator(store=vault):
            pass
        assert vault.snapshot() == {}  # still open: it was given


def test_what_cannot_be_made_leaves_no_vault_open(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="threshold"):
        Authenticator.open(tmp_path / "vault", key=bytes(32), create=True, threshold=7.0)
    with Vault.open(tmp_path / "vault", key=bytes(32)) as vault:
        assert vault.snapshot() == {}


def test_reprs_say_something_and_nobody_s_name(tmp_path: Path) -> None:
    auth = make(lockout=True)
    auth.enroll("ada", frame_of(ADA))
    assert repr(auth) == (
        "<Authenticator on <InMemoryStore of 1 people>: policy of the store, adaptation never, lockout on>"
    )
    with Vault.open(tmp_path / "vault", key=bytes(32), create=True) as vault:
        permit(vault, lockout=False)
    with Authenticator.open(tmp_path / "vault", key=bytes(32), lockout=False) as kept:
        assert f"<Vault '{tmp_path.resolve() / 'vault'}' of 0 people>" in repr(kept)
        assert repr(kept).endswith("lockout off>")
    assert "closed" in repr(kept)
    gallery = faceid_fast.Gallery(dim=2)
    gallery.add("ada", np.array([[1, 0], [0, 1]], np.float32))
    assert repr(gallery) == (
        f"<Gallery of 2 references of 1 identities, 2 values each, searched by {gallery.backend}>"
    )
