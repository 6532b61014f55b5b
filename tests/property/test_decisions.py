"""Whatever a model gives, only a finite distance within the threshold opens the door."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

from faceid_fast.authenticator import Authenticator
from faceid_fast.errors import FaceIDError
from faceid_fast.face.liveness import LivenessCheck
from faceid_fast.outcome import Outcome
from stand_ins import LIVE_LIMITS, THRESHOLD, StandInAligner, StandInEmbedder, frame_of, unit

ADA, PROBE = 1, 2
ANY_FLOAT32 = st.floats(width=32, allow_nan=True, allow_infinity=True, allow_subnormal=True)


def authenticator(probe: NDArray[Any]) -> Authenticator:
    return Authenticator(
        aligner=StandInAligner().as_aligner(),
        embedder=StandInEmbedder({ADA: unit(0), PROBE: probe}).as_embedder(),
        liveness=LivenessCheck(LIVE_LIMITS),
        diagnostics=True,
    )


def accepted(auth: Authenticator) -> list[bool]:
    found = []
    for call in (lambda: auth.verify(frame_of(PROBE), "ada"), lambda: auth.identify(frame_of(PROBE))):
        try:
            found.append(call().accepted)
        except FaceIDError:
            found.append(False)
    return found


def may_accept(probe: NDArray[Any]) -> bool:
    """Reference: a unit vector (within 1e-3) near the only reference, in float64."""
    wide = probe.astype(np.float64)
    if probe.shape != (128,) or not np.isfinite(wide).all() or abs(np.linalg.norm(wide) - 1) > 1.0001e-3:
        return False
    return bool(np.linalg.norm(wide - unit(0)) <= THRESHOLD + 1e-6)


@given(npst.arrays(np.float32, 128, elements=ANY_FLOAT32))
def test_any_vector(probe: NDArray[np.float32]) -> None:
    auth = authenticator(probe)
    auth.enroll("ada", frame_of(ADA))
    assert not any(accepted(auth)) or may_accept(probe)


@given(st.integers(0, 2**32 - 1), st.floats(0, 2), st.sampled_from([None, np.nan, np.inf, -np.inf]))
def test_unit_vectors_with_and_without_a_bad_value(seed: int, distance: float, bad: float | None) -> None:
    rng = np.random.default_rng(seed)
    side = rng.standard_normal(128)
    side[0] = 0.0
    side /= np.linalg.norm(side)
    cosine = 1.0 - distance**2 / 2.0
    probe = (cosine * unit(0) + np.sqrt(max(1 - cosine**2, 0.0)) * side).astype(np.float32)
    if bad is not None:
        probe[rng.integers(128)] = bad
    auth = authenticator(probe)
    auth.enroll("ada", frame_of(ADA))
    if bad is not None or distance > THRESHOLD + 1e-5:
        assert accepted(auth) == [False, False]
    elif distance < THRESHOLD - 1e-5:
        assert accepted(auth) == [True, True]


@settings(max_examples=50)
@example((0, 128))
@example((1, 128))
@given(npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=130))
def test_wrong_shapes(shape: tuple[int, ...]) -> None:
    if shape == (128,):
        return
    probe = np.zeros(shape, np.float32)
    probe.flat[:1] = 1.0
    auth = authenticator(probe)
    auth.enroll("ada", frame_of(ADA))
    assert accepted(auth) == [False, False]


@given(npst.arrays(np.float32, 128, elements=ANY_FLOAT32))
def test_empty_gallery(probe: NDArray[np.float32]) -> None:
    decision = authenticator(probe).identify(frame_of(PROBE))
    assert decision.outcome is Outcome.NOT_ENROLLED
    assert not decision.accepted


@given(npst.arrays(np.float32, 128, elements=ANY_FLOAT32))
def test_any_vector_enrolled(vector: NDArray[np.float32]) -> None:
    auth = authenticator(vector)
    try:
        auth.enroll("ada", frame_of(PROBE))
    except FaceIDError:
        assert auth.identities == ()
        assert not auth.identify(frame_of(ADA)).accepted
    else:
        assert abs(np.linalg.norm(vector.astype(np.float64)) - 1) <= 1.0001e-3
