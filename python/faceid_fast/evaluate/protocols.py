"""Which captures are compared: four protocols over people, poses and expressions.

``frontal``, ``yaw0`` and ``all`` compare every pair of their captures. ``unlock`` works as a device
does: every person has a few references, every other capture is a probe that is compared with everybody,
and the distance to a person is that to the nearest of their references. Where expressions are known, the
references are captures of one expression, one of each pose (`ENROLLED_EXPRESSION`); where they are not,
each person's first captures (`MOST_ENROLLED`, but no more than half). Without known poses there is
neither ``frontal`` nor ``yaw0``.

Each comparison also says whether the two keys agree, as a device asks them: in ``unlock`` each key with the
nearest of the person's references for that key, in the other protocols the two captures' own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from faceid_fast.evaluate.acquisition import Acquired, Shot
from faceid_fast.evaluate.intervals import Comparisons, Intervals, bootstrap, draw_people
from faceid_fast.evaluate.scores import EqualErrors, Scores, equal_errors, score
from faceid_fast.face.model_contract import KEYS
from faceid_fast.outcome import Outcome

ENROLLED_EXPRESSION: Final = 2
"""The expression of the references in ``unlock``: captures pose * 6 + 2."""
MOST_ENROLLED: Final = 5
"""References of a person in ``unlock``, at most, where expressions are not known."""
LEVEL_FRONTAL_POSE: Final = 4


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Unlocking:
    """Each probe's distance to the nearest of each person's references.

    Attributes
    ----------
    owners : (k,) numbers of the people who have references.
    probes : (p,) indices of the captures that are nobody's reference.
    nearest : (k, p) float64 distances; infinity for a failed acquisition.
    keys : (k, p, 2) bool, whether the probe's shape, and its picture, agree with the person's.
    """

    owners: NDArray[np.intp]
    probes: NDArray[np.intp]
    nearest: NDArray[np.float64]
    keys: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Compared:
    """Captures, and the distances between them.

    Attributes
    ----------
    acquired : the n captures.
    names : of the people, sorted.
    who : (n,) the person of each capture, as an index into `names`.
    distances : (n, n) float64, Euclidean; infinity where either capture failed.
    keys : (n, n, 2) bool, whether the shapes, and the pictures, of two captures agree.
    unlocking : what the protocol ``unlock`` compares.
    rows : by protocol, which captures belong to it: (n,) bool.
    protocols : by protocol, its comparisons.
    """

    acquired: Acquired
    names: tuple[str, ...]
    who: NDArray[np.intp]
    distances: NDArray[np.float64]
    keys: NDArray[np.bool_]
    unlocking: Unlocking
    rows: Mapping[str, NDArray[np.bool_]]
    protocols: Mapping[str, Comparisons]


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts that some rates of a protocol are made of.

    Attributes
    ----------
    captures : number of captures that belong to the protocol.
    equal_errors : the errors behind the equal error rate; None where there is no such rate.
    genuine_refused, impostor_refused : by question ("distance", "shape", "picture"), how many comparisons of
        captures that gave a face it refuses at the threshold; several may refuse one.
    """

    captures: int
    equal_errors: EqualErrors | None
    genuine_refused: dict[str, int]
    impostor_refused: dict[str, int]


@dataclass(frozen=True, slots=True)
class Report:
    """Scores, their intervals and counts by protocol, and how acquisition went.

    `key_limits` are those of the two keys that were asked, by name; empty if none was.
    """

    protocols: dict[str, Scores]
    intervals: dict[str, Intervals]
    counts: dict[str, Counts]
    threshold: float
    key_limits: dict[str, float]
    people: int
    captures: int
    failures: dict[str, int]


def compare(acquired: Acquired) -> Compared:
    """Compare every capture with every other, and sort the comparisons into protocols."""
    shots = acquired.shots
    distances = _distances(acquired.vectors)
    keys = _keys(acquired)
    names, who = np.unique([shot.person for shot in shots], return_inverse=True)
    rows = {"all": np.ones(len(who), dtype=bool), "unlock": np.ones(len(who), dtype=bool)}
    poses = [shot.pose for shot in shots]
    if None not in poses:
        known = np.array(poses)
        rows = {"frontal": known == LEVEL_FRONTAL_POSE, "yaw0": known % 3 == 1, **rows}
    unlocking = _unlocking(_enrolled(shots), distances, keys, who)
    return Compared(
        acquired=acquired,
        names=tuple(str(name) for name in names),
        who=who,
        distances=distances,
        keys=keys,
        unlocking=unlocking,
        rows=rows,
        protocols={
            name: _unlock(unlocking, who)
            if name == "unlock"
            else _pairs(np.flatnonzero(of), distances, keys, who)
            for name, of in rows.items()
        },
    )


