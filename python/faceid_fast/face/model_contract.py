"""A model's contract: its inputs, outputs and thresholds, checked before the model is used."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, Final

from faceid_fast.calibration.impostor_tail import Tail, is_tail
from faceid_fast.errors import ModelContractError
from faceid_fast.frame import MODALITIES

from .bundled import bundled_model_sha256
from .crop import GRID_STEP_MM, TENSOR_SHAPE
from .head_model import HEAD_MODEL, PREPROCESSING_ID

CONTRACT_KEY: Final = "faceid_fast.contract"
"""The key of the contract, as JSON, among the `metadata_props` of a model's ONNX file."""
SCHEMA_VERSION: Final = 3
CHANNELS: Final = ("depth", "red", "green", "blue")
METRIC: Final = "euclidean"
MAX_EMBEDDING_SIZE: Final = 2048
"""The longest vector that a gallery takes."""


@dataclass(frozen=True, slots=True)
class ModelContract:
    """A model's contract: training writes it, and it is checked before the model is used.

    Attributes
    ----------
    model_id : name and version of the model.
    input_name, output_name : of the ONNX graph.
    thresholds : suggested largest distance to accept, Euclidean between unit vectors, in (0, 2), for each
        modality of `frame.MODALITIES` that it was measured for.
    tails : for each of these modalities pairs (share, distance), ascending: the largest distance at which at
        most this share of impostor comparisons, one frame against one, was accepted. May be empty.
    training_commit : the source revision that trained the model.
    calibration : how the thresholds were found; free JSON.
    preprocessing : "id" of the alignment, "head_model_sha256" of the head model and "grid_step_mm".
    input_shape : (channels, height, width).
    channels : meaning of each channel.
    embedding_size : values per embedding, D.
    metric : how embeddings are compared.
    schema_version : version of the contract's fields.
    """

    model_id: str
    input_name: str
    output_name: str
    thresholds: Mapping[str, float]
    tails: Mapping[str, Tail]
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
        """Read a contract from JSON.

        Raises
        ------
        ModelContractError
            If the text is not a JSON object, or a field is missing, unknown, or of another type.
        """
        if not isinstance(text, str):
            message = f"contract: expected JSON as a str, got {type(text).__name__}"
            raise ModelContractError(message)
        try:
            record = json.loads(text)
        except (ValueError, RecursionError) as error:
            message = f"contract: expected JSON, got: {error}"
            raise ModelContractError(message) from None
        if not isinstance(record, dict):
            message = f"contract: expected a JSON object, got {type(record).__name__}"
            raise ModelContractError(message)
        wanted = {entry.name for entry in fields(cls)}
        # The version first: another version has other fields, and the message must name the version.
        _expect("schema_version", SCHEMA_VERSION, record.get("schema_version"))
        if missing := sorted(wanted - set(record)):
            message = f"contract.{missing[0]}: expected a value, got nothing"
            raise ModelContractError(message)
        if unknown := sorted(set(record) - wanted):
            message = f"contract.{unknown[0]:.80}: expected no such field, got {_shown(record[unknown[0]])}"
            raise ModelContractError(message)
        for name, kind in _FIELD_KINDS.items():
            value = record[name]
            if not isinstance(value, kind) or isinstance(value, bool):
                message = f"contract.{name}: expected {_KIND_NAMES[kind]}, got {_shown(value)}"
                raise ModelContractError(message)
        return cls(
            **{
                **record,
                "input_shape": tuple(record["input_shape"]),
                "channels": tuple(record["channels"]),
                "thresholds": MappingProxyType(
                    {name: _number(f"thresholds.{name}", at) for name, at in record["thresholds"].items()}
                ),
                "tails": MappingProxyType(
                    {name: _tail(f"tails.{name}", tail) for name, tail in record["tails"].items()}
                ),
                "calibration": MappingProxyType(record["calibration"]),
                "preprocessing": MappingProxyType(record["preprocessing"]),
            },
        )

    def to_json(self) -> str:
        """Return the contract as JSON, as it is kept in a model's metadata."""
        return self._json(allow_nan=False)

    def _json(self, *, allow_nan: bool) -> str:
        record = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        for name in ("thresholds", "tails", "calibration", "preprocessing"):
            if not isinstance(record[name], Mapping):
                message = f"contract.{name}: expected a mapping, got {type(record[name]).__name__}"
                raise ModelContractError(message)
            record[name] = dict(record[name])
        try:
            return json.dumps(record, sort_keys=True, allow_nan=allow_nan)
        except (TypeError, ValueError, RecursionError):
            message = (
                "contract: expected strings, finite numbers and lists of them, got what JSON cannot hold"
            )
            raise ModelContractError(message) from None

    def check(self) -> None:
        """Refuse a model that this package would give wrong input, or whose vectors it would compare wrongly.

        Raises
        ------
        ModelContractError
            If this package cannot serve the value of a field; the message names the field and both values.
        """
        # Read again, types included: a contract made without `from_json` may hold anything.
        contract = ModelContract.from_json(self._json(allow_nan=True))
        _expect("schema_version", SCHEMA_VERSION, contract.schema_version)
        _expect("input_shape", TENSOR_SHAPE, contract.input_shape)
        _expect("channels", CHANNELS, contract.channels)
        _expect("metric", METRIC, contract.metric)
        serving = served_preprocessing()
        for name in sorted({*serving, *contract.preprocessing}):
            _expect(f"preprocessing.{name}", serving.get(name), contract.preprocessing.get(name))
        if not 0 < contract.embedding_size <= MAX_EMBEDDING_SIZE or contract.embedding_size % 4:
            message = (
                f"contract.embedding_size: expected a positive multiple of 4 up to {MAX_EMBEDDING_SIZE}, "
                f"got {_float(contract.embedding_size):g}"
            )
            raise ModelContractError(message)
        if not contract.thresholds or not set(contract.thresholds) <= set(MODALITIES):
            message = (
                f"contract.thresholds: expected one for some of {', '.join(MODALITIES)}, "
                f"got {', '.join(contract.thresholds) or 'none':.80}"
            )
            raise ModelContractError(message)
        for name, threshold in contract.thresholds.items():
            if not (math.isfinite(threshold) and 0.0 < threshold < 2.0):
                message = f"contract.thresholds.{name}: expected a finite number in (0, 2), got {threshold}"
                raise ModelContractError(message)
        _expect("tails", sorted(self.thresholds), sorted(self.tails))
        for name, tail in self.tails.items():
            if not is_tail(tail):
                message = (
                    f"contract.tails.{name}: expected shares in (0, 1] and distances in (0, 2), both "
                    "ascending, got others"
                )
                raise ModelContractError(message)


