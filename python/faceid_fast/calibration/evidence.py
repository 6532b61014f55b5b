"""A threshold that was measured on a user's own people, with its evidence. Pure, except `read`.

``faceid calibrate`` writes it, and a store keeps it once it is adopted. The record makes a claim: *so many
pairs of people show that the false match rate at this distance is at most so much*. Whenever a record is read
or made, its numbers are checked to support the claim. Whether they were counted honestly cannot be seen from
them. So a record that was measured for a vault carries a MAC of that vault; any other one is a request, which
somebody with the credential has to confirm.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from faceid_fast.checks import checked_path, open_file, text_of
from faceid_fast.errors import CalibrationError
from faceid_fast.frame import MODALITIES

from .binomial import shows

SCHEMA_VERSION: Final = 1
MAX_BYTES: Final = 1 << 16
MAX_CHARS: Final = 1000
"""Longest text of a field."""
_SHA256: Final = re.compile("[0-9a-f]{64}")
_MOST: Final = 1 << 40
"""Every count is below this."""
_COUNTS: Final = (
    "people", "captures", "trials", "genuine_trials", "person_pairs", "matched_person_pairs"
)  # fmt: skip
_TOLERANCE: Final = 1e-6
"""Relative tolerance of a rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredThreshold:
    """A threshold and its evidence, checked when it is made.

    Attributes
    ----------
    modality : "infrared" or "color": of the frames that the threshold is for.
    threshold : largest distance to accept, Euclidean between unit vectors, in (0, 2).
    target_far : the claimed upper bound of the false match rate, in (0, 1). The evidence shows it for the
        share of pairs of people that match, which bounds the rate.
    rule : how the threshold was chosen.
    people, captures : numbers of people and of captures that were compared.
    trials, genuine_trials : numbers of impostor and of genuine comparisons, of captures that gave a face.
    person_pairs : number of pairs of people that `trials` come from.
    matched_person_pairs : number of these pairs with at least one comparison that matches.
    fmr : false match rate, the share of `trials` that match: within the threshold, with both keys agreeing.
    fmr_upper : one-sided exact upper 95 % bound of the share of pairs of people that match, which bounds the
        false match rate.
    fnmr : false non-match rate, the share of `genuine_trials` that do not match; None if there are none.
    fnmr_interval : 95 % interval of `fnmr`, by bootstrap over people; None if there is none.
    failure_to_acquire : share of the captures that gave no usable face; they count in neither rate.
    data_sha256 : of the captures, see `faceid_fast.evaluate.calibrate.data_sha256`.
    model_id, model_sha256 : the model that made the vectors.
    preprocessing_id : the preprocessing of the frames.
    made_at : time of the measurement, ISO 8601 with a time zone.
    command : the command that wrote the record.
    schema_version : version of the record's fields.
    vault_mac : 64 hexadecimal digits, the MAC of the rest by the vault that it was measured for; None: it was
        measured for none.

    Raises
    ------
    CalibrationError
        If a value is not as above, or the numbers do not support the claim.
    """

    modality: str
    threshold: float
    target_far: float
    rule: str
    people: int
    captures: int
    trials: int
    genuine_trials: int
    person_pairs: int
    matched_person_pairs: int
    fmr: float
    fmr_upper: float
    fnmr: float | None
    fnmr_interval: tuple[float, float] | None
    failure_to_acquire: float
    data_sha256: str
    model_id: str
    model_sha256: str
    preprocessing_id: str
    made_at: str
    command: str
    schema_version: int = SCHEMA_VERSION
    vault_mac: str | None = None

    def __post_init__(self) -> None:
        """Check every value: who is let in depends on it."""
        _expect("schema_version", str(SCHEMA_VERSION), self.schema_version, _is_version)
        _expect(
            "modality", " or ".join(MODALITIES), self.modality, lambda it: _is_text(it) and it in MODALITIES
        )
        _expect("made_at", "a time in ISO 8601 with a time zone", self.made_at, _is_time)
        for name in ("rule", "model_id", "preprocessing_id", "command"):
            _expect(name, f"1 to {MAX_CHARS} printable characters", getattr(self, name), _is_text)
        for name in ("data_sha256", "model_sha256"):
            _expect(name, "64 hexadecimal digits", getattr(self, name), _is_sha256)
        _expect(
            "vault_mac",
            "64 hexadecimal digits or nothing",
            self.vault_mac,
            lambda it: it is None or _is_sha256(it),
        )
        for name in _COUNTS:
            _expect(name, f"a whole number below {_MOST}", getattr(self, name), _is_count)
        for name, most in (("threshold", 2.0), ("target_far", 1.0)):
            _expect(name, f"a number in (0, {most:g})", getattr(self, name), partial(_is_within, most))
        for name in ("fmr", "fmr_upper", "failure_to_acquire"):
            _expect(name, "a share", getattr(self, name), _is_share)
        _expect("fnmr", "a share or nothing", self.fnmr, lambda it: it is None or _is_share(it))
        _expect("fnmr_interval", "two shares or nothing", self.fnmr_interval, _is_interval)
        self._check_claim()

    def _check_claim(self) -> None:
        """Check that the numbers are consistent, and that they support the claim."""
        pairs, matched = self.person_pairs, self.matched_person_pairs
        fits = 0 < pairs <= self.people * (self.people - 1) // 2 and pairs <= self.trials
        fits = fits and matched <= pairs and self.captures >= self.people
        # Every pair of people that matches has a comparison that does; no other pair has one.
        accepted = self.fmr * self.trials
        fits = fits and matched - 0.5 < accepted < self.trials - (pairs - matched) + 0.5
        fits = fits and (matched > 0) == (self.fmr > 0.0)
        fits = fits and (self.fnmr is None) == (self.genuine_trials == 0)
        if not fits:
            message = "calibration: expected numbers that fit each other, got others: was the file edited?"
            raise CalibrationError(message)
        below, above = (self.fmr_upper * (1.0 + error) for error in (-_TOLERANCE, _TOLERANCE))
        exact = below > 0.0 and above < 1.0
        exact = exact and shows(matched, pairs, above) and not shows(matched, pairs, below)
        if not exact or not shows(matched, pairs, self.target_far):
            message = (
                f"calibration: expected evidence that at most {self.target_far:g} of strangers are accepted, "
                f"got {matched} of {pairs} pairs of people that match, or another bound than these show"
            )
            raise CalibrationError(message)

    @classmethod
    def from_json(cls, text: str) -> MeasuredThreshold:
        """Read the text that `to_json` writes.

        Raises
        ------
        CalibrationError
            If the text is anything else, was changed, or its numbers do not support its claim.
        """
        _expect("text", "JSON as a str", text, lambda it: isinstance(it, str))
        try:
            record = json.loads(text)
        except (ValueError, RecursionError):
            message = "calibration: expected JSON, got something else"
            raise CalibrationError(message) from None
        _expect("text", "a JSON object", record, lambda it: isinstance(it, dict))
        # The version first: another version has other fields.
        _expect("schema_version", str(SCHEMA_VERSION), record.get("schema_version"), _is_version)
        digest = record.pop("sha256", None)
        try:
            found = _digest(record)
        except (ValueError, RecursionError):  # values such as NaN, which Python reads although JSON has none
            found = None
        if digest is None or digest != found:
            message = "calibration: expected a file as it was written, got a changed one: calibrate anew"
            raise CalibrationError(message)
        return cls.from_record(record)

    def to_json(self) -> str:
        """Return the content of a file: JSON with a digest that reveals accidental changes."""
        return json.dumps(described(self), indent=2, allow_nan=False) + "\n"

    @classmethod
    def from_record(cls, record: object) -> MeasuredThreshold:
        """Make a threshold from the fields of its JSON object; CalibrationError if they are others."""
        wanted = {entry.name for entry in fields(cls)}
        if not isinstance(record, dict) or set(record) | {"vault_mac"} != wanted:
            message = "calibration: expected the fields of a measured threshold, got others"
            raise CalibrationError(message)
        interval = record["fnmr_interval"]
        return cls(**{**record, "fnmr_interval": tuple(interval) if isinstance(interval, list) else interval})

    def to_record(self) -> dict[str, Any]:
        """Return the fields as a JSON object; without a MAC, if there is none, as before there were any."""
        record = asdict(self)
        if self.vault_mac is None:
            del record["vault_mac"]
        return record

    def to_bytes(self) -> bytes:
        """Return everything but the MAC as bytes, which the MAC is of."""
        record = asdict(self)
        del record["vault_mac"]
        return json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()

    def summary(self) -> str:
        """Return the threshold and its evidence in one line."""
        return (
            f"{self.modality} {self.threshold:.4f}: at most {self.target_far:g} of strangers, shown by "
            f"{self.person_pairs} pairs of {self.people} people, {self.made_at[:10]}"
        )


