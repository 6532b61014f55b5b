"""Turn aligned faces into unit vectors: the joined one, and one for each of the two keys.

This is the only file that imports onnxruntime, and it does so only when a model is loaded.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from faceid_fast.checks import checked_path, open_file
from faceid_fast.errors import InvalidInputError, ModelContractError, ModelError

from .bundled import read_bundled_model
from .embedding import Embeddings
from .model_contract import CONTRACT_KEY, INPUTS, OUTPUTS, ModelContract
from .onnx_file import check_whole

if TYPE_CHECKING:
    from typing import TypeAlias

    import onnxruntime

    Session: TypeAlias = onnxruntime.InferenceSession

# From 1.29 on, onnxruntime keeps a device id below ~/.cache and reports its use to its maker, unless this
# variable is set before the import; its functions come too late. A value that the user has set is kept.
_SILENT: Final = os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1") == "1"

BUNDLED_MODEL: Final = "faceid.onnx"
MAX_MODEL_BYTES: Final = 64 * 2**20
MAX_FACES: Final = 1 << 16
"""Most faces in one call: an array may claim more than there is memory for."""
_BATCH: Final = 64  # bounds the memory of a call; more at once is no faster on one thread
_SHA256: Final = re.compile("[0-9a-fA-F]{64}")
_MIN_NORM: Final = 1e-6  # a shorter embedding has no direction


class Embedder:
    """Computes embeddings with a model that is pinned by its hash: one session, one thread.

    Parameters
    ----------
    model : str or Path
        Path of an ONNX file.
    sha256 : str
        Hexadecimal SHA-256 of that file. The bytes that are loaded are those that were hashed.

    Raises
    ------
    InvalidInputError
        If `model` is no path or `sha256` no SHA-256.
    ModelError
        If the file is missing, too large, not a model, or its SHA-256 is another.
    ModelContractError
        If this package cannot fulfil the model's contract.
    """

    def __init__(self, model: str | Path, *, sha256: str) -> None:
        path = checked_path("model", model)
        if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
            given = "other text" if isinstance(sha256, str) else type(sha256).__name__
            message = f"sha256: expected 64 hexadecimal digits, got {given}"
            raise InvalidInputError(message)
        content = read_model(path)
        found = hashlib.sha256(content).hexdigest()
        if found != sha256.lower():
            message = f"{path}: expected SHA-256 {sha256.lower()}, got {found}"
            raise ModelError(message)
        self._load(content, str(path))

    @staticmethod
    @cache
    def bundled() -> Embedder:
        """Return the embedder with this package's model, whose SHA-256 the core holds.

        Raises
        ------
        ModelError
            If the file is missing, or its SHA-256 is not the recorded one.
        """
        embedder = Embedder.__new__(Embedder)
        embedder._load(read_bundled_model(BUNDLED_MODEL), f"models/{BUNDLED_MODEL}")  # noqa: SLF001
        return embedder

    def _load(self, content: bytes, name: str) -> None:
        session = open_session(content, name)
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
        self._sha256 = hashlib.sha256(content).hexdigest()
        self._contract = contract
        self._name = name

    @property
    def contract(self) -> ModelContract:
        """The model's contract: its inputs, its outputs, its suggested thresholds and the keys' limits."""
        return self._contract

    @property
    def sha256(self) -> str:
        """SHA-256 (hex) of the model file; vectors of different models cannot be compared."""
        return self._sha256

    def embed(self, tensors: NDArray[np.float32], chips: NDArray[np.uint8]) -> Embeddings:
        """Embed aligned faces.

        Parameters
        ----------
        tensors : (N, 4, 72, 64) float32, finite, N at most `MAX_FACES`
            Stacked tensors of N faces, each as `FaceCrop.tensor`.
        chips : (N, 3, 150, 150) uint8
            Stacked chips of the same faces, each as `FaceCrop.chip`.

        Returns
        -------
        Embeddings of N faces.

        Raises
        ------
        InvalidInputError
            If the tensors or the chips are of another type or shape, or not finite.
        ModelError
            If the model fails, or gives a vector that is not finite, or too short to have a direction.
        """
        check_faces("tensors", tensors, np.dtype(np.float32), INPUTS["tensor"])
        check_faces("chips", chips, np.dtype(np.uint8), INPUTS["chip"])
        if len(chips) != len(tensors):
            message = f"chips: expected one for each of {len(tensors)} tensors, got {len(chips)}"
            raise InvalidInputError(message)
        made = {
            name: np.empty((len(tensors), size), np.float32) for name, size in self._contract.outputs.items()
        }
        for start in range(0, len(tensors), _BATCH):
            of_batch = slice(start, start + _BATCH)
            batch = np.ascontiguousarray(tensors[of_batch])
            if not np.isfinite(batch).all():
                message = "tensors: expected finite values, got NaN or infinity"
                raise InvalidInputError(message)
            for name, vectors in self._run(batch, np.ascontiguousarray(chips[of_batch])).items():
                made[name][of_batch] = vectors
        return Embeddings(made["embedding"], made["shape"], made["picture"])

    def _run(self, tensors: NDArray[np.float32], chips: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Return the unit vectors of each output, by its name."""
        outputs = run(self._session, self._name, OUTPUTS, {"tensor": tensors, "chip": chips})
        return {
            name: unit_rows(self._name, name, raw, (len(tensors), self._contract.outputs[name]))
            for name, raw in zip(OUTPUTS, outputs, strict=True)
        }