def served_preprocessing() -> dict[str, Any]:
    """Return this package's preprocessing of a frame, as contracts describe it."""
    return {
        "id": PREPROCESSING_ID,
        "head_model_sha256": bundled_model_sha256(HEAD_MODEL),
        "grid_step_mm": GRID_STEP_MM,
    }


def _tail(name: str, pairs: object) -> Tail:
    if not isinstance(pairs, list) or any(not isinstance(pair, list) or len(pair) != 2 for pair in pairs):
        message = f"contract.{name}: expected a list of pairs, got {_shown(pairs)}"
        raise ModelContractError(message)
    return tuple((_number(name, share), _number(name, distance)) for share, distance in pairs)


def _number(name: str, value: object) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        message = f"contract.{name:.80}: expected a number, got {_shown(value)}"
        raise ModelContractError(message)
    return _float(value)


def _float(number: float) -> float:
    """Convert to float; an integer beyond every float gives infinity, which is refused later."""
    try:
        return float(number)
    except OverflowError:
        return math.inf


def _shown(value: object) -> str:
    """Describe a value in a message; never a list of numbers, which could be a face."""
    several = value if isinstance(value, (list, tuple)) else ()
    if isinstance(value, dict) or len(several) > 8 or any(not isinstance(one, (str, int)) for one in several):
        return f"{type(value).__name__} of {len(several or value)}"  # type: ignore[arg-type]  # has a length
    return f"{value!r:.200}"


def _expect(name: str, wanted: object, given: object) -> None:
    if wanted != given:
        message = f"contract.{name:.80}: expected {wanted!r}, got {_shown(given)}"
        raise ModelContractError(message)


_FIELD_KINDS: Final[Mapping[str, Any]] = {
    "model_id": str,
    "input_name": str,
    "output_name": str,
    "thresholds": dict,
    "tails": dict,
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
    dict: "an object",
    list: "a list",
    int: "an integer",
}
