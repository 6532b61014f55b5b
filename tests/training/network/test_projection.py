"""Projections: what a tower's vectors become, seen from whose mean."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the training environment (TensorFlow)")

from joined_stand_ins import SIZE, faces, tower
from training.data.captured import Captured
from training.metrics.verification import embed
from training.network.projection import KEY_SIZE, PLAIN_SIZE, shape_projections

# Keras hands numpy its variables in a way that numpy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:keras")


def test_the_shape_is_seen_from_the_mean_of_captured_people() -> None:
    network, rendered, real = tower(2), faces(12, 4), faces(4, 12, seed=9)
    assert real.chips is not None
    moved = (real.tensors + np.float16(1.0)).clip(-2.5, 2.5).astype(np.float16)
    names = np.array([f"p{number}" for number in real.identities])
    captured = Captured(moved, real.chips, names, names, real.modalities, real.aligner)
    found, plain = shape_projections(network, rendered, captured)
    alone = moved.copy()
    alone[:, 1:] = 0
    rows = embed(network, alone)
    np.testing.assert_allclose(found.mean, rows.mean(axis=0), atol=1e-5)
    assert found.matrix.shape == (SIZE, KEY_SIZE)
    assert plain.matrix.shape == (SIZE, PLAIN_SIZE)
    # Plain, nothing is moved, and no direction counts more.
    np.testing.assert_array_equal(plain.mean, 0.0)
    np.testing.assert_allclose(plain.matrix.T @ plain.matrix, np.eye(PLAIN_SIZE), atol=1e-5)
    # Without them, from the mean of those it was trained on.
    own = rendered.tensors.copy()
    own[:, 1:] = 0
    np.testing.assert_allclose(
        shape_projections(network, rendered, None)[0].mean, embed(network, own).mean(axis=0), atol=1e-5
    )
