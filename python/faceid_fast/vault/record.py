"""One person as bytes, and back: what a record holds before it is sealed.

A length, that much JSON (names, poses, modalities, the model), then the vectors as little-endian float32:
numbers are never text. What is read has been authenticated, so it is what was checked when it was written.
"""

from __future__ import annotations

import json
import struct
from typing import Final

import numpy as np

from faceid_fast.store import References

from .damage import Part, damaged

_FORMAT: Final = 1
_LENGTH: Final = struct.Struct("<I")
_FIELDS: Final = {"format", "identity", "poses", "modalities", "model_sha256"}


def encode(references: References) -> bytes:
    """Turn a person's references into bytes."""
    head = {
        "format": _FORMAT,
        "identity": references.identity,
        "poses": references.poses,
        "modalities": references.modalities,
        "model_sha256": references.model_sha256,
    }
    text = json.dumps(head, ensure_ascii=False, separators=(",", ":")).encode()
    return _LENGTH.pack(len(text)) + text + references.vectors.astype("<f4", copy=False).tobytes()


def decode(content: bytes) -> References:
    """Turn them back.

    Raises
    ------
    VaultDamagedError
        If the bytes are not what `encode` writes.
    """
    try:
        (length,) = _LENGTH.unpack_from(content)
        end = _LENGTH.size + length
        head = json.loads(content[_LENGTH.size : end].decode())
        if set(head) != _FIELDS or head["format"] != _FORMAT:
            raise damaged(Part.RECORD)
        values = np.frombuffer(content, "<f4", offset=end)
        return References.checked_before(
            head["identity"],
            values.reshape(len(head["poses"]), -1).astype(np.float32, copy=False),
            tuple(head["poses"]),
            tuple(head["modalities"]),
            head["model_sha256"],
        )
    except (ValueError, TypeError, KeyError, AttributeError, struct.error):
        # Without what caused it: a message about the content would quote it.
        raise damaged(Part.RECORD) from None
