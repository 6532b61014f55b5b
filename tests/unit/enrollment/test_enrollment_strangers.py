"""Frames of somebody else: who is enrolled by them, what is said, and that nothing is said of poses."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from faceid_fast.authenticator import Authenticator
from faceid_fast.enrollment.plan import ADVISED_REFERENCES
from faceid_fast.enrollment.result import Enrollment, NoteKind
from faceid_fast.enrollment.strangers import SAME_PICTURE, Questions, Strangers, find_copies, find_strangers
from faceid_fast.errors import IdentityTakenError
from faceid_fast.face.liveness import LivenessCheck
from faceid_fast.outcome import Outcome
from faceid_fast.storage.audit import EventKind
from faceid_fast.storage.memory import InMemoryStore
from faceid_fast.storage.references import References
from faceid_fast.storage.store import get
from stand_ins import (
    KEY_LIMITS,
    KEY_SIZES,
    LIVE_LIMITS,
    THRESHOLD,
    StandInAligner,
    StandInEmbedder,
    frame_of,
    references,
    unit,
)

ASKED = {"infrared": Questions(THRESHOLD, KEY_LIMITS)}
ADA, BEN, CLEO = 0, 10, 20
"""Codes of people's pictures: each has ten, turned by 5 degrees more from one to the next."""


def turned(axis: int, degrees: float) -> NDArray[np.float32]:
    """A unit vector, turned away from an axis: 35 degrees are just beyond the threshold."""
    vector = np.zeros(128)
    vector[axis], vector[axis + 1] = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return vector.astype(np.float32)


def make(store: InMemoryStore | None = None, special: dict[int, Any] | None = None) -> Authenticator:
    pictures = {who + turn: turned(who, 5.0 * turn) for who in (ADA, BEN, CLEO) for turn in range(10)}
    return Authenticator(
        store=store,
        aligner=StandInAligner({}).as_aligner(),
        embedder=StandInEmbedder({**pictures, **(special or {})}).as_embedder(),
        liveness=LivenessCheck(LIVE_LIMITS),
        lockout=False,
    )


def enrolled(auth: Authenticator, who: str, *codes: int, **options: Any) -> Enrollment:
    return auth.enroll(who, [frame_of(code) for code in codes], **options)


def left_out(result: Enrollment) -> list[int]:
    assert {frame.outcome for frame in result.rejected} <= {Outcome.NO_MATCH}
    return [frame.index for frame in result.rejected]


def kinds(result: Enrollment) -> set[NoteKind]:
    return {note.kind for note in result.notes}


def test_of_a_new_person_those_unlike_the_majority_are_left_out() -> None:
    auth = make()
    result = enrolled(auth, "ada", ADA, BEN, ADA + 1, BEN + 1, ADA + 2)
    assert (result.accepted, left_out(result)) == (3, [1, 3])
    assert result.rejected[0].reasons == ("unlike most of these frames",)
    (note,) = (note for note in result.notes if note.kind is NoteKind.STRANGERS)
    assert note.frames == (1, 3)
    assert note.message.startswith("frames that seem to show somebody else, left out: 2; if they show this")
    assert auth.verify(frame_of(ADA + 3), "ada").accepted
    assert not auth.verify(frame_of(BEN), "ada").accepted


@pytest.mark.parametrize("codes", [(ADA, BEN), (ADA, ADA + 1, BEN, BEN + 1), (ADA, ADA + 1, BEN, CLEO)])
def test_without_a_majority_nobody_is_enrolled(codes: tuple[int, ...]) -> None:
    auth = make()
    result = enrolled(auth, "ada", *codes)
    assert (result.enrolled, left_out(result)) == (False, list(range(len(codes))))
    assert "no more than half of these frames agree" in result.rejected[0].reasons[0]
    assert auth.identities == ()


def test_copies_of_a_picture_make_no_majority() -> None:
    auth = make()
    result = enrolled(auth, "ada", ADA, BEN, BEN, BEN)
    assert (result.accepted, result.known, left_out(result)) == (0, (), [0, 1, 2, 3])


def test_frames_between_link_heads_that_are_turned_far() -> None:
    auth = make()
    apart = enrolled(auth, "ada", ADA, ADA + 9, ADA + 1, ADA + 2)
    assert (apart.accepted, left_out(apart)) == (3, [1])
    linked = enrolled(make(), "ada", ADA, ADA + 9, ADA + 4, ADA + 1)
    assert (linked.accepted, left_out(linked)) == (4, [])
    later = enrolled(auth, "ada", ADA + 9, ADA + 5)
    assert (later.accepted, later.references) == (2, 5)


