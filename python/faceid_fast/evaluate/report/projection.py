"""Maps of embeddings: principal components (PCA) and t-SNE. The only module that imports scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from faceid_fast.errors import InvalidInputError

from .drawing import check_installed

Floats = NDArray[np.float64]

FEWEST: Final = 4
"""Vectors, at least: of three, every map looks the same."""
MOST: Final = 2000
"""Vectors, at most: t-SNE takes seconds for a thousand."""
PERPLEXITY: Final = 30.0
SEED: Final = 324
_EXACT_UP_TO: Final = 500
"""Up to so many vectors t-SNE is exact: its approximation would take longer."""
_ITERATIONS: Final = 500


class Projection(NamedTuple):
    """Places of n vectors in two maps, (n, 2) float64 each.

    Attributes
    ----------
    pca : along the two directions in which the vectors differ most.
    explained : shares of the variance along those two.
    tsne : keeps near neighbours near; distances between groups mean nothing.
    """

    pca: Floats
    explained: tuple[float, float]
    tsne: Floats


def project(vectors: NDArray[np.float32], step: Callable[[], None] = lambda: None) -> Projection:
    """Place vectors in both maps; the same vectors are placed the same way every time.

    Parameters
    ----------
    vectors : (n, D) finite, `FEWEST` <= n <= `MOST`.
    step : called when a map is done.

    Raises
    ------
    InvalidInputError
        If there are fewer or more, or scikit-learn is missing.
    """
    if not FEWEST <= len(vectors) <= MOST:
        message = f"vectors: expected {FEWEST} to {MOST} to make a map of, got {len(vectors)}"
        raise InvalidInputError(message)
    check_installed("sklearn")
    from sklearn.decomposition import PCA  # noqa: PLC0415  # optional
    from sklearn.manifold import TSNE  # noqa: PLC0415
    from threadpoolctl import threadpool_limits  # noqa: PLC0415  # comes with it

    values = vectors.astype(np.float64)
    if not np.ptp(values, axis=0).any():  # one and the same vector: no direction differs
        zeros = np.zeros((len(values), 2))
        return Projection(zeros, (0.0, 0.0), zeros)
    pca = PCA(2, svd_solver="full")
    tsne = TSNE(
        2,
        perplexity=min(PERPLEXITY, (len(values) - 1) / 3),
        init="pca",
        method="exact" if len(values) <= _EXACT_UP_TO else "barnes_hut",
        max_iter=_ITERATIONS,
        random_state=SEED,
    )
    # One thread: several wait for each other longer than they work, and add up in another order each time.
    with threadpool_limits(1):
        along = pca.fit_transform(values)
        step()
        placed = tsne.fit_transform(values)
        step()
    first, second = pca.explained_variance_ratio_
    return Projection(along, (float(first), float(second)), placed.astype(np.float64))
