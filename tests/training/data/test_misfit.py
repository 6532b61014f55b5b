"""Aligners that miss: by the step that was drawn, and by nothing else."""

from __future__ import annotations

import io

import numpy as np
import pytest

from faceid_fast.face.aligner import FaceAligner
from faceid_fast.face.bundled import read_bundled_model
from faceid_fast.face.crop import FaceCrop
from faceid_fast.face.head_model import HEAD_MODEL
from faceid_fast.sources.renders import bundled_renders
from training.data.misfit import MISFIT_ALIGNERS, STEP, misfit_aligners


def arrays() -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(read_bundled_model(HEAD_MODEL))) as file:
        return dict(file)


def test_every_aligner_is_off_by_a_step_of_its_own() -> None:
    frame = next(render for render in bundled_renders() if render.kind == "probe").read()
    true = FaceAligner.bundled().align(frame)
    assert isinstance(true, FaceCrop)
    shifts = []
    for aligner in misfit_aligners(arrays(), (0, 0, 0, 2.0, 0, 0, 0, 0), np.random.default_rng(1)):
        face = aligner.align(frame)
        assert isinstance(face, FaceCrop)
        np.testing.assert_allclose(face.pose.rotation, true.pose.rotation, atol=1e-6)
        moved = true.pose.rotation.T @ (face.pose.translation_mm - true.pose.translation_mm)
        np.testing.assert_allclose(moved[1:], 0.0, atol=1e-2)
        shifts.append(float(moved[0]))
    assert len(set(np.round(shifts, 3))) == MISFIT_ALIGNERS
    assert np.std(shifts) == pytest.approx(2.0, rel=0.4)


def test_no_step_is_the_packages_own_aligner() -> None:
    frame = next(render for render in bundled_renders() if render.kind == "probe").read()
    true = FaceAligner.bundled().align(frame)
    face = misfit_aligners(arrays(), (0.0,) * STEP, np.random.default_rng(1))[0].align(frame)
    assert isinstance(true, FaceCrop)
    assert isinstance(face, FaceCrop)
    np.testing.assert_array_equal(face.tensor, true.tensor)
