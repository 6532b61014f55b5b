"""Where references live: one small interface, and the store that forgets with the process."""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from .errors import InvalidInputError, UnknownIdentityError
from .frame import MODALITIES
from .lockout import Tallies, Tally, cleared

MAX_IDENTITY_CHARS: Final = 200
_UNIT_TOLERANCE: Final = 1e-3
_MAX_NUMBERS: Final = 1 << 24
_SHA256: Final = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class References:
    """What is kept of one person.

    Parameters
    ----------
    identity : the name, see `check_identity`.
    vectors : (n, D) float32 unit vectors, n >= 1; kept as a read-only copy.
    poses : one pose name per vector, see :mod:`faceid_fast.enrollment`.
    modalities : one of "infrared" and "color" per vector: what the frame held. Only vectors of one
        modality are comparable.
    model_sha256 : SHA-256 (64 lowercase hexadecimal digits) of the model that made the vectors; those
        of another one mean nothing to it.

    Raises
    ------
    InvalidInputError
        If a name, a shape, or the content of a vector is not as above.
    """

    identity: str
    vectors: NDArray[np.float32]
    poses: tuple[str, ...]
    modalities: tuple[str, ...]
    model_sha256: str

    def __post_init__(self) -> None:
        """Check everything: what is stored is compared against for years."""
        check_identity(self.identity)
        vectors = _unit_vectors(self.vectors)
        for name in ("poses", "modalities"):
            column = getattr(self, name)
            # No other iterables: one may be endless.
            if not isinstance(column, (tuple, list)) or not all(isinstance(entry, str) for entry in column):
                message = f"{name}: expected a tuple of str, got {_kinds(column)}"
                raise InvalidInputError(message)
            if len(column) != len(vectors):
                message = f"{name}: expected one for each of {len(vectors)} vectors, got {len(column)}"
                raise InvalidInputError(message)
            object.__setattr__(self, name, tuple(column))
        if unknown := [modality for modality in self.modalities if modality not in MODALITIES]:
            message = f"modalities: expected {' or '.join(MODALITIES)}, got {unknown[0]!a:.80}"
            raise InvalidInputError(message)
        if not isinstance(self.model_sha256, str) or not _SHA256.fullmatch(self.model_sha256):
            given = self.model_sha256
            shown = f"{given!a:.80}" if isinstance(given, str) else type(given).__name__
            message = f"model_sha256: expected 64 hexadecimal digits, got {shown}"
            raise InvalidInputError(message)
        object.__setattr__(self, "vectors", vectors)

    @classmethod
    def checked_before(
        cls,
        identity: str,
        vectors: NDArray[np.float32],
        poses: tuple[str, ...],
        modalities: tuple[str, ...],
        model_sha256: str,
    ) -> References:
        """Put together again what was checked once, and authenticated since; `vectors` is read-only."""
        made = object.__new__(cls)
        for name, value in zip(
            cls.__slots__, (identity, vectors, poses, modalities, model_sha256), strict=True
        ):
            object.__setattr__(made, name, value)
        return made

    def of(self, modality: str) -> NDArray[np.float32]:
        """Vectors of one modality: (m, D), m may be 0."""
        if not isinstance(modality, str):
            message = f"modality: expected {' or '.join(MODALITIES)}, got {type(modality).__name__}"
            raise InvalidInputError(message)
        return self.vectors[[kept == modality for kept in self.modalities]]

    def rows(self, kept: Sequence[int]) -> References:
        """Those of some rows, at least one: ints from 0 on."""
        several = isinstance(kept, (list, tuple, range))
        if not several or any(type(row) is not int or not 0 <= row < len(self.poses) for row in kept):
            message = f"kept: expected rows from 0 to {len(self.poses) - 1}, got {_kinds(kept)}"
            raise InvalidInputError(message)
        return References(
            self.identity,
            self.vectors[list(kept)],
            tuple(self.poses[row] for row in kept),
            tuple(self.modalities[row] for row in kept),
            self.model_sha256,
        )

    def joined(self, others: References) -> References:
        """Return these and others of the same person, by the same model, as one."""
        check_references(others, "others")
        if (self.identity, self.model_sha256) != (others.identity, others.model_sha256):
            message = "others: expected references of the same person and model, got others"
            raise InvalidInputError(message)
        return References(
            self.identity,
            np.concatenate([self.vectors, others.vectors]),
            self.poses + others.poses,
            self.modalities + others.modalities,
            self.model_sha256,
        )

    def __repr__(self) -> str:
        """Say how many, not what: the vectors are biometric."""
        return f"<References {self.identity!r}: {len(self.vectors)} of {self.vectors.shape[1]} dimensions>"


