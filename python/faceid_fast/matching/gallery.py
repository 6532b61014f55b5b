"""References of many identities and the exact search among them.

Exact means: indices, order and distances are those of a brute-force search in float64,
``numpy.sqrt(((query - reference) ** 2).sum(axis=-1))``; of equally near references the one added
first comes first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from faceid_fast import _core
from faceid_fast._core import Matches, RaggedMatches

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Gallery", "Matches", "RaggedMatches", "nearest_distance"]


class Gallery(_core.Gallery):
    """Unit vectors, each of one identity, in memory.

    All vectors are C-contiguous float32 arrays, finite and of norm 1 within 1e-3. Other dtypes,
    float64 among them, are refused rather than converted: results are exact in the numbers given,
    so rounding them is the caller's step (``vectors.astype(numpy.float32)``). Everything else is
    refused with an InvalidInputError that names the argument and row, never a value; what is
    refused changes nothing.

    Searches release the GIL and may run in any number of threads; a change is seen whole or not at
    all.

    Parameters
    ----------
    dim : values per vector, D, 1 to 2048.
    backend : one of `_core.backends()`; by default the fastest that this CPU has.

    Examples
    --------
    >>> gallery = Gallery(dim=2)
    >>> gallery.add("ada", np.float32([[1, 0], [0, 1]]))
    array([0, 1])
    >>> gallery.nearest(np.float32([0.6, 0.8]), k=1).names
    array(['ada'], dtype=object)

    Notes
    -----
    Inherited from the core:

    ``Gallery.from_arrays(vectors, identities)`` makes a gallery from (N, D) vectors and N names.
    ``add(identity, vectors)`` adds (D,) or (M, D) references and returns their indices, (1,) or
    (M,) int64: insertion numbers, never used again.
    ``remove(identity)`` returns how many references went. ``replace(identity, vectors)`` swaps all
    references of an identity for new ones in one step and returns the indices of these.
    ``distance_to(identity, query)`` is the distance, as in `Matches`, of a (D,) query to the
    nearest reference of one identity (1:1).
    Those three raise UnknownIdentityError for a name that has no references.
    ``to_bytes()`` is everything that searches depend on, as plain bytes: whoever stores templates
    encrypts them. ``Gallery.from_bytes(data)`` reads them, indices and all.
    ``Gallery.open(path)`` reads them from a file whose vectors stay there, mapped into memory and shared
    between processes; it cannot be changed, and nobody may write to the file meanwhile. OSError if
    there is no such file. Both raise InvalidInputError for what is damaged or of another format.
    A gallery that has ever held 2**62 references, or identities, takes no more: InvalidInputError.
    InternalError means a fault in the core, which wants reporting; if it happened within a change, every
    later call raises it too.
    ``len(gallery)`` counts references, ``identities`` lists names in order of their first
    reference, ``name in gallery`` asks for one, ``nbytes`` is the memory allocated for references
    (the names and their table apart) and ``code_nbytes`` what a search reads of it first (0 for few, whose
    values are read), ``backend`` names the instruction set in use.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        """Say how much it holds and how it searches, not who is in it."""
        return (
            f"<Gallery of {len(self)} references of {len(self.identities)} identities, "
            f"{self.dim} values each, searched by {self.backend}>"
        )

    def nearest(self, queries: NDArray[np.float32], k: int = 1, *, threads: int | None = None) -> Matches:
        """Find the `k` nearest references of each query, nearest first.

        Parameters
        ----------
        queries : (Q, D) or (D,) float32.
        k : at least 1; what the gallery is short of is filled with -1 and infinity.
        threads : at most so many; None: as many as the work is worth.

        Returns
        -------
        Matches of shape (Q, k), or (k,) for a single (D,) query.

        Raises
        ------
        InvalidInputError
            If `queries` are not as `Gallery` asks, or `k` is out of range.
        """
        return self.find_nearest(queries, k, threads)

    def within(
        self, queries: NDArray[np.float32], threshold: float, *, threads: int | None = None
    ) -> RaggedMatches:
        """Find every reference whose float64 distance is at most `threshold`, nearest first.

        Parameters
        ----------
        queries : (Q, D) or (D,) float32.
        threshold : Euclidean, finite, at least 0.
        threads : at most so many; None: as many as the work is worth.

        Returns
        -------
        RaggedMatches, with offsets of shape (Q + 1,), or (2,) for a single (D,) query.

        Raises
        ------
        InvalidInputError
            If `queries` are not as `Gallery` asks, or `threshold` is out of range.
        """
        return self.find_within(queries, threshold, threads)

    def best_identity(
        self, queries: NDArray[np.float32], threshold: float | None = None, *, threads: int | None = None
    ) -> Matches:
        """Find the identity nearest to each query, by the nearest of its references.

        Parameters
        ----------
        queries : (Q, D) or (D,) float32.
        threshold : Euclidean, finite, at least 0; farther identities do not match. None: any does.
        threads : at most so many; None: as many as the work is worth.

        Returns
        -------
        Matches of shape (Q,), or () for a single (D,) query.

        Raises
        ------
        InvalidInputError
            If `queries` are not as `Gallery` asks, or `threshold` is out of range.
        """
        return self.find_best_identity(queries, threshold, threads)


def nearest_distance(references: NDArray[np.float32], probe: NDArray[np.float32]) -> float:
    """Distance of a probe from the nearest of a few references: that which searches decide by.

    Parameters
    ----------
    references : (n, D) float32 unit vectors, n >= 1.
    probe : (D,) float32 unit vector.

    Returns
    -------
    float, Euclidean, in float64: not rounded.

    Raises
    ------
    InvalidInputError
        If they are not as `Gallery` asks.
    """
    one = "the only one"
    return Gallery.from_arrays(references, [one] * len(references)).distance_to(one, probe)
