"""Is it a live face, or a picture, a screen, a mask? Every cue of the depth must say so.

Whatever was not measured, is not finite or falls short of its least value is not live. The least values are a
file of this package (`models/liveness.json`), written by ``python -m training.fitted.liveness_limits``: they
were chosen on rendered live faces alone, so that few of them are refused; no attack was looked at.

What is defended, and what is not, with figures: docs/LIVENESS.md.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from .contract import served_preprocessing
from .errors import InvalidInputError, ModelContractError, ModelError
from .face import Cues, FaceCrop, read_bundled_model

if TYPE_CHECKING:
    from .frame import Frame

BUNDLED_LIMITS: Final = "liveness.json"
SCHEMA_VERSION: Final = 1
MAX_LEAST: Final = 1e6
CUES: Final = tuple(entry.name for entry in fields(Cues))
SCORE: Final = "likeness"
FIGURES: Final = (*CUES, SCORE)
"""Names of what is asked for, in this order: the cues, and the score that combines those of shape."""

_REASONS: Final[Mapping[str, str]] = {
    "relief_mm": "the face is flat: a picture, not a face",
    "curved_relief_mm": "the face is evenly bent: a picture, not a face",
    "agreement": "the depth has not the shape of a face",
    "structure": "the depth has not the shape of a face",
    "valid_share": "too little of the face has depth",
    "noise_mm": "the depth is smoother than a camera measures",
    "contrast": "the picture is empty",
    SCORE: "the depth has not the shape of a face",
}
"""Without figures: whoever holds up pictures could bend them by those."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a live face must reach, and where that comes from.

    Attributes
    ----------
    limits_id : name and version.
    least : for each of `FIGURES` the least value that a live face has.
    calibration : how they were found; free JSON.
    training_commit : the source revision that found them.
    preprocessing : of the faces that they were found on, as `ModelContract.preprocessing`.

    Raises
    ------
    ModelContractError
        If a figure has no limit, or one that would let pass what was not measured; or they were found on
        faces that were aligned otherwise.
    """

    limits_id: str
    least: Mapping[str, float]
    calibration: Mapping[str, Any]
    training_commit: str
    preprocessing: Mapping[str, Any]

    def __post_init__(self) -> None:
        """Refuse limits that would let pass what was not measured, or were found on other faces."""
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
        # Whoever keeps the mapping could lower it afterwards.
        object.__setattr__(self, "least", MappingProxyType({name: self.least[name] for name in FIGURES}))

    @classmethod
    def from_json(cls, text: str) -> Limits:
        """Read them.

        Raises
        ------
        ModelError
            If it is not such JSON.
        ModelContractError
            If a figure has no limit, or one that would let pass what was not measured; or they were found on
            faces that were aligned otherwise.
        """
        try:
            record = dict(json.loads(text))
        except (ValueError, RecursionError, TypeError) as error:
            message = f"limits: expected a JSON object, got: {str(error)[:100]}"
            raise ModelError(message) from None
        # The version first: another version has other fields, and that is what must be said.
        version = record.pop("schema_version", None)
        if version != SCHEMA_VERSION:
            message = f"limits.schema_version: expected {SCHEMA_VERSION}, got {version!r:.20}"
            raise ModelContractError(message)
        wanted = {entry.name for entry in fields(cls)}
        if set(record) != wanted:
            message = f"limits: expected the fields {', '.join(sorted(wanted))}, got others"
            raise ModelContractError(message)
        return cls(**record)


@dataclass(frozen=True, slots=True)
class Liveness:
    """Verdict and evidence.

    Attributes
    ----------
    live : bool
    reasons : tuple of str
        Why not, empty when live; without figures.
    cues : Cues
        What was measured.
    """

    live: bool
    reasons: tuple[str, ...]
    cues: Cues

    def figures(self, least: Mapping[str, float]) -> tuple[str, ...]:
        """What was measured and is not enough, in words."""
        return tuple(
            f"{name} {_shown(value)}, live from {least[name]:.2f} on"
            for name, value in figures_of(self.cues).items()
            if not reaches(value, least[name])
        )


class LivenessCheck:
    """Judges aligned faces by their cues.

    Parameters
    ----------
    limits : Limits
        What a live face must reach.

    Raises
    ------
    InvalidInputError
        If they are none.
    """

    def __init__(self, limits: Limits) -> None:
        if not isinstance(limits, Limits):
            message = f"limits: expected Limits, got {type(limits).__name__}"
            raise InvalidInputError(message)
        self._limits = limits

    @staticmethod
    @cache
    def bundled() -> LivenessCheck:
        """The check with the limits of this package, pinned in `models/models.json`.

        Raises
        ------
        ModelError
            If the file is missing or not the recorded one.
        """
        return LivenessCheck(Limits.from_json(read_bundled_model(BUNDLED_LIMITS).decode()))

    @property
    def limits(self) -> Limits:
        """What a live face must reach."""
        return self._limits

    def check(self, crop: FaceCrop) -> Liveness:
        """Judge an aligned face: live only if every figure was measured and reaches its least value.

        Parameters
        ----------
        crop : FaceCrop
            As `FaceAligner.align` returns it.

        Raises
        ------
        InvalidInputError
            If `crop` is not a FaceCrop with its cues.
        """
        if not isinstance(crop, FaceCrop) or not isinstance(crop.cues, Cues):
            given = type(crop.cues if isinstance(crop, FaceCrop) else crop).__name__
            message = f"crop: expected a FaceCrop with its cues, got {given}"
            raise InvalidInputError(message)
        least = self._limits.least
        failed = [name for name, value in figures_of(crop.cues).items() if not reaches(value, least[name])]
        reasons = tuple(dict.fromkeys(_REASONS[name] for name in failed))
        return Liveness(live=not failed, reasons=reasons, cues=crop.cues)


def figures_of(cues: Cues) -> dict[str, float]:
    """What is asked for, by its name: the cues, and likeness, the sum of agreement and structure.

    What has a little of both is a face; what only just reaches each of them is a lucky crumpling.
    """
    parts = (cues.agreement, cues.structure)
    likeness = sum(map(float, parts)) if all(_is_measured(part) for part in parts) else math.nan
    return {**{name: getattr(cues, name) for name in CUES}, SCORE: likeness}


def reaches(value: float, least: float) -> bool:
    """Whether a figure was measured and is large enough; what is no number was not."""
    return _is_measured(value) and value >= least


def repeated(frames: Sequence[Frame]) -> set[int]:
    """Which frames of a sequence show the depth or the picture of another one, but not both.

    No camera measures the same twice: a picture that moves before a depth that stays is a film before a copy.
    Frames that are the same in both are one frame given twice, which proves nothing; and an infrared and a
    colour picture may share their depth.
    """
    found: set[int] = set()
    for mine, others in (("depth", "picture"), ("picture", "depth")):
        alike: dict[tuple[object, ...], list[int]] = {}
        for at, frame in enumerate(frames):
            plane = getattr(frame, mine)
            # Few samples tell most frames apart; the rest is compared in full.
            key = (frame.modality, plane.shape, plane.dtype.str, plane[::8, ::8].tobytes())
            for before in alike.setdefault(key, []):
                same = np.array_equal(plane, getattr(frames[before], mine))
                if same and not np.array_equal(getattr(frame, others), getattr(frames[before], others)):
                    found |= {before, at}
            alike[key].append(at)
    return found


def _shown(value: object) -> str:
    return f"{value:.2f}" if _is_measured(value) else "not measured"


def _is_measured(value: object) -> bool:
    """Whether it is a finite number of those that measuring gives."""
    return isinstance(value, (float, np.floating)) and math.isfinite(value)
