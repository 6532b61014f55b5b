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
from faceid_fast.face.crop import CHIP_SHAPE, TENSOR_SHAPE
from faceid_fast.face.embedder import Embedder
from faceid_fast.face.embedding import Embeddings
from faceid_fast.face.model_contract import CONTRACT_KEY, ModelContract, served_preprocessing
from stand_ins import KEY_LIMITS, KEY_SIZES, THRESHOLD, contract, unit

OUTPUTS = {"embedding": 128, "shape": KEY_SIZES[0], "picture": KEY_SIZES[1]}
GOOD = KEY_LIMITS._asdict()


def limits(by_modality: dict[str, Any]) -> dict[str, Any]:
    return {"key_limits": by_modality}


def model(
    metadata: str | None,
    *,
    factors: dict[str, float] | None = None,
    shape: tuple[Any, ...] = ("batch", *TENSOR_SHAPE),
    chip: tuple[str, tuple[Any, ...]] = ("UINT8", ("batch", *CHIP_SHAPE)),
    names: tuple[str, ...] = ("tensor", "chip", "embedding", "shape", "picture"),
) -> bytes:
    """Build a model of a few nodes: means of rows of the tensor and of the chip, each output with a factor.

    ``embedding`` (N, 128): the first two channels' mean rows; ``shape`` (N, 64): the first channel's;
    ``picture`` (N, 32): the first mean row of the chip's first channel.
    """
    tensor, picture, *outputs = names
    scales = {"embedding": 1.0, "shape": 1.0, "picture": 1.0, **(factors or {})}
    sizes = dict(zip(outputs, (128, *KEY_SIZES), strict=True))
    ends = {"two": 2, "one": 1, "few": KEY_SIZES[1]}
    nodes = [
        helper.make_node("ReduceMean", [tensor], ["mean"], axes=[2], keepdims=0),
        helper.make_node("Slice", ["mean", "start", "end_two", "axis"], ["two"]),
        helper.make_node("Flatten", ["two"], ["flat_embedding"], axis=1),
        helper.make_node("Slice", ["mean", "start", "end_one", "axis"], ["one"]),
        helper.make_node("Flatten", ["one"], ["flat_shape"], axis=1),
        helper.make_node("Cast", [picture], ["bytes"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["bytes"], ["rows"], axes=[2], keepdims=0),
        helper.make_node("Flatten", ["rows"], ["all"], axis=1),
        helper.make_node("Slice", ["all", "start", "end_few", "axis"], ["flat_picture"]),
        *(
            helper.make_node("Mul", [f"flat_{kind}", f"scale_{kind}"], [output])
            for kind, output in zip(scales, outputs, strict=True)
        ),
    ]
    whole = [("start", 0), ("axis", 1), *((f"end_{name}", end) for name, end in ends.items())]
    graph = helper.make_graph(
        nodes,
        "stand-in",
        [
            helper.make_tensor_value_info(tensor, TensorProto.FLOAT, shape),
            helper.make_tensor_value_info(picture, getattr(TensorProto, chip[0]), chip[1]),
        ],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, (shape[0], size))
            for name, size in sizes.items()
        ],
        [
            *(helper.make_tensor(name, TensorProto.INT64, [1], [value]) for name, value in whole),
            *(
                helper.make_tensor(f"scale_{kind}", TensorProto.FLOAT, [1], [factor])
                for kind, factor in scales.items()
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


def chips(count: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(2).integers(1, 256, (count, *CHIP_SHAPE), dtype=np.uint8)


def scaled(vectors: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    wide = vectors.astype(np.float64)
    return wide / np.linalg.norm(wide, axis=1, keepdims=True)


def test_embeddings_are_unit_vectors(tmp_path: Path) -> None:
    embedder = load(tmp_path, model(contract().to_json()))
    assert embedder.contract == contract()
    assert embedder.contract.thresholds == {"infrared": THRESHOLD, "color": THRESHOLD}
    assert embedder.sha256 == hashlib.sha256((tmp_path / "model.onnx").read_bytes()).hexdigest()
    faces, pictures = tensors(70), chips(70)  # more than one run of the session
    made = embedder.embed(faces, pictures)
    rows = faces.astype(np.float64).mean(axis=2)
    wanted = {
        "joined": scaled(rows[:, :2].reshape(70, 128)),
        "shape": scaled(rows[:, 0]),
        "picture": scaled(pictures[:, 0].astype(np.float64).mean(axis=1)[:, : KEY_SIZES[1]]),
    }
    first = embedder.embed(faces[:1], pictures[:1])
    for name, vectors in wanted.items():
        found = getattr(made, name)
        assert found.dtype == np.float32
        assert not found.flags.writeable
        np.testing.assert_allclose(found, vectors, atol=1e-6)
        np.testing.assert_array_equal(getattr(first, name), found[:1])
    assert len(made) == 70
    assert [face.shape.shape for face in made] == [(KEY_SIZES[0],)] * 70
    nobody = embedder.embed(faces[:0], pictures[:0])
    assert (len(nobody), nobody.joined.shape, nobody.picture.shape) == (0, (0, 128), (0, KEY_SIZES[1]))


def test_what_is_shown_of_embeddings_is_their_size() -> None:
    made = Embeddings(unit(0)[None], unit(1, 64)[None], unit(2, 32)[None])
    assert repr(made) == "<Embeddings of 1 faces, 128 values, keys of 64 and 32>"
    (one,) = made
    assert repr(one) == "<Embedding of 128 values, keys of 64 and 32>"


@pytest.mark.parametrize("name", ["joined", "shape", "picture"])
@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [[1.0, 0.0]],
        np.float32(1.0),
        np.array(1.0, np.float32),
        unit(0, 32),
        np.zeros((1, 32), np.float32),
        np.zeros((1, 0), np.float32),
        unit(0, 32)[None].astype(np.float64),
        unit(0, 32)[None] * np.float32(1.01),
        unit(0, 32)[None] * np.float32(np.nan),
        np.stack([unit(0, 32)] * 2),
        np.broadcast_to(unit(0, 32), (1 << 40, 32)),
        np.ma.masked_array(unit(0, 32)[None]),
    ],
)
def test_what_are_no_embeddings(name: str, wrong: Any) -> None:
    whole = {other: unit(0, 32)[None] for other in ("joined", "shape", "picture")}
    Embeddings(**whole)
    with pytest.raises(InvalidInputError, match=r"expected .* float32 unit vectors, one for each face, got"):
        Embeddings(**{**whole, name: wrong})


@pytest.mark.parametrize("output", ["embedding", "shape", "picture"])
@pytest.mark.parametrize("factor", [0.0, math.nan, math.inf, 1e-30])
def test_embeddings_without_direction_are_refused(tmp_path: Path, output: str, factor: float) -> None:
    embedder = load(tmp_path, model(contract().to_json(), factors={output: factor}))
    with pytest.raises(ModelError, match=f"{output} vector that is not finite or has no direction"):
        embedder.embed(tensors(2), chips(2))


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
        embedder.embed(given, chips(1))
    assert str(caught.value).startswith("tensors: expected")
    assert part in str(caught.value)


@pytest.mark.parametrize(
    ("given", "part"),
    [
        (chips(1)[0], "got uint8 (3, 150, 150)"),
        (chips(1)[..., 1:], "got uint8 (1, 3, 150, 149)"),
        (chips(1).transpose(0, 2, 3, 1), "got uint8 (1, 150, 150, 3)"),
        (chips(1).astype(np.float32), "got float32"),
        (chips(1).tolist(), "got list"),
        (None, "got NoneType"),
        (np.ma.masked_array(chips(1)), "got MaskedArray"),
        (chips(2), "chips: expected one for each of 1 tensors, got 2"),
    ],
)
def test_unfit_chips(tmp_path: Path, given: Any, part: str) -> None:
    embedder = load(tmp_path, model(contract().to_json()))
    with pytest.raises(InvalidInputError) as caught:
        embedder.embed(tensors(1), given)
    assert str(caught.value).startswith("chips: expected")
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
    faces, pictures = tensors(6), chips(6)
    wanted, found = embedder.embed(faces, pictures), embedder.embed(faces[::-2], pictures[::-2])
    for name in ("joined", "shape", "picture"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name)[::-2])


def test_contracts_that_were_made_of_anything() -> None:
    for changes in (
        {"thresholds": None},
        {"thresholds": {1: 0.5}},
        {"channels": itertools.repeat("depth")},
        {"inputs": {"tensor": np.zeros(3), "chip": (3, 150, 150)}},
        {"inputs": None},
        {"outputs": {**OUTPUTS, "embedding": 10**5000}},
        {"outputs": ("embedding",)},
        {"key_limits": {"infrared": KEY_LIMITS, "color": None}},
        {"key_limits": {1: {2: 3}}},
        {"teachers": itertools.repeat({})},
        {"teachers": ({"name": unit(0)},)},
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
    for name in ("channels", "schema_version", "metric", "model_id", "teachers"):
        with pytest.raises(ModelContractError) as caught:
            contract(**{name: face}).check()
        assert str(face[0]) not in str(caught.value)
    with pytest.raises(
        ModelContractError, match=r"contract.tails.infrared: expected a list of pairs, got list"
    ):
        contract(tails={"infrared": face}).check()
    for changes in (
        {"inputs": {"tensor": face, "chip": face}},
        {"outputs": {**OUTPUTS, "shape": face}},
        {"key_limits": {"infrared": face, "color": face}},
        {"key_limits": {"infrared": {"shape": face, "picture": face}}},
        {"teachers": [{"name": face, "licence": face, "used_for": face}]},
    ):
        with pytest.raises(ModelContractError) as caught:
            contract(**changes).check()
        assert str(face[0]) not in str(caught.value)


def test_a_model_may_have_no_threshold_of_its_own() -> None:
    made = contract(thresholds={}, tails={"infrared": (), "color": ()})
    made.check()
    assert ModelContract.from_json(made.to_json()).thresholds == {}


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
        (
            {"inputs": {"tensor": (3, 112, 112), "chip": CHIP_SHAPE}},
            "contract.inputs.tensor: expected (4, 72, 64), got (3, 112, 112)",
        ),
        (
            {"inputs": {"tensor": TENSOR_SHAPE, "chip": (150, 150, 3)}},
            "contract.inputs.chip: expected (3, 150, 150), got (150, 150, 3)",
        ),
        (
            {"inputs": {"tensor": TENSOR_SHAPE}},
            "contract.inputs: expected ['chip', 'tensor'], got ['tensor']",
        ),
        (
            {"channels": ("intensity", "depth")},
            "contract.channels: expected ('depth', 'red', 'green', 'blue')",
        ),
        ({"metric": "cosine"}, "contract.metric: expected 'euclidean', got 'cosine'"),
        ({"outputs": {**OUTPUTS, "embedding": 512}}, "graph output 'embedding': expected"),
        ({"outputs": {**OUTPUTS, "picture": 64}}, "graph output 'picture': expected"),
        (
            {"outputs": {**OUTPUTS, "embedding": 126}},
            "contract.outputs.embedding: expected a positive multiple of 4",
        ),
        (
            {"outputs": {**OUTPUTS, "shape": 2052}},
            "contract.outputs.shape: expected a positive multiple of 4 up to 2048",
        ),
        ({"outputs": {**OUTPUTS, "picture": 0}}, "contract.outputs.picture: expected a positive multiple"),
        (
            {"outputs": {"embedding": 128}},
            "contract.outputs: expected ['embedding', 'picture', 'shape'], got ['embedding']",
        ),
        (
            {"outputs": {**OUTPUTS, "logits": 4}},
            "contract.outputs: expected ['embedding', 'picture', 'shape']",
        ),
        (limits({"infrared": {}}), "contract.key_limits: expected ['color', 'infrared'], got ['infrared']"),
        (
            limits({"infrared": {"shape": 1.0}, "color": GOOD}),
            "contract.key_limits.infrared: expected ['picture'",
        ),
        (
            limits({"infrared": {**GOOD, "depth": 1.0}, "color": GOOD}),
            "contract.key_limits.infrared: expected ['picture', 'shape'], got ['depth', 'picture', 'shape']",
        ),
        (
            limits({"infrared": GOOD, "color": {**GOOD, "shape": 0.0}}),
            "contract.key_limits.color.shape: expected a finite number in (0, 2], got 0.0",
        ),
        (
            limits({"infrared": GOOD, "color": {**GOOD, "picture": 2.5}}),
            "contract.key_limits.color.picture: expected a finite number in (0, 2], got 2.5",
        ),
        (
            limits({"infrared": GOOD, "color": GOOD, "thermal": GOOD}),
            "contract.key_limits: expected ['color'",
        ),
        (
            {"thresholds": {"infrared": 2.5}},
            "contract.thresholds.infrared: expected a finite number in (0, 2), got 2.5",
        ),
        ({"thresholds": {"infrared": 0.5, "color": 0.0}}, "contract.thresholds.color"),
        (
            {"thresholds": {}, "key_limits": {}, "tails": {}},
            "contract.thresholds: expected one for some of infrared, color, got none",
        ),
        ({"thresholds": {}, "key_limits": {"infrared": GOOD}}, "contract.tails: expected ['infrared'], got"),
        (
            {"thresholds": {}, "key_limits": {"thermal": GOOD}, "tails": {"thermal": ()}},
            "contract.thresholds: expected one for some of infrared, color, got thermal",
        ),
        ({"tails": {"infrared": ()}}, "contract.tails: expected ['color', 'infrared'], got ['infrared']"),
        ({"tails": {"infrared": (), "color": ((0.1, 0.5), (0.01, 0.6))}}, "contract.tails.color: expected"),
        ({"thresholds": {"thermal": 0.5}}, "contract.thresholds: expected one for some of"),
        (
            {"schema_version": 3},
            "contract.schema_version: expected 4, got 3: the model was made for an older",
        ),
        (
            {"schema_version": 5},
            "contract.schema_version: expected 4, got 5: is it a model for a newer version",
        ),
        (
            {"teachers": ({"name": "a"},)},
            "contract.teachers: expected objects of the texts name, licence, used_",
        ),
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
        ("{}", "contract.schema_version: expected 4, got None"),
        (record(thresholds="absent"), "contract.thresholds: expected a value, got nothing"),
        (record(thresholds=0.5), "contract.thresholds: expected an object, got 0.5"),
        (record(thresholds={"color": "0.5"}), "contract.thresholds.color: expected a number, got '0.5'"),
        (record(thresholds={"color": math.nan}), "color: expected a finite number in (0, 2), got nan"),
        (record(thresholds={"color": True}), "contract.thresholds.color: expected a number"),
        (record(preprocessing="head-fit-1"), "contract.preprocessing: expected an object"),
        (record(outputs={**OUTPUTS, "shape": 64.0}), "contract.outputs.shape: expected an integer"),
        (record(outputs={**OUTPUTS, "shape": True}), "contract.outputs.shape: expected an integer"),
        (record(inputs={"tensor": 4}), "contract.inputs.tensor: expected a list of integers, got 4"),
        (record(inputs=[]), "contract.inputs: expected an object"),
        (record(key_limits="absent"), "contract.key_limits: expected a value, got nothing"),
        (record(key_limits={"color": 1.0}), "contract.key_limits.color: expected an object, got 1.0"),
        (record(key_limits={"color": {"shape": "1"}}), "contract.key_limits.color.shape: expected a number"),
        (
            record(key_limits={"infrared": GOOD, "color": {**GOOD, "shape": math.nan}}),
            "contract.key_limits.color.shape: expected a finite number in (0, 2], got nan",
        ),
        (
            record(key_limits={"infrared": GOOD, "color": {**GOOD, "shape": 10**400}}),
            "contract.key_limits.color.shape: expected a finite number in (0, 2], got inf",
        ),
        (record(teachers={}), "contract.teachers: expected a list"),
        (record(teachers=["dlib"]), "contract.teachers: expected objects of the texts"),
        (record(teachers=[{"name": "", "licence": "MIT", "used_for": "x"}]), "contract.teachers: expected"),
        (record(input_name="tensor"), "contract.input_name: expected no such field"),
        (record(thresholds={"color": 10**400}), "expected a finite number in (0, 2), got inf"),
        (
            record(outputs={**OUTPUTS, "embedding": 10**400}),
            "contract.outputs.embedding: expected a positive multiple of 4 up to",
        ),
        (record(schema_version=10**400), "contract.schema_version: expected 4, got 1000"),
        (record(schema_version=4.0), "contract.schema_version: expected 4, got 4.0"),
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


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        (
            {"chip": ("FLOAT", ("batch", *CHIP_SHAPE))},
            "graph input 'chip': expected tensor(uint8), got tensor(fl",
        ),
        ({"chip": ("UINT8", ("batch", 3, 112, 150))}, "graph input 'chip': expected the shape"),
        ({"chip": ("UINT8", (1, *CHIP_SHAPE))}, "graph input 'chip': expected the shape"),
        (
            {"names": ("image", "chip", "embedding", "shape", "picture")},
            "graph: expected the inputs tensor, chip, got image, chip",
        ),
        (
            {"names": ("tensor", "chip", "logits", "shape", "picture")},
            "graph: expected the outputs embedding, shape, picture, got logits, shape, picture",
        ),
    ],
)
def test_graphs_of_other_inputs_and_outputs(tmp_path: Path, changes: dict[str, Any], part: str) -> None:
    with pytest.raises(ModelContractError) as caught:
        load(tmp_path, model(contract().to_json(), **changes))
    assert part in str(caught.value)


def test_contract_round_trip() -> None:
    teacher = {"name": "a network", "licence": "MIT", "used_for": "similarities of pictures"}
    made = contract(calibration={"source": "renders", "far": 0.001}, teachers=(teacher,))
    made.check()
    assert ModelContract.from_json(made.to_json()) == made
