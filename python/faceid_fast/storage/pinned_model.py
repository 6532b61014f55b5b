"""A network in the place of the picture's that a store pins: nobody is compared by another one. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Self

from faceid_fast.checks import checked_sha256, shown
from faceid_fast.errors import InvalidInputError

MAX_CONTRACT_CHARS: Final = 4096
_MAX_CHARS: Final = 200


@dataclass(frozen=True, slots=True)
class PinnedModel:
    """The network that a store pins, checked when it is made.

    Attributes
    ----------
    model_id : its name.
    picture_sha256 : SHA-256 (hex) of its file.
    sha256 : what stands for it, its contract and the bundled model together
        (`faceid_fast.face.combined_embedder.combined_sha256`).
    contract : its contract, as JSON (`faceid_fast.face.picture_contract.PictureContract`).

    Raises
    ------
    InvalidInputError
        If a value is not as above.
    """

    model_id: str
    picture_sha256: str
    sha256: str
    contract: str

    def __post_init__(self) -> None:
        """Check every value: who is let in depends on them."""
        for name, most in (("model_id", _MAX_CHARS), ("contract", MAX_CONTRACT_CHARS)):
            value = getattr(self, name)
            if not isinstance(value, str) or not 0 < len(value) <= most or not value.isprintable():
                message = f"model.{name}: expected 1 to {most} printable characters, got {shown(value)}"
                raise InvalidInputError(message)
        for name in ("picture_sha256", "sha256"):
            checked_sha256(f"model.{name}", getattr(self, name))

    def to_record(self) -> dict[str, Any]:
        """Return the fields, as JSON has them."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: object) -> Self:
        """Read the fields that `to_record` returns; InvalidInputError if they are others."""
        if not isinstance(record, Mapping) or set(record) != {entry.name for entry in fields(cls)}:
            message = "model: expected the fields of a pinned model, got others"
            raise InvalidInputError(message)
        return cls(**record)
