"""A person's references as bytes, and back: the content of a record before it is sealed.

The bytes are three lengths (little-endian, 2 + 4 + 4 bytes); the name; JSON of what many people share (poses,
modalities, model); JSON of what is the person's own, or nothing (consent, adapted references); zeros up to a
multiple of 16; and all vectors as little-endian float32, because the values of a face are never text. A
record is authenticated before it is decoded, so its values are those that were checked when it was written.
"""

from __future__ import annotations

import json
import struct
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np

from faceid_fast.storage.references import Adapted, Consent, Origin, References

from .integrity import Part, damaged

_LENGTHS: Final = struct.Struct("<HII")


class _Common(NamedTuple):
    poses: tuple[str, ...]
    modalities: tuple[str, ...]
    model_sha256: str


def encode(references: References) -> bytes:
    """Return a person's references as bytes."""
    name = references.identity.encode()
    common = _json([references.poses, references.modalities, references.model_sha256])
    own = b""
    if references.consent is not None or references.adapted:
        consent = references.consent and [references.consent.note, references.consent.at]
        adapted = [
            [each.modality, each.origin, each.made_at, each.uses_left, each.misses]
            for each in references.adapted
        ]
        own = _json([consent, adapted])
    vectors = [references.vectors, *(each.vector for each in references.adapted)]
    numbers = b"".join(each.astype("<f4", copy=False).tobytes() for each in vectors)
    head = _LENGTHS.pack(len(name), len(common), len(own)) + name + common + own
    return head.ljust(_aligned(len(head)), b"\0") + numbers


def decode(content: bytes) -> References:
    """Read a person's references from bytes.

    Raises
    ------
    VaultDamagedError
        If the bytes are not those of `encode`.
    """
    try:
        of_name, of_common, of_own = _LENGTHS.unpack_from(content)
        common_at = _LENGTHS.size + of_name
        own_at = common_at + of_common
        end = own_at + of_own
        common = _common(content[common_at:own_at])
        count = len(common.poses)
        consent, adapted = json.loads(content[own_at:end]) if of_own else (None, ())
        numbers = np.frombuffer(content, "<f4", offset=_aligned(end)).reshape(count + len(adapted), -1)
        return References.checked_before(
            content[_LENGTHS.size : common_at].decode(),
            numbers[:count],
            *common,
            consent and Consent(*consent),
            tuple(
                Adapted(vector, modality, Origin(origin), made_at, uses_left, misses)
                for vector, (modality, origin, made_at, uses_left, misses) in zip(
                    numbers[count:], adapted, strict=True
                )
            )
            if adapted
            else (),
        )
    except (ValueError, TypeError, struct.error):
        # `from None`: the message of the cause would quote the content.
        raise damaged(Part.RECORD) from None


def _aligned(offset: int) -> int:
    """Return the offset at which vectors begin, a multiple of 16: they are read in place."""
    return -(-offset // 16) * 16


@lru_cache(256)
def _common(text: bytes) -> _Common:
    poses, modalities, model_sha256 = json.loads(text)
    return _Common(tuple(poses), tuple(modalities), model_sha256)


def _json(value: Any) -> bytes:  # noqa: ANN401  # JSON
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
