"""How people fare before worse cameras: attempts accepted with holes, noise, steps and blur in the depth.

``python -m benchmarks.cameras DIR [--json FILE]`` (`make bench-cameras`) takes real captures in the
``kinect_v2`` layout by the *unlock* protocol: everybody is enrolled with nine captures, one a pose, and
tries with the other 45. First depth is degraded of the attempts alone, as where a person was enrolled on a
good day; then of both, as where the camera is never better. An attempt is accepted if a live face is found
and its nearest reference of that person lies within the model's own threshold.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np

from faceid_fast.face.aligner import FaceAligner
from faceid_fast.face.crop import NoFace
from faceid_fast.face.embedder import Embedder
from faceid_fast.face.embedding import Embedding
from faceid_fast.face.liveness import LivenessCheck
from faceid_fast.frame import Frame
from faceid_fast.matching.keys import KeyLimits, distances_to
from faceid_fast.sources.layouts.kinect_v2 import Capture, captures
from faceid_fast.storage.keys import Keys
from faceid_fast.storage.references import References
from training.camera.degraded import (
    Degradation,
    blurred,
    chained,
    degraded,
    disparity_steps,
    flying_pixels,
    median_of,
    noisy,
    round_holes,
    rounded,
    single_holes,
)

ENROLLED: Final = 2
"""The expression whose nine captures are enrolled."""
ADVISED: Final = 5
"""References that a person should have at least."""
CLEAN: Final = "clean"
MODALITY: Final = "infrared"
OWN: Final = Embedder.bundled().contract.thresholds[MODALITY]
"""The model's own threshold."""
LIMITS: Final = KeyLimits.by_modality(Embedder.bundled().contract.key_limits)[MODALITY]
"""The model's limits of the two keys."""

ATTEMPTS: Final[dict[str, Degradation]] = {
    "2 % single holes": single_holes(0.02),
    "5 % single holes": single_holes(0.05),
    "10 % single holes": single_holes(0.10),
    "round holes over 10 %": round_holes(0.10),
    "steps of 4 mm": rounded(4.0),
    "noise of 3 mm": noisy(3.0),
    "median of 5 frames of 3 mm noise and 10 % holes": median_of(5, chained(noisy(3.0), single_holes(0.10))),
    "half of the edge pixels fly": flying_pixels(0.5),
}
"""Degraded in the attempts alone."""
BOTH: Final[dict[str, Degradation]] = {
    "blurred by 3 mm": blurred(3.0),
    "blurred by 3 mm, slow noise of 2 mm": chained(blurred(3.0), noisy(2.0, 8.0)),
    "blurred by 6 mm": blurred(6.0),
    "steps of 1/8 px of disparity": disparity_steps(1 / 8),
    "blurred by 3 mm, 5 % single holes": chained(blurred(3.0), single_holes(0.05)),
}
"""Degraded in enrolment and attempts."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What became of a capture up to its embedding.

    Attributes
    ----------
    outcome : "live", or why there is no embedding.
    embedding : of the face, or None.
    """

    outcome: str
    embedding: Embedding | None


@dataclass(frozen=True, slots=True)
class Row:
    """What became of everybody's attempts.

    Attributes
    ----------
    name : of the degradation.
    attempts, accepted : of genuine people.
    relative : accepted, as a share of those accepted without degradation.
    not_enrolled : people of whom no reference was taken.
    few_references : people with fewer than `ADVISED` of nine.
    impostor_attempts, impostors_accepted : every other person's attempts.
    refused : how often each reason ended a genuine attempt.
    """

    name: str
    attempts: int
    accepted: int
    relative: float
    not_enrolled: int
    few_references: int
    impostor_attempts: int
    impostors_accepted: int
    refused: dict[str, int]


def look(frames: Iterable[Frame]) -> list[Looked]:
    """Align, check and embed frames one by one, as `verify` does."""
    aligner, check, embedder = FaceAligner.bundled(), LivenessCheck.bundled(), Embedder.bundled()
    found = []
    for frame in frames:
        crop = aligner.align(frame)
        if isinstance(crop, NoFace):
            found.append(Looked(crop.outcome.value, None))
        elif not (verdict := check.check(crop)).live:
            found.append(Looked(f"not live: {'; '.join(verdict.reasons)}", None))
        else:
            (embedding,) = embedder.embed(crop.tensor[None], crop.chip[None])
            found.append(Looked("live", embedding))
    return found