class ReferenceStore(Protocol):
    """What the authenticator asks of a store. Every call is atomic: all of it happens, or nothing."""

    def revision(self) -> object:
        """Return what differs from before whenever anybody has changed the store; asked for every frame."""

    def snapshot(self) -> Mapping[str, References]:
        """Everybody's references, by name; who did not change since the last call is the same object."""

    def attempts(self, change: Callable[[Tallies], Tallies]) -> Tallies:
        """Change the counts of failures by what they are, durably; returns what they became.

        `change` may be called more than once, and returns the very object it was given to change nothing.
        """

    def identities(self) -> tuple[str, ...]:
        """Names of everybody enrolled, sorted."""

    def get(self, identity: str) -> References:
        """Everything kept of one person; `UnknownIdentityError` if there is no such person."""

    def put(self, references: References) -> None:
        """Keep these references in place of any the person had."""

    def remove(self, identity: str) -> None:
        """Forget a person, their failures too; `UnknownIdentityError` if there is no such person."""


class InMemoryStore:
    """References in this process only; nothing is written anywhere. Safe to share by threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._people: dict[str, References] = {}
        self._tallies: Tallies = {}
        self._revision = 0

    def attempts(self, change: Callable[[Tallies], Tallies]) -> Tallies:
        """Change the counts of failures by what they are; returns what they became."""
        with self._lock:
            self._tallies = changed_by(change, self._tallies)
            return self._tallies

    def revision(self) -> int:
        """Return the number of changes so far."""
        return self._revision

    def snapshot(self) -> Mapping[str, References]:
        """Everybody's references, by name."""
        with self._lock:
            return dict(self._people)

    def identities(self) -> tuple[str, ...]:
        """Names of everybody enrolled, sorted."""
        with self._lock:
            return tuple(sorted(self._people))

    def get(self, identity: str) -> References:
        """Everything kept of one person; `UnknownIdentityError` if there is no such person."""
        name = check_identity(identity)
        with self._lock:
            try:
                return self._people[name]
            except KeyError:
                raise unknown_identity(name) from None

    def put(self, references: References) -> None:
        """Keep these references in place of any the person had."""
        check_references(references)
        with self._lock:
            self._people[references.identity] = references
            self._revision += 1

    def remove(self, identity: str) -> None:
        """Forget a person, their failures too; `UnknownIdentityError` if there is no such person."""
        name = check_identity(identity)
        with self._lock:
            if self._people.pop(name, None) is None:
                raise unknown_identity(name)
            self._tallies = cleared(self._tallies, (name,))
            self._revision += 1


def check_identity(identity: object) -> str:
    """Return a name that can be stored, shown and typed again.

    Raises
    ------
    InvalidInputError
        If it is not a str of 1 to 200 printable characters in Unicode's composed form (NFC), without
        blanks at its ends.
    """
    wanted = f"identity: expected 1 to {MAX_IDENTITY_CHARS} printable characters"
    if not isinstance(identity, str):
        message = f"{wanted}, got {type(identity).__name__}"
        raise InvalidInputError(message)
    if not 1 <= len(identity) <= MAX_IDENTITY_CHARS:
        message = f"{wanted}, got {len(identity)} characters"
        raise InvalidInputError(message)
    if not identity.isprintable() or identity != identity.strip():
        message = f"{wanted} without blanks at its ends, got {identity!a:.240}"
        raise InvalidInputError(message)
    if not unicodedata.is_normalized("NFC", identity):
        # Two spellings that look the same must not be two people; and a name is stored as it was given.
        message = f"{wanted} in composed form, unicodedata.normalize('NFC', name), got {identity!a:.240}"
        raise InvalidInputError(message)
    return identity


def check_references(value: object, name: str = "references") -> References:
    """Return what is `References`; anything else is an `InvalidInputError`."""
    if not isinstance(value, References):
        message = f"{name}: expected References, got {type(value).__name__}"
        raise InvalidInputError(message)
    return value


def changed_by(change: object, tallies: Tallies) -> Tallies:
    """Return what a caller's function makes of counts of failures, if that is counts of failures.

    Raises
    ------
    InvalidInputError
        If it is not, or `change` is no function.
    """
    if not callable(change):
        message = f"change: expected a function, got {type(change).__name__}"
        raise InvalidInputError(message)
    after = change(tallies)
    if not isinstance(after, Mapping) or not all(
        isinstance(key, str) and isinstance(tally, Tally) for key, tally in after.items()
    ):
        message = f"change: expected it to return a Tally for each name, got {type(after).__name__} of others"
        raise InvalidInputError(message)
    return after


def _kinds(several: object) -> str:
    """What a message may say of a column that is none: types, never values."""
    if not isinstance(several, (tuple, list)):
        return type(several).__name__
    return ", ".join(sorted({type(entry).__name__ for entry in several})) or "none"


def unknown_identity(identity: str) -> UnknownIdentityError:
    """Build the error for a name that nobody is enrolled under."""
    return UnknownIdentityError(f"identity: expected somebody enrolled, got {identity!a:.240}")


def _unit_vectors(value: NDArray[Any]) -> NDArray[np.float32]:
    """Check (n, D) float32 unit vectors and return a read-only copy."""
    wanted = "vectors: expected (n, D) float32 unit vectors, n >= 1"
    if not isinstance(value, np.ndarray) or value.dtype != np.float32:
        message = f"{wanted}, got {getattr(value, 'dtype', type(value).__name__)}"
        raise InvalidInputError(message)
    # An array may claim more than there is memory for.
    if value.ndim != 2 or not 0 < value.size <= _MAX_NUMBERS:
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