def test_frames_that_match_none_of_the_references_are_left_out() -> None:
    auth = make()
    enrolled(auth, "ada", ADA)
    result = enrolled(auth, "ada", BEN, BEN + 1, BEN + 2, ADA + 1, BEN + 3)  # a majority does not count
    assert (result.accepted, result.references, left_out(result)) == (1, 2, [0, 1, 2, 4])
    assert result.rejected[0].reasons == ("matches none of the references that this person has",)
    nothing = enrolled(auth, "ada", BEN, BEN + 1)
    assert (nothing.accepted, nothing.references, left_out(nothing)) == (0, 2, [0, 1])
    assert not auth.verify(frame_of(BEN), "ada").accepted


def test_whoever_knows_better_says_so() -> None:
    store = InMemoryStore()
    auth = make(store)
    result = enrolled(auth, "ada", ADA, BEN, strangers="keep")
    assert (result.accepted, left_out(result)) == (2, [])
    assert [note.frames for note in result.notes if note.kind is NoteKind.STRANGERS] == [(0,), (1,)]
    result = enrolled(auth, "ada", CLEO, strangers=Strangers.KEEP)
    assert (result.accepted, kinds(result) & {NoteKind.STRANGERS}) == (1, {NoteKind.STRANGERS})
    assert len(get(store, "ada").vectors) == 3


def test_a_frame_that_is_nearer_to_somebody_else_is_left_out() -> None:
    """Within the threshold of both; a frame linked by it only is left out with it."""
    between, beyond = 50, 51
    auth = make(special={between: turned(ADA, 30.0), beyond: turned(ADA, 60.0), BEN: turned(ADA, 45.0)})
    enrolled(auth, "ada", ADA)
    enrolled(auth, "ben", BEN)
    result = enrolled(auth, "ada", between, beyond, ADA + 1)
    assert (result.accepted, left_out(result)) == (1, [0, 1])
    assert result.rejected[0].reasons == (
        "nearer to somebody else than to this person (like 'ben', who is enrolled)",
    )
    assert enrolled(auth, "ada", between, strangers="keep").accepted == 1


def test_who_they_are_like_is_said() -> None:
    auth = make()
    enrolled(auth, "ben", BEN)
    result = enrolled(auth, "ada", ADA, ADA + 1, BEN + 1)
    assert result.rejected[0].reasons == ("unlike most of these frames (like 'ben', who is enrolled)",)
    assert result.alike == ()


def test_somebody_enrolled_under_a_second_name_is_told() -> None:
    auth = make()
    first = enrolled(auth, "ada", ADA)
    assert first.alike == ()
    again = enrolled(auth, "ada again", ADA + 1)
    assert (again.accepted, again.alike) == (1, ("ada",))
    assert again.warnings[0] == (
        "as near to 'ada' as frames of one person are: enrolled twice, or two people alike?"
    )
    assert enrolled(auth, "ben", BEN).alike == ()
    nothing_new = enrolled(auth, "ada", ADA, BEN)
    assert (nothing_new.accepted, nothing_new.known, nothing_new.alike) == (0, (0,), ("ada again",))


def test_other_modalities_are_told_to_be_uncompared() -> None:
    auth = make()
    frames = [frame_of(ADA), frame_of(BEN, "color")]
    assert NoteKind.NOT_COMPARED in kinds(auth.enroll("both", frames))
    assert NoteKind.NOT_COMPARED not in kinds(enrolled(auth, "ada", ADA))
    assert NoteKind.NOT_COMPARED in kinds(auth.enroll("ada", frame_of(ADA, "color")))
    assert NoteKind.NOT_COMPARED not in kinds(auth.enroll("ada", frame_of(ADA + 1, "color")))


def test_a_replacement_by_somebody_else_is_told() -> None:
    auth = make()
    enrolled(auth, "ada", ADA)
    assert NoteKind.REPLACED_UNLIKE not in kinds(enrolled(auth, "ada", ADA + 1, replace=True))
    other = enrolled(auth, "ada", BEN, replace=True)
    assert (other.references, NoteKind.REPLACED_UNLIKE in kinds(other)) == (1, True)
    color = auth.enroll("ada", frame_of(ADA, "color"), replace=True)  # nothing to compare with
    assert NoteKind.REPLACED_UNLIKE not in kinds(color)
    divided = enrolled(auth, "ada", ADA, BEN, replace=True)
    assert (divided.accepted, divided.references) == (0, 1)