def score(
    name: str,
    shots: Sequence[Capture],
    enrolled: Sequence[Looked],
    tried: Sequence[Looked],
    clean: int | None,
    *,
    threshold: float = OWN,
) -> Row:
    """Compare everybody's attempts with everybody's references.

    Parameters
    ----------
    shots : the captures.
    enrolled, tried : what was found in each, as far as it serves as a reference, and as an attempt.
    clean : attempts that are accepted with good depth; None: these.
    threshold : the largest joined distance to accept; the keys have the model's own limits.
    """
    people = sorted({shot.person for shot in shots})
    references = {
        person: [
            each.embedding
            for shot, each in zip(shots, enrolled, strict=True)
            if shot.person == person and shot.expression == ENROLLED and each.embedding is not None
        ]
        for person in people
    }
    kept = {person: _references(person, found) for person, found in references.items() if found}
    refused: Counter[str] = Counter()
    attempts = accepted = impostor_attempts = impostors = 0
    for shot, each in zip(shots, tried, strict=True):
        if shot.expression == ENROLLED:
            continue
        for person in people:
            genuine = person == shot.person
            attempts += genuine
            impostor_attempts += not genuine
            if each.embedding is None:
                refused[each.outcome] += genuine
                continue
            near = distances_to(kept.get(person), MODALITY, each.embedding).accepted(threshold, LIMITS)
            accepted += genuine and near
            impostors += not genuine and near
            if genuine and not near:
                refused["no match" if person in kept else "not enrolled"] += 1
    taken = {person: len(found) for person, found in references.items()}
    return Row(
        name=name,
        attempts=attempts,
        accepted=accepted,
        relative=accepted / (clean or max(accepted, 1)),
        not_enrolled=sum(count == 0 for count in taken.values()),
        few_references=sum(count < ADVISED for count in taken.values()),
        impostor_attempts=impostor_attempts,
        impostors_accepted=impostors,
        refused=dict(refused.most_common()),
    )


def _references(person: str, found: Sequence[Embedding]) -> References:
    joined, shape, picture = (
        np.stack([getattr(each, name) for each in found]) for name in ("joined", "shape", "picture")
    )
    poses, modalities = ("frontal",) * len(found), (MODALITY,) * len(found)
    model = Embedder.bundled().sha256
    return References(person, joined, poses, modalities, model, keys=Keys.of(shape, picture))


def measure(directory: Path, draws: int, threshold: float) -> list[Row]:
    """Measure every degradation, drawn several times, beside good depth and the model's own threshold."""
    shots = captures(directory)
    frames = [shot.read() for shot in shots]
    clean = look(frames)
    first = score(CLEAN, shots, clean, clean, None)
    rows = [score(CLEAN, shots, clean, clean, first.accepted, threshold=threshold)]
    for name, degradation in {**ATTEMPTS, **BOTH}.items():
        drawn = []
        for draw in range(draws):
            seen = look(
                degraded(frame, degradation, draw * len(shots) + at) for at, frame in enumerate(frames)
            )
            enrolled = clean if name in ATTEMPTS else seen
            drawn.append(score(name, shots, enrolled, seen, first.accepted, threshold=threshold))
        rows.append(_joined(drawn))
    return rows


def _joined(drawn: Sequence[Row]) -> Row:
    """Add up what several draws of the same degradation gave; people count by the worst draw."""
    refused: Counter[str] = Counter()
    for row in drawn:
        refused.update(row.refused)
    return Row(
        name=drawn[0].name,
        attempts=sum(row.attempts for row in drawn),
        accepted=sum(row.accepted for row in drawn),
        relative=float(np.mean([row.relative for row in drawn])),
        not_enrolled=max(row.not_enrolled for row in drawn),
        few_references=max(row.few_references for row in drawn),
        impostor_attempts=sum(row.impostor_attempts for row in drawn),
        impostors_accepted=sum(row.impostors_accepted for row in drawn),
        refused=dict(refused.most_common()),
    )


def table(rows: Sequence[Row]) -> str:
    """Write the rows in Markdown."""
    lines = [
        "| depth | accepted | relative to clean | not enrolled; few references | strangers | refused for |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        why = ", ".join(f"{name} {count}" for name, count in row.refused.items())
        lines.append(
            f"| {row.name} | {row.accepted} of {row.attempts} | {row.relative:.3f} | "
            f"{row.not_enrolled}; {row.few_references} | "
            f"{row.impostors_accepted} of {row.impostor_attempts} | {why} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, help="real people in the kinect_v2 layout")
    parser.add_argument("--draws", type=int, default=1, help="of the random numbers, each with its own")
    parser.add_argument("--threshold", type=float, default=OWN, help="the largest distance to accept")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    given = parser.parse_args()
    rows = measure(given.directory, given.draws, given.threshold)
    print(table(rows))
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
