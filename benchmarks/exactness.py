"""Answers against brute force in float64."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faceid_fast.matching.gallery import Gallery

from .data import PROBLEMS, Vectors

_CHUNK = 50_000


def brute_force(references: Vectors, query: Vectors) -> NDArray[np.float64]:
    """Distances in float64, as the definition reads: (N,)."""
    distances = np.empty(len(references))
    for start in range(0, len(references), _CHUNK):
        apart = references[start : start + _CHUNK].astype(np.float64)
        apart -= query
        distances[start : start + _CHUNK] = np.sqrt((apart**2).sum(axis=1))
    return distances


def mismatches(
    references: Vectors, query: Vectors, found: NDArray[np.integer], distance: NDArray[np.floating]
) -> int:
    """How many of a query's k matches are not those of brute force, in order, by index or distance."""
    exact = brute_force(references, query)
    k = min(len(found), len(exact))
    candidates = np.argpartition(exact, k - 1)[:k] if k < len(exact) else np.arange(len(exact))
    # All that tie with the k-th belong in, before the earlier are preferred.
    candidates = np.flatnonzero(exact <= exact[candidates].max())
    order = candidates[np.argsort(exact[candidates], kind="stable")][:k]
    wrong = (found[:k] != order) | (distance[:k] != exact[order].astype(np.float32))
    return int(wrong.sum()) + int((found[k:] != -1).sum())


def while_changing(seed: int, kind: str, rounds: int = 60, people: int = 2_000) -> tuple[int, int]:
    """Add, replace and remove people in turns and search all the while.

    Returns
    -------
    Comparisons of a query with a reference, and mismatches.
    """
    rng = np.random.default_rng(seed)
    problem = PROBLEMS[kind](rng, 10 * people, 128, 4 * rounds)
    queries = np.concatenate(list(problem.queries.values()))
    gallery = Gallery(128)
    vectors: dict[int, Vectors] = {}
    held: dict[str, list[int]] = {}
    compared = wrong = 0
    for turn in range(rounds):
        for _ in range(people // 8):
            person = int(rng.integers(people))
            name = str(person)
            rows = problem.references[10 * person : 10 * person + 1 + int(rng.integers(10))]
            action = rng.integers(4)
            if name in held and action == 0:
                gallery.remove(name)
                for index in held.pop(name):
                    del vectors[index]
                continue
            if name in held and action == 1:
                indices = gallery.replace(name, rows)
                for index in held.pop(name):
                    del vectors[index]
            else:
                indices = gallery.add(name, rows)
            held.setdefault(name, []).extend(indices.tolist())
            vectors.update(zip(indices.tolist(), rows, strict=True))
        index = np.array(sorted(vectors))
        references = np.stack([vectors[i] for i in index])
        asked = queries[rng.integers(len(queries), size=8)]
        k = int(rng.integers(1, 20))
        found = gallery.nearest(asked, k, threads=1 + turn % 2)
        for row, query in enumerate(asked):
            compared += len(index)
            wrong += mismatches(
                references, query, np.searchsorted(index, found.index[row]), found.distance[row]
            )
    return compared, wrong
