"""Whitening: distances in which what varies within a person counts less.

From vectors of real people: the mean, and the spread within a person. Renders do not have it: real skin, real
cameras and real muscles do. Captured people are few; morphs (`training.scenes.morphs`) are many, but of
photographs; portraits show one person twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RIDGE = 0.3
"""Share of the mean variance that is added in every direction: the people at hand do not know them all."""

Floats = NDArray[np.floating]
Labelled = tuple[Floats, NDArray[np.generic]]


@dataclass(frozen=True, eq=False)
class Whitening:
    """A mean (D,) and a symmetric matrix (D, D)."""

    mean: Floats
    matrix: Floats

    def apply(self, rows: Floats) -> Floats:
        """Whiten rows (N, D), to unit length."""
        moved = (rows - self.mean) @ self.matrix
        return np.asarray(moved / np.linalg.norm(moved, axis=1, keepdims=True))


def whitening_of(kinds: Mapping[str, Labelled], shares: Mapping[str, float]) -> Whitening:
    """Learn the whitening from unit rows and whose they are, of one or more kinds of people.

    The mean is that of the first kind in ``shares``, everybody as much as another: colour and infrared are
    never compared, so one mean must serve, and where real people are captured a wrong one costs most.

    Parameters
    ----------
    kinds : rows (N, D) and people (N,) of each kind.
    shares : of the spread that comes from each kind.

    Raises
    ------
    ValueError
        A kind is missing, or has nobody with several rows.
    """
    if kinds.keys() != shares.keys():
        message = f"expected {', '.join(shares)}, got {', '.join(kinds) or 'nothing'}"
        raise ValueError(message)
    rows, people = kinds[next(iter(shares))]
    mean = np.mean([rows[people == name].mean(axis=0) for name in np.unique(people)], axis=0)
    spread = np.zeros((len(mean), len(mean)))
    for name, share in shares.items():
        within = _within(name, kinds[name])
        spread += share * within / np.trace(within)
    spread += RIDGE / len(spread) * np.eye(len(spread))
    values, vectors = np.linalg.eigh(spread)
    return Whitening(mean, (vectors / np.sqrt(values)) @ vectors.T)


def _within(kind: str, labelled: Labelled) -> Floats:
    """Mean covariance within a person (D, D), over those with several rows."""
    rows, people = labelled
    names, whose, counts = np.unique(people, return_inverse=True, return_counts=True)
    if not (counts > 1).any():
        message = f"{kind}: expected somebody with several rows, got {len(names)} people with one each"
        raise ValueError(message)
    means = np.zeros((len(names), rows.shape[1]))
    np.add.at(means, whose, rows)
    means /= counts[:, None]
    # Each person counts the same, however many rows there are.
    weights = (counts > 1)[whose] / counts[whose]
    apart = rows - means[whose]
    return np.asarray((apart * weights[:, None]).T @ apart / (counts > 1).sum())


def principal_directions(rows: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Principal directions of rows (N, D) about the origin: orthonormal columns (D, count).

    About the origin, not the mean: unit vectors are compared by their angles there.
    """
    moments = rows.astype(np.float64).T @ rows
    _, directions = np.linalg.eigh(moments)
    return np.ascontiguousarray(directions[:, ::-1][:, :count], np.float32)
