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

from faceid_fast.embed import Embedder
from faceid_fast.evaluate.intervals import Comparisons, Intervals, bootstrap, draw_people
from faceid_fast.evaluate.scores import Scores, score
from faceid_fast.face import FaceAligner, NoFace
from faceid_fast.frame import Frame
from faceid_fast.liveness import LivenessCheck
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
    """Scores and their intervals by protocol, and how acquisition went."""

    protocols: dict[str, Scores]
    intervals: dict[str, Intervals]
    threshold: float
    people: int
    captures: int
    failures: dict[str, int]


def acquire(
    shots: Sequence[Shot],
    aligner: FaceAligner,
    embedder: Embedder,
    liveness: LivenessCheck,
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
    names, who = np.unique([shot.person for shot in acquired.shots], return_inverse=True)
    poses = np.array([shot.pose for shot in acquired.shots])
    failed = np.zeros(len(who), dtype=bool)
    failed[list(acquired.failures)] = True
    everybody = np.ones(len(who), dtype=bool)
    chosen = {"frontal": poses == 4, "yaw0": poses % 3 == 1, "all": everybody, "unlock": everybody}
    compared = {
        name: _unlock(acquired, distances, who)
        if name == "unlock"
        else _pairs(np.flatnonzero(rows), distances, who)
        for name, rows in chosen.items()
    }
    draws = draw_people(len(names))
    return Report(
        protocols={
            name: score(
                found.genuine,
                found.impostor,
                threshold=threshold,
                failure_to_acquire=_share(failed[chosen[name]]),
            )
            for name, found in compared.items()
        },
        intervals={name: bootstrap(found, draws, threshold) for name, found in compared.items()},
        threshold=threshold,
        people=len(names),
        captures=len(who),
        failures=_counted(acquired.failures),
    )


def _pairs(rows: NDArray[np.intp], distances: NDArray[np.float64], who: NDArray[np.intp]) -> Comparisons:
    """Every pair of the chosen captures."""
    first, second = (rows[side] for side in np.triu_indices(len(rows), 1))
    same = who[first] == who[second]
    values = distances[first, second]
    return Comparisons(
        genuine=values[same],
        person=who[first[same]],
        impostor=values[~same],
        first=who[first[~same]],
        second=who[second[~same]],
        people=int(who.max()) + 1,
    )


def _unlock(acquired: Acquired, distances: NDArray[np.float64], who: NDArray[np.intp]) -> Comparisons:
    """Nearest of a person's references against every capture that is nobody's reference."""
    enrolled = np.array([shot.expression == ENROLLED_EXPRESSION for shot in acquired.shots])
    probes = np.flatnonzero(~enrolled)
    owners = np.unique(who[enrolled])
    nearest = np.array([distances[enrolled & (who == owner)][:, probes].min(axis=0) for owner in owners])
    nearest = nearest.reshape(len(owners), len(probes))
    owner, probe = np.meshgrid(owners, who[probes], indexing="ij")
    same = owner == probe
    return Comparisons(
        genuine=nearest[same],
        person=owner[same],
        impostor=nearest[~same],
        first=owner[~same],
        second=probe[~same],
        people=int(who.max()) + 1,
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
