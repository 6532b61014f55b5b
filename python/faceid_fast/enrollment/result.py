"""What enrolling took in, what it refused, and which poses are still missing. Pure."""

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
    index : its place among the frames given, from 0.
    outcome : why, as a value.
    reasons : why, in words.
    """

    index: int
    outcome: Outcome
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Enrollment:
    """The result of `Authenticator.enroll`.

    Attributes
    ----------
    identity : who.
    accepted : how many of these frames became references.
    references : how many references the person has now; 0 means: not enrolled.
    poses : poses covered, of `POSES`, by references comparable with these frames: of their modality.
    missing : poses not covered so yet; more frames of these make later refusals rarer.
    rejected : the frames that could not be used, and why.
    warnings : what is worth a look, in words.
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
        """Whether the person can be verified now."""
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
    """Describe a person's references after frames were added.

    Parameters
    ----------
    poses : of all references that are comparable with the frames.
    held : how the head was held in the frames that were added.
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
