"""When a face is let in. Pure: no clocks, no files, no models."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NoReturn

import numpy as np

from faceid_fast.errors import InvalidInputError
from faceid_fast.outcome import Outcome

MAX_DISTANCE: Final = 2.0
"""Euclidean distance of two opposite unit vectors: nothing is farther apart."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to one attempt; read `accepted`, nothing else decides.

    Attributes
    ----------
    outcome : how it ended.
    identity : who was verified or recognised; None unless accepted.
    threshold : the largest distance that would have been accepted, Euclidean between unit vectors.
    distance : distance to the nearest reference, 0 to 2; None unless the caller has diagnostics
        (returned scores let an attacker climb towards a template).
    reasons : in words, why a frame was refused.
    frames : how each frame ended, if faces were looked for: those with a live face as the attempt did.
    timings_ms : milliseconds spent in "align", "liveness", "embed" and "match", in "charge" and "refund"
        where failures are counted (as far as the frame got), and in "total".
    claimed : who the frames were said to show; None if nobody was named (`identify`).
    nearest : whose reference is nearest, accepted or not; None unless the caller has diagnostics.

    Raises
    ------
    InvalidInputError
        If somebody is named who was not accepted, or nobody who was.
    """

    outcome: Outcome
    identity: str | None
    threshold: float
    distance: float | None = None
    reasons: tuple[str, ...] = ()
    frames: tuple[Outcome, ...] = ()
    timings_ms: Mapping[str, float] = field(default_factory=dict, compare=False)
    claimed: str | None = None
    nearest: str | None = None

    def __post_init__(self) -> None:
        """Refuse to name anybody who was not accepted."""
        if (self.outcome is Outcome.ACCEPTED) == (self.identity is None):
            message = "identity: expected a name if the outcome is accepted, and None if not, got the other"
            raise InvalidInputError(message)

    @property
    def accepted(self) -> bool:
        """Whether the person is let in."""
        return self.outcome is Outcome.ACCEPTED

    def __bool__(self) -> NoReturn:
        """Refuse: ``if decision:`` would let everybody in."""
        message = "a Decision has no truth value; use decision.accepted"
        raise TypeError(message)


def accepts(distance: object, threshold: object) -> bool:
    """Tell whether a distance opens the door: finite numbers and 0 <= distance <= threshold.

    Anything else (NaN, infinities, negative distances, None, arrays) does not. Written so that
    True needs every comparison to hold: ``not distance > threshold`` would accept NaN.
    """
    for value in (distance, threshold):
        # No np.longdouble: it holds what is infinite as a float.
        if not isinstance(value, (float, int, np.float32, np.float16)) or isinstance(value, bool):
            return False
        try:
            if not math.isfinite(value):
                return False
        except OverflowError:  # an int beyond every float
            return False
    # As floats, which every one of these is exactly: numpy would round the wider to the narrower.
    return 0.0 <= float(distance) <= float(threshold)  # type: ignore[arg-type]  # both are numbers here


def check_threshold(value: object) -> float:
    """Return a usable threshold as a float.

    Raises
    ------
    InvalidInputError
        If it is not a finite number in [0, 2): at 2 everybody is accepted.
    """
    usable = isinstance(value, (float, int, np.floating)) and not isinstance(value, bool)
    try:
        with np.errstate(over="ignore"):
            number = float(value) if usable else math.nan  # type: ignore[arg-type]
    except OverflowError:
        number = math.inf
    if not 0.0 <= number < MAX_DISTANCE:
        given = f"{number:g}" if usable else type(value).__name__
        message = f"threshold: expected a finite number in [0, {MAX_DISTANCE:g}), got {given}"
        raise InvalidInputError(message)
    return number
