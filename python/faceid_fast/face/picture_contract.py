"""The contract of a network that others made, in the picture's place: what it is given, and what it gives."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any, Final

from faceid_fast.checks import (
    checked_choice,
    checked_integer,
    checked_number,
    checked_sha256,
    checked_three,
    shown,
)
from faceid_fast.errors import InvalidInputError, ModelContractError

from .chip_templates import Template
from .model_contract import MAX_EMBEDDING_SIZE

PICTURE_SIZES: Final = (112, 128, 150)
"""Sides of the pictures that a network may see, px."""
PICTURE_SCHEMA_VERSION: Final = 1
MAX_CHARS: Final = 200
"""Longest name of a model, or of an input or an output of its graph."""
_MAX_MEAN: Final = 255.0
_SCALES: Final = (1e-6, 1e3)
_MAX_JSON: Final = 4096


class Order(StrEnum):
    """The order of the colours."""

    RGB = "rgb"
    BGR = "bgr"


class Layout(StrEnum):
    """The order of the input's dimensions: N faces, C colours, H rows, W columns."""

    NCHW = "nchw"
    NHWC = "nhwc"


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureContract:
    """What a network that others made expects and gives, checked when it is made.

    Attributes
    ----------
    model_id : its name, chosen by whoever adopts it.
    sha256 : SHA-256 (hex) of its file.
    size_px : side of the picture that it sees: one of `PICTURE_SIZES`.
    order : of the colours: "rgb" or "bgr".
    layout : of the input: "nchw" or "nhwc".
    mean, scale : three numbers each, of the colours in `order`; the network sees
        ``(pixel - mean) * scale``, with pixels from 0 to 255.
    template : where it expects the face: see `faceid_fast.face.chip_templates.Template`.
    input_name, output_name : of its graph.
    output_size : values per vector, a multiple of 4 up to 2048.
    schema_version : version of these fields.

    Raises
    ------
    InvalidInputError
        If a value is not as above.
    """

    model_id: str
    sha256: str
    size_px: int
    order: Order
    layout: Layout
    mean: tuple[float, float, float]
    scale: tuple[float, float, float]
    template: Template
    input_name: str
    output_name: str
    output_size: int
    schema_version: int = PICTURE_SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Check every value, and make texts the members of their enums."""
        for name in ("model_id", "input_name", "output_name"):
            _check_name(name, getattr(self, name))
        checked_sha256("sha256", self.sha256)
        if type(self.size_px) is not int or self.size_px not in PICTURE_SIZES:
            sizes = " or ".join(map(str, PICTURE_SIZES))
            message = f"size_px: expected {sizes}, got {shown(self.size_px)}"
            raise InvalidInputError(message)
        for name, kind in (("order", Order), ("layout", Layout), ("template", Template)):
            object.__setattr__(self, name, checked_choice(name, getattr(self, name), kind))
        for name, low, high in (("mean", 0.0, _MAX_MEAN), ("scale", *_SCALES)):
            given = checked_three(name, getattr(self, name))
            object.__setattr__(self, name, tuple(checked_number(name, each, low, high) for each in given))
        if checked_integer("output_size", self.output_size, 4, MAX_EMBEDDING_SIZE) % 4:
            message = f"output_size: expected a multiple of 4, got {self.output_size}"
            raise InvalidInputError(message)
        checked_integer("schema_version", self.schema_version, PICTURE_SCHEMA_VERSION, PICTURE_SCHEMA_VERSION)

    def to_json(self) -> str:
        """Return the contract as JSON; equal contracts give equal texts."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> PictureContract:
        """Read the text that `to_json` writes.

        Raises
        ------
        ModelContractError
            If it is another text.
        """
        try:
            record: Any = json.loads(text) if isinstance(text, str) and len(text) <= _MAX_JSON else None
        except (ValueError, RecursionError):
            record = None
        if not isinstance(record, dict) or set(record) != {entry.name for entry in fields(cls)}:
            message = "picture contract: expected the fields of a picture's contract as JSON, got others"
            raise ModelContractError(message)
        try:
            made = cls(**record)
        except InvalidInputError as error:
            message = f"picture contract: {error}"
            raise ModelContractError(message) from None
        return made


def _check_name(name: str, value: object) -> None:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_CHARS or not value.isprintable():
        message = f"{name}: expected 1 to {MAX_CHARS} printable characters, got {shown(value)}"
        raise InvalidInputError(message)
