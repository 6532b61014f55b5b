from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from faceid_fast.errors import InvalidInputError
from faceid_fast.matching.decision import Decision, accepts, check_threshold
from faceid_fast.outcome import Outcome


@pytest.mark.parametrize(
    ("distance", "threshold", "expected"),
    [
        (0.0, 0.5, True),
        (0.5, 0.5, True),
        (np.float32(0.25), 0.25, True),
        (0.0, 0.0, True),
        (math.nextafter(0.5, 1.0), 0.5, False),
        (-1e-12, 0.5, False),
        (math.nan, 0.5, False),
        (0.1, math.nan, False),
        (math.inf, math.inf, False),
        (-math.inf, 0.5, False),
        (0.1, math.inf, False),
        (None, 0.5, False),
        ("0.1", 0.5, False),
        (False, 0.5, False),
        (np.zeros(1), 0.5, False),
        (10**400, 0.5, False),
        (np.float32(0.25), 1e300, True),
        (1e300, np.float16(0.25), False),
        (0.1, 10**400, False),
        (np.longdouble("1e4000"), 0.5, False),
    ],
)
def test_accepts(distance: object, threshold: object, expected: bool) -> None:
    assert accepts(distance, threshold) is expected


@given(st.floats(), st.floats())
@example(math.nan, 2.0)
def test_accepts_only_finite_and_near(distance: float, threshold: float) -> None:
    wanted = math.isfinite(distance) and math.isfinite(threshold) and 0 <= distance <= threshold
    assert accepts(distance, threshold) is wanted


@given(
    st.one_of(st.none(), st.text(), st.booleans(), st.binary(), st.lists(st.floats()), st.complex_numbers())
)
def test_what_is_not_a_number_is_not_accepted(value: object) -> None:
    assert not accepts(value, 1.0)
    assert not accepts(0.5, value)


@pytest.mark.parametrize("outcome", list(Outcome))
def test_nobody_is_named_who_was_not_accepted(outcome: Outcome) -> None:
    with pytest.raises(InvalidInputError, match="identity: expected a name if"):
        Decision(outcome, None if outcome is Outcome.ACCEPTED else "ada", 0.5)


@pytest.mark.parametrize("outcome", list(Outcome))
def test_only_one_outcome_is_accepted(outcome: Outcome) -> None:
    decision = Decision(outcome, "ada" if outcome is Outcome.ACCEPTED else None, 0.5, claimed="ada")
    assert decision.accepted is (outcome is Outcome.ACCEPTED)
    with pytest.raises(TypeError, match="accepted"):
        bool(decision)
    with pytest.raises(AttributeError):
        decision.outcome = Outcome.ACCEPTED  # type: ignore[misc]


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -0.1,
        2.0,
        7,
        "0.5",
        None,
        True,
        pytest.param(10**5000, id="huge"),
        np.longdouble("1e4000"),
    ],
)
def test_unusable_thresholds(value: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"threshold: expected a finite number in \[0, 2\), got"):
        check_threshold(value)


def test_usable_thresholds() -> None:
    assert check_threshold(0) == 0.0
    assert check_threshold(np.float32(0.5)) == 0.5
