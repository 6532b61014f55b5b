"""What is kept of one person: enrolled references, adapted ones beside them, and their consent."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from faceid_fast.checks import checked_instance
from faceid_fast.errors import InvalidInputError, ModelError, UnknownIdentityError
from faceid_fast.frame import MODALITIES

MAX_IDENTITY_CHARS: Final = 200
MAX_CONSENT_CHARS: Final = 1000
UNIT_TOLERANCE: Final = 1e-3
"""How far from 1 the length of a vector that is kept may be."""
_MAX_TIME_S: Final = 1e12
_MAX_NUMBERS: Final = 1 << 24
_SHA256: Final = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Consent:
    """That somebody agreed to their face being kept.

    Attributes
    ----------
    note : how: a form's number, the words that were agreed to; 1 to 1000 characters.
    at : when it was noted, seconds since 1970.
    """

    note: str
    at: float

    def __post_init__(self) -> None:
        """Check both."""
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
    """What an adapted reference was admitted for."""

    CONFIRMED = "confirmed"
    SUCCESS = "success"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Adapted:
    """An adapted reference.

    Attributes
    ----------
    vector : (D,) float32 unit vector, read-only.
    modality : "infrared" or "color".
    origin : what it was admitted for.
    made_at : when, in seconds since 1970.
    uses_left : faces that it may still let in.
    misses : accepted faces of the person, in a row, that it would not have.
    """

    vector: NDArray[np.float32]
    modality: str
    origin: Origin
    made_at: float
    uses_left: int
    misses: int = 0

    def __post_init__(self) -> None:
        """Check everything: what is stored is compared against for weeks.

        Raises
        ------
        InvalidInputError
            If anything is not as above.
        """
        vector, numbers = self.vector, (self.uses_left, self.misses)
        right = isinstance(vector, np.ndarray) and vector.dtype == np.float32 and vector.ndim == 1
        # Written so that NaN is wrong.
        right = right and abs(float(np.linalg.norm(vector.astype(np.float64))) - 1.0) <= UNIT_TOLERANCE
        right = right and self.modality in MODALITIES and isinstance(self.origin, Origin)
        right = right and isinstance(self.made_at, float) and math.isfinite(self.made_at)
        if not right or not all(type(number) is int and 0 <= number < 1 << 31 for number in numbers):
            message = (
                "adapted: expected a (D,) float32 unit vector, a modality, an Origin, a finite time and "
                "whole numbers from 0, got others"
            )
            raise InvalidInputError(message)

    def __repr__(self) -> str:
        """Say what it is worth, not what it is."""
        return f"<Adapted by {self.origin}, {self.uses_left} uses left>"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class References:
    """What is kept of one person.

    Parameters
    ----------
    identity : the name, see `check_identity`.
    vectors : (n, D) float32 unit vectors, n >= 1; kept as a read-only copy.
    poses : one pose name per vector, see :mod:`faceid_fast.enrollment.result`.
    modalities : one of "infrared" and "color" per vector: what the frame held. Only vectors of one
        modality are comparable.
    model_sha256 : SHA-256 (64 lowercase hexadecimal digits) of the model that made the vectors; those
        of another one mean nothing to it.
    consent : to this being kept, if it was noted.
    adapted : references that follow the person's look, see :mod:`faceid_fast.adaptation.rules`; never
        searched.

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

    def __post_init__(self) -> None:
        """Check everything: what is stored is compared against for years."""
        check_identity(self.identity)
        vectors = _unit_vectors(self.vectors)
        for name in ("poses", "modalities"):
            column = getattr(self, name)
            # No other iterables: one may be endless.
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
        if not isinstance(self.model_sha256, str) or not _SHA256.fullmatch(self.model_sha256):
            given = self.model_sha256
            shown = f"{given!a:.80}" if isinstance(given, str) else type(given).__name__
            message = f"model_sha256: expected 64 hexadecimal digits, got {shown}"
            raise InvalidInputError(message)
        if self.consent is not None:
            checked_instance("consent", self.consent, Consent)
        adapted = self.adapted
        if not isinstance(adapted, tuple) or not all(isinstance(entry, Adapted) for entry in adapted):
            message = f"adapted: expected a tuple of Adapted, got {kinds_of(adapted)}"
            raise InvalidInputError(message)
        if any(entry.vector.shape != vectors.shape[1:] for entry in adapted):
            message = f"adapted: expected vectors of {vectors.shape[1]} values, got others"
            raise InvalidInputError(message)
        object.__setattr__(self, "vectors", vectors)

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
    ) -> References:
        """Put together again what was checked once, and authenticated since; arrays are read-only."""
        made = object.__new__(cls)
        place = object.__setattr__
        place(made, "identity", identity)
        place(made, "vectors", vectors)
        place(made, "poses", poses)
        place(made, "modalities", modalities)
        place(made, "model_sha256", model_sha256)
        place(made, "consent", consent)
        place(made, "adapted", adapted)
        return made

    def with_consent(self, consent: Consent | None) -> References:
        """The same with another consent."""
        return References.checked_before(
            self.identity, self.vectors, self.poses, self.modalities, self.model_sha256, consent, self.adapted
        )

    def with_adapted(self, adapted: tuple[Adapted, ...]) -> References:
        """The same enrolment, the very same vectors, with other adapted references."""
        return References.checked_before(
            self.identity, self.vectors, self.poses, self.modalities, self.model_sha256, self.consent, adapted
        )

    def of(self, modality: str) -> NDArray[np.float32]:
        """Vectors of one modality: (m, D), m may be 0."""
        if not isinstance(modality, str):
            message = f"modality: expected {' or '.join(MODALITIES)}, got {type(modality).__name__}"
            raise InvalidInputError(message)
        if self.modalities.count(modality) == len(self.modalities):
            return self.vectors
        return self.vectors[[kept == modality for kept in self.modalities]]

    def rows(self, kept: Sequence[int]) -> References:
        """Those of some rows, at least one: ints from 0 on."""
        several = isinstance(kept, (list, tuple, range))
        if not several or any(type(row) is not int or not 0 <= row < len(self.poses) for row in kept):
            message = f"kept: expected rows from 0 to {len(self.poses) - 1}, got {kinds_of(kept)}"
            raise InvalidInputError(message)
        return References(
            self.identity,
            self.vectors[list(kept)],
            tuple(self.poses[row] for row in kept),
            tuple(self.modalities[row] for row in kept),
            self.model_sha256,
            self.consent,
            self.adapted,
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
            others.consent or self.consent,
            self.adapted,
        )

    def __repr__(self) -> str:
        """Say how many, not what: the vectors are biometric."""
        return f"<References {self.identity!r}: {len(self.vectors)} of {self.vectors.shape[1]} dimensions>"


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


def check_model(references: References, model_sha256: str) -> None:
    """Refuse references that another model made.

    Raises
    ------
    ModelError
        If so.
    """
    if references.model_sha256 != model_sha256:
        message = (
            f"references of {references.identity!a}: expected those of the model {model_sha256}, "
            f"got those of {references.model_sha256}: enrol again, enroll(..., replace=True)"
        )
        raise ModelError(message)


def _is_text(value: object) -> bool:
    """Whether it is a str that can be stored: one without lone surrogates."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def kinds_of(several: object) -> str:
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
    wrong = ~(np.abs(norms - 1.0) <= UNIT_TOLERANCE)  # written so that NaN is wrong
    if wrong.any():
        row = int(np.argmax(wrong))
        message = f"{wanted}, got a length of {norms[row]:g} in row {row}"
        raise InvalidInputError(message)
    copy = np.array(value, order="C", copy=True)
    copy.flags.writeable = False
    return copy
