"""Networks of different seeds joined to one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the training environment (Keras)")

import keras

from faceid_fast.face.crop import TENSOR_SHAPE
from training.data.batches import TensorSet
from training.metrics.verification import embed
from training.network.batch_norm import TOLERATED_DRIFT, check_batch_norm
from training.network.ensemble import ensemble, join
from training.network.model import NetworkConfig, build_network
from training.provenance.revision import ROOT

# Keras hands numpy its variables in a way that numpy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:keras")


def test_distances_are_the_members_mean() -> None:
    # With fewer dimensions altogether than the projection keeps, nothing is lost.
    members = []
    for seed in (1, 2):
        keras.utils.set_random_seed(seed)
        members.append(build_network(NetworkConfig()))
    tensors = np.random.default_rng(3).standard_normal((60, *TENSOR_SHAPE)).astype(np.float16)
    joined = embed(join(members, tensors), tensors)
    apart = [embed(member, tensors) for member in members]

    def squared(rows: np.ndarray) -> np.ndarray:
        return 2.0 - 2.0 * rows.astype(float) @ rows.T.astype(float)

    assert joined.shape == (60, 128)
    np.testing.assert_allclose(np.linalg.norm(joined, axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(squared(joined), (squared(apart[0]) + squared(apart[1])) / 2, atol=1e-4)


def test_a_face_and_its_mirror_image_are_one(tmp_path: Path) -> None:
    keras.utils.set_random_seed(5)
    tensors = np.random.default_rng(6).standard_normal((40, *TENSOR_SHAPE)).astype(np.float16)
    turned = np.ascontiguousarray(tensors[..., ::-1])
    member = build_network(NetworkConfig())
    joined = join([member], tensors, mirrored=True)
    np.testing.assert_allclose(embed(joined, tensors), embed(joined, turned), atol=1e-5)
    assert np.abs(embed(member, tensors) - embed(member, turned)).max() > 0.01
    path = tmp_path / "joined.keras"
    joined.save(path)
    again = keras.models.load_model(path)
    np.testing.assert_array_equal(embed(again, tensors), embed(joined, tensors))
    # What exports and measures runs does not import what joined them.
    import_only = "import sys, training.network.train, keras; keras.models.load_model(sys.argv[1])"
    subprocess.run([sys.executable, "-c", import_only, str(path)], check=True, cwd=ROOT, capture_output=True)


def test_statistics_of_joined_networks_are_checked() -> None:
    members = [build_network(NetworkConfig()) for _ in range(2)]
    tensors = np.random.default_rng(5).standard_normal((160, *TENSOR_SHAPE)).astype(np.float16)
    joined = join(members, tensors)

    def draw(_number: int) -> np.ndarray:
        return tensors.astype(np.float32)

    # Fresh networks have a mean of 0 and a variance of 1 in every layer, whatever they see.
    assert check_batch_norm(joined, draw, batches=1) > TOLERATED_DRIFT
    assert check_batch_norm(joined, draw, batches=1) <= TOLERATED_DRIFT


def test_networks_of_a_part_of_the_tensor_are_not_joined(
    people: TensorSet, strangers: TensorSet, tmp_path: Path
) -> None:
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "config.json").write_text(json.dumps({"inputs": "depth", "hair_band": True}))
    with pytest.raises(ValueError, match=r"half: expected a network of whole tensors.*depth"):
        ensemble([tmp_path / "half"], people, strangers, tmp_path / "out")
    assert not (tmp_path / "out").exists()
