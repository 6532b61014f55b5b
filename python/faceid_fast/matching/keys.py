"""The three questions of the verdict: the joined distance, and whether each of the two keys agrees. Pure.

A face has two keys, its *shape* (depth) and its *picture*. Somebody who holds another person's picture before
a face of their own has one of them. So a probe is accepted as a person only if

- its joined vector is within the threshold of the nearest of the person's references, and
- its shape is within the shape limit of one of them, and
- its picture is within the picture limit of one of them.

The limits of the keys are looser than the threshold: each key alone tells people apart less well.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from faceid_fast.face.embedding import Embedding

from .decision import accepts
from .gallery import nearest_distance

if TYPE_CHECKING:
    from collections.abc import Mapping

    from faceid_fast.storage.keys import Keys
    from faceid_fast.storage.references import References


class KeyLimits(NamedTuple):
    """The largest distance of each key at which it agrees, Euclidean between unit vectors."""

    shape: float
    picture: float

    @classmethod
    def by_modality(cls, limits: Mapping[str, Mapping[str, float]]) -> dict[str, KeyLimits]:
        """Read the limits of a contract, by modality."""
        return {modality: cls(each["shape"], each["picture"]) for modality, each in limits.items()}


class KeyDistances(NamedTuple):
    """The smallest distance of each key over some references; infinite where there is nothing to compare."""

    shape: float
    picture: float

    def agree(self, limits: KeyLimits) -> bool:
        """Whether both keys agree; NaN and infinity never do."""
        return accepts(self.shape, limits.shape) and accepts(self.picture, limits.picture)


class Distances(NamedTuple):
    """The distances of a probe to one person's references of its modality, not rounded.

    Attributes
    ----------
    joined : of the joined vectors, to the nearest reference; infinite where there is none.
    keys : of each key.
    """

    joined: float
    keys: KeyDistances

    def accepted(self, threshold: float, limits: KeyLimits) -> bool:
        """Whether all three questions are answered with yes."""
        return accepts(self.joined, threshold) and self.keys.agree(limits)

    def refused_by(self, threshold: float, limits: KeyLimits) -> tuple[str, ...]:
        """Return which questions are answered with no: "distance", "shape", "picture"; () if none is."""
        answers = {
            "distance": accepts(self.joined, threshold),
            "shape": accepts(self.keys.shape, limits.shape),
            "picture": accepts(self.keys.picture, limits.picture),
        }
        return tuple(name for name, answer in answers.items() if not answer)


NOTHING_NEAR: Final = Distances(math.inf, KeyDistances(math.inf, math.inf))
"""The distances to nobody."""


def distances_to(references: References | None, modality: str, probe: Embedding) -> Distances:
    """Compare a probe with one person's enrolled references of its modality.

    Parameters
    ----------
    references : the person's; None: there is no such person.
    modality : of the probe.
    probe : of one face.
    """
    if references is None or not len(vectors := references.of(modality)):
        return NOTHING_NEAR
    return Distances(
        nearest_distance(vectors, probe.joined), key_distances(references.keys_of(modality), probe)
    )


def key_distances(kept: Keys | None, probe: Embedding) -> KeyDistances:
    """Return the smallest distance of each key of a probe over some references.

    Parameters
    ----------
    kept : the keys of the references; None: they have none.
    probe : of one face.

    Returns
    -------
    KeyDistances, infinite without references, or if the keys are of other sizes than the probe's.
    """
    if kept is None:
        return NOTHING_NEAR.keys
    return KeyDistances(_smallest(kept.shape, probe.shape), _smallest(kept.picture, probe.picture))


def as_probes(references: References, modality: str) -> list[Embedding]:
    """Return references of a modality as probes, to compare them with other people's; none without keys."""
    if (kept := references.keys_of(modality)) is None:
        return []
    exact = (each.astype(np.float32) for each in (kept.shape, kept.picture))  # every float16 is a float32
    return [Embedding(*vectors) for vectors in zip(references.of(modality), *exact, strict=True)]


class WithinLimits(NamedTuple):
    """Which of n references are within the limit of each key of which of m others: (n, m) bool each."""

    shape: NDArray[np.bool_]
    picture: NDArray[np.bool_]


def within_limits(first: Keys, second: Keys, limits: KeyLimits) -> WithinLimits:
    """Compare the keys of n references with those of m others, of the same sizes."""
    return WithinLimits(
        _pairwise(first.shape, second.shape) <= limits.shape,
        _pairwise(first.picture, second.picture) <= limits.picture,
    )


def _pairwise(first: NDArray[np.float16], second: NDArray[np.float16]) -> NDArray[np.float64]:
    """Return the distances (n, m) of (n, S) and (m, S), in float64."""
    wide = second.astype(np.float64)
    distances = [np.sqrt(np.square(wide - row).sum(axis=1)) for row in first.astype(np.float64)]
    return np.array(distances, np.float64).reshape(len(first), len(second))


def _smallest(references: NDArray[np.float16], probe: NDArray[np.float32]) -> float:
    """Return the smallest of the distances of (S,) to (n, S), in float64; NaN if one of them is."""
    if not len(references) or references.shape[1:] != probe.shape:
        return math.inf
    off = references.astype(np.float64) - probe
    return float(np.sqrt(np.einsum("nd,nd->n", off, off).min()))
