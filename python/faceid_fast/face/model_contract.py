"""A model's contract: its inputs, outputs, thresholds and limits, checked before the model is used."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Final

from faceid_fast.calibration.impostor_tail import Tail, is_tail
from faceid_fast.errors import ModelContractError
from faceid_fast.frame import MODALITIES

from .bundled import bundled_model_sha256
from .crop import CHIP_SHAPE, GRID_STEP_MM, TENSOR_SHAPE
from .head_model import HEAD_MODEL, PREPROCESSING_ID

CONTRACT_KEY: Final = "faceid_fast.contract"
"""The key of the contract, as JSON, among the `metadata_props` of a model's ONNX file."""
SCHEMA_VERSION: Final = 4
INPUTS: Final[Mapping[str, tuple[int, ...]]] = MappingProxyType({"tensor": TENSOR_SHAPE, "chip": CHIP_SHAPE})
"""The inputs of every model, as `FaceCrop` has them, by name: the shape of one face."""
OUTPUTS: Final = ("embedding", "shape", "picture")
"""The names of the outputs: the joined vector, and the vector of each key."""
KEYS: Final = ("shape", "picture")
"""The two keys of a face, both of which must agree: its depth, and how it looks."""
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
    outputs : values per vector of each output of the ONNX graph, by name (`OUTPUTS`): the joined vector that
        galleries hold ("embedding"), and the vectors of the two keys ("shape", "picture").
    thresholds : suggested largest distance to accept, Euclidean between joined unit vectors, in (0, 2), for
        each modality of `frame.MODALITIES` that it was measured for. Empty: the model has none of its own,
        and accepts nobody before one is measured (``faceid calibrate``).
    key_limits : for each of these modalities (without thresholds: for each that the model serves) the largest
        distance of each key (`KEYS`) at which it agrees, Euclidean between unit vectors, in (0, 2]: looser
        than the threshold, and asked in addition.
    tails : for each of these modalities pairs (share, distance), ascending: the largest distance at which at
        most this share of impostor comparisons, one frame against one, was accepted. May be empty.
    training_commit : the source revision that trained the model.
    calibration : how the thresholds were found; free JSON.
    preprocessing : "id" of the alignment, "head_model_sha256" of the head model and "grid_step_mm".
    teachers : the networks that this one learned from, each with its "name", its "licence" and what it was
        "used_for"; empty if there was none.
    inputs : shape of one face at each input of the ONNX graph, by name: "tensor" float32, "chip" uint8.
    channels : meaning of each channel of the tensor.
    metric : how embeddings are compared.
    schema_version : version of the contract's fields.
    """

    model_id: str
    outputs: Mapping[str, int]
    thresholds: Mapping[str, float]
    key_limits: Mapping[str, Mapping[str, float]]
    tails: Mapping[str, Tail]
    training_commit: str
    calibration: Mapping[str, Any]
    preprocessing: Mapping[str, Any]
    teachers: tuple[Mapping[str, str], ...] = ()
    inputs: Mapping[str, tuple[int, ...]] = field(default_factory=lambda: INPUTS)
    channels: tuple[str, ...] = CHANNELS
    metric: str = METRIC
    schema_version: int = SCHEMA_VERSION

    @property
    def embedding_size(self) -> int:
        """Values per joined vector, D."""
        return self.outputs["embedding"]

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
        _check_version(record.get("schema_version"))
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
                "inputs": MappingProxyType(
                    {name: _shape(f"inputs.{name}", shape) for name, shape in record["inputs"].items()}
                ),
                "outputs": MappingProxyType(
                    {name: _integer(f"outputs.{name}", size) for name, size in record["outputs"].items()}
                ),
                "channels": tuple(record["channels"]),
                "teachers": tuple(map(_teacher, record["teachers"])),
                "thresholds": _numbers("thresholds", record["thresholds"]),
                "key_limits": MappingProxyType(
                    {
                        name: _numbers(f"key_limits.{name}", each)
                        for name, each in record["key_limits"].items()
                    }
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
        for name in _MAPPINGS:
            if not isinstance(record[name], Mapping):
                message = f"contract.{name}: expected a mapping, got {type(record[name]).__name__}"
                raise ModelContractError(message)
            record[name] = dict(record[name])
        try:
            return json.dumps(record, sort_keys=True, allow_nan=allow_nan, default=_as_dict)
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
        _check_graph_of(contract)
        _expect("channels", CHANNELS, contract.channels)
        _expect("metric", METRIC, contract.metric)
        serving = served_preprocessing()
        for name in sorted({*serving, *contract.preprocessing}):
            _expect(f"preprocessing.{name}", serving.get(name), contract.preprocessing.get(name))
        _check_thresholds_of(contract)


def served_preprocessing() -> dict[str, Any]:
    """Return this package's preprocessing of a frame, as contracts describe it."""
    return {
        "id": PREPROCESSING_ID,
        "head_model_sha256": bundled_model_sha256(HEAD_MODEL),
        "grid_step_mm": GRID_STEP_MM,
    }


