"""A network that others made, in the picture's place: what it is given, and what is refused."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from faceid_fast.errors import InvalidInputError, ModelContractError, ModelError
from faceid_fast.face.chip_templates import ChipWarp, Template, similarity
from faceid_fast.face.combined_embedder import CombinedEmbedder, PictureNetwork, combined_sha256
from faceid_fast.face.crop import CHIP_SHAPE, TENSOR_SHAPE
from faceid_fast.face.embedder import Embedder
from faceid_fast.face.onnx_file import check_whole
from faceid_fast.face.picture_contract import Layout, Order, PictureContract
from foreign_networks import tiny_network

WANTED: dict[str, Any] = {
    "model_id": "tiny",
    "size_px": 112,
    "order": Order.RGB,
    "mean": (0.0, 0.0, 0.0),
    "scale": (1.0, 1.0, 1.0),
    "template": Template.ARCFACE,
}


def chips(count: int, seed: int = 2) -> NDArray[np.uint8]:
    """Smooth noise."""
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 3, 10, 10))
    return np.kron(coarse, np.ones((15, 15), int)).astype(np.uint8)


def tensors(count: int) -> NDArray[np.float32]:
    return np.random.default_rng(1).standard_normal((count, *TENSOR_SHAPE), dtype=np.float32)


def network(content: bytes | None = None, **changes: Any) -> PictureNetwork:
    return PictureNetwork.described(tiny_network() if content is None else content, **{**WANTED, **changes})


def expected(pictures: NDArray[np.floating[Any]], values: int = 8, seed: int = 0) -> NDArray[np.float64]:
    """What `tiny_network` gives for (N, 3, S, S), in numpy, at length 1."""
    side = pictures.shape[-1] // 4
    tiles = pictures.astype(np.float64).reshape(len(pictures), 3, 4, side, 4, side).mean(axis=(3, 5))
    matrix = np.random.default_rng(seed).standard_normal((48, values)).astype(np.float32)
    rows = tiles.reshape(len(pictures), -1) @ matrix.astype(np.float64)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


# --- what the network is given


@pytest.mark.parametrize("nhwc", [False, True])
@pytest.mark.parametrize("order", list(Order))
@pytest.mark.parametrize("batch", ["N", 1])
def test_pictures_are_made_as_the_contract_says(nhwc: bool, order: Order, batch: object) -> None:
    mean, scale = (100.0, 110.0, 120.0), (0.01, 0.02, 0.03)
    made = network(tiny_network(nhwc=nhwc, batch=batch), order=order, mean=mean, scale=scale)
    assert made.contract.layout is (Layout.NHWC if nhwc else Layout.NCHW)
    given = chips(19)  # more than one run of the session
    pictures = ChipWarp(Template.ARCFACE, 112)(given)
    if order is Order.BGR:
        pictures = pictures[:, ::-1]
    wanted = (pictures - np.array(mean)[:, None, None]) * np.array(scale)[:, None, None]
    found = made.embed(given)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected(wanted), atol=1e-5)
    # Each difference shows: otherwise this test could not fail.
    assert np.abs(found - expected(wanted[:, ::-1])).max() > 0.01
    assert np.abs(found - expected(pictures)).max() > 0.01


@pytest.mark.parametrize("size", [112, 128, 150])
def test_a_chip_of_dlib_s_alignment_is_only_resized(size: int) -> None:
    given = chips(2)
    warped = ChipWarp(Template.DLIB, size)(given)
    assert warped.shape == (2, 3, size, size)
    if size == 150:
        np.testing.assert_array_equal(warped, given)
    # A plane stays a plane, of the same extent.
    columns = np.broadcast_to(np.arange(150, dtype=np.uint8), (1, *CHIP_SHAPE))
    inner = ChipWarp(Template.DLIB, size)(columns)[0, 0, 0, 2:-2]
    places = (np.arange(size)[2:-2] + 0.5) * 150 / size - 0.5
    np.testing.assert_allclose(inner, places, atol=1e-3)


@pytest.mark.parametrize(
    ("template", "size", "eyes"),
    [
        (Template.ARCFACE, 112, ((38.3, 51.7), (73.5, 51.5))),
        (Template.OPENVINO, 128, ((40.4, 59.1), (87.4, 59.1))),
    ],
)
def test_eyes_and_mouth_come_where_the_template_has_them(
    template: Template, size: int, eyes: tuple[tuple[float, float], ...]
) -> None:
    # A chip with a bright spot at one place of the face is brought to that place of the template.
    for (x, y), wanted in zip(((47.7, 47.15), (100.3, 47.15)), eyes, strict=True):
        rows, columns = np.mgrid[0:150, 0:150]
        spot = 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 18)
        warped = ChipWarp(template, size)(np.broadcast_to(spot.astype(np.uint8), (1, *CHIP_SHAPE)))[0, 0]
        down, across = np.mgrid[0:size, 0:size]
        found = (warped * across).sum() / warped.sum(), (warped * down).sum() / warped.sum()
        # Five points of two faces: a similarity leaves a few pixels.
        np.testing.assert_allclose(found, wanted, atol=2.5)


def test_a_similarity_is_found_exactly() -> None:
    points = np.array([(1.0, 2.0), (5.0, 1.0), (3.0, 7.0)])
    turn = 1.7 * np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])
    found, shift = similarity(points, points @ turn.T + (4.0, -3.0))
    np.testing.assert_allclose(found, turn)
    np.testing.assert_allclose(shift, (4.0, -3.0))


def test_what_lies_outside_of_a_chip_is_its_border() -> None:
    given = np.zeros((1, *CHIP_SHAPE), np.uint8)
    given[..., 0, :] = 200
    np.testing.assert_allclose(ChipWarp(Template.ARCFACE, 112)(given)[0, 0, 0, 10:-10], 200, atol=1e-3)


# --- the combination


def test_depth_is_ours_and_the_picture_is_theirs() -> None:
    bundled, theirs = Embedder.bundled(), network()
    combined = CombinedEmbedder(theirs)
    faces, pictures = tensors(3), chips(3)
    made, ours = combined.embed(faces, pictures), bundled.embed(faces, pictures)
    np.testing.assert_array_equal(made.shape, ours.shape)
    np.testing.assert_array_equal(made.picture, theirs.embed(pictures))
    np.testing.assert_array_equal(made.joined, made.picture)
    assert combined.picture is theirs.contract


def test_the_combined_contract_has_no_thresholds() -> None:
    bundled, combined = Embedder.bundled().contract, CombinedEmbedder(network()).contract
    combined.check()
    assert dict(combined.thresholds) == {}
    assert set(combined.tails.values()) == {()}
    assert dict(combined.outputs) == {"embedding": 8, "shape": bundled.outputs["shape"], "picture": 8}
    for modality, limits in combined.key_limits.items():
        assert dict(limits) == {"shape": bundled.key_limits[modality]["shape"], "picture": 2.0}
    assert combined.model_id == f"{bundled.model_id} + tiny"
    assert combined.preprocessing == bundled.preprocessing


def test_the_hash_stands_for_both_models_and_the_contract() -> None:
    theirs = network()
    same = CombinedEmbedder(network())
    assert (
        CombinedEmbedder(theirs).sha256
        == same.sha256
        == combined_sha256(Embedder.bundled().sha256, theirs.contract)
    )
    others = {
        CombinedEmbedder(network(**changes)).sha256
        for changes in (
            {"order": Order.BGR},
            {"mean": (1.0, 0.0, 0.0)},
            {"template": Template.DLIB},
            {"content": tiny_network(seed=1)},
        )
    }
    others |= {combined_sha256("ab" * 32, theirs.contract), Embedder.bundled().sha256, theirs.contract.sha256}
    assert len(others | {same.sha256}) == 8


# --- what is refused


def test_a_contract_that_does_not_fit_the_file() -> None:
    content = tiny_network()
    contract = network(content).contract
    PictureNetwork(content, contract)
    for wrong, kind, part in (
        (tiny_network(seed=1), ModelError, "expected SHA-256"),
        (content + b"\0", ModelError, "expected SHA-256"),
    ):
        with pytest.raises(kind, match=part):
            PictureNetwork(wrong, contract)
    for change, part in (
        ({"layout": Layout.NHWC}, "layout: expected nhwc, got nchw"),
        ({"input_name": "other"}, "input_name: expected other, got picture"),
        ({"output_name": "other"}, "output_name: expected one of vector, got 'other'"),
        ({"size_px": 128}, "graph input 'picture': expected .*128"),
    ):
        with pytest.raises(ModelContractError, match=part):
            PictureNetwork(content, replace(contract, **change))
    with pytest.raises(ModelError, match=r"expected picture float32 \(2, 12\), got float32 \(2, 8\)"):
        PictureNetwork(content, replace(contract, output_size=12))


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (tiny_network(size=128), "expected tensor.float. .N, 3, 112, 112"),
        (tiny_network(batch=4), "N any or 1, got tensor.float. .4, 3, 112, 112"),
        (tiny_network(values=6), "expected vectors of a multiple of 4 values, got 6"),
        (tiny_network(values=2052), "output_size: expected a whole number from 4 to 2048, got 2052"),
        (b"", "not a model that onnxruntime can load"),
        (b"no model", "not a model that onnxruntime can load"),
        (tiny_network()[:-40], "not a model that onnxruntime can load"),
    ],
)
def test_graphs_that_are_no_face_networks(content: bytes, part: str) -> None:
    with pytest.raises((ModelError, InvalidInputError), match=part) as caught:
        network(content)
    assert "\n" not in str(caught.value)


def test_vectors_that_keep_the_dimensions_of_their_pooling() -> None:
    np.testing.assert_array_equal(
        network(tiny_network(trailing=True)).embed(chips(3)), network().embed(chips(3))
    )


def test_of_several_outputs_one_is_named() -> None:
    def second(model: onnx.ModelProto) -> None:
        model.graph.output.append(helper.make_tensor_value_info("tiles", TensorProto.FLOAT, ["N", 3, 4, 4]))

    content = tiny_network(change=second)
    with pytest.raises(ModelContractError, match="output_name: expected one of vector, tiles, got none"):
        network(content)
    assert network(content, output_name="vector").contract.output_name == "vector"
    with pytest.raises(ModelContractError, match="expected one of vector, tiles, got 'none'"):
        network(content, output_name="none")


def test_unknown_operators_are_refused() -> None:
    def foreign(model: onnx.ModelProto) -> None:
        model.graph.node[0].domain = "some.library"
        model.opset_import.append(helper.make_opsetid("some.library", 1))

    with pytest.raises(ModelError, match="tiny: not a model that onnxruntime can load") as caught:
        network(tiny_network(change=foreign))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("factor", [0.0, np.nan, np.inf])
def test_vectors_without_a_direction_are_refused_at_load(factor: float) -> None:
    def scaled(model: onnx.ModelProto) -> None:
        matrix = numpy_helper.to_array(model.graph.initializer[0]) * np.float32(factor)
        model.graph.initializer[0].CopyFrom(numpy_helper.from_array(matrix, "matrix"))

    with (
        np.errstate(invalid="ignore"),
        pytest.raises(ModelError, match="not finite or has no direction"),
    ):
        network(tiny_network(change=scaled))


def test_a_network_that_throws_dice_is_refused_at_load() -> None:
    def random(model: onnx.ModelProto) -> None:
        model.graph.node[-1].output[0] = "still"
        model.graph.node.append(helper.make_node("RandomNormalLike", ["still"], ["dice"]))
        model.graph.node.append(helper.make_node("Add", ["still", "dice"], ["vector"]))

    with pytest.raises(ModelError, match="expected the same vector for the same picture"):
        network(tiny_network(change=random))


# --- weights in other files


def external(tensor: onnx.TensorProto, folder: Path) -> None:
    """Have a tensor's numbers lie in a file."""
    (folder / "weights.bin").write_bytes(tensor.raw_data)
    del tensor.external_data[:]
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "weights.bin"
    tensor.ClearField("raw_data")


