"""The stored data of one person: enrolled references, adapted references, and consent."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from faceid_fast.checks import checked_instance, checked_sha256, kinds_of
from faceid_fast.errors import InvalidInputError, ModelError, UnknownIdentityError
from faceid_fast.frame import MODALITIES

from .keys import MAX_NUMBERS, Keys, check_rows

MAX_IDENTITY_CHARS: Final = 200
MAX_CONSENT_CHARS: Final = 1000
UNIT_TOLERANCE: Final = 1e-3
"""Largest difference from 1 of the length of a stored vector."""
_MAX_TIME_S: Final = 1e12


@dataclass(frozen=True, slots=True)
class Consent:
    """A person's consent to the storage of their face.

    Attributes
    ----------
    note : how they consented, such as the number of a form or the words; 1 to 1000 characters.
    at : time of the note, seconds since 1970.
    """

    note: str
    at: float

    def __post_init__(self) -> None:
        """Check the note and the time."""
        if (
            not isinstance(self.note, str)
            or not 0 < len(self.note.strip()) <= len(self.note) <= MAX_CONSENT_CHARS
        ):
            given = f"{len(self.note)} characters" if isinstance(self.note, str) else type(self.note).__name__
            message = f"consent: expected a note of 1 to {MAX_CONSENT_CHARS} characters, got {given}"
            raise InvalidInputError(message)
        if not _is_text(self.note):
            message = "consent: expected a note that UTF-8 can encode, got a lone surrogate"
            raise InvalidInputError(message)
        usable = isinstance(self.at, (int, float)) and not isinstance(self.at, bool)
        if not usable or not -_MAX_TIME_S <= self.at <= _MAX_TIME_S:  # written so that NaN is refused
            given = "another number" if usable else type(self.at).__name__
            message = f"consent: expected seconds since 1970, got {given}"
            raise InvalidInputError(message)


class Origin(StrEnum):
    """Why an adapted reference was admitted: a shown credential, or a match well within the threshold."""

    CONFIRMED = "confirmed"
    SUCCESS = "success"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Adapted:
    """An adapted reference; see :mod:`faceid_fast.adaptation.rules`.

    Attributes
    ----------
    vector : (D,) float32 unit vector, read-only: the joined vector.
    modality : "infrared" or "color".
    origin : why it was admitted.
    made_at : time of admission, seconds since 1970.
    uses_left : number of attempts that it may still decide.
    misses : number of accepted probes in a row that it did not match.
    keys : its keys, of one reference; None: it was made before keys were kept, and matches no probe.
    """

    vector: NDArray[np.float32]
    modality: str
    origin: Origin
    made_at: float
    uses_left: int
    misses: int = 0
    keys: Keys | None = None

    def __post_init__(self) -> None:
        """Check every value: a stored reference is compared with probes for weeks.

        Raises
        ------
        InvalidInputError
            If a value is not as above.
        """
        vector, numbers = self.vector, (self.uses_left, self.misses)
        right = isinstance(vector, np.ndarray) and vector.dtype == np.float32 and vector.ndim == 1
        # Written so that NaN is refused.
        right = right and abs(float(np.linalg.norm(vector.astype(np.float64))) - 1.0) <= UNIT_TOLERANCE
        right = right and self.modality in MODALITIES and isinstance(self.origin, Origin)
        right = right and isinstance(self.made_at, float) and math.isfinite(self.made_at)
        if not right or not all(type(number) is int and 0 <= number < 1 << 31 for number in numbers):
            message = (
                "adapted: expected a (D,) float32 unit vector, a modality, an Origin, a finite time and "
                "whole numbers from 0, got others"
            )
            raise InvalidInputError(message)
        _check_keys(self.keys, 1)

    def __repr__(self) -> str:
        """The origin and the uses left; never the vector."""
        return f"<Adapted by {self.origin}, {self.uses_left} uses left>"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class References:
    """The references of one person.

    Parameters
    ----------
    identity : the name, see `check_identity`.
    vectors : the joined vectors of the enrolled references, (n, D) float32 unit vectors, n >= 1; a read-only
        copy is kept.
    poses : one pose name per vector, see :mod:`faceid_fast.enrollment.poses`.
    modalities : "infrared" or "color" per vector, as the frame was. Only vectors of one modality are
        comparable.
    model_sha256 : SHA-256 (64 lowercase hexadecimal digits) of the model that made the vectors. Vectors of
        different models are not comparable.
    consent : the person's consent, if it was noted.
    adapted : references that follow the person's changing look, used 1:1 only and never searched; see
        :mod:`faceid_fast.adaptation.rules`.
    keys : the keys of the enrolled references, in the order of `vectors`. None: they were made before keys
        were kept; nobody is accepted by them, see `check_model`.

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
    consent: Consent | None = None
    adapted: tuple[Adapted, ...] = field(default=())
    keys: Keys | None = None

    def __post_init__(self) -> None:
        """Check every value: a stored reference is compared with probes for years."""
        check_identity(self.identity)
        vectors = _unit_vectors(self.vectors)
        for name in ("poses", "modalities"):
            column = getattr(self, name)
            # Other iterables are refused: they may be endless.
            if not isinstance(column, (tuple, list)) or not all(_is_text(entry) for entry in column):
                message = f"{name}: expected a tuple of str, got {kinds_of(column)}"
                raise InvalidInputError(message)
            if len(column) != len(vectors):
                message = f"{name}: expected one for each of {len(vectors)} vectors, got {len(column)}"
                raise InvalidInputError(message)
            object.__setattr__(self, name, tuple(column))
        if unknown := [modality for modality in self.modalities if modality not in MODALITIES]:
            message = f"modalities: expected {' or '.join(MODALITIES)}, got {unknown[0]!a:.80}"
            raise InvalidInputError(message)
        checked_sha256("model_sha256", self.model_sha256)
        if self.consent is not None:
            checked_instance("consent", self.consent, Consent)
        _check_keys(self.keys, len(vectors))
        object.__setattr__(self, "vectors", vectors)
        self._check_adapted(self.adapted)

    @classmethod
    def checked_before(  # noqa: PLR0917  # as the fields are
        cls,
        identity: str,
        vectors: NDArray[np.float32],
        poses: tuple[str, ...],
        modalities: tuple[str, ...],
        model_sha256: str,
        consent: Consent | None,
        adapted: tuple[Adapted, ...],
        keys: Keys | None,
    ) -> References:
        """Make references without checks, from values that were checked when they were written.

        They must have been authenticated since, and arrays must be read-only.
        """
        made = object.__new__(cls)
        place = object.__setattr__
        place(made, "identity", identity)
        place(made, "vectors", vectors)
        place(made, "poses", poses)
        place(made, "modalities", modalities)
        place(made, "model_sha256", model_sha256)
        place(made, "consent", consent)
        place(made, "adapted", adapted)
        place(made, "keys", keys)
        return made

    def with_consent(self, consent: Consent | None) -> References:
        """Return the same references with another consent."""
        return self._with(consent, self.adapted)

    def with_adapted(self, adapted: tuple[Adapted, ...]) -> References:
        """Return the same enrolled references, the same array, with other adapted references."""
        self._check_adapted(adapted)
        return self._with(self.consent, adapted)

    def _check_adapted(self, adapted: object) -> None:
        """Refuse adapted references of another kind or size than the enrolled ones."""
        if not isinstance(adapted, tuple) or not all(isinstance(entry, Adapted) for entry in adapted):
            message = f"adapted: expected a tuple of Adapted, got {kinds_of(adapted)}"
            raise InvalidInputError(message)
        if any(entry.vector.shape != self.vectors.shape[1:] for entry in adapted):
            message = f"adapted: expected vectors of {self.vectors.shape[1]} values, got others"
            raise InvalidInputError(message)
        sizes = None if self.keys is None else self.keys.sizes
        if any((None if entry.keys is None else entry.keys.sizes) != sizes for entry in adapted):
            message = "adapted: expected keys of the same sizes as the enrolled references', got others"
            raise InvalidInputError(message)

    def _with(self, consent: Consent | None, adapted: tuple[Adapted, ...]) -> References:
        return References.checked_before(
            self.identity,
            self.vectors,
            self.poses,
            self.modalities,
            self.model_sha256,
            consent,
            adapted,
            self.keys,
        )

    def of(self, modality: str) -> NDArray[np.float32]:
        """Return the joined vectors of one modality: (m, D), m may be 0."""
        chosen = self._rows_of(modality)
        return self.vectors if chosen is None else self.vectors[chosen]

    def keys_of(self, modality: str) -> Keys | None:
        """Return the keys of the references of one modality, in the order of `of`; None if there are none."""
        chosen = self._rows_of(modality)
        if self.keys is None or chosen is None:
            return self.keys
        return self.keys.rows(chosen) if chosen else None

    def _rows_of(self, modality: str) -> list[int] | None:
        """Return the rows of a modality; None: all of them."""
        if not isinstance(modality, str):
            message = f"modality: expected {' or '.join(MODALITIES)}, got {type(modality).__name__}"
            raise InvalidInputError(message)
        if self.modalities.count(modality) == len(self.modalities):
            return None
        return [row for row, kept in enumerate(self.modalities) if kept == modality]

    def rows(self, kept: Sequence[int]) -> References:
        """Return the references of some rows, ints from 0 on; at least one."""
        check_rows(kept, len(self.poses))
        return References(
            self.identity,
            self.vectors[list(kept)],
            tuple(self.poses[row] for row in kept),
            tuple(self.modalities[row] for row in kept),
            self.model_sha256,
            self.consent,
            self.adapted,
            None if self.keys is None else self.keys.rows(kept),
        )

    def joined(self, others: References) -> References:
        """Return these references and others of the same person and model together."""
        check_references(others, "others")
        if (self.identity, self.model_sha256) != (others.identity, others.model_sha256):
            message = "others: expected references of the same person and model, got others"
            raise InvalidInputError(message)
        if (self.keys is None) != (others.keys is None):
            message = "others: expected keys of references if these have some, and none if not, got the other"
            raise InvalidInputError(message)
        return References(
            self.identity,
            np.concatenate([self.vectors, others.vectors]),
            self.poses + others.poses,
            self.modalities + others.modalities,
            self.model_sha256,
            others.consent or self.consent,
            self.adapted,
            None if self.keys is None or others.keys is None else self.keys.joined(others.keys),
        )

    def __repr__(self) -> str:
        """The name and the numbers of vectors and values; the vectors are biometric."""
        return f"<References {self.identity!r}: {len(self.vectors)} of {self.vectors.shape[1]} dimensions>"


