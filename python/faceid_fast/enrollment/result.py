"""The result of an enrolment: frames taken and rejected, poses covered and missing. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .poses import POSES, nearest_to

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from faceid_fast.face.crop import HeadPose
    from faceid_fast.outcome import Outcome


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


@dataclass(frozen=True, slots=True)
class Enrollment:
    """The result of `Authenticator.enroll`.

    Attributes
    ----------
    identity : name of the person.
    accepted : number of frames that became references.
    references : number of references that the person has now; 0: the person is not enrolled.
    poses : those of `POSES` that the person's references cover, of the frames' modalities only.
    missing : those of `POSES` that are not covered; frames of these make later rejections rarer.
    rejected : the frames that gave no reference, and why.
    warnings : notes for the person who enrols, in words.
    """

    identity: str
    accepted: int
    references: int
    poses: tuple[str, ...]
    missing: tuple[str, ...]
    rejected: tuple[RejectedFrame, ...]
    warnings: tuple[str, ...]

    @property
    def enrolled(self) -> bool:
        """Whether the person has a reference now."""
        return self.references > 0


def summarise(
    identity: str,
    poses: Iterable[str],
    *,
    accepted: int,
    references: int,
    rejected: Iterable[RejectedFrame],
    held: Sequence[HeadPose] = (),
    warnings: Iterable[str] = (),
) -> Enrollment:
    """Make the result of an enrolment, with its warnings.

    `poses` are those of all references of the frames' modalities, `held` the head poses of the frames that
    became references; the rest is as in `Enrollment`.
    """
    kept = tuple(poses)
    refused = tuple(rejected)
    notes = list(warnings)
    missing = tuple(pose for pose in POSES if pose not in kept)
    if kept and missing:
        near = {pose: nearest_to(pose, held) for pose in missing}
        if unseen := [pose for pose, words in near.items() if not words]:
            notes.append(f"no reference looks {', '.join(unseen)}: faces held so may be refused")
        notes += [f"{words}; faces held so may be refused" for words in near.values() if words]
    if refused:
        notes.append(f"{len(refused)} of {len(refused) + accepted} frames could not be used")
    return Enrollment(
        identity=identity,
        accepted=accepted,
        references=references,
        poses=tuple(pose for pose in POSES if pose in kept),
        missing=missing,
        rejected=refused,
        warnings=tuple(notes),
    )