def test_weights_in_another_file_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    content = tiny_network(change=lambda model: external(model.graph.initializer[0], tmp_path))
    monkeypatch.chdir(tmp_path)
    # Why the file is looked through first: onnxruntime takes them from the working directory.
    onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    with pytest.raises(ModelError, match="whose weights lie in another file: save it without external data"):
        network(content)
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="whose weights lie in another file"):
        Embedder(path, sha256=hashlib.sha256(content).hexdigest())


def test_weights_elsewhere_are_found_wherever_a_tensor_can_be(tmp_path: Path) -> None:
    tensor = numpy_helper.from_array(np.ones((2, 2), np.float32), "w")
    external(tensor, tmp_path)
    sparse = onnx.SparseTensorProto(values=tensor)
    body = onnx.GraphProto(initializer=[tensor])
    attributes = {
        "t": AttributeProto(name="a", t=tensor),
        "tensors": AttributeProto(name="a", tensors=[tensor]),
        "g": AttributeProto(name="a", g=body),
        "graphs": AttributeProto(name="a", graphs=[body]),
        "sparse_tensor": AttributeProto(name="a", sparse_tensor=sparse),
        "sparse_tensors": AttributeProto(name="a", sparse_tensors=[sparse]),
    }
    nodes = [onnx.NodeProto(attribute=[each]) for each in attributes.values()]
    graphs = [
        body,
        onnx.GraphProto(sparse_initializer=[sparse]),
        *(onnx.GraphProto(node=[each]) for each in nodes),
    ]
    models = [onnx.ModelProto(graph=each) for each in graphs]
    models += [onnx.ModelProto(functions=[onnx.FunctionProto(node=[nodes[0]])])]
    models += [onnx.ModelProto(training_info=[onnx.TrainingInfoProto(algorithm=body)])]
    for model in models:
        with pytest.raises(ModelError, match="another file"):
            check_whole(model.SerializeToString(), "model")


