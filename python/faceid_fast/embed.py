"""From aligned tensors to unit vectors: the model, and the contract it must keep.

The only file that imports onnxruntime, and only once a model is loaded.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from .errors import InvalidInputError, ModelContractError, ModelError
from .face import (
    GRID_STEP_MM,
    HEAD_MODEL,
    PREPROCESSING_ID,
    TENSOR_SHAPE,
    bundled_model_sha256,
    read_bundled_model,
)

if TYPE_CHECKING:
    import onnxruntime

CONTRACT_KEY: Final = "faceid_fast.contract"
"""Where a model's ONNX `metadata_props` hold its contract, as JSON."""
SCHEMA_VERSION: Final = 1
BUNDLED_MODEL: Final = "faceid.onnx"
CHANNELS: Final = ("depth", "intensity")
METRIC: Final = "euclidean"
MAX_MODEL_BYTES: Final = 64 * 2**20
_BATCH: Final = 64  # bounds the memory of a call; more at once is no faster on one thread
_MIN_NORM: Final = 1e-6  # a shorter embedding has no direction


@dataclass(frozen=True, slots=True)
class ModelContract:
    """What a model takes and gives, written by training and checked before the model is used.

    Attributes
    ----------
    model_id : name and version of the model.
    input_name, output_name : of the ONNX graph.
    threshold : suggested largest distance to accept, Euclidean between unit vectors, in (0, 2).
    training_commit : the source revision that trained it.
    calibration : how the threshold was found; free JSON.
    preprocessing : "id" of the alignment, "head_model_sha256" of the head model and "grid_step_mm".
    input_shape : (channels, height, width).
    channels : meaning of each channel.
    embedding_size : D.
    metric : how embeddings are compared.
    schema_version : of this record.
    """

    model_id: str
    input_name: str
    output_name: str
    threshold: float
    training_commit: str
    calibration: Mapping[str, Any]
    preprocessing: Mapping[str, Any]
    input_shape: tuple[int, ...] = TENSOR_SHAPE
    channels: tuple[str, ...] = CHANNELS
    embedding_size: int = 128
    metric: str = METRIC
    schema_version: int = SCHEMA_VERSION

    @classmethod
    def from_json(cls, text: str) -> ModelContract:
        """Read a contract.

        Raises
        ------
        ModelContractError
            If it is not JSON, or a field is missing, unknown, or of another type.
        """
        try:
            record = json.loads(text)
        except (ValueError, RecursionError) as error:
            message = f"contract: expected JSON, got: {error}"
            raise ModelContractError(message) from None
        if not isinstance(record, dict):
            message = f"contract: expected a JSON object, got {type(record).__name__}"
            raise ModelContractError(message)
        wanted = {entry.name for entry in fields(cls)}
        # The version first: another version has other fields, and that is what must be said.
        _expect("schema_version", SCHEMA_VERSION, record.get("schema_version"))
        if missing := sorted(wanted - set(record)):
            message = f"contract.{missing[0]}: expected a value, got nothing"
            raise ModelContractError(message)
        if unknown := sorted(set(record) - wanted):
            message = f"contract.{unknown[0]}: expected no such field, got {record[unknown[0]]!r:.80}"
            raise ModelContractError(message)
        for name, kind in _FIELD_KINDS.items():
            value = record[name]
            if not isinstance(value, kind) or isinstance(value, bool):
                message = f"contract.{name}: expected {_KIND_NAMES[kind]}, got {value!r:.80}"
                raise ModelContractError(message)
        return cls(
            **{
                **record,
                "input_shape": tuple(record["input_shape"]),
                "channels": tuple(record["channels"]),
                "threshold": float(record["threshold"]),
                "calibration": MappingProxyType(record["calibration"]),
                "preprocessing": MappingProxyType(record["preprocessing"]),
            },
        )

    def to_json(self) -> str:
        """Write the contract as it stands in a model's metadata."""
        record = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        record["calibration"] = dict(self.calibration)
        record["preprocessing"] = dict(self.preprocessing)
        return json.dumps(record, sort_keys=True, allow_nan=False)

    def check(self) -> None:
        """Refuse a model that this package would feed or compare wrongly.

        Raises
        ------
        ModelContractError
            Naming the field, what is expected and what the model asks for.
        """
        _expect("schema_version", SCHEMA_VERSION, self.schema_version)
        _expect("input_shape", TENSOR_SHAPE, self.input_shape)
        _expect("channels", CHANNELS, self.channels)
        _expect("metric", METRIC, self.metric)
        serving = served_preprocessing()
        for name in sorted({*serving, *self.preprocessing}):
            _expect(f"preprocessing.{name}", serving.get(name), self.preprocessing.get(name))
        if self.embedding_size <= 0 or self.embedding_size % 4:
            message = f"contract.embedding_size: expected a positive multiple of 4, got {self.embedding_size}"
            raise ModelContractError(message)
        if not (math.isfinite(self.threshold) and 0.0 < self.threshold < 2.0):
            message = f"contract.threshold: expected a finite number in (0, 2), got {self.threshold}"
            raise ModelContractError(message)


