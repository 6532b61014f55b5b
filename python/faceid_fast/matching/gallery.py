"""The gallery: the references of many identities, and exact search among them.

Exact means: indices, order and distances are those of a brute-force search in float64,
``numpy.sqrt(((probe - reference) ** 2).sum(axis=-1))``; of references at the same distance the one added
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
    """References in memory: unit vectors, each of one identity.

    References and probes are C-contiguous float32 arrays, finite and of norm 1 within 1e-3. Any other array
    raises an InvalidInputError that names the argument and the row, never a value, and changes nothing.
    Other dtypes, float64 among them, are not converted: results are exact for the numbers given, so the
    caller rounds them (``vectors.astype(numpy.float32)``).

    Searches release the GIL and may run in any number of threads. A search sees a change completely or not
    at all.

    Parameters
    ----------
    dim : values per vector, D, 1 to 2048.
    backend : one of `_core.backends()`; by default the fastest that this CPU supports.

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
    (M,) int64. An index is an insertion number and is never used again.
    ``remove(identity)`` removes all references of an identity and returns their number.
    ``replace(identity, vectors)`` replaces all references of an identity in one step and returns the
    indices of the new ones.
    ``distance_to(identity, query)`` returns the distance, as in `Matches`, of a (D,) probe to the nearest
    reference of one identity (1:1).
    ``remove``, ``replace`` and ``distance_to`` raise UnknownIdentityError for a name without references.
    ``to_bytes()`` returns everything that searches depend on, as plain bytes: encrypt them before you
    store them. ``Gallery.from_bytes(data)`` makes the gallery again, with the same indices.
    ``Gallery.open(path)`` reads such bytes from a file. The vectors stay in the file, which is mapped into
    memory and shared between processes; the gallery cannot be changed, and nobody may write to the file
    while it is open. OSError if there is no such file. ``from_bytes`` and ``open`` raise InvalidInputError if
    the data are damaged or of another format.
    A gallery that has ever held 2**62 references, or identities, takes no more: InvalidInputError.
    InternalError means a fault in the core: please report it. If it happened during a change, every
    later call raises it too.
    ``len(gallery)`` is the number of references, ``identities`` lists the names in order of their first
    reference, ``name in gallery`` tells whether a name has references, ``nbytes`` is the memory allocated
    for references (without the names and their table), ``code_nbytes`` the part of it that a search reads
    first (0 for a small gallery, where the values themselves are read), ``backend`` the name of the
    instruction set in use.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        """Numbers of references and identities, and the back end; no names."""
        return (
            f"<Gallery of {len(self)} references of {len(self.identities)} identities, "
            f"{self.dim} values each, searched by {self.backend}>"
        )

    def nearest(self, queries: NDArray[np.float32], k: int = 1, *, threads: int | None = None) -> Matches:
        """Find the `k` nearest references of each probe, nearest first.

        Parameters
        ----------
        queries : the probes, (Q, D) or (D,) float32.
        k : at least 1. If the gallery has fewer references, indices are filled up with -1, distances with
            infinity.
        threads : the largest number of threads; None: chosen by the amount of work.

        Returns
        -------
        Matches of shape (Q, k), or (k,) for a single (D,) probe.

        Raises
        ------
        InvalidInputError
            If `queries` are not vectors as `Gallery` describes them, or `k` is out of range.
        """
        return self.find_nearest(queries, k, threads)

    def within(
        self, queries: NDArray[np.float32], threshold: float, *, threads: int | None = None
    ) -> RaggedMatches:
        """Find every reference whose float64 distance to a probe is at most `threshold`, nearest first.

        Parameters
        ----------
        queries : the probes, (Q, D) or (D,) float32.
        threshold : Euclidean distance, finite, at least 0.
        threads : the largest number of threads; None: chosen by the amount of work.

        Returns
        -------
        RaggedMatches, with offsets of shape (Q + 1,), or (2,) for a single (D,) probe.

        Raises
        ------
        InvalidInputError
            If `queries` are not vectors as `Gallery` describes them, or `threshold` is out of range.
        """
        return self.find_within(queries, threshold, threads)

    def best_identity(
        self, queries: NDArray[np.float32], threshold: float | None = None, *, threads: int | None = None
    ) -> Matches:
        """Find the nearest identity of each probe; its nearest reference counts.

        Parameters
        ----------
        queries : the probes, (Q, D) or (D,) float32.
        threshold : Euclidean distance, finite, at least 0: an identity beyond it does not match. None: the
            nearest identity matches at any distance.
        threads : the largest number of threads; None: chosen by the amount of work.

        Returns
        -------
        Matches of shape (Q,), or () for a single (D,) probe.

        Raises
        ------
        InvalidInputError
            If `queries` are not vectors as `Gallery` describes them, or `threshold` is out of range.
        """
        return self.find_best_identity(queries, threshold, threads)


def nearest_distance(references: NDArray[np.float32], probe: NDArray[np.float32]) -> float:
    """Return the distance of a probe to the nearest of a few references, computed as `Gallery` does.

    Parameters
    ----------
    references : (n, D) float32 unit vectors, n >= 1.
    probe : (D,) float32 unit vector.

    Returns
    -------
    float, the Euclidean distance in float64, not rounded.

    Raises
    ------
    InvalidInputError
        If `references` or `probe` are not vectors as `Gallery` describes them.
    """
    one = "the only one"
    return Gallery.from_arrays(references, [one] * len(references)).distance_to(one, probe)