def test_a_location_that_says_here_is_none() -> None:
    def here(model: onnx.ModelProto) -> None:
        model.graph.initializer[
            0
        ].data_location = TensorProto.DEFAULT  # as onnx writes after it has joined files

    content = tiny_network(change=here)
    assert content != tiny_network()
    network(content)


def test_damaged_files_are_walked_without_a_fault() -> None:
    content, rng = tiny_network(), np.random.default_rng(5)
    refused = 0
    for _ in range(2000):
        damaged = bytearray(content)
        for place in rng.integers(0, 500, 3):
            damaged[place] = rng.integers(0, 256)
        try:
            check_whole(bytes(damaged[: rng.integers(1, len(content) + 1)]), "model")
        except ModelError:
            refused += 1
    assert 100 < refused < 2000


def test_onnxruntime_s_own_format_is_no_onnx() -> None:
    with pytest.raises(ModelError, match="expected an ONNX file, got one in onnxruntime's own format"):
        check_whole(b"\x20\0\0\0ORTM" + bytes(100), "model")


# --- the contract


def test_a_contract_comes_back_from_its_json() -> None:
    contract = network(mean=(127.5, 127.5, 127.5), scale=(1 / 128,) * 3).contract
    assert PictureContract.from_json(contract.to_json()) == contract


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"size_px": 113}, "size_px: expected 112 or 128 or 150, got 113"),
        ({"size_px": 112.0}, "size_px"),
        ({"order": "grb"}, "order: expected rgb or bgr, got 'grb'"),
        ({"template": "own"}, "template: expected arcface or openvino or dlib"),
        ({"mean": (0.0, 0.0)}, "mean: expected three"),
        ({"mean": (0.0, 0.0, 256.0)}, "mean: expected 0 to 255"),
        ({"scale": (1.0, 1.0, 0.0)}, "scale: expected 1e-06 to 1000, got 0"),
        ({"scale": (1.0, 1.0, float("nan"))}, "scale"),
        ({"model_id": ""}, "model_id: expected 1 to 200 printable characters"),
        ({"model_id": "a\n"}, "model_id"),
        ({"output_size": 10}, "output_size: expected a multiple of 4, got 10"),
        ({"sha256": "AB" * 32}, "sha256: expected 64 hexadecimal digits"),
        ({"schema_version": 2}, "schema_version"),
    ],
)
def test_contracts_that_are_refused(changes: dict[str, Any], part: str) -> None:
    contract = network().contract
    with pytest.raises(InvalidInputError, match=part):
        replace(contract, **changes)
    record = {**json.loads(contract.to_json()), **changes}
    with pytest.raises(ModelContractError, match="picture contract"):
        PictureContract.from_json(json.dumps(record))


@pytest.mark.parametrize("text", ["", "[]", "{}", "x" * 5000, None])
def test_what_is_no_contract(text: Any) -> None:
    with pytest.raises(ModelContractError, match="picture contract: expected the fields"):
        PictureContract.from_json(text)
