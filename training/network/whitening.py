"""Whitening: distances in which what varies within a person counts less.

From real people's vectors: the mean, and the spread within a person. Renders do not have it: real skin, real
cameras and real muscles do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RIDGE = 0.3
"""Share of the mean variance that is added in every direction: six people do not know them all."""
PORTRAITS_SHARE = 0.25
"""Of the spread that comes from portraits, two pictures of a person; the rest from captured people."""

Floats = NDArray[np.floating]
Labelled = tuple[Floats, NDArray[np.str_]]


@dataclass(frozen=True, eq=False)
class Whitening:
    """A mean (D,) and a symmetric matrix (D, D)."""

    mean: Floats
    matrix: Floats

    def apply(self, rows: Floats) -> Floats:
        """Whiten rows (N, D), to unit length."""
        moved = (rows - self.mean) @ self.matrix
        return np.asarray(moved / np.linalg.norm(moved, axis=1, keepdims=True))


def whitening_of(captured: Labelled, portraits: Labelled) -> Whitening:
    """Learn the whitening from unit rows and whose they are.

    The mean is the captured people's, each as much as another: colour and infrared are never compared, so one
    mean must serve, and infrared is where a wrong one costs most.
    """
    rows, people = captured
    mean = np.mean([rows[people == name].mean(axis=0) for name in np.unique(people)], axis=0)
    within = _within(captured)
    of_portraits = _within(portraits)
    scaled = of_portraits * np.trace(within) / np.trace(of_portraits)
    spread = (1 - PORTRAITS_SHARE) * within + PORTRAITS_SHARE * scaled
    spread = spread + RIDGE * np.trace(spread) / len(spread) * np.eye(len(spread))
    values, vectors = np.linalg.eigh(spread)
    return Whitening(mean, (vectors / np.sqrt(values)) @ vectors.T)


def _within(labelled: Labelled) -> Floats:
    """Mean covariance within a person (D, D), over those with several rows."""
    rows, people = labelled
    each = [
        np.cov(rows[people == name].T, bias=True)
        for name, count in zip(*np.unique(people, return_counts=True), strict=True)
        if count > 1
    ]
    return np.asarray(np.mean(each, axis=0))
