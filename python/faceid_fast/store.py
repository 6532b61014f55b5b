"""Where references live: one small interface, and the store that forgets with the process."""

from __future__ import annotations

import re
import threading
import unicodedata
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from .adapt import UNIT_TOLERANCE, Adapted
from .audit import Event, EventKind
from .errors import InvalidInputError, ModelError, UnknownIdentityError
from .frame import MODALITIES
from .ledger import Amend, Ledger

MAX_IDENTITY_CHARS: Final = 200
MAX_CONSENT_CHARS: Final = 1000
MAX_EVENTS: Final = 4096
"""What a store's log holds; the oldest go first."""
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
    consent : to this being kept, if it was noted.
    adapted : references that follow the person's look, see :mod:`faceid_fast.adapt`; never searched.

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
        if self.consent is not None and not isinstance(self.consent, Consent):
            message = f"consent: expected a Consent, got {type(self.consent).__name__}"
            raise InvalidInputError(message)
        adapted = self.adapted
        if not isinstance(adapted, tuple) or not all(isinstance(entry, Adapted) for entry in adapted):
            message = f"adapted: expected a tuple of Adapted, got {_kinds(adapted)}"
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
            message = f"kept: expected rows from 0 to {len(self.poses) - 1}, got {_kinds(kept)}"
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


Change = tuple[References | None, tuple[Event, ...]]
"""What is kept of a person from now on (None: nothing), and what of the change belongs into the log."""


class ReferenceStore(Protocol):
    """What the authenticator asks of a store. Every call is atomic: all of it happens, or nothing."""

    def revision(self) -> object:
        """Return what differs from before whenever anybody has changed people or adopted thresholds.

        Asked for every frame.
        """

    def snapshot(self) -> Mapping[str, References]:
        """Everybody's references, by name; who did not change since the last call is the same object."""

    def alter(self, identity: str, alter: Callable[[References | None], Change]) -> References | None:
        """Change what is kept of a person by what is; durable once this returns. Returns what is kept then.

        `alter` gets None where there is no such person, and returns the very object it was given to change
        nothing. Whoever is removed is forgotten altogether, their failures too. Where enrolled references
        change, so does what `faceid_fast.door` asks for.
        """

    def amend(self, amend: Amend) -> Ledger:
        """Change what is remembered of attempts by what is, durably; returns what it became.

        `amend` may be called more than once, and returns the very object it was given to change nothing.
        """

    def events(self) -> tuple[Event, ...]:
        """What happened, oldest first; the last `MAX_EVENTS` at most."""


def put(store: ReferenceStore, references: References) -> None:
    """Keep these references in place of any the person had."""
    name = check_references(references).identity

    def alter(before: References | None) -> Change:
        return references, (Event.now(EventKind.ENROLLED if before is None else EventKind.REPLACED, name),)

    store.alter(name, alter)


def get(store: ReferenceStore, identity: str) -> References:
    """Everything kept of one person; `UnknownIdentityError` if there is no such person."""
    try:
        return store.snapshot()[check_identity(identity)]
    except KeyError:
        raise unknown_identity(identity) from None


def remove(store: ReferenceStore, identity: str) -> None:
    """Forget a person, their failures too; `UnknownIdentityError` if there is no such person."""

    def alter(before: References | None) -> Change:
        if before is None:
            raise unknown_identity(identity)
        return None, (Event.now(EventKind.REMOVED, identity),)

    store.alter(check_identity(identity), alter)


def amended(ledger: Ledger, before: References | None, after: References | None, identity: str) -> Ledger:
    """What a change of a person makes of the ledger; itself if nothing. For stores."""
    if after is None:
        return ledger.without(identity)
    if before is not None and before.vectors is after.vectors:
        return ledger
    return replace(ledger, presence=None)


