"""Is it a live face, or a picture, a screen, a mask? Every cue of the depth must say so.

Whatever was not measured, is not finite or falls short of its least value is not live. The least values are a
file of this package (`models/liveness.json`), written by ``python -m training.fitted.liveness_limits``: they
were chosen on rendered live faces alone, so that few of them are refused; no attack was looked at.

What is defended, and what is not, with figures: docs/LIVENESS.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from faceid_fast.checks import checked_instance
from faceid_fast.errors import InvalidInputError

from .bundled import read_bundled_model
from .crop import Cues, FaceCrop
from .liveness_limits import BUNDLED_LIMITS, CUES, SCORE, Limits

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
        self._limits = checked_instance("limits", limits, Limits)

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


def _shown(value: object) -> str:
    return f"{value:.2f}" if _is_measured(value) else "not measured"


def _is_measured(value: object) -> bool:
    """Whether it is a finite number of those that measuring gives."""
    return isinstance(value, (float, np.floating)) and math.isfinite(value)
