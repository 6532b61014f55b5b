"""What enrolling took in, what it refused, and which poses are still missing. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .face.crop import HeadPose
    from .outcome import Outcome
    from .storage.references import References

POSES: Final = ("frontal", "left", "right", "up", "down")
"""Together they cover how people hold their heads; as the camera sees it: "left" is the image's left."""
TURNED_DEG: Final = 10.0
"""From here on a head counts as turned; a person told to look straight stays well within it."""


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


def pose_name(pose: HeadPose) -> str:
    """Name a pose by its larger turn: one of `POSES`."""
    if max(abs(pose.yaw_deg), abs(pose.pitch_deg)) < TURNED_DEG:
        return "frontal"
    if abs(pose.yaw_deg) >= abs(pose.pitch_deg):
        return "left" if pose.yaw_deg > 0 else "right"
    return "down" if pose.pitch_deg > 0 else "up"


def strangers(
    references: References | None, places: Sequence[int], thresholds: Mapping[str, float]
) -> list[int]:
    """Those of the frames at `places`, the last references, that no other reference would accept.

    The only reference of its modality has nothing to be unlike.
    """
    if references is None or not places:
        return []
    wide = references.vectors.astype(np.float64)
    distances = np.linalg.norm(wide[:, None] - wide[None], axis=2)
    modalities = np.array(references.modalities)
    comparable = (modalities[:, None] == modalities[None]) & ~np.eye(len(wide), dtype=bool)
    # Where no threshold is known, nothing is strange: such references are not compared with anything.
    near = distances <= np.array([thresholds.get(modality, math.inf) for modality in modalities])
    strange = comparable.any(axis=1) & ~(comparable & near).any(axis=1)
    return [place for place, odd in zip(places, strange[-len(places) :], strict=True) if odd]


def without(references: References, places: Sequence[int], odd: Sequence[int]) -> References:
    """References without those of some of the frames at `places`, the last ones; at least one is left."""
    if not odd:
        return references
    first = len(references.vectors) - len(places)
    kept = [*range(first), *(first + i for i, place in enumerate(places) if place not in odd)]
    return references.rows(kept)


def summarise(
    identity: str,
    poses: Iterable[str],
    *,
    accepted: int,
    references: int,
    rejected: Iterable[RejectedFrame],
    warnings: Iterable[str] = (),
) -> Enrollment:
    """Describe a person's references after frames were added; `poses` are of all comparable ones."""
    kept = tuple(poses)
    refused = tuple(rejected)
    notes = list(warnings)
    missing = tuple(pose for pose in POSES if pose not in kept)
    if kept and missing:
        notes.append(f"no reference looks {', '.join(missing)}: faces held so may be refused")
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
