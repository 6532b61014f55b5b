"""Photographed people: a rendered shape under somebody's photographs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from training.data.batches import TensorSet
from training.data.photographed import Photographs, photographed
from training.data.raw import write_arrays


def rendered(people: int = 5, captures: int = 6) -> TensorSet:
    """Tensors that say whose they are, every other one in colour."""
    who = np.repeat(np.arange(people, dtype=np.int32), captures)
    tensors = np.full((len(who), 4, 2, 2), 1.0, np.float16) * who[:, None, None, None].astype(np.float16)
    color = (np.arange(len(who)) % 2).astype(np.int32)
    return TensorSet(tensors, who, np.full_like(who, -1), color)


def photographs(people: int = 3) -> Photographs:
    """Chips that say whose they are, and of which modality; the last person is held back."""
    whose = np.repeat(np.arange(people, dtype=np.int32), 4)
    modality = np.tile(np.array([0, 0, 1, 1], np.int32), people)
    chips = np.empty((len(whose), 3, 4, 4), np.uint8)
    chips[:] = (10 * whose + modality)[:, None, None, None]
    return Photographs(chips, whose, modality, whose == people - 1)


def test_everybody_gets_one_persons_photographs_of_their_modality() -> None:
    faces, some = rendered(), photographs()
    found = photographed(faces, some)
    np.testing.assert_array_equal(found.tensors, faces.tensors)
    np.testing.assert_array_equal(found.identities, faces.identities)
    assert found.chips is not None
    said = found.chips[:, 0, 0, 0]
    np.testing.assert_array_equal(said % 10, faces.modalities)
    np.testing.assert_array_equal(said // 10, found.clusters)
    np.testing.assert_array_equal(found.clusters, faces.identities % 3)


def test_all_photographs_of_a_person_are_used_before_one_is_used_again() -> None:
    some = photographs(2)
    some = Photographs(
        np.arange(8, dtype=np.uint8)[:, None, None, None] + np.zeros((1, 3, 4, 4), np.uint8),
        some.people, some.modalities, some.held,
    )  # fmt: skip
    found = photographed(rendered(2, 4), some)
    assert found.chips is not None
    assert sorted(found.chips[:, 0, 0, 0].tolist()) == list(range(8))
    again = photographed(rendered(2, 4), some)
    np.testing.assert_array_equal(found.chips, again.chips)


def test_those_held_back_are_apart(tmp_path: Path) -> None:
    some = photographs()
    write_arrays(
        tmp_path / "photographs.npz",
        {"chip": some.chips, "identity": some.people, "modality": some.modalities, "held": some.held},
    )
    again = Photographs.read(tmp_path / "photographs.npz")
    assert set(again.of(held=True).people) == {2}
    assert set(again.of(held=False).people) == {0, 1}
    np.testing.assert_array_equal(again.of(held=True).chips, some.chips[8:])
