"""The result of an enrolment: frames taken and rejected, poses covered and missing, notes. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from .poses import POSES, nearest_to

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from faceid_fast.face.crop import HeadPose
    from faceid_fast.outcome import Outcome

_ALIKE: Final = "as near to {0!a} as frames of one person are: enrolled twice, or two people alike?"


@dataclass(frozen=True, slots=True)
class RejectedFrame:
    """A frame that gave no reference.

    Attributes
    ----------
    index : position of the frame among those given, from 0.
    outcome : the reason, as a value.
    reasons : the reasons in words.
    """

    index: int
    outcome: Outcome
    reasons: tuple[str, ...]


class NoteKind(StrEnum):
    """What a note is about.

    ``STRANGERS``: frames seem to show somebody else; they were left out or, if the caller wanted that, kept.
    ``ALIKE``: other people would be accepted as this person. ``NOT_COMPARED``: frames of one modality could
    not be compared with references of the other. ``REPLACED_UNLIKE``: no frame matches the references that
    were replaced. ``KNOWN``: pictures were enrolled before. ``MANY_REFERENCES``: more than are of use.
    ``MISSING_POSE``: no reference looks that way. ``UNUSABLE``: frames that gave no reference.
    """

    STRANGERS = "strangers"
    ALIKE = "alike"
    NOT_COMPARED = "not_compared"
    REPLACED_UNLIKE = "replaced_unlike"
    KNOWN = "known"
    MANY_REFERENCES = "many_references"
    MISSING_POSE = "missing_pose"
    UNUSABLE = "unusable"


@dataclass(frozen=True, slots=True)
class Note:
    """A note for the person who enrols.

    Attributes
    ----------
    kind : what it is about, as a value.
    message : the note in words.
    frames : the frames concerned, by their position among those given, from 0; empty: no particular ones.
    """

    kind: NoteKind
    message: str
    frames: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Enrollment:
    """The result of `Authenticator.enroll`.

    Attributes
    ----------
    identity : name of the person.
    accepted : number of frames that became references.
    known : frames whose picture was enrolled before, or came earlier among these: they are not added again.
    references : number of references that the person has now; 0: the person is not enrolled.
    poses : those of `POSES` that the person's references cover, of the frames' modalities only.
    missing : those of `POSES` that are not covered; frames of these make later rejections rarer.
    rejected : the frames that cannot be used, and why; NO_MATCH: it seems to be somebody else's.
    alike : other people who would be accepted as this person, sorted: enrolled twice, or two people alike.
    notes : for the person who enrols.
    """

    identity: str
    accepted: int
    known: tuple[int, ...]
    references: int
    poses: tuple[str, ...]
    missing: tuple[str, ...]
    rejected: tuple[RejectedFrame, ...]
    alike: tuple[str, ...]
    notes: tuple[Note, ...]

    @property
    def enrolled(self) -> bool:
        """Whether the person has a reference now."""
        return self.references > 0

    @property
    def warnings(self) -> tuple[str, ...]:
        """The notes in words."""
        return tuple(note.message for note in self.notes)


def summarise(
    identity: str,
    poses: Iterable[str],
    *,
    accepted: int,
    references: int,
    rejected: Iterable[RejectedFrame],
    known: Iterable[int] = (),
    held: Sequence[HeadPose] = (),
    alike: Iterable[str] = (),
    notes: Iterable[Note] = (),
) -> Enrollment:
    """Make the result of an enrolment, with the notes that follow from the rest of it.

    `poses` are those of all references of the frames' modalities, `held` the head poses of the frames that
    show the person; the rest is as in `Enrollment`.
    """
    kept, refused, again, others = tuple(poses), tuple(rejected), tuple(known), tuple(alike)
    missing = tuple(pose for pose in POSES if pose not in kept)
    told = [*notes, *(Note(NoteKind.ALIKE, _ALIKE.format(other)) for other in others)]
    if again:
        told.append(
            Note(NoteKind.KNOWN, f"frames that were enrolled before, not added again: {len(again)}", again)
        )
    if kept:
        told += (Note(NoteKind.MISSING_POSE, words) for words in _pose_notes(missing, held))
    if refused:
        count = len(refused) + accepted + len(again)
        places = tuple(frame.index for frame in refused)
        told.append(Note(NoteKind.UNUSABLE, f"{len(refused)} of {count} frames could not be used", places))
    return Enrollment(
        identity=identity,
        accepted=accepted,
        known=again,
        references=references,
        poses=tuple(pose for pose in POSES if pose in kept),
        missing=missing,
        rejected=refused,
        alike=others,
        notes=tuple(told),
    )


def _pose_notes(missing: Iterable[str], held: Sequence[HeadPose]) -> list[str]:
    near = {pose: nearest_to(pose, held) for pose in missing}
    unseen = [pose for pose, words in near.items() if not words]
    notes = [f"no reference looks {', '.join(unseen)}: faces held so may be refused"] if unseen else []
    return notes + [f"{words}; faces held so may be refused" for words in near.values() if words]
