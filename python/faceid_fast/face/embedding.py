"""Embeddings: the vectors that a network makes of faces, three of each face."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from faceid_fast.errors import InvalidInputError

from .crop import Floats

_MAX_NUMBERS: Final = 1 << 28
"""Most numbers of one array: an array may claim more than there is memory for."""
_TOLERANCE: Final = 1e-3
"""Largest difference from 1 of the length of a vector."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Embedding:
    """The embedding of one face: unit vectors, float32, read-only.

    Attributes
    ----------
    joined : (D,), of shape and picture together; galleries are searched by it.
    shape : (S,), the key of the face's depth.
    picture : (P,), the key of how the face looks.
    """

    joined: Floats
    shape: Floats
    picture: Floats

    def __repr__(self) -> str:
        """The sizes; the vectors are biometric."""
        return f"<Embedding of {self.joined.size} values, keys of {self.shape.size} and {self.picture.size}>"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Embeddings:
    """The embeddings of n faces: unit vectors, one row for each face; read-only copies are kept.

    Attributes
    ----------
    joined : (n, D) float32, of shape and picture together; galleries are searched by them.
    shape : (n, S) float32, the keys of the faces' depth.
    picture : (n, P) float32, the keys of how the faces look.

    Raises
    ------
    InvalidInputError
        If an array is not as above: of another dtype or shape, not finite, or not of length 1.
    """

    joined: Floats
    shape: Floats
    picture: Floats

    def __post_init__(self) -> None:
        """Check every vector: who is let in depends on them."""
        count = len(self.joined) if isinstance(self.joined, np.ndarray) and self.joined.ndim else -1
        for entry in fields(self):
            object.__setattr__(self, entry.name, _unit_rows(entry.name, getattr(self, entry.name), count))

    def __len__(self) -> int:
        """Return the number of faces."""
        return len(self.joined)

    def __iter__(self) -> Iterator[Embedding]:
        """Iterate over the faces."""
        return map(Embedding, self.joined, self.shape, self.picture)

    def __repr__(self) -> str:
        """The sizes; the vectors are biometric."""
        sizes = f"{self.joined.shape[1]} values, keys of {self.shape.shape[1]} and {self.picture.shape[1]}"
        return f"<Embeddings of {len(self)} faces, {sizes}>"


def _unit_rows(name: str, value: object, count: int) -> Floats:
    """Check the vectors of `count` faces and return a read-only copy."""
    wanted = f"{name}: expected (n, values) float32 unit vectors, one for each face"
    if not isinstance(value, np.ndarray) or isinstance(value, np.ma.MaskedArray) or value.dtype != np.float32:
        message = f"{wanted}, got {getattr(value, 'dtype', type(value).__name__)}"
        raise InvalidInputError(message)
    if value.ndim != 2 or len(value) != count or not value.shape[1] or value.size > _MAX_NUMBERS:
        message = f"{wanted}, got shape {value.shape}"
        raise InvalidInputError(message)
    lengths = np.sqrt(np.einsum("nd,nd->n", value, value, dtype=np.float64))
    if not (np.abs(lengths - 1.0) <= _TOLERANCE).all():  # written so that NaN is refused
        message = f"{wanted}, got one of another length, or not finite"
        raise InvalidInputError(message)
    rows: NDArray[np.float32] = np.array(value, order="C", copy=True)
    rows.flags.writeable = False
    return rows