def _check_graph_of(contract: ModelContract) -> None:
    """Refuse inputs that this package does not make, and vectors that it cannot compare."""
    _expect("inputs", sorted(INPUTS), sorted(contract.inputs))
    for name, shape in INPUTS.items():
        _expect(f"inputs.{name}", shape, contract.inputs[name])
    _expect("outputs", sorted(OUTPUTS), sorted(contract.outputs))
    for name, size in contract.outputs.items():
        if not 0 < size <= MAX_EMBEDDING_SIZE or size % 4:
            message = (
                f"contract.outputs.{name}: expected a positive multiple of 4 up to {MAX_EMBEDDING_SIZE}, "
                f"got {_float(size):g}"
            )
            raise ModelContractError(message)


def _check_thresholds_of(contract: ModelContract) -> None:
    """Refuse distances that would accept nobody or everybody, and a modality that lacks some of them."""
    served = contract.thresholds or contract.key_limits
    if not served or not set(served) <= set(MODALITIES):
        message = (
            f"contract.thresholds: expected one for some of {', '.join(MODALITIES)}, "
            f"got {', '.join(served) or 'none':.80}"
        )
        raise ModelContractError(message)
    for name, threshold in contract.thresholds.items():
        if not (math.isfinite(threshold) and 0.0 < threshold < 2.0):
            message = f"contract.thresholds.{name}: expected a finite number in (0, 2), got {threshold}"
            raise ModelContractError(message)
    _expect("key_limits", sorted(served), sorted(contract.key_limits))
    for name, limits in contract.key_limits.items():
        _expect(f"key_limits.{name}", sorted(KEYS), sorted(limits))
        for key, limit in limits.items():
            if not (math.isfinite(limit) and 0.0 < limit <= 2.0):
                message = f"contract.key_limits.{name}.{key}: expected a finite number in (0, 2], got {limit}"
                raise ModelContractError(message)
    _expect("tails", sorted(served), sorted(contract.tails))
    for name, tail in contract.tails.items():
        if not is_tail(tail):
            message = (
                f"contract.tails.{name}: expected shares in (0, 1] and distances in (0, 2), both "
                "ascending, got others"
            )
            raise ModelContractError(message)


def _check_version(given: object) -> None:
    """Refuse a contract of another version, and say what to do about it."""
    if type(given) is int and given == SCHEMA_VERSION:
        return
    older = type(given) is int and given < SCHEMA_VERSION
    advice = (
        "the model was made for an older version, before a face had two keys: use this package's own model, "
        "or export yours anew, and enrol everybody again"
        if older
        else "is it a model for a newer version of faceid-fast?"
    )
    message = f"contract.schema_version: expected {SCHEMA_VERSION}, got {_shown(given)}: {advice}"
    raise ModelContractError(message)


def _as_dict(value: object) -> object:
    """Give `json` a mapping of another type, within a field, as a dict."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError


def _shape(name: str, sizes: object) -> tuple[int, ...]:
    if not isinstance(sizes, list) or not all(type(size) is int for size in sizes):
        message = f"contract.{name:.80}: expected a list of integers, got {_shown(sizes)}"
        raise ModelContractError(message)
    return tuple(sizes)


def _integer(name: str, value: object) -> int:
    if type(value) is not int:
        message = f"contract.{name:.80}: expected an integer, got {_shown(value)}"
        raise ModelContractError(message)
    return value


def _numbers(name: str, values: object) -> Mapping[str, float]:
    if not isinstance(values, dict):
        message = f"contract.{name:.80}: expected an object, got {_shown(values)}"
        raise ModelContractError(message)
    return MappingProxyType({key: _number(f"{name}.{key}", value) for key, value in values.items()})


def _teacher(record: object) -> Mapping[str, str]:
    if (
        not isinstance(record, dict)
        or set(record) != set(_TEACHER)
        or not all(isinstance(text, str) and text for text in record.values())
    ):
        message = f"contract.teachers: expected objects of the texts {', '.join(_TEACHER)}, got others"
        raise ModelContractError(message)
    return MappingProxyType(record)


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


_TEACHER: Final = ("name", "licence", "used_for")
_FIELD_KINDS: Final[Mapping[str, Any]] = {
    "model_id": str,
    "outputs": dict,
    "thresholds": dict,
    "key_limits": dict,
    "tails": dict,
    "training_commit": str,
    "calibration": dict,
    "preprocessing": dict,
    "teachers": list,
    "inputs": dict,
    "channels": list,
    "metric": str,
    "schema_version": int,
}
_MAPPINGS: Final = tuple(name for name, kind in _FIELD_KINDS.items() if kind is dict)
_KIND_NAMES: Final[Mapping[Any, str]] = {
    str: "a string",
    dict: "an object",
    list: "a list",
    int: "an integer",
}