def evaluate(compared: Compared, threshold: float) -> Report:
    """Score all protocols; one without captures has no comparisons, and figures of None."""
    failures = compared.acquired.failures
    failed = np.zeros(len(compared.who), dtype=bool)
    failed[list(failures)] = True
    draws = draw_people(len(compared.names))
    return Report(
        protocols={
            name: score(
                found.genuine,
                found.impostor,
                threshold=threshold,
                failure_to_acquire=_share(failed[compared.rows[name]]),
                decided=found.decided(),
            )
            for name, found in compared.protocols.items()
        },
        intervals={name: bootstrap(found, draws, threshold) for name, found in compared.protocols.items()},
        counts={
            name: Counts(
                int(compared.rows[name].sum()),
                equal_errors(found.genuine, found.impostor),
                _refused(found.genuine, found.genuine_keys, threshold),
                _refused(found.impostor, found.impostor_keys, threshold),
            )
            for name, found in compared.protocols.items()
        },
        threshold=threshold,
        key_limits={}
        if (keys := compared.acquired.keys) is None
        else {key: keys.limits[key] for key in KEYS},
        people=len(compared.names),
        captures=len(compared.who),
        failures=_counted(failures),
    )


def _refused(
    distances: NDArray[np.float64], keys: NDArray[np.bool_] | None, threshold: float
) -> dict[str, int]:
    """Count the comparisons of captures that gave a face that each question refuses."""
    there = np.isfinite(distances)
    agree = np.ones((len(distances), 2), bool) if keys is None else keys
    answers = (distances <= threshold, agree[:, 0], agree[:, 1])
    return {
        question: int((there & ~answer).sum())
        for question, answer in zip(("distance", *KEYS), answers, strict=True)
    }


def _pairs(
    rows: NDArray[np.intp],
    distances: NDArray[np.float64],
    keys: NDArray[np.bool_],
    who: NDArray[np.intp],
) -> Comparisons:
    """Every pair of the chosen captures."""
    first, second = (rows[side] for side in np.triu_indices(len(rows), 1))
    same = who[first] == who[second]
    values, agree = distances[first, second], keys[first, second]
    return Comparisons(
        genuine=values[same],
        person=who[first[same]],
        impostor=values[~same],
        first=who[first[~same]],
        second=who[second[~same]],
        people=int(who.max()) + 1,
        genuine_keys=agree[same],
        impostor_keys=agree[~same],
    )


def _enrolled(shots: Sequence[Shot]) -> NDArray[np.bool_]:
    """Choose the captures that are references in ``unlock``, as the module says."""
    if all(shot.expression is not None for shot in shots):
        return np.array([shot.expression == ENROLLED_EXPRESSION for shot in shots])
    captures = Counter(shot.person for shot in shots)
    seen: Counter[str] = Counter()
    chosen = []
    for shot in shots:
        chosen.append(seen[shot.person] < min(MOST_ENROLLED, captures[shot.person] // 2))
        seen[shot.person] += 1
    return np.array(chosen)


def _unlocking(
    enrolled: NDArray[np.bool_],
    distances: NDArray[np.float64],
    keys: NDArray[np.bool_],
    who: NDArray[np.intp],
) -> Unlocking:
    """Compare every capture that is no reference with the nearest of each person's references."""
    probes, owners = np.flatnonzero(~enrolled), np.unique(who[enrolled])
    of_each = [enrolled & (who == owner) for owner in owners]
    nearest = np.array([distances[rows][:, probes].min(axis=0) for rows in of_each])
    agree = np.array([keys[rows][:, probes].any(axis=0) for rows in of_each], bool)
    shape = len(owners), len(probes)
    return Unlocking(owners, probes, nearest.reshape(shape), agree.reshape(*shape, 2))


def _unlock(unlocking: Unlocking, who: NDArray[np.intp]) -> Comparisons:
    owner, probe = np.meshgrid(unlocking.owners, who[unlocking.probes], indexing="ij")
    same = owner == probe
    return Comparisons(
        genuine=unlocking.nearest[same],
        person=owner[same],
        impostor=unlocking.nearest[~same],
        first=owner[~same],
        second=probe[~same],
        people=int(who.max()) + 1,
        genuine_keys=unlocking.keys[same],
        impostor_keys=unlocking.keys[~same],
    )


def _distances(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Euclidean distances (n, n) in float64, infinity where either capture failed."""
    wide = vectors.astype(np.float64)
    distances = np.array([np.sqrt(np.square(wide - row).sum(axis=1)) for row in wide])
    return np.where(np.isnan(distances), np.inf, distances).reshape(len(wide), len(wide))


def _keys(acquired: Acquired) -> NDArray[np.bool_]:
    """Return whether the shapes, and the pictures, of two captures agree (n, n, 2); without keys all do."""
    if (keys := acquired.keys) is None:
        return np.ones((len(acquired.vectors), len(acquired.vectors), 2), bool)
    each = zip(KEYS, (keys.shape, keys.picture), strict=True)
    return np.stack([_distances(vectors) <= keys.limits[key] for key, vectors in each], axis=-1)


def _share(flags: NDArray[np.bool_]) -> float | None:
    return float(flags.mean()) if flags.size else None


def _counted(failures: dict[int, Outcome]) -> dict[str, int]:
    outcomes = sorted(failures.values())
    return {str(outcome): outcomes.count(outcome) for outcome in dict.fromkeys(outcomes)}
