"""Only the picture's tower becomes 8-bit numbers, with seven bits of weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the training environment (TensorFlow)")
pytest.importorskip("tf2onnx", reason="needs the training environment (tf2onnx)")

import onnx
from onnx import numpy_helper

from faceid_fast.face.crop import TENSOR_SHAPE
from joined_stand_ins import faces, joined_stand_in
from training.ship.export import QUANTISED_TOWER, embed_all, write_onnx
from training.ship.quantise import QUANTISED_OPERATORS, quantise_tower

# tf2onnx looks for an alias that numpy has removed.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A joined model, as it is and quantised."""
    folder = tmp_path_factory.mktemp("models")
    plain, quantised = folder / "plain.onnx", folder / "quantised.onnx"
    write_onnx(joined_stand_in(), plain)
    quantised.write_bytes(plain.read_bytes())
    chips = faces(10, 1, seed=8).chips
    assert chips is not None
    assert quantise_tower(quantised, QUANTISED_TOWER, chips, TENSOR_SHAPE)
    return plain, quantised


def _initializers(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}


def test_only_the_towers_nodes_are_quantised(models: tuple[Path, Path]) -> None:
    graph = onnx.load(models[1]).graph
    made = {output: node for node in graph.node for output in node.output}
    quantised = []
    for node in graph.node:
        if node.op_type in {"QuantizeLinear", "DequantizeLinear"}:
            continue
        before = [made[name].op_type for name in node.input if name in made]
        if node.op_type == "Conv" and before.count("DequantizeLinear") >= 2:
            quantised.append(node.name)
        elif QUANTISED_TOWER not in node.name:
            names = [made[name].name for name in node.input if name in made]
            assert not any("DequantizeLinear" in name and QUANTISED_TOWER not in name for name in names), (
                node.name
            )
    convolutions = [node.name for node in graph.node if node.op_type == "Conv"]
    assert quantised == [name for name in convolutions if QUANTISED_TOWER in name]
    assert len(quantised) == 2 < len(convolutions)
    assert "Conv" in QUANTISED_OPERATORS


def test_weights_have_seven_bits(models: tuple[Path, Path]) -> None:
    weights = {
        name: values
        for name, values in _initializers(onnx.load(models[1])).items()
        if values.dtype == np.int8 and values.ndim == 4
    }
    assert len(weights) == 2
    for values in weights.values():
        assert -64 <= values.min() < -16
        assert 16 < values.max() <= 64


def test_the_other_towers_say_what_they_said_to_the_bit(models: tuple[Path, Path]) -> None:
    some = faces(4, 2)
    assert some.chips is not None
    plain, quantised = (embed_all(path, some.tensors, some.chips) for path in models)
    np.testing.assert_array_equal(quantised["shape"], plain["shape"])
    assert not np.array_equal(quantised["picture"], plain["picture"])
    assert (quantised["picture"] * plain["picture"]).sum(axis=1).min() > 0.98
    # Half of the joined vector is the maps', but for the rounding of the length of both halves.
    np.testing.assert_allclose(quantised["embedding"][:, :64], plain["embedding"][:, :64], atol=1e-6)


def test_a_model_without_such_a_tower_is_refused(models: tuple[Path, Path]) -> None:
    chips = faces(1, 2).chips
    assert chips is not None
    content = models[0].read_bytes()
    with pytest.raises(ValueError, match="expected nodes with 'another_tower' in their names, got none"):
        quantise_tower(models[0], "another_tower", chips, TENSOR_SHAPE)
    assert models[0].read_bytes() == content
