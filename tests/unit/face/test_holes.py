"""Depth with holes and blur: the same face, and what was filled is not taken for measured."""

from __future__ import annotations

import numpy as np
import pytest

from faceid_fast.face.aligner import FaceAligner
from faceid_fast.face.crop import FaceCrop, NoFace
from faceid_fast.face.embedder import Embedder
from faceid_fast.face.liveness import LivenessCheck
from faceid_fast.frame import Frame
from faceid_fast.outcome import Outcome
from faceid_fast.sources.renders import bundled_renders
from training.camera.degraded import Degradation, blurred, degraded, round_holes, single_holes

RENDERS = [render for render in bundled_renders() if render.kind != "print"]
THRESHOLD = Embedder.bundled().contract.thresholds["infrared"]


def crop_of(frame: Frame) -> FaceCrop:
    crop = FaceAligner.bundled().align(frame)
    assert isinstance(crop, FaceCrop)
    return crop


def apart(first: FaceCrop, second: FaceCrop) -> float:
    vectors = (
        Embedder.bundled()
        .embed(np.stack([first.tensor, second.tensor]), np.stack([first.chip, second.chip]))
        .joined
    )
    return float(np.linalg.norm(vectors[0] - vectors[1]))


@pytest.mark.parametrize(
    ("degradation", "filled"),
    [
        (single_holes(0.02), (0.01, 0.04)),
        (single_holes(0.05), (0.035, 0.065)),
        (single_holes(0.10), (0.08, 0.12)),
        (round_holes(0.10), (0.03, 0.20)),
        (blurred(3.0), (0.0, 0.02)),
    ],
    ids=["2 %", "5 %", "10 %", "round", "blurred"],
)
def test_a_face_with_worse_depth_is_still_that_face(
    degradation: Degradation, filled: tuple[float, float]
) -> None:
    distances = []
    for seed, render in enumerate(RENDERS):
        frame = render.read()
        before, after = crop_of(frame), crop_of(degraded(frame, degradation, seed))
        least, most = filled
        assert least <= after.filled_share <= most
        # Filled cells are none that were measured.
        measured = after.valid.mean() * (1 - after.filled_share)
        assert after.valid_share == pytest.approx(measured, abs=1e-3)
        assert LivenessCheck.bundled().check(after).live
        distances.append(apart(before, after))
    assert np.mean(distances) < 0.5 * THRESHOLD
    assert np.mean(np.array(distances) < THRESHOLD) >= 0.9


def test_depth_that_is_mostly_holes_is_refused() -> None:
    for seed, render in enumerate(RENDERS[:6]):
        found = FaceAligner.bundled().align(degraded(render.read(), single_holes(0.45), seed))
        assert isinstance(found, NoFace)
        assert found.outcome is Outcome.POOR_DEPTH


def test_a_covered_face_is_not_filled() -> None:
    """A hand, or glare: a hole of 40 mm stays a hole."""
    for render in RENDERS[:6]:
        frame = render.read()
        crop = crop_of(frame)
        k, z = frame.intrinsics, crop.distance_mm
        nose = crop.eye_midpoint_mm + crop.pose.rotation @ np.array([0.0, 40.0, 0.0])
        row, column = (
            round(float(f * at / nose[2] + c)) for f, at, c in ((k.fy, nose[1], k.cy), (k.fx, nose[0], k.cx))
        )
        half = round(20.0 * k.fx / z)
        depth = frame.depth.copy()
        depth[row - half : row + half + 1, column - half : column + half + 1] = 0
        covered = crop_of(
            Frame(
                infrared=frame.infrared,
                depth=depth,
                depth_unit_m=frame.depth_unit_m,
                intrinsics=frame.intrinsics,
            )
        )
        assert covered.valid_share < crop.valid_share - 0.05
        assert covered.filled_share < 0.02
