"""Errors by person, by pose and by expression, and the worst pairs of captures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from faceid_fast.evaluate.protocols import Compared
from faceid_fast.evaluate.scores import accept_rate

Floats = NDArray[np.float64]

POSES: Final = 9


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Group:
    """Comparisons of the protocol ``unlock`` in which some of the captures are probes.

    Attributes
    ----------
    name : of the group.
    captures, failed : number of captures, and of those that gave no usable face.
    genuine, impostor : distances (n,), (m,); infinity for a failed acquisition.
    decided_genuine, decided_impostor : the same, infinite also where a key refuses: what is counted at the
        threshold in use.
    """

    name: str
    captures: int
    failed: int
    genuine: Floats
    impostor: Floats
    decided_genuine: Floats
    decided_impostor: Floats

    def refused(self, threshold: float) -> float | None:
        """FNMR at a threshold; None without genuine comparisons."""
        accepted = accept_rate(self.decided_genuine, threshold)
        return None if accepted is None else 1.0 - accepted

    def refusals(self, threshold: float) -> int:
        """Number of genuine comparisons that a threshold or a key refuses: false non-matches."""
        return len(self.genuine) - int((self.decided_genuine <= threshold).sum())

    def accepted(self, threshold: float) -> int:
        """Number of impostor comparisons that a threshold and the keys accept: false matches."""
        return int((self.decided_impostor <= threshold).sum())

    @property
    def failure_to_acquire(self) -> float:
        """Share of the captures that gave no usable face."""
        return self.failed / self.captures


class Pair(NamedTuple):
    """Two captures, by index, and their distance."""

    first: int
    second: int
    distance: float


class WorstPairs(NamedTuple):
    """Genuine pairs that are far apart, and impostor pairs that are near; the worst first."""

    genuine: list[Pair]
    impostor: list[Pair]


def by_person(compared: Compared) -> list[Group]:
    """Group by person: their genuine comparisons, and impostor ones with them as either of the two."""
    found = compared.protocols["unlock"]
    failed = _failed(compared)
    own, others = found.decided()
    return [
        Group(
            name,
            int((compared.who == number).sum()),
            int(failed[compared.who == number].sum()),
            found.genuine[found.person == number],
            found.impostor[(found.first == number) | (found.second == number)],
            own[found.person == number],
            others[(found.first == number) | (found.second == number)],
        )
        for number, name in enumerate(compared.names)
    ]


def by_pose(compared: Compared) -> list[Group] | None:
    """Group by the probe's pose, 0 to 8; None where poses are not known."""
    poses = [shot.pose for shot in compared.acquired.shots]
    if None in poses:
        return None
    return _by_probe(compared, [str(pose) for pose in poses], [str(pose) for pose in range(POSES)])


def by_expression(compared: Compared) -> list[Group] | None:
    """Group by the probe's expression; None where expressions are not known."""
    expressions = [shot.expression for shot in compared.acquired.shots]
    if None in expressions:
        return None
    keys = [str(expression) for expression in expressions]
    return _by_probe(compared, keys, sorted(set(keys)))


def worst_pairs(compared: Compared, count: int) -> WorstPairs:
    """Find the worst pairs of captures that gave a face.

    A capture is in one pair of a kind at most; else one bad capture would be in all of them.

    Parameters
    ----------
    count : of each kind, at most.
    """
    first, second = np.triu_indices(len(compared.who), 1)
    values = compared.distances[first, second]
    same = compared.who[first] == compared.who[second]
    usable = np.isfinite(values)

    def chosen(rows: NDArray[np.intp]) -> list[Pair]:
        taken: set[int] = set()
        found: list[Pair] = []
        for row in rows:
            ends = int(first[row]), int(second[row])
            if not taken.intersection(ends):
                taken.update(ends)
                found.append(Pair(*ends, float(values[row])))
            if len(found) == count:
                break
        return found

    genuine, impostor = np.flatnonzero(same & usable), np.flatnonzero(~same & usable)
    return WorstPairs(
        chosen(genuine[np.argsort(-values[genuine], kind="stable")]),
        chosen(impostor[np.argsort(values[impostor], kind="stable")]),
    )


def _by_probe(compared: Compared, keys: Sequence[str], wanted: Sequence[str]) -> list[Group]:
    """Group by a key of each probe; groups without captures are left out."""
    unlocking, failed, key = compared.unlocking, _failed(compared), np.array(keys)
    own = unlocking.owners[:, None] == compared.who[unlocking.probes]
    groups = []
    for name in wanted:
        members, probes = key == name, key[unlocking.probes] == name
        if members.any():
            nearest, mine = unlocking.nearest[:, probes], own[:, probes]
            decided = np.where(unlocking.keys[:, probes].all(axis=-1), nearest, np.inf)
            groups.append(
                Group(
                    name,
                    int(members.sum()),
                    int(failed[members].sum()),
                    nearest[mine],
                    nearest[~mine],
                    decided[mine],
                    decided[~mine],
                )
            )
    return groups


def _failed(compared: Compared) -> NDArray[np.bool_]:
    failed = np.zeros(len(compared.who), bool)
    failed[list(compared.acquired.failures)] = True
    return failed
