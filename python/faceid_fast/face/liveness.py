"""Presentation attack detection: tell a live face from a picture or a screen by its depth.

A face is live only if every figure was measured, is finite and reaches its least value. The least values are
a file of this package (`models/liveness.json`), written by ``python -m training.fitted.liveness_limits``.
They were chosen on rendered live faces alone, so that few of those are refused; no attack was used.

docs/LIVENESS.md says which attacks are detected and which are not, with figures.
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
from .liveness_limits import BUNDLED_LIMITS, CUES, SCORE, Limits, likeness_of

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
"""The reason for each figure that falls short. No values: an attacker could improve an attack by them."""


@dataclass(frozen=True, slots=True)
class Liveness:
    """The verdict of the liveness check, and its evidence.

    Attributes
    ----------
    live : bool
    reasons : tuple of str
        Why the face is not live, without figures; empty if it is.
    cues : Cues
        The measurements.
    measured : Mapping of str to float
        All figures that were compared with least values: the cues, and what combines them.
    """

    live: bool
    reasons: tuple[str, ...]
    cues: Cues
    measured: Mapping[str, float]

    def figures(self, least: Mapping[str, float]) -> tuple[str, ...]:
        """Describe, in words, each figure that is below its least value."""
        return tuple(
            f"{name} {_shown(value)}, live from {least[name]:.2f} on"
            for name, value in self.measured.items()
            if not reaches(value, least[name])
        )


class LivenessCheck:
    """Decides by their cues whether aligned faces are live.

    Parameters
    ----------
    limits : Limits
        The least values of a live face.

    Raises
    ------
    InvalidInputError
        If `limits` is not a `Limits`.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = checked_instance("limits", limits, Limits)

    @staticmethod
    @cache
    def bundled() -> LivenessCheck:
        """Return the check with this package's limits, whose SHA-256 the core holds.

        Raises
        ------
        ModelError
            If the file is missing, or its SHA-256 is not the recorded one.
        """
        return LivenessCheck(Limits.from_json(read_bundled_model(BUNDLED_LIMITS).decode()))

    @property
    def limits(self) -> Limits:
        """The least values of a live face."""
        return self._limits

    def check(self, crop: FaceCrop) -> Liveness:
        """Decide whether an aligned face is live: every figure was measured and reaches its least value.

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
        least, measured = self._limits.least, figures_of(crop)
        failed = [name for name, value in measured.items() if not reaches(value, least[name])]
        reasons = tuple(dict.fromkeys(_REASONS[name] for name in failed))
        return Liveness(live=not failed, reasons=reasons, cues=crop.cues, measured=measured)


def figures_of(crop: FaceCrop) -> dict[str, float]:
    """Return the figures that the check decides by: the cues, and likeness.

    A crumpled picture may reach the limits of agreement and structure, each just barely, but only a head of
    an unusual shape explains it then: the limit of likeness refuses it.
    """
    cues = crop.cues
    parts = (cues.agreement, cues.structure, crop.fit_score)
    measured = all(_is_measured(part) for part in parts)
    return {
        **{name: getattr(cues, name) for name in CUES},
        SCORE: likeness_of(*map(float, parts)) if measured else math.nan,
    }


def reaches(value: float, least: float) -> bool:
    """Whether a figure was measured, that is a finite float, and is at least `least`."""
    return _is_measured(value) and value >= least


def _shown(value: object) -> str:
    return f"{value:.2f}" if _is_measured(value) else "not measured"


def _is_measured(value: object) -> bool:
    """Whether a value is a finite float, Python's or numpy's, as measurements are."""
    return isinstance(value, (float, np.floating)) and math.isfinite(value)