def test_a_picture_is_enrolled_once() -> None:
    store = InMemoryStore()
    auth = make(store)
    codes = (ADA, ADA + 1, ADA, ADA + 2)
    first = enrolled(auth, "ada", *codes)
    assert (first.accepted, first.known, first.references) == (3, (2,), 3)
    events = len(store.events())
    again = enrolled(auth, "ada", *codes)
    assert (again.accepted, again.known, again.references, again.rejected) == (0, (0, 1, 2, 3), 3, ())
    assert "frames that were enrolled before, not added again: 4" in again.warnings
    assert len(store.events()) == events
    agreed = enrolled(auth, "ada", ADA, consent="form 7")
    assert (agreed.known, get(store, "ada").consent.note) == ((0,), "form 7")  # type: ignore[union-attr]
    assert enrolled(auth, "ada", ADA, replace=True).references == 1
    assert enrolled(auth, "ada", ADA, strangers="keep").known == (0,)


def test_more_references_than_help_are_told_and_taken() -> None:
    few = {30 + code: turned(ADA, 2.0 * code) for code in range(ADVISED_REFERENCES + 1)}
    auth = make(special=few)
    enough = enrolled(auth, "ada", *list(few)[:-1])
    assert (enough.references, NoteKind.MANY_REFERENCES in kinds(enough)) == (ADVISED_REFERENCES, False)
    more = enrolled(auth, "ada", list(few)[-1])
    assert (more.references, NoteKind.MANY_REFERENCES in kinds(more)) == (ADVISED_REFERENCES + 1, True)


def test_a_new_name_is_new() -> None:
    store = InMemoryStore()
    auth = make(store)
    enrolled(auth, "ada", ADA, new=True)
    with pytest.raises(IdentityTakenError, match=r"expected a new name, got 'ada', who is enrolled"):
        enrolled(auth, "ada", ADA + 1, new=True)
    assert [event.kind for event in store.events()] == [EventKind.ENROLLED]


SIZES = {"shape": KEY_SIZES[0], "picture": KEY_SIZES[1]}


def keyed(key: str, codes: tuple[int, ...], store: InMemoryStore | None = None) -> Authenticator:
    """Everybody's keys agree, but one key of the pictures of these codes, which agrees with no other."""
    auth = make(store)
    model = cast("Any", auth._stages.pipeline)._embedder
    getattr(model, f"{key}s").update({code: unit(1 + at, SIZES[key]) for at, code in enumerate(codes)})
    return auth


@pytest.mark.parametrize("key", SIZES)
def test_of_a_new_person_those_with_another_key_are_left_out(key: str) -> None:
    """Their joined vectors agree with the majority's."""
    auth = keyed(key, (ADA + 1, ADA + 3))
    result = enrolled(auth, "ada", ADA, ADA + 1, ADA + 2, ADA + 3, ADA + 4)
    assert (result.accepted, left_out(result)) == (3, [1, 3])
    assert result.rejected[0].reasons == ("unlike most of these frames",)


@pytest.mark.parametrize("key", SIZES)
def test_two_frames_whose_keys_disagree_are_no_majority(key: str) -> None:
    auth = keyed(key, (ADA, ADA + 1))
    result = enrolled(auth, "ada", ADA, ADA + 1)
    assert (result.enrolled, left_out(result)) == (False, [0, 1])
    assert enrolled(auth, "ada", ADA).enrolled  # alone it has nobody to agree with


@pytest.mark.parametrize("key", SIZES)
def test_a_key_may_agree_with_another_frame_or_with_a_reference(key: str) -> None:
    """As poses in between link joined vectors, so a turned head's key agrees with one that is turned so."""
    auth = keyed(key, (ADA + 1,))
    model = cast("Any", auth._stages.pipeline)._embedder
    like = getattr(model, f"{key}s")
    like[ADA + 2] = like[ADA + 1]
    result = enrolled(auth, "ada", ADA, ADA + 1, ADA + 2, ADA + 3)
    assert (result.accepted, left_out(result)) == (4, [])
    like[ADA + 4] = like[ADA + 1]
    assert enrolled(auth, "ada", ADA + 4).accepted == 1
    assert len(auth.identities) == 1


