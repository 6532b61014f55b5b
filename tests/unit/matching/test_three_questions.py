"""The three questions: each alone can refuse, and together they accept exactly what all three accept."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from faceid_fast.authenticator import Authenticator
from faceid_fast.errors import InvalidInputError, ModelError, OtherModelWarning
from faceid_fast.face.liveness import LivenessCheck
from faceid_fast.matching.decision import accepts
from faceid_fast.matching.index import GalleryIndex
from faceid_fast.matching.keys import (
    NOTHING_NEAR,
    Distances,
    KeyDistances,
    KeyLimits,
    as_probes,
    distances_to,
    key_distances,
)
from faceid_fast.outcome import Outcome
from faceid_fast.storage.keys import Keys
from faceid_fast.storage.memory import InMemoryStore
from faceid_fast.storage.references import References
from faceid_fast.storage.store import get, put
from stand_ins import (
    KEY_LIMITS,
    KEY_SIZES,
    LIVE_LIMITS,
    MODEL_SHA256,
    THRESHOLD,
    StandInAligner,
    StandInEmbedder,
    at_distance,
    contract,
    frame_of,
    keys,
    probe,
    references,
    unit,
)

ADA, BEN = 0, 1
SHAPE, PICTURE, JOINED, BOTH, NEAR = 50, 51, 52, 53, 54
"""Codes of probes beside Ada: which question refuses them; NEAR is refused by none."""
BEYOND = {SHAPE: "shape", PICTURE: "picture"}
anything = st.one_of(st.floats(), st.floats(0.0, 2.0))


def embedder(**options: Any) -> StandInEmbedder:
    far = {name: limit + 0.01 for name, limit in KEY_LIMITS._asdict().items()}
    near = {name: limit - 0.01 for name, limit in KEY_LIMITS._asdict().items()}
    shape, picture = KEY_SIZES
    return StandInEmbedder(
        special={
            ADA: unit(0),
            **dict.fromkeys((SHAPE, PICTURE, BOTH, NEAR), at_distance(0.3)),
            JOINED: at_distance(THRESHOLD + 0.01),
        },
        shapes={
            **dict.fromkeys((SHAPE, BOTH), at_distance(far["shape"], shape)),
            NEAR: at_distance(near["shape"], shape),
        },
        pictures={
            **dict.fromkeys((PICTURE, BOTH), at_distance(far["picture"], picture)),
            NEAR: at_distance(near["picture"], picture),
        },
        **options,
    )


def make(store: InMemoryStore | None = None, **options: Any) -> Authenticator:
    options.setdefault("embedder", embedder().as_embedder())
    options.setdefault("lockout", False)
    return Authenticator(
        store=store,
        aligner=StandInAligner({}).as_aligner(),
        liveness=LivenessCheck(LIVE_LIMITS),
        **options,
    )


def with_ada(**options: Any) -> Authenticator:
    auth = make(**options)
    auth.enroll("ada", frame_of(ADA))
    return auth


@given(anything, anything, anything, anything, anything, anything)
def test_accepted_is_exactly_what_all_three_accept(
    joined: float, shape: float, picture: float, threshold: float, of_shape: float, of_picture: float
) -> None:
    distances, limits = Distances(joined, KeyDistances(shape, picture)), KeyLimits(of_shape, of_picture)
    answers = {
        "distance": accepts(joined, threshold),
        "shape": accepts(shape, of_shape),
        "picture": accepts(picture, of_picture),
    }
    assert distances.accepted(threshold, limits) == all(answers.values())
    assert distances.keys.agree(limits) == (answers["shape"] and answers["picture"])
    assert set(distances.refused_by(threshold, limits)) == {name for name, yes in answers.items() if not yes}


@pytest.mark.parametrize("code", [SHAPE, PICTURE, JOINED, BOTH])
def test_each_question_alone_refuses(code: int) -> None:
    auth = with_ada()
    assert auth.verify(frame_of(NEAR), "ada").accepted
    assert auth.identify(frame_of(NEAR)).accepted
    for decision in (auth.verify(frame_of(code), "ada"), auth.identify(frame_of(code))):
        assert (decision.outcome, decision.identity) == (Outcome.NO_MATCH, None)


@pytest.mark.parametrize("code", [SHAPE, PICTURE, JOINED])
def test_of_several_frames_most_must_pass_all_three(code: int) -> None:
    auth = with_ada()
    most = [frame_of(NEAR), frame_of(ADA), frame_of(code)]
    few = [frame_of(NEAR), frame_of(code), frame_of(BOTH)]
    assert auth.verify(most, "ada").accepted
    assert auth.identify(most).identity == "ada"
    assert auth.verify(few, "ada").outcome is Outcome.NO_MATCH
    assert auth.identify(few).outcome is Outcome.NO_MATCH


def test_questions_of_different_frames_do_not_add_up() -> None:
    """A frame that only the shape refuses and one that only the picture refuses are two that are refused."""
    auth = with_ada()
    frames = [frame_of(SHAPE), frame_of(PICTURE)]
    assert not auth.verify(frames, "ada").accepted
    assert not auth.identify(frames).accepted


def test_each_key_may_agree_with_another_reference() -> None:
    """As the joined distance is to the nearest reference, so is that of each key."""
    found = distances_to(
        References(
            "ada",
            np.stack([unit(0), unit(1)]),
            ("frontal",) * 2,
            ("infrared",) * 2,
            MODEL_SHA256,
            keys=keys(1, shape=0.5).joined(keys(1, picture=0.5)),
        ),
        "infrared",
        probe(at_distance(0.3), shape=0.5),
    )
    assert found.joined == pytest.approx(0.3, abs=1e-6)
    assert found.keys == pytest.approx((0.0, 0.0), abs=1e-3)


def test_the_nearest_is_the_only_one_who_is_asked() -> None:
    """Ben is second nearest, within the threshold, and his keys agree: nobody is named."""
    model = embedder()
    model.special[BEN] = at_distance(0.5)
    model.shapes[ADA] = at_distance(KEY_LIMITS.shape + 0.01, KEY_SIZES[0])
    auth = make(embedder=model.as_embedder(), diagnostics=True)
    for name, code in (("ada", ADA), ("ben", BEN)):
        assert auth.enroll(name, frame_of(code)).enrolled
    probed = 60
    model.special[probed] = at_distance(0.2)
    assert auth.verify(frame_of(probed), "ben").accepted
    assert not auth.verify(frame_of(probed), "ada").accepted
    found = auth.identify(frame_of(probed))
    assert (found.outcome, found.identity, found.nearest) == (Outcome.NO_MATCH, None, "ada")


@pytest.mark.parametrize("code", [SHAPE, PICTURE, JOINED, BOTH])
def test_which_question_refused_is_told_with_diagnostics_only(code: int) -> None:
    quiet, open_hearted = with_ada(), with_ada(diagnostics=True)
    stranger = quiet.verify(frame_of(BEN), "ada")
    refused = {"shape": code in {SHAPE, BOTH}, "picture": code in {PICTURE, BOTH}, "distance": code == JOINED}
    for ask in ("verify", "identify"):
        claims = ("ada",) if ask == "verify" else ()
        told = getattr(quiet, ask)(frame_of(code), *claims)
        assert told.reasons == stranger.reasons
        assert (told.distance, told.shape_distance, told.picture_distance) == (None, None, None)
        assert (told.shape_limit, told.picture_limit) == (None, None)
        shown = getattr(open_hearted, ask)(frame_of(code), *claims)
        assert shown.reasons[0] == stranger.reasons[0]
        assert {name: name in shown.reasons[1] for name in refused} == refused
        assert (shown.shape_limit, shown.picture_limit) == KEY_LIMITS
        for name in ("shape", "picture"):
            limit = getattr(KEY_LIMITS, name)
            assert (getattr(shown, f"{name}_distance") > limit) is refused[name]
        assert (shown.distance > shown.threshold) is refused["distance"]


def test_an_accepted_decision_shows_its_distances_with_diagnostics() -> None:
    shown = with_ada(diagnostics=True).verify(frame_of(NEAR), "ada")
    assert (shown.accepted, shown.reasons) == (True, ())
    assert shown.shape_distance == pytest.approx(KEY_LIMITS.shape - 0.01, abs=1e-3)
    assert shown.picture_distance == pytest.approx(KEY_LIMITS.picture - 0.01, abs=1e-3)


def test_a_chosen_threshold_leaves_the_limits_as_they_are() -> None:
    auth = with_ada(threshold=1.9)
    assert auth.verify(frame_of(JOINED), "ada").accepted
    for code in (SHAPE, PICTURE):
        assert auth.verify(frame_of(code), "ada").outcome is Outcome.NO_MATCH
        assert auth.identify(frame_of(code)).outcome is Outcome.NO_MATCH


def test_every_modality_has_limits_of_its_own() -> None:
    strict = contract(key_limits={"infrared": KEY_LIMITS._asdict(), "color": {"shape": 0.1, "picture": 0.1}})
    auth = make(embedder=embedder(contract=strict).as_embedder())
    auth.enroll("ada", [frame_of(ADA), frame_of(ADA, "color")])
    assert auth.verify(frame_of(NEAR), "ada").accepted
    assert not auth.verify(frame_of(NEAR, "color"), "ada").accepted
    assert auth.verify(frame_of(ADA, "color"), "ada").accepted


def test_keys_of_another_modality_do_not_count() -> None:
    model = embedder()
    auth = make(embedder=model.as_embedder())
    auth.enroll("ada", frame_of(ADA))
    model.shapes[ADA] = at_distance(KEY_LIMITS.shape + 0.05, KEY_SIZES[0])
    auth.enroll("ada", frame_of(ADA, "color"))
    model.shapes.pop(ADA)
    assert auth.verify(frame_of(ADA), "ada").accepted
    assert not auth.verify(frame_of(ADA, "color"), "ada").accepted


def test_without_keys_nobody_is_accepted() -> None:
    """Of before there were any, be the name of the model the same."""
    store = InMemoryStore()
    put(store, replace(references("ada", unit(0)), keys=None))
    with pytest.warns(OtherModelWarning, match="references of 1 people"):
        auth = make(store)
    with pytest.raises(ModelError, match=r"expected those with the keys of a face, .*enrol again"):
        auth.verify(frame_of(ADA), "ada")
    with pytest.raises(ModelError, match="enrol again"):
        auth.enroll("ada", frame_of(NEAR))
    assert auth.identify(frame_of(ADA)).outcome is Outcome.NOT_ENROLLED
    assert auth.identities == ("ada",)
    assert auth.enroll("ada", frame_of(ADA), replace=True).enrolled
    assert auth.verify(frame_of(ADA), "ada").accepted
    assert get(store, "ada").keys is not None


def test_references_with_keys_of_another_size_are_refused() -> None:
    store = InMemoryStore()
    other = Keys.of(unit(0, 8)[None], unit(0, 8)[None])
    put(store, replace(references("ada", unit(0)), keys=other))
    with pytest.raises(
        InvalidInputError, match=r"references: expected keys of \(64, 32\) values, got others"
    ):
        make(store)
    assert key_distances(other, probe(unit(0))) == NOTHING_NEAR.keys


def vectors_of(rng: np.random.Generator, count: int, size: int) -> NDArray[np.float32]:
    vectors = rng.standard_normal((count, size))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@given(st.integers(0, 1000), st.integers(1, 9))
def test_key_distances_are_those_of_brute_force(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    kept = Keys.of(vectors_of(rng, count, 64), vectors_of(rng, count, 32))
    one = replace(probe(unit(0)), shape=vectors_of(rng, 1, 64)[0], picture=vectors_of(rng, 1, 32)[0])
    found = key_distances(kept, one)
    for name in ("shape", "picture"):
        off = getattr(kept, name).astype(np.float64) - getattr(one, name).astype(np.float64)
        assert getattr(found, name) == pytest.approx(np.linalg.norm(off, axis=1).min(), abs=1e-12)


def test_nan_in_a_key_never_agrees() -> None:
    """However it got there."""
    broken = Keys.checked_before(*(np.full((1, size), np.nan, np.float16) for size in KEY_SIZES))
    found = key_distances(broken, probe(unit(0)))
    assert math.isnan(found.shape)
    assert not found.agree(KeyLimits(2.0, 2.0))
    assert not NOTHING_NEAR.accepted(2.0, KeyLimits(2.0, 2.0))
    assert key_distances(None, probe(unit(0))) == NOTHING_NEAR.keys
    assert distances_to(None, "infrared", probe(unit(0))) == NOTHING_NEAR
    assert distances_to(references("ada", unit(0)), "color", probe(unit(0))) == NOTHING_NEAR


def test_references_are_probes_too() -> None:
    both = references("ada", unit(0)).joined(references("ada", unit(1), modality="color"))
    (one,) = as_probes(both, "color")
    np.testing.assert_array_equal(one.joined, unit(1))
    assert one.shape.dtype == np.float32
    assert as_probes(replace(both, keys=None), "color") == []


def test_the_index_gives_one_state_of_a_person() -> None:
    store = InMemoryStore()
    index = GalleryIndex(store, 128, KEY_SIZES, MODEL_SHA256)
    assert index.references("ada") is None
    for vector in (unit(0), unit(1)):
        put(store, references("ada", vector))
        index.refresh()
        assert index.references("ada") is get(store, "ada")
    put(store, replace(references("ada", unit(2)), keys=None))
    index.refresh()
    assert index.references("ada") is None
    assert index.count("infrared") == 0
