"""dlib's network, exported to ONNX as its own owner would, in the picture's place on real people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the training environment (Keras)")

from faceid_fast.face.chip_templates import Template
from faceid_fast.face.combined_embedder import CombinedEmbedder, PictureNetwork
from faceid_fast.face.crop import CHIP_SHAPE
from faceid_fast.face.picture_contract import Layout, Order
from foreign_networks import TEACHERS, figures
from training.teachers.dlib_resnet import WEIGHTS, build

# Keras hands numpy its variables in a way that numpy 2 deprecates, and tf2onnx asks numpy for old names.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
KINECT_V2 = TEACHERS.parent / "kinect_v2"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (TEACHERS / WEIGHTS).exists():
        pytest.skip(f"no teacher: {TEACHERS / WEIGHTS} is missing")
    network = build(TEACHERS / WEIGHTS)
    network(np.zeros((1, *CHIP_SHAPE[1:], 3), np.float32))  # export needs a traced network
    path = tmp_path_factory.mktemp("dlib") / "dlib.onnx"
    network.export(path, format="onnx", opset_version=15, verbose=False)
    return path


def described(path: Path) -> PictureNetwork:
    return PictureNetwork.described(
        path.read_bytes(),
        model_id="dlib",
        size_px=150,
        order=Order.RGB,
        mean=(0.0, 0.0, 0.0),  # both are in the graph
        scale=(1.0, 1.0, 1.0),
        template=Template.DLIB,
    )


def test_it_computes_what_keras_does(exported: Path) -> None:
    network = described(exported)
    assert (network.contract.layout, network.contract.output_size) == (Layout.NHWC, 128)
    chips = np.random.default_rng(1).integers(0, 256, (5, *CHIP_SHAPE), dtype=np.uint8)
    wanted = np.asarray(build(TEACHERS / WEIGHTS)(chips.transpose(0, 2, 3, 1).astype(np.float32)))
    wanted = wanted / np.linalg.norm(wanted, axis=1, keepdims=True)
    np.testing.assert_allclose(network.embed(chips), wanted, atol=1e-4)


def test_it_tells_people_apart(exported: Path) -> None:
    if not KINECT_V2.is_dir():
        pytest.skip(f"no real captures: {KINECT_V2} is not there")
    (scores,) = figures(KINECT_V2, {"dlib": CombinedEmbedder(described(exported))}).values()
    assert scores.eer is not None
    assert scores.eer <= 0.01
