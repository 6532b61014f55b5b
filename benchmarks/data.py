"""Vectors to search: without structure, and with that of enrolled faces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]

REFERENCES_OF_A_PERSON: Final = 10
_CHUNK: Final = 20_000
_MEAN: Final = 0.55
_SPREAD: Final = 0.70
_DECAY: Final = 24.0
_NOISE: Final = 0.21


def unit(vectors: NDArray[np.floating]) -> Vectors:
    """Scale rows to norm 1."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / lengths, np.float32)


@dataclass(frozen=True)
class Problem:
    """References and the queries that look for them.

    Attributes
    ----------
    references : (N, D) float32.
    names : N of them.
    queries : by kind, (Q, D) float32: ``random``, or ``enrolled`` and ``stranger``.
    """

    references: Vectors
    names: list[str]
    queries: dict[str, Vectors]


def random_problem(rng: np.random.Generator, count: int, dim: int, queries: int) -> Problem:
    """Normalised Gaussian vectors, each of an identity of its own: the worst case for every bound."""
    references = np.empty((count, dim), np.float32)
    for start in range(0, count, _CHUNK):
        stop = min(count, start + _CHUNK)
        references[start:stop] = unit(rng.standard_normal((stop - start, dim), np.float32))
    names = [str(row) for row in range(count)]
    return Problem(references, names, {"random": unit(rng.standard_normal((queries, dim), np.float32))})


class Faces:
    """People as a network sees them: genuine distances about 0.29, impostors' about 1.19."""

    def __init__(self, rng: np.random.Generator, dim: int) -> None:
        self._rng = rng
        self._dim = dim
        self._mean = unit(rng.standard_normal(dim))
        spectrum = np.exp(-np.arange(dim) / _DECAY)
        basis = np.linalg.qr(rng.standard_normal((dim, dim)))[0]
        self._shape = (basis * np.sqrt(spectrum / spectrum.sum())).T

    def _coloured(self, count: int) -> NDArray[np.float64]:
        """Noise in the spectrum of people, of mean squared norm 1."""
        return self._rng.standard_normal((count, self._dim)) @ self._shape

    def people(self, count: int) -> Vectors:
        """Where people are: (count, D)."""
        return unit(_MEAN * self._mean + np.sqrt(_SPREAD) * self._coloured(count))

    def captures(self, people: Vectors) -> Vectors:
        """One capture of each person given: (count, D)."""
        count = len(people)
        isotropic = self._rng.standard_normal((count, self._dim)) / np.sqrt(self._dim)
        return unit(people + _NOISE / np.sqrt(2) * (self._coloured(count) + isotropic))


def faces_problem(rng: np.random.Generator, count: int, dim: int, queries: int) -> Problem:
    """Ten references a person, in a row; who asks is enrolled, or a stranger."""
    faces = Faces(rng, dim)
    people = faces.people(-(-count // REFERENCES_OF_A_PERSON))
    references = np.empty((count, dim), np.float32)
    for start in range(0, count, _CHUNK):
        stop = min(count, start + _CHUNK)
        references[start:stop] = faces.captures(people[np.arange(start, stop) // REFERENCES_OF_A_PERSON])
    names = [str(row // REFERENCES_OF_A_PERSON) for row in range(count)]
    who = rng.integers(len(people), size=queries)
    kinds = {
        "enrolled": faces.captures(people[who]),
        "stranger": faces.captures(faces.people(queries)),
    }
    return Problem(references, names, kinds)


PROBLEMS: Final = {"random": random_problem, "faces": faces_problem}
