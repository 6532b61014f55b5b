"""The plan of an enrolment: which frames become references, and what is said of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from faceid_fast.errors import IdentityTakenError, InvalidInputError
from faceid_fast.outcome import Outcome
from faceid_fast.storage.audit import Event, EventKind
from faceid_fast.storage.plan import Plan
from faceid_fast.storage.references import check_model, is_of_model

from .result import Enrollment, Note, NoteKind, RejectedFrame, summarise
from .strangers import UNCONFIRMED, Strangers, find_copies, find_strangers, matches

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from faceid_fast.face.crop import HeadPose
    from faceid_fast.storage.references import Consent, References

    from .strangers import FindOthers, Other, Questions

MAX_REFERENCES: Final = 64
"""Most references of a person; every reference is one more chance of a false match."""
ADVISED_REFERENCES: Final = 10
"""Most references of a person and modality without a note: five poses, with glasses and without."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the caller of an enrolment asked for; see `faceid_fast.authenticator.Authenticator.enroll`."""

    new: bool
    replace: bool
    strangers: Strangers
    consent: Consent | None


@dataclass(frozen=True, slots=True)
class Compared:
    """What of the references that are there already an enrolment may compare its frames with, and tell.

    Attributes
    ----------
    others : whether it compares them with other people's.
    names : whether it tells who these are, and which frames match the person's own references. Without, the
        frames of somebody who has references are one attempt: most of them must match, or none is taken, and
        no more is told.
    """

    others: bool = False
    names: bool = False


EVERYTHING: Final = Compared(others=True, names=True)


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """The frames of an enrolment, as they were seen, and the references that they would give.

    Attributes
    ----------
    identity : the person.
    references : one for each frame with a live face; None: no frame has one.
    places : of these frames among those given.
    held : how these frames' heads were held.
    refused : the other frames.
    modalities : of all frames.
    model_sha256 : of the model that makes the references.
    """

    identity: str
    references: References | None
    places: tuple[int, ...]
    held: tuple[HeadPose, ...]
    refused: tuple[RejectedFrame, ...]
    modalities: frozenset[str]
    model_sha256: str


@dataclass(frozen=True, slots=True)
class _Sorted:
    """Rows of the candidates' references.

    Attributes
    ----------
    taken : to add.
    known : whose picture is there already.
    strange : that seem to show somebody else, with the reasons.
    are_kept : whether these are among the others, because the caller wants it.
    """

    taken: tuple[int, ...]
    known: tuple[int, ...]
    strange: Mapping[int, str]
    are_kept: bool


def plan_enrollment(  # noqa: PLR0917  # what it compares, and how
    seen: References | None,
    candidates: Candidates,
    wishes: Wishes,
    compared: Compared,
    asked: Mapping[str, Questions],
    find_others: FindOthers,
) -> Plan[Enrollment]:
    """Plan an enrolment.

    Parameters
    ----------
    seen : the person's references; None: the person is new.
    candidates : the frames.
    wishes : what the caller asked for.
    compared : what the frames may be compared with.
    asked : what two frames of one face must meet, by modality.
    find_others : as for `faceid_fast.enrollment.strangers.find_strangers`.

    Raises
    ------
    IdentityTakenError
        If the name should be new, and is not.
    ModelError
        If the person has references of another model, which are not to be replaced.
    InvalidInputError
        If the person would have more than `MAX_REFERENCES` references.
    """
    if wishes.new and seen is not None:
        raise identity_taken(candidates.identity)
    kept = None if wishes.replace else seen
    fresh = candidates.references
    find = find_others if compared.others else _nobody
    if kept is not None:
        check_model(kept, candidates.model_sha256)
    if fresh is None:
        found = _Sorted((), (), {}, are_kept=False)
        alike = _alike(candidates, seen, find) if compared.names else ()
        return Plan(seen, seen, (), _result(candidates, seen, found, (), alike))
    found = _sort(fresh, kept, wishes.strangers, asked, find, compared)
    after = _after(seen, kept, fresh, found)
    alike = _alike(candidates, after, find)
    told = _comparison_notes(compared, alike)
    alike = alike if compared.names else ()
    if after is None or after is seen:
        return Plan(seen, seen, (), _result(candidates, seen, found, told, alike))
    notes = [
        *told,
        *_replaced_notes(fresh, seen, found, asked, wishes),
        *_modality_notes(fresh, kept, after, found),
    ]
    kind = EventKind.ENROLLED if seen is None else EventKind.REPLACED if wishes.replace else EventKind.ADDED
    event = Event.now(kind, candidates.identity, f"{len(found.taken)} references")
    return Plan(seen, after, (event,), _result(candidates, after, found, notes, alike))


def identity_taken(identity: str) -> IdentityTakenError:
    """Make the error for a name that should be new, and is not."""
    return IdentityTakenError(
        f"identity: expected a new name, got {identity!a:.240}, who is enrolled: add references "
        "(without new=True), or replace them (replace=True)"
    )


def _sort(  # noqa: PLR0917  # what it compares, and how
    fresh: References,
    kept: References | None,
    strangers: Strangers,
    asked: Mapping[str, Questions],
    find_others: FindOthers,
    compared: Compared,
) -> _Sorted:
    """Sort the candidates' rows. A copy of a picture is no second witness: it goes where the first goes."""
    copies = find_copies(fresh, kept)
    single = [row for row in range(len(fresh.vectors)) if row not in copies]
    if compared.names:
        strange = find_strangers(fresh, single, kept, asked, find_others)
    elif strangers is Strangers.KEEP:
        strange = {}  # they are taken in any case: what they match is not told
    else:
        strange = find_strangers(fresh, single, kept, asked, _nobody)
        if kept is not None and 2 * len(strange) >= len(single):
            strange = dict.fromkeys(single, UNCONFIRMED)
    again = {row: first for row, first in copies.items() if first is not None}
    strange |= {row: strange[first] for row, first in again.items() if first in strange}
    left_out = strange if strangers is Strangers.LEAVE_OUT else {}
    return _Sorted(
        tuple(row for row in single if row not in left_out),
        tuple(row for row in copies if row not in left_out),
        strange,
        are_kept=strangers is Strangers.KEEP,
    )