@pytest.mark.parametrize("key", SIZES)
def test_support_of_a_frame_that_goes_is_none(key: str) -> None:
    """ADA + 2 agrees with ADA + 1 alone, which another key leaves out."""
    auth = keyed(key, (ADA + 1,))
    model = cast("Any", auth._stages.pipeline)._embedder
    like, other = getattr(model, f"{key}s"), "picture" if key == "shape" else "shape"
    like[ADA + 2] = like[ADA + 1]
    getattr(model, f"{other}s")[ADA + 1] = unit(5, SIZES[other])
    result = enrolled(auth, "ada", ADA, ADA + 1, ADA + 2, ADA + 3, ADA + 4)
    assert (result.accepted, left_out(result)) == (3, [1, 2])


@pytest.mark.parametrize("key", SIZES)
def test_frames_with_another_key_match_no_reference(key: str) -> None:
    auth = keyed(key, (ADA + 1, ADA + 2))
    enrolled(auth, "ada", ADA)
    result = enrolled(auth, "ada", ADA + 1, ADA + 2, ADA + 3)
    assert (result.accepted, left_out(result)) == (1, [0, 1])
    assert result.rejected[0].reasons == ("matches none of the references that this person has",)


@pytest.mark.parametrize("key", SIZES)
def test_frames_with_another_key_replace_with_a_note(key: str) -> None:
    auth = keyed(key, (ADA + 1,))
    enrolled(auth, "ada", ADA)
    assert NoteKind.REPLACED_UNLIKE in kinds(enrolled(auth, "ada", ADA + 1, replace=True))
    again = enrolled(auth, "ada", ADA + 1, replace=True)  # the same key as what is replaced now
    assert NoteKind.REPLACED_UNLIKE not in kinds(again)


@pytest.mark.parametrize("key", SIZES)
def test_people_whose_keys_differ_are_not_alike(key: str) -> None:
    alike, apart = make(), keyed(key, (ADA + 1,))
    for auth in (alike, apart):
        enrolled(auth, "ada", ADA)
    assert enrolled(alike, "ben", ADA + 1).alike == ("ada",)
    assert enrolled(apart, "ben", ADA + 1).alike == ()


@pytest.mark.parametrize("key", SIZES)
def test_nearer_to_somebody_else_counts_whatever_the_keys_say(key: str) -> None:
    """What was refused before there were keys still is."""
    auth = keyed(key, (ADA + 4,))
    enrolled(auth, "ada", ADA)
    enrolled(auth, "ben", ADA + 4)
    result = enrolled(auth, "ada", ADA + 3)
    assert left_out(result) == [0]
    assert result.rejected[0].reasons[0].startswith("nearer to somebody else than to this person (like 'ben'")


def rows(*vectors: NDArray[np.float32]) -> References:
    return references("ada", *vectors)


@given(st.lists(st.floats(0.0, 175.0), min_size=1, max_size=12), st.booleans())
def test_whoever_is_taken_is_linked_and_whoever_is_linked_is_taken(angles: list[float], known: bool) -> None:
    """Beside a reference at 0 degrees, or without: by chains of neighbours on a line."""
    fresh = rows(*(turned(ADA, angle) for angle in angles))
    kept = rows(turned(ADA, 0.0)) if known else None
    single = [row for row in range(len(angles)) if row not in find_copies(fresh, None)]
    found = find_strangers(fresh, single, kept, ASKED, lambda _, candidates: [()] * len(candidates.vectors))
    step = float(np.degrees(2.0 * np.arcsin(THRESHOLD / 2.0)))
    order = sorted(single, key=lambda row: angles[row])
    chains: list[list[int]] = []
    for row in order:
        near = chains and abs(angles[row] - angles[chains[-1][-1]]) <= step
        chains[-1].append(row) if near else chains.append([row])
    if any(abs(abs(a - b) - step) < 1e-3 for a in [0.0, *angles] for b in angles):
        return  # rounding decides
    if known:
        own = chains[0] if angles[chains[0][0]] <= step else []
    else:
        own = max(chains, key=len)
        own = own if 2 * len(own) > len(single) else []
    assert set(single) - set(found) == set(own)


@given(st.floats(0.0, SAME_PICTURE / 2), st.floats(SAME_PICTURE * 2, 1.0))
def test_copies_are_those_that_rounding_explains(little: float, much: float) -> None:
    near = turned(ADA, float(np.degrees(little)))
    far = turned(ADA, float(np.degrees(much)))
    assert find_copies(rows(turned(ADA, 0.0), near, far), None) == {1: 0}
    assert find_copies(rows(near, far), rows(turned(ADA, 0.0))) == {0: None}
    assert find_copies(rows(near), references("ada", near, modality="color")) == {}
