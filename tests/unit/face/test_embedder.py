from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from faceid_fast.errors import InvalidInputError, ModelContractError, ModelError
from faceid_fast.face.crop import TENSOR_SHAPE
from faceid_fast.face.embedder import Embedder
from faceid_fast.face.model_contract import CONTRACT_KEY, ModelContract, served_preprocessing
from stand_ins import THRESHOLD, contract


def model(
    metadata: str | None,
    *,
    factor: float = 1.0,
    shape: tuple[Any, ...] = ("batch", *TENSOR_SHAPE),
    output: str = "embedding",
) -> bytes:
    """Build a model of a few nodes: (N, 4, 72, 64) -> (N, 128), the first channels' mean rows, scaled."""
    scale = helper.make_tensor("scale", TensorProto.FLOAT, [1], [factor])
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["tensor"], ["mean"], axes=[2], keepdims=0),
            helper.make_node("Slice", ["mean", "start", "end", "axis"], ["two"]),
            helper.make_node("Flatten", ["two"], ["flat"], axis=1),
            helper.make_node("Mul", ["flat", "scale"], [output]),
        ],
        "stand-in",
        [helper.make_tensor_value_info("tensor", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, (shape[0], 128))],
        [
            scale,
            *(
                helper.make_tensor(name, TensorProto.INT64, [1], [value])
                for name, value in (("start", 0), ("end", 2), ("axis", 1))
            ),
        ],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    if metadata is not None:
        helper.set_model_props(made, {CONTRACT_KEY: metadata})
    onnx.checker.check_model(made)
    return made.SerializeToString()


def load(tmp_path: Path, content: bytes) -> Embedder:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    return Embedder(path, sha256=hashlib.sha256(content).hexdigest())


def tensors(count: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(1).standard_normal((count, *TENSOR_SHAPE), dtype=np.float32)


def test_embeddings_are_unit_vectors(tmp_path: Path) -> None:
    embedder = load(tmp_path, model(contract().to_json()))
    assert embedder.contract == contract()
    assert embedder.contract.thresholds == {"infrared": THRESHOLD, "color": THRESHOLD}
    assert embedder.sha256 == hashlib.sha256((tmp_path / "model.onnx").read_bytes()).hexdigest()
    batch = tensors(70)  # more than one run of the session
    vectors = embedder.embed(batch)
    wanted = batch[:, :2].astype(np.float64).mean(axis=2).reshape(70, 128)
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, wanted, atol=1e-6)
    np.testing.assert_array_equal(embedder.embed(batch[:1]), vectors[:1])
    assert embedder.embed(batch[:0]).shape == (0, 128)


@pytest.mark.parametrize("factor", [0.0, math.nan, math.inf, 1e-30])
def test_embeddings_without_direction_are_refused(tmp_path: Path, factor: float) -> None:
    embedder = load(tmp_path, model(contract().to_json(), factor=factor))
    with pytest.raises(ModelError, match="not finite or has no direction"):
        embedder.embed(tensors(2))


@pytest.mark.parametrize(
    ("given", "part"),
    [
        (tensors(1)[0], "got float32 (4, 72, 64)"),
        (tensors(1)[..., 1:], "got float32 (1, 4, 72, 63)"),
        (tensors(1).astype(np.float64), "got float64"),
        (tensors(1).tolist(), "got list"),
        (tensors(1) * np.float32(np.nan), "finite"),
    ],
)
def test_unfit_tensors(tmp_path: Path, given: Any, part: str) -> None:
    embedder = load(tmp_path, model(contract().to_json()))
    with pytest.raises(InvalidInputError) as caught:
        embedder.embed(given)
    assert str(caught.value).startswith("tensors: expected")
    assert part in str(caught.value)


