"""The least values of a live face, and their source, read from `models/liveness.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, Final

from faceid_fast.errors import ModelContractError, ModelError

from .crop import Cues
from .model_contract import served_preprocessing

BUNDLED_LIMITS: Final = "liveness.json"
SCHEMA_VERSION: Final = 2
MAX_LEAST: Final = 1e6
CUES: Final = tuple(entry.name for entry in fields(Cues))
SCORE: Final = "likeness"
FIGURES: Final = (*CUES, SCORE)
"""Names of the figures that have a limit, in this order: the cues, and what combines them with the fit."""
FIT_WEIGHT: Final = 2.0
"""The fit score counts this often in likeness: among live faces it varies half as much as agreement does."""


def likeness_of(agreement: float, structure: float, fit_score: float) -> float:
    """How much depth looks like a face: its cues of shape, and how well a head explains it, added up."""
    return agreement + structure + FIT_WEIGHT * fit_score


@dataclass(frozen=True, slots=True)
class Limits:
    """The least values of a live face, and where they come from.

    Attributes
    ----------
    limits_id : name and version.
    least : for each of `FIGURES` the least value of a live face, above 0 and below 1e6.
    calibration : how the least values were found; free JSON.
    training_commit : the source revision that found them.
    preprocessing : of the faces that they were found on, as `ModelContract.preprocessing`.

    Raises
    ------
    ModelContractError
        If a figure has no limit or one that is not positive (a cue that was not measured is 0), or the
        preprocessing is not that of this package.
    """

    limits_id: str
    least: Mapping[str, float]
    calibration: Mapping[str, Any]
    training_commit: str
    preprocessing: Mapping[str, Any]

    def __post_init__(self) -> None:
        """Refuse limits that are not positive, or that were found with another preprocessing."""
        for name, kind in (("least", Mapping), ("calibration", Mapping), ("preprocessing", Mapping)):
            if not isinstance(getattr(self, name), kind):
                message = f"limits.{name}: expected an object, got {type(getattr(self, name)).__name__}"
                raise ModelContractError(message)
        for name in ("limits_id", "training_commit"):
            if not isinstance(getattr(self, name), str):
                message = f"limits.{name}: expected a string, got {type(getattr(self, name)).__name__}"
                raise ModelContractError(message)
        if set(self.least) != set(FIGURES):
            message = f"limits.least: expected one for each of {', '.join(FIGURES)}, got others"
            raise ModelContractError(message)
        for name, value in self.least.items():
            if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0.0 < value < MAX_LEAST:
                message = f"limits.least.{name}: expected a positive number below 1e6, got another value"
                raise ModelContractError(message)
        if dict(self.preprocessing) != (serving := served_preprocessing()):
            message = f"limits.preprocessing: expected {serving}, got another"
            raise ModelContractError(message)
        # A copy: the caller could lower the limits in the original afterwards.
        object.__setattr__(self, "least", MappingProxyType({name: self.least[name] for name in FIGURES}))

    @classmethod
    def from_json(cls, text: str) -> Limits:
        """Read limits from JSON.

        Raises
        ------
        ModelError
            If the text is not a JSON object.
        ModelContractError
            If the version or the fields are others, a figure has no limit or one that is not positive, or the
            preprocessing is not that of this package.
        """
        try:
            record = dict(json.loads(text))
        except (ValueError, RecursionError, TypeError) as error:
            message = f"limits: expected a JSON object, got: {str(error)[:100]}"
            raise ModelError(message) from None
        # The version first: another version has other fields, and the message must name the version.
        version = record.pop("schema_version", None)
        if version != SCHEMA_VERSION:
            message = f"limits.schema_version: expected {SCHEMA_VERSION}, got {version!r:.20}"
            raise ModelContractError(message)
        wanted = {entry.name for entry in fields(cls)}
        if set(record) != wanted:
            message = f"limits: expected the fields {', '.join(sorted(wanted))}, got others"
            raise ModelContractError(message)
        return cls(**record)
