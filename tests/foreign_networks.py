"""Face networks as ONNX: Open Model Zoo's 0095, converted from OpenVINO's IR, and a tiny random one.

The 0095 lies beside the repository (``../shared/data/teachers``). Nothing here is part of the package: it is
what somebody does who brings a network of theirs.
"""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from faceid_fast.evaluate.acquisition import acquire
from faceid_fast.evaluate.protocols import compare, evaluate
from faceid_fast.evaluate.scores import Scores
from faceid_fast.face.aligner import FaceAligner
from faceid_fast.face.embedder import Embedder
from faceid_fast.face.liveness import LivenessCheck
from faceid_fast.sources.datasets import captures as shots_of

TEACHERS: Final = Path(__file__).resolve().parents[2] / "shared" / "data" / "teachers"
REID_0095: Final = TEACHERS / "face-reidentification-retail-0095.xml"
OPSET: Final = 15

Ports = dict[tuple[str, str], str]


def reid_0095_onnx(xml: Path) -> bytes:
    """Convert OpenVINO's IR, of the operations that the 0095 has, to ONNX with float32 weights."""
    root = ET.parse(xml).getroot()  # noqa: S314  # a file of ours
    weights = xml.with_suffix(".bin").read_bytes()
    layers = {layer.attrib["id"]: layer for layer in root.iterfind("layers/layer")}
    ins: dict[str, list[str]] = {name: [] for name in layers}
    for edge in sorted(root.iterfind("edges/edge"), key=lambda edge: int(edge.attrib["to-port"])):
        ins[edge.attrib["to-layer"]].append(edge.attrib["from-layer"])
    graph = _Graph(weights)
    for name, layer in layers.items():  # in the order of their computation
        graph.add(name, layer, ins[name])
    made = helper.make_model(
        helper.make_graph(graph.nodes, "reid_0095", graph.inputs, graph.outputs, graph.initializers),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=8,
    )
    onnx.checker.check_model(made)
    return made.SerializeToString()


class _Graph:
    """The parts of an ONNX graph, as the layers of an IR are added."""

    def __init__(self, weights: bytes) -> None:
        self._weights = weights
        self._constants: dict[str, NDArray[np.float32]] = {}
        self._names: dict[str, str] = {}
        self.nodes: list[onnx.NodeProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def add(self, name: str, layer: ET.Element, ins: list[str]) -> None:
        kind = layer.attrib["type"]
        found = layer.find("data")
        data = {} if found is None else found.attrib
        if kind == "Parameter":
            self.inputs.append(
                helper.make_tensor_value_info("input", TensorProto.FLOAT, _ints(data["shape"]))
            )
            self._names[name] = "input"
        elif kind == "Const":
            assert data["element_type"] == "f16"
            start = int(data["offset"])
            raw = self._weights[start : start + int(data["size"])]
            self._constants[name] = np.frombuffer(raw, "<f2").astype(np.float32).reshape(_ints(data["shape"]))
        elif kind == "Convert":  # float16 to float32, of a constant
            self._constants[name] = self._constants[ins[0]]
        elif kind == "Result":
            shape = [int(each.text or "") for each in layer.iterfind("input/port/dim")]
            self.outputs.append(helper.make_tensor_value_info(self._names[ins[0]], TensorProto.FLOAT, shape))
        else:
            self._names[name] = f"value{name}"
            self.nodes.append(self._node(kind, data, ins, f"value{name}"))

    def _node(self, kind: str, data: dict[str, str], ins: list[str], out: str) -> onnx.NodeProto:
        plain = {"Multiply": "Mul", "Add": "Add", "PReLU": "PRelu", "Sigmoid": "Sigmoid"}
        if kind in plain:
            return helper.make_node(plain[kind], [self._value(each) for each in ins], [out])
        pads = [*_ints(data["pads_begin"]), *_ints(data["pads_end"])]
        place = {"strides": _ints(data["strides"]), "pads": pads}
        if kind == "AvgPool":
            return helper.make_node(
                "AveragePool", [self._value(ins[0])], [out], kernel_shape=_ints(data["kernel"]), **place
            )
        assert kind in {"Convolution", "GroupConvolution"}, kind
        groups = 1
        if kind == "GroupConvolution":  # (groups, out, in, rows, columns)
            kernel = self._constants[ins[1]]
            groups = len(kernel)
            self._constants[ins[1]] = kernel.reshape(-1, *kernel.shape[2:])
        sources = [self._value(each) for each in ins]
        return helper.make_node(
            "Conv", sources, [out], group=groups, dilations=_ints(data["dilations"]), **place
        )

    def _value(self, name: str) -> str:
        """Name of a layer's value; a constant becomes an initializer when it is used first."""
        if name not in self._names:
            self._names[name] = f"weight{name}"
            self.initializers.append(numpy_helper.from_array(self._constants[name], f"weight{name}"))
        return self._names[name]


def _ints(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def figures(captures: Path, embedders: Mapping[str, Embedder]) -> dict[str, Scores]:
    """Score the protocol "unlock" on captures with several embedders, at a threshold of 1; and print it.

    Of people whose depth trained what ships, the shape's limit is no fair question: only joined distances
    count in the equal error rate.
    """
    found = {}
    for name, embedder in embedders.items():
        acquired = acquire(
            shots_of(captures), FaceAligner.bundled(), embedder, LivenessCheck.bundled()
        )  # aligned anew each time: that is quicker than what the networks do
        found[name] = scores = evaluate(compare(acquired), 1.0).protocols["unlock"]
        tmr = scores.tar_at_far["1e-2"]
        print(
            f"{name}: EER {scores.eer:.2%}, TMR {tmr:.1%} at an FMR of 1 %, mean distances "
            f"{scores.genuine_mean:.2f} genuine, {scores.impostor_mean:.2f} impostor "
            f"({scores.n_genuine} and {scores.n_impostor} comparisons)"
        )
    return found


def tiny_network(
    *,
    size: int = 112,
    values: int = 8,
    nhwc: bool = False,
    batch: object = "N",
    seed: int = 0,
    trailing: bool = False,
    change: Callable[[onnx.ModelProto], None] = lambda _: None,
) -> bytes:
    """A random network: the means of the picture's 4 x 4 tiles, times a matrix."""
    tile = size // 4
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((48, values)).astype(np.float32)
    shape = [batch, size, size, 3] if nhwc else [batch, 3, size, size]
    nodes = [helper.make_node("Transpose", ["picture"], ["planes"], perm=[0, 3, 1, 2])] if nhwc else []
    nodes += [
        helper.make_node(
            "AveragePool", ["planes" if nhwc else "picture"], ["tiles"],
            kernel_shape=[tile, tile], strides=[tile, tile],
        ),
        helper.make_node("Flatten", ["tiles"], ["row"], axis=1),
        helper.make_node("MatMul", ["row", "matrix"], ["vector"]),
    ]  # fmt: skip
    out: list[object] = [batch, values]
    if trailing:
        nodes.append(helper.make_node("Unsqueeze", ["vector", "axes"], ["map"]))
        out += [1, 1]
    made = helper.make_model(
        helper.make_graph(
            nodes,
            "tiny",
            [helper.make_tensor_value_info("picture", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("map" if trailing else "vector", TensorProto.FLOAT, out)],
            [
                numpy_helper.from_array(matrix, "matrix"),
                numpy_helper.from_array(np.array([2, 3], np.int64), "axes"),
            ],
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=8,
    )
    change(made)
    file = io.BytesIO()
    onnx.save_model(made, file)
    return file.getvalue()
