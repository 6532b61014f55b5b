"""The decision on an attempt, and the test of a distance against a threshold: no clocks, files or models."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NoReturn

import numpy as np

from faceid_fast.errors import InvalidInputError
from faceid_fast.outcome import Outcome

MAX_DISTANCE: Final = 2.0
"""The Euclidean distance between two opposite unit vectors, the largest that is possible."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision on one attempt. Read `accepted`: no other field says who is let in.

    Attributes
    ----------
    outcome : how the attempt ended.
    identity : the person who was verified or identified; None unless accepted.
    threshold : the largest distance that would have been accepted, Euclidean between unit vectors; of a
        search None without diagnostics: it would tell how many people are enrolled.
    distance : distance to the nearest reference, 0 to 2; None without diagnostics
        (an attacker who sees distances can climb towards a template).
    reasons : why the attempt was refused, in words; empty if it was accepted, unless the frames were turned.
        Which of the three questions refused it stands there with diagnostics only: it would help an attacker.
    frames : the outcome of each frame, empty if no frame was looked at. A frame with a live face has the
        outcome of the attempt.
    timings_ms : milliseconds of the stages that the attempt reached: "align", "liveness", "charge", "embed",
        "match", "refund", and "total".
    claimed : the identity that was claimed (`verify`); None if none was (`identify`).
    nearest : the identity of the nearest reference, accepted or not; None without diagnostics.
    turned_deg : degrees clockwise by which frames were turned to find the face in them: 0, 90, 180 or 270.
    shape_distance, picture_distance : of the probe that `distance` is of, the smallest distance of each key
        to a reference of `nearest`, 0 to 2; None without diagnostics. An attempt may be refused although
        `distance` is within the threshold: both keys must agree as well.
    shape_limit, picture_limit : the largest distance at which each key agrees; None without diagnostics.

    Raises
    ------
    InvalidInputError
        If the outcome is accepted and `identity` is None, or the outcome is another and `identity` is not.
    """

    outcome: Outcome
    identity: str | None
    threshold: float | None
    distance: float | None = None
    reasons: tuple[str, ...] = ()
    frames: tuple[Outcome, ...] = ()
    timings_ms: Mapping[str, float] = field(default_factory=dict, compare=False)
    claimed: str | None = None
    nearest: str | None = None
    turned_deg: int = 0
    shape_distance: float | None = None
    picture_distance: float | None = None
    shape_limit: float | None = None
    picture_limit: float | None = None

    def __post_init__(self) -> None:
        """Check that there is an identity if, and only if, the attempt was accepted."""
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
    """Whether a distance is accepted: both are finite numbers, and 0 <= distance <= threshold.

    Anything else (NaN, infinity, a negative distance, None, an array) is not accepted. The result is True
    only if every comparison holds; ``not distance > threshold`` would accept NaN.
    """
    for value in (distance, threshold):
        # np.longdouble is refused: it holds finite numbers that are infinite as a float.
        if not isinstance(value, (float, int, np.float32, np.float16)) or isinstance(value, bool):
            return False
        try:
            if not math.isfinite(value):
                return False
        except OverflowError:  # an int beyond every float
            return False
    # Converted to float, which is exact for all these types: numpy would round the wider to the narrower.
    return 0.0 <= float(distance) <= float(threshold)  # type: ignore[arg-type]  # both are numbers here


def check_threshold(value: object) -> float:
    """Check a threshold and return it as a float.

    Raises
    ------
    InvalidInputError
        If it is not a finite number in [0, 2): at 2 everybody would be accepted.
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