class InMemoryStore:
    """References in this process only; nothing is written anywhere. Safe to share by threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._people: dict[str, References] = {}
        self._ledger = Ledger()
        self._events: deque[Event] = deque(maxlen=MAX_EVENTS)
        self._revision = 0

    def revision(self) -> int:
        """Return the number of changes so far."""
        return self._revision

    def snapshot(self) -> Mapping[str, References]:
        """Everybody's references, by name."""
        with self._lock:
            return dict(self._people)

    def alter(self, identity: str, alter: Callable[[References | None], Change]) -> References | None:
        """Change what is kept of a person by what is; returns what is kept then."""
        check_identity(identity)
        with self._lock:
            before = self._people.get(identity)
            after, events = altered_by(alter, before, identity)
            if after is not before:
                self._ledger = amended(self._ledger, before, after, identity)
                if after is None:
                    del self._people[identity]
                    kept = (event for event in self._events if event.identity != identity)
                    self._events = deque(kept, MAX_EVENTS)
                else:
                    self._people[identity] = after
                self._revision += 1
            # A log does not name whoever is gone.
            self._events.extend(replace(event, identity=None) if after is None else event for event in events)
            return after

    def amend(self, amend: Amend) -> Ledger:
        """Change what is remembered of attempts by what is; returns what it became."""
        with self._lock:
            before = self._ledger
            self._ledger, events = amended_by(amend, before)
            self._events.extend(events)
            if self._ledger.adopted != before.adopted:
                self._revision += 1
            return self._ledger

    def events(self) -> tuple[Event, ...]:
        """What happened, oldest first."""
        with self._lock:
            return tuple(self._events)


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


def altered_by(alter: object, before: References | None, identity: str) -> Change:
    """Return what a caller's function makes of what is kept of a person, if that is a `Change`. For stores.

    Raises
    ------
    InvalidInputError
        If it is not, or `alter` is no function.
    """
    after, events = _answer("alter", alter, before)
    if after is not None and check_references(after, "alter").identity != identity:
        message = "alter: expected it to return references of the same person, got another's"
        raise InvalidInputError(message)
    return after, _checked_events("alter", events)


def amended_by(amend: object, ledger: Ledger) -> tuple[Ledger, tuple[Event, ...]]:
    """Return what a caller's function makes of a ledger, if that is one. For stores.

    Raises
    ------
    InvalidInputError
        If it is not, or `amend` is no function.
    """
    after, events = _answer("amend", amend, ledger)
    if not isinstance(after, Ledger):
        message = f"amend: expected it to return a Ledger and events, got {type(after).__name__}"
        raise InvalidInputError(message)
    if after is not ledger:
        try:
            usable = Ledger.decode(after.encode()) == after
        except (ValueError, TypeError, AttributeError):
            usable = False
        if not usable:
            message = "amend: expected it to return a Ledger that can be kept, got one with other content"
            raise InvalidInputError(message)
    return after, _checked_events("amend", events)


def _answer(name: str, function: object, given: object) -> tuple[Any, Any]:
    if not callable(function):
        message = f"{name}: expected a function, got {type(function).__name__}"
        raise InvalidInputError(message)
    answer = function(given)
    if not isinstance(answer, tuple) or len(answer) != 2:
        message = f"{name}: expected it to return what is kept and events, got {type(answer).__name__}"
        raise InvalidInputError(message)
    return answer


def _checked_events(name: str, events: object) -> tuple[Event, ...]:
    if not isinstance(events, tuple) or not all(isinstance(event, Event) for event in events):
        message = f"{name}: expected it to return a tuple of events, got {_kinds(events)}"
        raise InvalidInputError(message)
    return events


def _is_text(value: object) -> bool:
    """Whether it is a str that can be stored: one without lone surrogates."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


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
    wrong = ~(np.abs(norms - 1.0) <= UNIT_TOLERANCE)  # written so that NaN is wrong
    if wrong.any():
        row = int(np.argmax(wrong))
        message = f"{wanted}, got a length of {norms[row]:g} in row {row}"
        raise InvalidInputError(message)
    copy = np.array(value, order="C", copy=True)
    copy.flags.writeable = False
    return copy