def test_another_file_than_the_pinned_one(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(model(contract().to_json()))
    with pytest.raises(ModelError, match=r"expected SHA-256 0{64}, got [0-9a-f]{64}"):
        Embedder(path, sha256="0" * 64)
    with pytest.raises(ModelError, match="not readable"):
        Embedder(tmp_path / "none.onnx", sha256="0" * 64)


@pytest.mark.parametrize(
    ("path", "sha256", "part"),
    [
        (None, "00" * 32, "model: expected a str or Path"),
        ("a\0b", "00" * 32, "without NUL"),
        ("model.onnx", None, "sha256: expected 64 hexadecimal digits, got NoneType"),
        ("model.onnx", "x", "sha256: expected 64 hexadecimal digits, got other text"),
    ],
)
def test_what_names_no_model(path: Any, sha256: Any, part: str) -> None:
    with pytest.raises(InvalidInputError, match=part):
        Embedder(path, sha256=sha256)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model.onnx")
    with pytest.raises(ModelError, match="not a regular file"):
        Embedder(tmp_path / "model.onnx", sha256="00" * 32)


def test_order_in_memory_does_not_matter(tmp_path: Path) -> None:
    embedder = load(tmp_path, model(contract().to_json()))
    batch = tensors(6)
    wanted = embedder.embed(batch)[::-2]
    np.testing.assert_array_equal(embedder.embed(batch[::-2]), wanted)


def test_contracts_that_were_made_of_anything() -> None:
    for changes in (
        {"thresholds": None},
        {"thresholds": {1: 0.5}},
        {"channels": itertools.repeat("depth")},
        {"input_shape": np.zeros(3)},
        {"embedding_size": 10**5000},
        {"calibration": itertools.repeat(("a", "b"))},
        {"metric": object()},
    ):
        made = contract(**changes)
        with pytest.raises(ModelContractError, match=r"^contract"):
            made.check()
    with pytest.raises(ModelContractError, match="contract: expected JSON as a str, got NoneType"):
        ModelContract.from_json(None)  # type: ignore[arg-type]


def test_a_contract_s_refusal_shows_no_list_of_numbers() -> None:
    face = tensors(1)[0, 0, 0].tolist()
    for name in ("input_shape", "channels", "schema_version", "metric", "model_id", "embedding_size"):
        with pytest.raises(ModelContractError) as caught:
            contract(**{name: face}).check()
        assert str(face[0]) not in str(caught.value)
    with pytest.raises(
        ModelContractError, match=r"contract.tails.infrared: expected a list of pairs, got list"
    ):
        contract(tails={"infrared": face}).check()


def test_what_is_not_a_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not a model that onnxruntime can load"):
        load(tmp_path, b"not a model")


FOREIGN = {**served_preprocessing(), "head_model_sha256": "ab" * 32}


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"preprocessing": FOREIGN}, "contract.preprocessing.head_model_sha256: expected"),
        (
            {"preprocessing": {**served_preprocessing(), "id": "other-1"}},
            "contract.preprocessing.id: expected",
        ),
        (
            {"preprocessing": {**served_preprocessing(), "mean": 0.5}},
            "contract.preprocessing.mean: expected None",
        ),
        ({"preprocessing": {}}, "contract.preprocessing."),
        ({"input_shape": (3, 112, 112)}, "contract.input_shape: expected (4, 72, 64), got (3, 112, 112)"),
        (
            {"channels": ("intensity", "depth")},
            "contract.channels: expected ('depth', 'red', 'green', 'blue')",
        ),
        ({"metric": "cosine"}, "contract.metric: expected 'euclidean', got 'cosine'"),
        ({"embedding_size": 512}, "graph output 'embedding': expected"),
        ({"embedding_size": 126}, "contract.embedding_size: expected a positive multiple of 4"),
        ({"embedding_size": 2052}, "contract.embedding_size: expected a positive multiple of 4 up to 2048"),
        (
            {"thresholds": {"infrared": 2.5}},
            "contract.thresholds.infrared: expected a finite number in (0, 2), got 2.5",
        ),
        ({"thresholds": {"infrared": 0.5, "color": 0.0}}, "contract.thresholds.color"),
        ({"thresholds": {}}, "contract.thresholds: expected one for some of infrared, color, got none"),
        ({"tails": {"infrared": ()}}, "contract.tails: expected ['color', 'infrared'], got ['infrared']"),
        ({"tails": {"infrared": (), "color": ((0.1, 0.5), (0.01, 0.6))}}, "contract.tails.color: expected"),
        ({"thresholds": {"thermal": 0.5}}, "contract.thresholds: expected one for some of"),
        ({"schema_version": 2}, "contract.schema_version: expected 3, got 2"),
        (
            {"input_name": "image"},
            "contract.input_name: expected 'image' to be the graph's only input, got tensor",
        ),
        ({"output_name": "logits"}, "contract.output_name"),
    ],
)
def test_foreign_contracts(tmp_path: Path, changes: dict[str, Any], part: str) -> None:
    with pytest.raises(ModelContractError) as caught:
        load(tmp_path, model(contract(**changes).to_json()))
    assert part in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path))


def record(**changes: object) -> str:
    fields = {**json.loads(contract().to_json()), **changes}
    return json.dumps({name: value for name, value in fields.items() if value != "absent"})


@pytest.mark.parametrize(
    ("metadata", "part"),
    [
        (None, "expected metadata 'faceid_fast.contract', got none"),
        ("", "expected JSON"),
        ("[1]", "expected a JSON object, got list"),
        ("[" * 100_000, "expected JSON"),
        ("{}", "contract.schema_version: expected 3, got None"),
        (record(thresholds="absent"), "contract.thresholds: expected a value, got nothing"),
        (record(thresholds=0.5), "contract.thresholds: expected an object, got 0.5"),
        (record(thresholds={"color": "0.5"}), "contract.thresholds.color: expected a number, got '0.5'"),
        (record(thresholds={"color": math.nan}), "color: expected a finite number in (0, 2), got nan"),
        (record(thresholds={"color": True}), "contract.thresholds.color: expected a number"),
        (record(preprocessing="head-fit-1"), "contract.preprocessing: expected an object"),
        (record(embedding_size=128.0), "contract.embedding_size: expected an integer"),
        (record(thresholds={"color": 10**400}), "expected a finite number in (0, 2), got inf"),
        (record(embedding_size=10**400), "contract.embedding_size: expected a positive multiple of 4 up to"),
        (record(schema_version=10**400), "contract.schema_version: expected 3, got 1000"),
        (record(extra=1), "contract.extra: expected no such field"),
    ],
)
def test_malformed_contracts(tmp_path: Path, metadata: str | None, part: str) -> None:
    with pytest.raises(ModelContractError) as caught:
        load(tmp_path, model(metadata))
    assert part in str(caught.value)


@pytest.mark.parametrize("shape", [(1, *TENSOR_SHAPE), ("batch", 4, 70, 64), ("batch", 4, 72)])
def test_graphs_that_differ_from_their_contract(tmp_path: Path, shape: tuple[Any, ...]) -> None:
    with pytest.raises((ModelContractError, ModelError)):
        load(tmp_path, model(contract().to_json(), shape=shape))


def test_contract_round_trip() -> None:
    made = contract(calibration={"source": "renders", "far": 0.001})
    assert ModelContract.from_json(made.to_json()) == made