def described(measured: MeasuredThreshold) -> dict[str, Any]:
    """Return the fields of a threshold as a JSON object, with a digest that reveals accidental changes."""
    record = measured.to_record()
    return {**record, "sha256": _digest(record)}


def read(path: str | Path) -> MeasuredThreshold:
    """Read a file that ``faceid calibrate`` wrote.

    Raises
    ------
    CalibrationError
        If the file cannot be read, was changed, or its numbers do not support its claim.
    """
    place = checked_path("file", path)
    try:
        with open_file(place) as file:
            content = file.read(MAX_BYTES)  # a longer file is not ours; cut off, it is refused below
        return MeasuredThreshold.from_json(text_of(content))
    except OSError as error:
        message = f"{place}: not readable ({error.strerror})"
        raise CalibrationError(message) from error
    except CalibrationError as error:
        message = f"{place}: {error}"
        raise CalibrationError(message) from None


def _digest(record: dict[str, Any]) -> str:
    text = json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _is_version(value: object) -> bool:
    return type(value) is int and value == SCHEMA_VERSION


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_CHARS and value.isprintable()


def _is_sha256(value: object) -> bool:
    return isinstance(value, str) and _SHA256.fullmatch(value) is not None


def _is_time(value: object) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < _MOST


def _is_within(most: float, value: object) -> bool:
    return isinstance(value, float) and 0.0 < value < most  # written so that NaN is refused


def _is_share(value: object) -> bool:
    return isinstance(value, float) and 0.0 <= value <= 1.0


def _is_interval(value: object) -> bool:
    return value is None or (
        isinstance(value, tuple) and len(value) == 2 and all(map(_is_share, value)) and value[0] <= value[1]
    )


def _expect(name: str, wanted: str, given: object, holds: Callable[[Any], bool]) -> None:
    """Refuse a wrong value; the message does not repeat a long one, or one that could be a face's."""
    if not holds(given):
        short = isinstance(given, str) or (type(given) is int and abs(given) < _MOST)
        shown = f"{given!a:.80}" if short else type(given).__name__
        message = f"calibration.{name}: expected {wanted}, got {shown}"
        raise CalibrationError(message)