def served_preprocessing() -> dict[str, Any]:
    """What this package does to a frame before the model sees it, as contracts name it."""
    return {
        "id": PREPROCESSING_ID,
        "head_model_sha256": bundled_model_sha256(HEAD_MODEL),
        "grid_step_mm": GRID_STEP_MM,
    }


class Embedder:
    """Runs a pinned model: one session, one thread.

    Parameters
    ----------
    model : path of an ONNX file
    sha256 : str
        Hexadecimal SHA-256 of that file. The very bytes that were hashed are loaded.

    Raises
    ------
    ModelError
        If the file is missing, too large, not the one pinned, or not a model.
    ModelContractError
        If its contract is not what this package does.
    """

    def __init__(self, model: str | Path, *, sha256: str) -> None:
        path = Path(model)
        try:
            with path.open("rb") as file:
                content = file.read(MAX_MODEL_BYTES + 1)
        except OSError as error:
            message = f"{path}: not readable ({error.strerror})"
            raise ModelError(message) from error
        if len(content) > MAX_MODEL_BYTES:
            message = f"{path}: expected a model of at most {MAX_MODEL_BYTES} bytes, got a larger file"
            raise ModelError(message)
        found = hashlib.sha256(content).hexdigest()
        if found != sha256.lower():
            message = f"{path}: expected SHA-256 {sha256.lower()}, got {found}"
            raise ModelError(message)
        self._load(content, str(path))

    @staticmethod
    @cache
    def bundled() -> Embedder:
        """Embedder with the model of this package, pinned in `models/models.json`.

        Raises
        ------
        ModelError
            If the file is missing or not the recorded one.
        """
        embedder = Embedder.__new__(Embedder)
        embedder._load(read_bundled_model(BUNDLED_MODEL), f"models/{BUNDLED_MODEL}")  # noqa: SLF001
        return embedder

    def _load(self, content: bytes, name: str) -> None:
        import onnxruntime  # noqa: PLC0415  # heavy: only once a model is used

        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        # Spinning pools of several sessions starve each other; one frame does not fill two threads.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises classes of its own, directly below Exception
            message = f"{name}: not a model that onnxruntime can load: {_first_line(error)}"
            raise ModelError(message) from error
        text = session.get_modelmeta().custom_metadata_map.get(CONTRACT_KEY)
        if text is None:
            message = f"{name}: contract: expected metadata {CONTRACT_KEY!r}, got none"
            raise ModelContractError(message)
        try:
            contract = ModelContract.from_json(text)
            contract.check()
            _check_graph(session, contract)
        except ModelContractError as error:
            message = f"{name}: {error}"
            raise ModelContractError(message) from error
        self._session = session
        self._contract = contract
        self._name = name

    @property
    def contract(self) -> ModelContract:
        """What the model takes and gives, and its suggested threshold."""
        return self._contract

    def embed(self, tensors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embed aligned faces.

        Parameters
        ----------
        tensors : (N, 2, 72, 64) float32, finite
            As `FaceCrop.tensor`, stacked.

        Returns
        -------
        (N, D) float32 unit vectors.

        Raises
        ------
        InvalidInputError
            If the tensors are of another type or shape, or not finite.
        ModelError
            If the model fails, or gives a vector that is not finite or has no direction.
        """
        shape = self._contract.input_shape
        if not isinstance(tensors, np.ndarray) or tensors.dtype != np.float32 or tensors.shape[1:] != shape:
            given = (
                f"{tensors.dtype} {tensors.shape}"
                if isinstance(tensors, np.ndarray)
                else type(tensors).__name__
            )
            message = f"tensors: expected float32 (N, {', '.join(map(str, shape))}), got {given}"
            raise InvalidInputError(message)
        if not np.isfinite(tensors).all():
            message = "tensors: expected finite values, got NaN or infinity"
            raise InvalidInputError(message)
        out = np.empty((len(tensors), self._contract.embedding_size), np.float32)
        for start in range(0, len(tensors), _BATCH):
            out[start : start + _BATCH] = self._run(tensors[start : start + _BATCH])
        return out

    def _run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            (raw,) = self._session.run([self._contract.output_name], {self._contract.input_name: batch})
        except Exception as error:  # see _load
            message = f"{self._name}: the model failed: {_first_line(error)}"
            raise ModelError(message) from error
        vectors = np.asarray(raw)
        wanted = (len(batch), self._contract.embedding_size)
        if vectors.shape != wanted or vectors.dtype != np.float32:
            message = (
                f"{self._name}: expected embeddings float32 {wanted}, got {vectors.dtype} {vectors.shape}"
            )
            raise ModelError(message)
        norms = np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))
        if not (np.isfinite(norms).all() and (norms >= _MIN_NORM).all()):
            message = f"{self._name}: the model gave an embedding that is not finite or has no direction"
            raise ModelError(message)
        return np.asarray(vectors / norms[:, None], dtype=np.float32)


def _check_graph(session: onnxruntime.InferenceSession, contract: ModelContract) -> None:
    """Hold the graph against its own contract: names, types and sizes."""
    for kind, name, nodes, shape in (
        ("input", contract.input_name, session.get_inputs(), contract.input_shape),
        ("output", contract.output_name, session.get_outputs(), (contract.embedding_size,)),
    ):
        if [node.name for node in nodes] != [name]:
            names = ", ".join(node.name for node in nodes)
            message = f"contract.{kind}_name: expected {name!r} to be the graph's only {kind}, got {names}"
            raise ModelContractError(message)
        if nodes[0].type != "tensor(float)":
            message = f"graph {kind} {name!r}: expected tensor(float), got {nodes[0].type}"
            raise ModelContractError(message)
        given = tuple(nodes[0].shape)
        # A size may be left open by the exporter (a name, or None); embed() checks what comes out.
        fits = len(given) == 1 + len(shape) and all(
            want == got for want, got in zip(shape, given[1:], strict=True) if isinstance(got, int)
        )
        if not fits or isinstance(given[0], int):
            message = (
                f"graph {kind} {name!r}: expected the shape (batch, {shape}) with any batch, got {given}"
            )
            raise ModelContractError(message)


def _expect(name: str, wanted: object, given: object) -> None:
    if wanted != given:
        message = f"contract.{name}: expected {wanted!r}, got {given!r:.200}"
        raise ModelContractError(message)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


_FIELD_KINDS: Final[Mapping[str, Any]] = {
    "model_id": str,
    "input_name": str,
    "output_name": str,
    "threshold": (int, float),
    "training_commit": str,
    "calibration": dict,
    "preprocessing": dict,
    "input_shape": list,
    "channels": list,
    "embedding_size": int,
    "metric": str,
    "schema_version": int,
}
_KIND_NAMES: Final[Mapping[Any, str]] = {
    str: "a string",
    (int, float): "a number",
    dict: "an object",
    list: "a list",
    int: "an integer",
}
