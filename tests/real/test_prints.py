"""Rendered prints held where faces are held: refused as flat, beside faces that are not."""

from __future__ import annotations

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")
if not hasattr(cv2, "triangleRasterize"):
    pytest.skip("OpenCV 4 has no triangleRasterize: renders need OpenCV 5", allow_module_level=True)

from faceid_fast import FaceAligner, NoFace, Outcome  # noqa: E402
from faceid_fast.face.liveness import LivenessCheck  # noqa: E402
from training.attacks.print_in_room import render_print  # noqa: E402
from training.camera.sensor import StructuredLight, TimeOfFlight  # noqa: E402
from training.heads.ict import DEFAULT_PATH, ParametricHead  # noqa: E402
from training.people.person import Identity, Studio  # noqa: E402
from training.reports.rooms import frame_of  # noqa: E402
from training.scenes.capture import Capture  # noqa: E402
from training.scenes.rooms import render_room  # noqa: E402

pytestmark = pytest.mark.skipif(not DEFAULT_PATH.exists(), reason=f"no parametric head at {DEFAULT_PATH}")
SENSORS = {"structured light": StructuredLight, "time of flight": TimeOfFlight}
DISTANCES_MM = (400.0, 600.0, 800.0)


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio(ParametricHead.load())


def _identity(studio: Studio, seed: int) -> Identity:
    rng = np.random.default_rng(seed)
    return studio.identity(rng, rng.standard_normal(100).astype(np.float32), hair_varies=False)


def outcome_of(capture: Capture) -> Outcome | None:
    """None: a live face."""
    found = FaceAligner.bundled().align(frame_of(capture))
    if isinstance(found, NoFace):
        return found.outcome
    return None if LivenessCheck.bundled().check(found).live else Outcome.SPOOF


@pytest.mark.parametrize("sensor", SENSORS)
@pytest.mark.parametrize("distance_mm", DISTANCES_MM)
def test_a_flat_print_is_a_spoof_and_a_face_is_not(studio: Studio, sensor: str, distance_mm: float) -> None:
    for seed in range(2):
        person = _identity(studio, seed)
        kind = SENSORS[sensor]()
        sheet = render_print(
            np.random.default_rng(seed), studio, person, distance_mm=distance_mm, sensor=kind
        )
        assert outcome_of(sheet) is Outcome.SPOOF
        face = render_room(np.random.default_rng(seed), studio, person, distance_mm=distance_mm, sensor=kind)
        assert outcome_of(face) is None


@pytest.mark.parametrize("bend_mm", [10.0, 20.0])
@pytest.mark.parametrize("distance_mm", DISTANCES_MM)
def test_a_slightly_bent_print_does_not_pass(studio: Studio, bend_mm: float, distance_mm: float) -> None:
    for seed in range(2):
        sheet = render_print(
            np.random.default_rng(seed),
            studio,
            _identity(studio, seed),
            distance_mm=distance_mm,
            bend_mm=bend_mm,
        )
        assert outcome_of(sheet) is not None
