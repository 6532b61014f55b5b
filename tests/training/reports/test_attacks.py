"""An attack is accepted only where the joined vector and both keys are near enough."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from faceid_fast.face.embedder import Embedder
from faceid_fast.face.embedding import Embedding, Embeddings
from faceid_fast.matching.keys import KeyLimits, distances_to
from stand_ins import MODEL_SHA256, crop_of
from training.reports.attacks import embedding_of, references_of

LIMITS = KeyLimits(shape=0.9, picture=0.9)


def face(*degrees: float) -> Embedding:
    """Unit vectors at angles from the first axis: joined, shape, picture."""
    radians = np.radians(degrees)
    rows = np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)
    return Embedding(*rows)


@pytest.mark.parametrize(
    ("probe", "accepted"),
    [
        ((5, 5, 5), True),
        ((60, 5, 5), False),  # the joined vector is far
        ((5, 90, 5), False),  # another's shape under the victim's picture
        ((5, 5, 90), False),
    ],
)
def test_all_three_questions_are_asked(probe: tuple[float, ...], accepted: bool) -> None:
    victim = references_of("victim 0", [face(0, 0, 0), face(150, 150, 150)], MODEL_SHA256)
    assert distances_to(victim, "infrared", face(*probe)).accepted(0.5, LIMITS) is accepted
    assert not distances_to(victim, "color", face(0, 0, 0)).accepted(0.5, LIMITS)


def test_a_face_is_embedded_with_its_chip() -> None:
    seen = []

    def embed(tensors: np.ndarray, chips: np.ndarray) -> Embeddings:
        seen.append((tensors, chips))
        rows = np.eye(1, 4, dtype=np.float32)
        return Embeddings(rows, rows, rows)

    crop = crop_of(7)
    found = embedding_of(cast("Embedder", SimpleNamespace(embed=embed)), crop)
    assert found.joined.shape == (4,)
    ((tensors, chips),) = seen
    np.testing.assert_array_equal(tensors, crop.tensor[None])
    np.testing.assert_array_equal(chips, crop.chip[None])
