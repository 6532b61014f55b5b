"""Turn the picture's tower into 8-bit numbers: a quarter of the bytes, about two thirds of the time or less.

Static quantisation by onnxruntime: weights per channel, activations by what they are on calibration chips.
Weights get seven bits: on processors that multiply bytes in pairs (AVX2 without VNNI) two products of eight
bits can exceed the sixteen bits that hold their sum, and a face would be another on such a processor.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

QUANTISED_OPERATORS: Final = ("Conv", "Add", "MaxPool", "AveragePool", "Pad")
CALIBRATION_CHIPS: Final = 100


class _Chips(CalibrationDataReader):  # type: ignore[misc]
    """Gives the chips one by one, each with an empty tensor: the other towers stay as they are."""

    def __init__(self, chips: NDArray[np.uint8], tensor_shape: tuple[int, ...]) -> None:
        empty = np.zeros((1, *tensor_shape), np.float32)
        self._rows = iter([{"tensor": empty, "chip": chip[None]} for chip in chips])

    def get_next(self) -> dict[str, Any] | None:
        return next(self._rows, None)


def quantise_tower(
    path: Path, prefix: str, chips: NDArray[np.uint8], tensor_shape: tuple[int, ...]
) -> list[str]:
    """Quantise one tower of a model in place; returns the names of the nodes.

    Parameters
    ----------
    path : of the ONNX file.
    prefix : part of the names of the tower's nodes.
    chips : (n, 3, 150, 150) uint8, to find the range of the activations with.
    tensor_shape : of the other input.

    Raises
    ------
    ValueError
        No node of the tower was found.
    """
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
        nodes = [
            node.name
            for node in onnx.load(prepared).graph.node
            if prefix in node.name and node.op_type in QUANTISED_OPERATORS
        ]
        if not nodes:
            message = f"{path}: expected nodes with {prefix!r} in their names, got none"
            raise ValueError(message)
        quantize_static(
            str(prepared),
            str(path),
            _Chips(chips[:CALIBRATION_CHIPS], tensor_shape),
            quant_format=QuantFormat.QDQ,
            nodes_to_quantize=nodes,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
    return nodes