def _after(
    seen: References | None, kept: References | None, fresh: References, found: _Sorted
) -> References | None:
    """Return the person's new references; the same object if nothing changes."""
    if not found.taken:
        noted = kept is not None and found.known and fresh.consent is not None
        return kept.with_consent(fresh.consent) if noted and kept is not None else seen
    taken = fresh.rows(found.taken)
    if kept is not None:
        taken = kept.joined(taken)
    elif seen is not None and fresh.consent is None:
        taken = taken.with_consent(seen.consent)
    if (count := len(taken.vectors)) > MAX_REFERENCES:
        message = f"frames: expected at most {MAX_REFERENCES} references for one person, got {count}"
        raise InvalidInputError(message)
    return taken


def _result(
    candidates: Candidates,
    after: References | None,
    found: _Sorted,
    notes: Sequence[Note],
    alike: Sequence[str] = (),
) -> Enrollment:
    """Make the result; rows become the places of their frames."""
    at, strange = candidates.places, found.strange
    left_out = {} if found.are_kept else strange
    odd = [RejectedFrame(at[row], Outcome.NO_MATCH, (reason,)) for row, reason in left_out.items()]
    poses = () if after is None else zip(after.poses, after.modalities, strict=True)
    return summarise(
        candidates.identity,
        [pose for pose, modality in poses if modality in candidates.modalities],
        accepted=len(found.taken),
        known=tuple(at[row] for row in found.known),
        references=0 if after is None else len(after.vectors),
        rejected=sorted([*candidates.refused, *odd], key=lambda frame: frame.index),
        held=[candidates.held[row] for row in sorted((*found.taken, *found.known))],
        alike=alike,
        notes=[*_stranger_notes(at, found), *notes],
    )


def _stranger_notes(places: Sequence[int], found: _Sorted) -> list[Note]:
    if found.are_kept:
        return [
            Note(NoteKind.STRANGERS, f"frame {places[row]}: {reason}: is it the same person?", (places[row],))
            for row, reason in sorted(found.strange.items())
        ]
    frames = tuple(sorted(places[row] for row in found.strange))
    words = (
        f"frames that seem to show somebody else, left out: {len(frames)}; if they show this person, add "
        f"frames of poses in between, or enrol them with strangers='{Strangers.KEEP}' (--strangers "
        f"{Strangers.KEEP})"
    )
    return [Note(NoteKind.STRANGERS, words, frames)] if frames else []


def _replaced_notes(
    fresh: References,
    seen: References | None,
    found: _Sorted,
    asked: Mapping[str, Questions],
    wishes: Wishes,
) -> list[Note]:
    """Return a note if the replaced references could be compared, and none of the frames matches them."""
    if not wishes.replace or seen is None or seen.model_sha256 != fresh.model_sha256:
        return []
    new, compared = fresh.rows(found.taken), False
    for modality, questions in asked.items():
        matched = matches(new, seen, modality, questions)
        if matched.person.any():
            return []
        compared = compared or matched.joined.size > 0
    words = "none of the frames matches the references that were replaced: is it the same person?"
    return [Note(NoteKind.REPLACED_UNLIKE, words)] if compared else []


def _modality_notes(
    fresh: References, kept: References | None, after: References, found: _Sorted
) -> list[Note]:
    """Return notes on modalities: with references that nothing vouches for, or with more than are of use."""
    notes = []
    before = set() if kept is None else set(kept.modalities)
    for modality in sorted({fresh.modalities[row] for row in found.taken}):
        if modality not in before and len(set(after.modalities)) > 1:
            words = (
                f"{modality} frames cannot be compared with this person's other references: is it the same "
                "person?"
            )
            notes.append(Note(NoteKind.NOT_COMPARED, words))
        if (count := after.modalities.count(modality)) > ADVISED_REFERENCES:
            words = (
                f"{count} {modality} references: more than {ADVISED_REFERENCES} rarely help, and each is one "
                "more chance of a false match; five poses are enough, enrolled anew"
            )
            notes.append(Note(NoteKind.MANY_REFERENCES, words))
    return notes


def _nobody(_modality: str, references: References) -> Sequence[Sequence[Other]]:
    """Compare with nobody."""
    return [[] for _ in references.vectors]


def _comparison_notes(compared: Compared, alike: Sequence[str]) -> list[Note]:
    """Return a note that the frames were not compared with other people, or that there is somebody alike."""
    if not compared.others:
        words = (
            "not compared with other people, because of too many enrolments in a row: wait 30 s, or show the "
            "credential (--credential)"
        )
        return [Note(NoteKind.NOT_COMPARED, words)]
    if alike and not compared.names:
        words = (
            "somebody else who is enrolled is as near as frames of one person are: enrolled twice, or two "
            "people alike? The credential shows who (--credential)"
        )
        return [Note(NoteKind.ALIKE, words)]
    return []


def _alike(candidates: Candidates, references: References | None, find_others: FindOthers) -> tuple[str, ...]:
    """Return the other people who would be accepted as this person, sorted."""
    if references is None or not is_of_model(references, candidates.model_sha256):
        return ()
    found = {
        other.identity
        for modality in sorted(set(references.modalities))
        for others in find_others(modality, references)
        for other in others
        if other.keys_agree
    }
    return tuple(sorted(found))
