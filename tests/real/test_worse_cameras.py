"""Real people before worse cameras: most of those who get in with good depth get in with holes and blur."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.cameras import ATTEMPTS, BOTH, Looked, look, score
from faceid_fast.frame import Frame
from faceid_fast.sources.layouts.kinect_v2 import Capture, captures
from training.camera.degraded import degraded

pytestmark = pytest.mark.slow

LEAST = {
    "2 % single holes": 0.97,
    "5 % single holes": 0.96,
    "10 % single holes": 0.94,
    "round holes over 10 %": 0.85,
    "noise of 3 mm": 0.95,
    "half of the edge pixels fly": 0.97,
    "blurred by 3 mm": 0.95,
    "blurred by 6 mm": 0.75,
    "blurred by 3 mm, 5 % single holes": 0.95,
}
"""Share of the attempts that are accepted with good depth; chance moves it by a hundredth either way."""
MISSED = {"blurred by 3 mm", "blurred by 3 mm, 5 % single holes"}
"""What ships has 0.94 and 0.93. It sees these six from a mean that is their own, too, and is stricter with
them than with others: models that had left them out accept 0.96."""


@pytest.fixture(scope="module")
def shots(kinect_v2: Path) -> list[Capture]:
    return captures(kinect_v2)


@pytest.fixture(scope="module")
def frames(shots: list[Capture]) -> list[Frame]:
    return [shot.read() for shot in shots]


@pytest.fixture(scope="module")
def clean(frames: list[Frame]) -> list[Looked]:
    return look(frames)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.xfail(reason="a miss: see MISSED")) if name in MISSED else name
        for name in LEAST
    ],
)
def test_most_are_still_accepted(
    name: str, shots: list[Capture], frames: list[Frame], clean: list[Looked]
) -> None:
    degradation = (ATTEMPTS | BOTH)[name]
    seen = look(degraded(frame, degradation, seed) for seed, frame in enumerate(frames))
    good = score("good depth", shots, clean, clean, None)
    row = score(name, shots, clean if name in ATTEMPTS else seen, seen, good.accepted)
    assert row.relative >= LEAST[name], row
    assert row.not_enrolled == row.few_references == 0, row
