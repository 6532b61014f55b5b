"""Exact searches of others, each behind one call: (queries, k) -> (indices, distances), (Q, k) each.

Every one returns Euclidean distances, because that is what is decided by; what a peer has to do for them
is counted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import faiss
import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors
from usearch.index import MetricKind, search

from faceid_fast.matching.gallery import Gallery

from .data import Vectors

Answer = tuple[NDArray[np.integer], NDArray[np.floating]]
Search = Callable[[Vectors, int], Answer]
Prepare = Callable[[Vectors, int], Search]
"""(references, threads) -> Search"""

OURS: Final = "faceid_fast"
_FAISS_DEFAULT_BLAS_THRESHOLD: Final = faiss.cvar.distance_compute_blas_threshold
_SCORES_AT_ONCE: Final = 1 << 26


def numpy_product(references: Vectors, threads: int) -> Search:
    """A matrix product, and the best of each row; so many queries at a time as fit the memory."""
    del threads  # set for the process, by threadpoolctl
    halves = np.einsum("ij,ij->i", references, references) / 2

    def few(queries: Vectors, k: int) -> Answer:
        scores = queries @ references.T
        scores -= halves
        rows = np.arange(len(queries))[:, None]
        if k == 1:
            index = scores.argmax(axis=1)[:, None]
        else:
            index = (
                np.argpartition(scores, -k, axis=1)[:, -k:]
                if k < scores.shape[1]
                else rows * 0 + np.arange(k)
            )
            order = np.argsort(-scores[rows, index], axis=1, kind="stable")
            index = index[rows, order]
        squares = np.einsum("ij,ij->i", queries, queries)[:, None] - 2 * scores[rows, index]
        return index, np.sqrt(np.maximum(0, squares))

    def run(queries: Vectors, k: int) -> Answer:
        at_once = max(1, _SCORES_AT_ONCE // len(references))
        if len(queries) <= at_once:
            return few(queries, k)
        parts = [few(queries[i : i + at_once], k) for i in range(0, len(queries), at_once)]
        return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])

    return run


def _faiss(blas_threshold: int) -> Prepare:
    def prepare(references: Vectors, threads: int) -> Search:
        index = faiss.IndexFlatL2(references.shape[1])
        index.add(references)

        def run(queries: Vectors, k: int) -> Answer:
            faiss.omp_set_num_threads(threads)
            faiss.cvar.distance_compute_blas_threshold = blas_threshold
            squares, found = index.search(queries, k)
            return found, np.sqrt(squares)

        return run

    return prepare


def usearch_exact(references: Vectors, threads: int) -> Search:
    """Its own exact search over the array."""

    def run(queries: Vectors, k: int) -> Answer:
        found = search(references, queries, k, MetricKind.L2sq, exact=True, threads=threads)
        return found.keys.reshape(len(queries), -1), np.sqrt(found.distances).reshape(len(queries), -1)

    return run


def scikit_learn_brute(references: Vectors, threads: int) -> Search:
    """Nearest neighbours by brute force."""
    del threads  # set for the process, by threadpoolctl
    fitted = NearestNeighbors(algorithm="brute").fit(references)

    def run(queries: Vectors, k: int) -> Answer:
        distances, found = fitted.kneighbors(queries, k)
        return found, distances

    return run


PEERS: Final[dict[str, Prepare]] = {
    "numpy": numpy_product,
    "faiss": _faiss(_FAISS_DEFAULT_BLAS_THRESHOLD),
    "faiss tuned": _faiss(1),
    "usearch": usearch_exact,
    "scikit-learn": scikit_learn_brute,
}
"""`faiss tuned` sends every batch to BLAS; by default small ones do not go there."""


def ours(gallery: Gallery, threads: int, threshold: float | None = None) -> Search:
    """The package's own search, whole Python call; with a threshold, the best identity within it."""
    if threshold is not None:

        def best(queries: Vectors, k: int) -> Answer:
            del k
            found = gallery.best_identity(queries, threshold, threads=threads)
            return found.index[:, None], found.distance[:, None]

        return best

    def run(queries: Vectors, k: int) -> Answer:
        found = gallery.nearest(queries, k, threads=threads)
        return found.index, found.distance

    return run
