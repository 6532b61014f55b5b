"""The keys of references: what is kept of their shape and of their picture beside the joined vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from faceid_fast.checks import checked_instance, kinds_of
from faceid_fast.errors import InvalidInputError

HALF: Final = np.dtype("<f2")
"""Keys are kept as float16, half as large as float32: each value is rounded by at most 2^-11 of itself, so a
distance differs by less than 0.0005. They are rounded once, when they are made: a vault that is opened again
decides as the memory did."""
MAX_NUMBERS: Final = 1 << 24
"""Most numbers of one array: an array may claim more than there is memory for."""
_TOLERANCE: Final = 2e-3
"""Largest difference from 1 of the length of a vector: 1e-3 as of other vectors, and the rounding."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Keys:
    """The keys of n references, in the same order; read-only copies are kept. `of` makes them of float32.

    Parameters
    ----------
    shape : (n, S) float16 unit vectors, of the faces' depth.
    picture : (n, P) float16 unit vectors, of how the faces look.

    Raises
    ------
    InvalidInputError
        If an array is not as above.
    """

    shape: NDArray[np.float16]
    picture: NDArray[np.float16]

    def __post_init__(self) -> None:
        """Check every vector: a stored reference is compared with probes for years."""
        count = len(self.shape) if isinstance(self.shape, np.ndarray) and self.shape.ndim else -1
        for entry in fields(self):
            object.__setattr__(self, entry.name, _unit_rows(entry.name, getattr(self, entry.name), count))

    @classmethod
    def of(cls, shape: NDArray[np.float32], picture: NDArray[np.float32]) -> Keys:
        """Make keys of (n, S) and (n, P) float32 unit vectors, as `Embeddings` has them: rounded to float16.

        Raises
        ------
        InvalidInputError
            If an array is not such vectors.
        """
        return cls(_rounded("shape", shape), _rounded("picture", picture))

    @classmethod
    def checked_before(cls, shape: NDArray[np.float16], picture: NDArray[np.float16]) -> Keys:
        """Make keys without checks, as `References.checked_before` does."""
        made = object.__new__(cls)
        object.__setattr__(made, "shape", shape)
        object.__setattr__(made, "picture", picture)
        return made

    def __len__(self) -> int:
        """Return the number of references."""
        return len(self.shape)

    @property
    def sizes(self) -> tuple[int, int]:
        """Values per shape vector and per picture vector, (S, P)."""
        return self.shape.shape[1], self.picture.shape[1]

    def rows(self, kept: Sequence[int]) -> Keys:
        """Return the keys of some references, by ints from 0 on; at least one."""
        check_rows(kept, len(self))
        return Keys(self.shape[list(kept)], self.picture[list(kept)])

    def joined(self, others: Keys) -> Keys:
        """Return these keys and others together; InvalidInputError if they are of other sizes."""
        checked_instance("others", others, Keys)
        if self.sizes != others.sizes:
            message = f"keys: expected those of {self.sizes} values, got {others.sizes}"
            raise InvalidInputError(message)
        return Keys(
            np.concatenate([self.shape, others.shape]), np.concatenate([self.picture, others.picture])
        )

    def __repr__(self) -> str:
        """The sizes; the vectors are biometric."""
        return f"<Keys of {len(self)} references: {self.sizes[0]} and {self.sizes[1]} values>"


def check_rows(kept: object, count: int) -> None:
    """Refuse what are not rows of so many references."""
    several = kept if isinstance(kept, (list, tuple, range)) else None
    if several is None or any(type(row) is not int or not 0 <= row < count for row in several):
        message = f"kept: expected rows from 0 to {count - 1}, got {kinds_of(kept)}"
        raise InvalidInputError(message)


def _unit_rows(name: str, value: Any, count: int) -> NDArray[np.float16]:  # noqa: ANN401  # checked here
    """Check the vectors of `count` references and return a read-only copy."""
    wanted = f"keys.{name}: expected (n, values) float16 unit vectors, one for each reference"
    if not isinstance(value, np.ndarray) or value.dtype != HALF:
        message = f"{wanted}, got {getattr(value, 'dtype', type(value).__name__)}"
        raise InvalidInputError(message)
    if value.ndim != 2 or len(value) != count or not 0 < value.size <= MAX_NUMBERS:
        message = f"{wanted}, got shape {value.shape}"
        raise InvalidInputError(message)
    kept = np.array(value, HALF, order="C", copy=True)
    lengths = np.sqrt(np.einsum("nd,nd->n", kept, kept, dtype=np.float64))
    if not (np.abs(lengths - 1.0) <= _TOLERANCE).all():  # written so that NaN is refused
        message = f"{wanted}, got one of another length, or not finite"
        raise InvalidInputError(message)
    kept.flags.writeable = False
    return kept


def _rounded(name: str, value: object) -> NDArray[np.float16]:
    if not isinstance(value, np.ndarray) or value.dtype != np.float32:
        given = getattr(value, "dtype", type(value).__name__)
        message = f"keys.{name}: expected float32 unit vectors, got {given}"
        raise InvalidInputError(message)
    if value.size > MAX_NUMBERS:
        message = f"keys.{name}: expected at most {MAX_NUMBERS} numbers, got shape {value.shape}"
        raise InvalidInputError(message)
    with np.errstate(over="ignore"):  # too large a number becomes infinite, which is refused
        return value.astype(HALF)
