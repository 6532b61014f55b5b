"""Which captures are compared: four protocols over people, poses and expressions.

``frontal``, ``yaw0`` and ``all`` compare every pair of their captures; ``unlock`` works as a device
does: nine references a person (one per pose), every other capture a probe of everybody, the
distance to a person being the smallest over the references.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from faceid_fast import liveness
from faceid_fast.embed import Embedder
from faceid_fast.evaluate.scores import Scores, score
from faceid_fast.face import FaceAligner, NoFace
from faceid_fast.frame import Frame
from faceid_fast.outcome import Outcome

ENROLLED_EXPRESSION: Final = 2
"""The expression of the references in ``unlock``: captures pose * 6 + 2."""


class Shot(Protocol):
    """One capture, as `sources.kinect_v2.Capture` is one."""

    @property
    def person(self) -> str:
        """Who."""

    @property
    def pose(self) -> int:
        """0 to 8: yaw = pose % 3, pitch = pose // 3; 4 is frontal and level."""

    @property
    def expression(self) -> int:
        """0 to 5."""

    def read(self) -> Frame:
        """Read the frame."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Acquired:
    """Captures with their embeddings.

    Attributes
    ----------
    shots : the n captures.
    vectors : (n, D) float32 unit vectors; rows of NaN where the capture gave no usable face.
    failures : outcome by index, of the captures that gave none.
    """

    shots: Sequence[Shot]
    vectors: NDArray[np.float32]
    failures: dict[int, Outcome]


@dataclass(frozen=True, slots=True)
class Report:
    """Scores by protocol, and how acquisition went."""

    protocols: dict[str, Scores]
    threshold: float
    people: int
    captures: int
    failures: dict[str, int]


def acquire(
    shots: Sequence[Shot],
    aligner: FaceAligner,
    embedder: Embedder,
    progress: Callable[[int], None] = lambda _done: None,
) -> Acquired:
    """Read, align, check and embed every capture, as `Authenticator` does with a frame.

    A capture without a usable live face is a failure to acquire; a damaged file raises.

    Parameters
    ----------
    progress : called with the number of captures done so far.

    Raises
    ------
    SourceError
        If a capture's files cannot be read.
    """
    vectors = np.full((len(shots), embedder.contract.embedding_size), np.nan, np.float32)
    failures: dict[int, Outcome] = {}
    for index, shot in enumerate(shots):
        crop = aligner.align(shot.read())
        if isinstance(crop, NoFace):
            failures[index] = crop.outcome
        elif not liveness.check(crop).live:
            failures[index] = Outcome.SPOOF
        else:
            vectors[index] = embedder.embed(crop.tensor[None])[0]
        progress(index + 1)
    return Acquired(shots, vectors, failures)


def evaluate(acquired: Acquired, threshold: float) -> Report:
    """Score all protocols; one whose captures are missing has no comparisons and figures of None."""
    distances = _distances(acquired.vectors)
    people = np.array([shot.person for shot in acquired.shots])
    poses = np.array([shot.pose for shot in acquired.shots])
    failed = np.zeros(len(people), dtype=bool)
    failed[list(acquired.failures)] = True

    def pairs(chosen: NDArray[np.bool_]) -> Scores:
        rows = np.flatnonzero(chosen)
        first, second = (rows[side] for side in np.triu_indices(len(rows), 1))
        same = people[first] == people[second]
        values = distances[first, second]
        return score(
            values[same], values[~same], threshold=threshold, failure_to_acquire=_share(failed[rows])
        )

    return Report(
        protocols={
            "frontal": pairs(poses == 4),
            "yaw0": pairs(poses % 3 == 1),
            "all": pairs(np.ones(len(people), dtype=bool)),
            "unlock": _unlock(acquired, distances, people, failed, threshold),
        },
        threshold=threshold,
        people=len(set(people.tolist())),
        captures=len(people),
        failures=_counted(acquired.failures),
    )


def _unlock(
    acquired: Acquired,
    distances: NDArray[np.float64],
    people: NDArray[np.str_],
    failed: NDArray[np.bool_],
    threshold: float,
) -> Scores:
    """Nearest of a person's references against every capture that is nobody's reference."""
    enrolled = np.array([shot.expression == ENROLLED_EXPRESSION for shot in acquired.shots])
    genuine: list[NDArray[np.float64]] = []
    impostor: list[NDArray[np.float64]] = []
    for person in sorted(set(people[enrolled].tolist())):
        references = np.flatnonzero(enrolled & (people == person))
        nearest = distances[references].min(axis=0)
        genuine.append(nearest[~enrolled & (people == person)])
        impostor.append(nearest[~enrolled & (people != person)])
    nothing = np.empty(0)
    return score(
        np.concatenate([nothing, *genuine]),
        np.concatenate([nothing, *impostor]),
        threshold=threshold,
        failure_to_acquire=_share(failed),
    )


def _distances(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Euclidean distances (n, n) in float64, infinity where either capture failed."""
    wide = vectors.astype(np.float64)
    distances = np.array([np.sqrt(np.square(wide - row).sum(axis=1)) for row in wide])
    return np.where(np.isnan(distances), np.inf, distances).reshape(len(wide), len(wide))


def _share(flags: NDArray[np.bool_]) -> float | None:
    return float(flags.mean()) if flags.size else None


def _counted(failures: dict[int, Outcome]) -> dict[str, int]:
    outcomes = sorted(failures.values())
    return {str(outcome): outcomes.count(outcome) for outcome in dict.fromkeys(outcomes)}
