"""Where references live: one small interface, and the store that forgets with the process."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from .errors import InvalidInputError, UnknownIdentityError

MAX_IDENTITY_CHARS: Final = 200
_UNIT_TOLERANCE: Final = 1e-3


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class References:
    """What is kept of one person.

    Parameters
    ----------
    identity : the name; not empty, printable, at most 200 characters.
    vectors : (n, D) float32 unit vectors, n >= 1; kept as a read-only copy.
    poses : one pose name per vector, see :mod:`faceid_fast.enrollment`.

    Raises
    ------
    InvalidInputError
        If a name, a shape, or the content of a vector is not as above.
    """

    identity: str
    vectors: NDArray[np.float32]
    poses: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check everything: what is stored is compared against for years."""
        check_identity(self.identity)
        vectors = _unit_vectors(self.vectors)
        if len(self.poses) != len(vectors):
            message = f"poses: expected one for each of {len(vectors)} vectors, got {len(self.poses)}"
            raise InvalidInputError(message)
        object.__setattr__(self, "vectors", vectors)
        object.__setattr__(self, "poses", tuple(self.poses))

    def __repr__(self) -> str:
        """Say how many, not what: the vectors are biometric."""
        return f"<References {self.identity!r}: {len(self.vectors)} of {self.vectors.shape[1]} dimensions>"


class ReferenceStore(Protocol):
    """What the authenticator asks of a store. Every call is atomic: all of it happens, or nothing."""

    def identities(self) -> tuple[str, ...]:
        """Names of everybody enrolled, sorted."""

    def get(self, identity: str) -> References:
        """Everything kept of one person; `UnknownIdentityError` if there is no such person."""

    def put(self, references: References) -> None:
        """Keep these references in place of any the person had."""

    def remove(self, identity: str) -> None:
        """Forget a person; `UnknownIdentityError` if there is no such person."""


class InMemoryStore:
    """References in this process only; nothing is written anywhere. Safe to share by threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._people: dict[str, References] = {}

    def identities(self) -> tuple[str, ...]:
        """Names of everybody enrolled, sorted."""
        with self._lock:
            return tuple(sorted(self._people))

    def get(self, identity: str) -> References:
        """Everything kept of one person; `UnknownIdentityError` if there is no such person."""
        with self._lock:
            try:
                return self._people[identity]
            except KeyError:
                raise unknown_identity(identity) from None

    def put(self, references: References) -> None:
        """Keep these references in place of any the person had."""
        with self._lock:
            self._people[references.identity] = references

    def remove(self, identity: str) -> None:
        """Forget a person; `UnknownIdentityError` if there is no such person."""
        with self._lock:
            if self._people.pop(identity, None) is None:
                raise unknown_identity(identity)


def check_identity(identity: object) -> str:
    """Return a name that can be stored, shown and typed again.

    Raises
    ------
    InvalidInputError
        If it is not a str of 1 to 200 printable characters, without blanks at its ends.
    """
    wanted = f"identity: expected 1 to {MAX_IDENTITY_CHARS} printable characters"
    if not isinstance(identity, str):
        message = f"{wanted}, got {type(identity).__name__}"
        raise InvalidInputError(message)
    if not 1 <= len(identity) <= MAX_IDENTITY_CHARS:
        message = f"{wanted}, got {len(identity)} characters"
        raise InvalidInputError(message)
    if not identity.isprintable() or identity != identity.strip():
        message = f"{wanted} without blanks at its ends, got {identity!a}"
        raise InvalidInputError(message)
    return identity


def unknown_identity(identity: str) -> UnknownIdentityError:
    """Build the error for a name that nobody is enrolled under."""
    return UnknownIdentityError(f"identity: expected somebody enrolled, got {identity!a}")


def _unit_vectors(value: NDArray[Any]) -> NDArray[np.float32]:
    """Check (n, D) float32 unit vectors and return a read-only copy."""
    wanted = "vectors: expected (n, D) float32 unit vectors, n >= 1"
    if not isinstance(value, np.ndarray) or value.dtype != np.float32:
        message = f"{wanted}, got {getattr(value, 'dtype', type(value).__name__)}"
        raise InvalidInputError(message)
    if value.ndim != 2 or 0 in value.shape:
        message = f"{wanted}, got shape {value.shape}"
        raise InvalidInputError(message)
    norms = np.sqrt(np.einsum("nd,nd->n", value, value, dtype=np.float64))
    wrong = ~(np.abs(norms - 1.0) <= _UNIT_TOLERANCE)  # written so that NaN is wrong
    if wrong.any():
        row = int(np.argmax(wrong))
        message = f"{wanted}, got a length of {norms[row]:g} in row {row}"
        raise InvalidInputError(message)
    copy = np.array(value, order="C", copy=True)
    copy.flags.writeable = False
    return copy