def check_identity(identity: object) -> str:
    """Check that a name can be stored, shown and typed again, and return it.

    Raises
    ------
    InvalidInputError
        If the name is not a str of 1 to 200 printable characters in Unicode's composed form (NFC), without
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
        # Two spellings that look the same must not be two people. No name is normalised here: it is stored
        # as it was given.
        message = f"{wanted} in composed form, unicodedata.normalize('NFC', name), got {identity!a:.240}"
        raise InvalidInputError(message)
    return identity


def check_references(value: object, name: str = "references") -> References:
    """Check that a value is a `References` and return it; InvalidInputError if it is not."""
    if not isinstance(value, References):
        message = f"{name}: expected References, got {type(value).__name__}"
        raise InvalidInputError(message)
    return value


def check_model(references: References, model_sha256: str) -> None:
    """Check that references were made with a model, and have keys, as those of every such model have.

    Raises
    ------
    ModelError
        If they were made with another one, or have none.
    """
    if references.model_sha256 != model_sha256:
        message = (
            f"references of {references.identity!a}: expected those of the model {model_sha256}, "
            f"got those of {references.model_sha256}: enrol again, enroll(..., replace=True)"
        )
        raise ModelError(message)
    if references.keys is None:
        message = (
            f"references of {references.identity!a}: expected those with the keys of a face, got some of "
            "before there were any: enrol again, enroll(..., replace=True)"
        )
        raise ModelError(message)


def is_of_model(references: References, model_sha256: str) -> bool:
    """Whether references were made with a model, and have keys: whether `check_model` passes them."""
    return references.model_sha256 == model_sha256 and references.keys is not None


def _check_keys(keys: Keys | None, count: int) -> None:
    """Refuse keys that are not those of so many references."""
    if keys is None:
        return
    if len(checked_instance("keys", keys, Keys)) != count:
        message = f"keys: expected one for each of {count} vectors, got {len(keys)}"
        raise InvalidInputError(message)


def _is_text(value: object) -> bool:
    """Whether a value is a str that can be stored: one without lone surrogates."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def unknown_identity(identity: str) -> UnknownIdentityError:
    """Make the error for a name under which nobody is enrolled."""
    return UnknownIdentityError(f"identity: expected somebody enrolled, got {identity!a:.240}")


def _unit_vectors(value: NDArray[Any]) -> NDArray[np.float32]:
    """Check (n, D) float32 unit vectors and return a read-only copy."""
    wanted = "vectors: expected (n, D) float32 unit vectors, n >= 1"
    if not isinstance(value, np.ndarray) or value.dtype != np.float32:
        message = f"{wanted}, got {getattr(value, 'dtype', type(value).__name__)}"
        raise InvalidInputError(message)
    # An array may claim more than there is memory for.
    if value.ndim != 2 or not 0 < value.size <= MAX_NUMBERS:
        message = f"{wanted}, got shape {value.shape}"
        raise InvalidInputError(message)
    norms = np.sqrt(np.einsum("nd,nd->n", value, value, dtype=np.float64))
    wrong = ~(np.abs(norms - 1.0) <= UNIT_TOLERANCE)  # written so that NaN is refused
    if wrong.any():
        row = int(np.argmax(wrong))
        message = f"{wanted}, got a length of {norms[row]:g} in row {row}"
        raise InvalidInputError(message)
    copy = np.array(value, order="C", copy=True)
    copy.flags.writeable = False
    return copy
