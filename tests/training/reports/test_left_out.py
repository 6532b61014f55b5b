"""Distances of people left out: whose, and of whom nothing may be known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the training environment (TensorFlow)")

from faceid_fast.face.crop import CHIP_SHAPE, TENSOR_SHAPE
from faceid_fast.face.model_contract import OUTPUTS
from training.data.captured import Captured
from training.reports.left_out import LeftOut, measure_fold

PEOPLE = ("ada", "ben", "cleo")
EACH = 12
SIZES = {"embedding": 8, "shape": 4, "picture": 4}


def captured() -> Captured:
    who = np.repeat(np.array(PEOPLE), EACH)
    names = np.tile(np.array([f"{number:02}" for number in range(EACH)]), len(PEOPLE))
    count = len(who)
    tensors = np.zeros((count, *TENSOR_SHAPE), np.float16)
    return Captured(
        tensors, np.zeros((count, *CHIP_SHAPE), np.uint8), who, names, np.zeros(count, np.int32), ""
    )


def rows(seed: int = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    found = {name: rng.standard_normal((len(PEOPLE) * EACH, size)) for name, size in SIZES.items()}
    return {name: each / np.linalg.norm(each, axis=1, keepdims=True) for name, each in found.items()}


def test_honest_attempts_are_those_of_people_left_out() -> None:
    some, seen = rows(), captured()
    found = measure_fold(some, seen, ["ben"])
    enrolled = seen.are_enrolled()
    own = seen.people == "ben"
    assert enrolled[own].sum() == EACH // 6
    assert set(found.honest_people) == {"ben"}
    for name in OUTPUTS:
        references, attempts = some[name][own & enrolled], some[name][own & ~enrolled]
        wanted = [min(np.linalg.norm(each - row) for row in references) for each in attempts]
        np.testing.assert_allclose(found.honest[name], wanted, atol=1e-7)


def test_strangers_are_pairs_with_somebody_left_out() -> None:
    found = measure_fold(rows(), captured(), ["ben"])
    assert len(found.strangers) == 2 * EACH * EACH
    assert all("ben" in pair for pair in zip(found.first, found.second, strict=True))
    both = measure_fold(rows(), captured(), ["ada", "ben"])
    assert len(both.strangers) == 3 * EACH * EACH
    joined = rows()["embedding"]
    assert both.strangers.max() <= 2.0
    assert both.strangers[0] == pytest.approx(np.linalg.norm(joined[0] - joined[EACH]), abs=1e-7)


def test_a_fold_knows_nothing_of_its_own_people(tmp_path: Path) -> None:
    parts = [measure_fold(rows(seed), captured(), [name]) for seed, name in enumerate(PEOPLE)]
    everybody = LeftOut.joined(parts)
    everybody.write(tmp_path / "left_out.npz")
    kept = LeftOut.read(tmp_path / "left_out.npz").without(["ada"])
    assert set(kept.honest_people) == {"ben", "cleo"}
    assert not {"ada"} & (set(kept.first) | set(kept.second))
    # The pair of the others was measured by both of their folds.
    assert len(kept.strangers) == 2 * EACH * EACH
    np.testing.assert_array_equal(
        kept.honest["shape"], np.concatenate([part.honest["shape"] for part in parts[1:]])
    )