def read_model(path: Path) -> bytes:
    """Read a model's file; ModelError if it cannot be read, or is larger than `MAX_MODEL_BYTES`."""
    try:
        with open_file(path) as file:
            content = file.read(MAX_MODEL_BYTES + 1)
    except OSError as error:
        message = f"{path}: not readable ({error.strerror})"
        raise ModelError(message) from error
    if len(content) > MAX_MODEL_BYTES:
        message = f"{path}: expected a model of at most {MAX_MODEL_BYTES} bytes, got a larger file"
        raise ModelError(message)
    return content


def open_session(content: bytes, name: str) -> Session:
    """Make a session of one thread from the bytes of a model, and of these alone.

    Operators are those that onnxruntime brings; libraries of others are never loaded.

    Parameters
    ----------
    content : of the model's file.
    name : of the file, for messages.

    Raises
    ------
    ModelError
        If it is no model that onnxruntime can load, or its weights lie in another file.
    """
    import onnxruntime  # noqa: PLC0415  # heavy: only once a model is used

    check_whole(content, name)
    if _SILENT:
        onnxruntime.disable_telemetry_events()  # the telemetry of Windows heeds no variable
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    # Spinning thread pools of several sessions starve each other; one frame does not occupy two threads.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises classes of its own, directly below Exception
        message = f"{name}: not a model that onnxruntime can load: {_first_line(error)}"
        raise ModelError(message) from error


def run(session: Session, name: str, outputs: Sequence[str], inputs: Mapping[str, object]) -> list[object]:
    """Run a session, and return the outputs of these names; ModelError if it fails."""
    try:
        found: list[object] = session.run(list(outputs), dict(inputs))
    except Exception as error:  # see open_session
        message = f"{name}: the model failed: {_first_line(error)}"
        raise ModelError(message) from error
    return found


def unit_rows(name: str, output: str, raw: object, wanted: tuple[int, int]) -> NDArray[np.float32]:
    """Check what a model gave at an output, and bring its rows to length 1.

    Parameters
    ----------
    name : of the model, for messages.
    output : its name.
    raw : what the session returned.
    wanted : (faces, values).

    Raises
    ------
    ModelError
        If it is of another type or shape, not finite, or too short to have a direction.
    """
    vectors = np.asarray(raw)
    if vectors.shape != wanted or vectors.dtype != np.float32:
        message = f"{name}: expected {output} float32 {wanted}, got {vectors.dtype} {vectors.shape}"
        raise ModelError(message)
    norms = np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))
    if not (np.isfinite(norms).all() and (norms >= _MIN_NORM).all()):
        message = f"{name}: the model gave an {output} vector that is not finite or has no direction"
        raise ModelError(message)
    return np.asarray(vectors / norms[:, None], dtype=np.float32)


def check_faces(name: str, value: object, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    """Refuse what is not a stack of the inputs of some faces."""
    plain = isinstance(value, np.ndarray) and not isinstance(value, np.ma.MaskedArray)
    fits = plain and value.dtype == dtype and value.shape[1:] == shape  # type: ignore[attr-defined]  # an array
    if not fits or len(value) > MAX_FACES:  # type: ignore[arg-type]  # an array, too
        given = f"{value.dtype} {value.shape}" if plain else type(value).__name__  # type: ignore[attr-defined]
        message = (
            f"{name}: expected {dtype} (N, {', '.join(map(str, shape))}), N at most {MAX_FACES}, got {given}"
        )
        raise InvalidInputError(message)


def _check_graph(session: Session, contract: ModelContract) -> None:
    """Check the graph against the contract: names, types and sizes."""
    sizes = {name: (contract.outputs[name],) for name in OUTPUTS}
    floats = dict.fromkeys(OUTPUTS, "tensor(float)")
    for kind, nodes, shapes, types in (
        ("input", session.get_inputs(), INPUTS, {"tensor": "tensor(float)", "chip": "tensor(uint8)"}),
        ("output", session.get_outputs(), sizes, floats),
    ):
        if sorted(node.name for node in nodes) != sorted(shapes):
            names = ", ".join(node.name for node in nodes)
            message = f"graph: expected the {kind}s {', '.join(shapes)}, got {names:.200}"
            raise ModelContractError(message)
        for node in nodes:
            _check_node(kind, node, shapes[node.name], types[node.name])


def _check_node(kind: str, node: onnxruntime.NodeArg, shape: tuple[int, ...], wanted: str) -> None:
    """Check an input or an output of the graph: its type, and its shape for any number of faces."""
    if node.type != wanted:
        message = f"graph {kind} {node.name!r}: expected {wanted}, got {node.type}"
        raise ModelContractError(message)
    given = tuple(node.shape)
    # The exporter may leave a size open (a name, or None); embed() checks the shape of the output.
    fits = len(given) == 1 + len(shape) and all(
        want == got for want, got in zip(shape, given[1:], strict=True) if isinstance(got, int)
    )
    if not fits or isinstance(given[0], int):
        message = (
            f"graph {kind} {node.name!r}: expected the shape (batch, {shape}) with any batch, got {given}"
        )
        raise ModelContractError(message)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
