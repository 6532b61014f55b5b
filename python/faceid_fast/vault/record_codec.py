"""A person's references as bytes, and back: the content of a record before it is sealed.

The bytes are three lengths (little-endian, 2 + 4 + 4 bytes); the name; JSON of what many people share (poses,
modalities, model, sizes of the keys); JSON of what is the person's own, or nothing (consent, adapted
references); zeros up to a multiple of 16; and the values, because those of a face are never text: all joined
vectors as little-endian float32, then all shape vectors and all picture vectors as little-endian float16, of
the enrolled references first. A record of before there were keys names no sizes and ends with the joined
vectors. A record is authenticated before it is decoded, so its values are those that were checked when it was
written.
"""

from __future__ import annotations

import json
import struct
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from faceid_fast.storage.keys import HALF, Keys
from faceid_fast.storage.references import Adapted, Consent, Origin, References

from .integrity import Part, damaged

_LENGTHS: Final = struct.Struct("<HII")


class _Common(NamedTuple):
    poses: tuple[str, ...]
    modalities: tuple[str, ...]
    model_sha256: str
    key_sizes: tuple[int, int] | None


class _Values(NamedTuple):
    """The values of a record: the joined vectors of n references, and their keys, if they have any."""

    joined: NDArray[np.float32]
    shape: NDArray[np.float16] | None
    picture: NDArray[np.float16] | None

    def keys(self, rows: slice) -> Keys | None:
        """Return the keys of some references."""
        if self.shape is None or self.picture is None:
            return None
        return Keys.checked_before(self.shape[rows], self.picture[rows])


def encode(references: References) -> bytes:
    """Return a person's references as bytes."""
    name = references.identity.encode()
    sizes = [] if references.keys is None else [references.keys.sizes]
    common = _json([references.poses, references.modalities, references.model_sha256, *sizes])
    own = b""
    if references.consent is not None or references.adapted:
        consent = references.consent and [references.consent.note, references.consent.at]
        adapted = [
            [each.modality, each.origin, each.made_at, each.uses_left, each.misses]
            for each in references.adapted
        ]
        own = _json([consent, adapted])
    vectors = [references.vectors, *(each.vector for each in references.adapted)]
    keys = [each for each in (references.keys, *(one.keys for one in references.adapted)) if each is not None]
    numbers = b"".join(
        [
            *(each.astype("<f4", copy=False).tobytes() for each in vectors),
            *(each.shape.tobytes() for each in keys),
            *(each.picture.tobytes() for each in keys),
        ]
    )
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
        values = _values(content, _aligned(end), count + len(adapted), common.key_sizes)
        return References.checked_before(
            content[_LENGTHS.size : common_at].decode(),
            values.joined[:count],
            common.poses,
            common.modalities,
            common.model_sha256,
            consent and Consent(*consent),
            tuple(
                Adapted(
                    values.joined[row],
                    modality,
                    Origin(origin),
                    made_at,
                    uses_left,
                    misses,
                    values.keys(slice(row, row + 1)),
                )
                for row, (modality, origin, made_at, uses_left, misses) in enumerate(adapted, count)
            )
            if adapted
            else (),
            values.keys(slice(count)),
        )
    except (ValueError, TypeError, struct.error):
        # `from None`: the message of the cause would quote the content.
        raise damaged(Part.RECORD) from None


def _values(content: bytes, start: int, count: int, key_sizes: tuple[int, int] | None) -> _Values:
    """Read the values of so many references in place; ValueError if there are others."""
    of_shape, of_picture = (0, 0) if key_sizes is None else (count * size for size in key_sizes)
    end = len(content) - HALF.itemsize * (of_shape + of_picture)
    if end < start or (end - start) % 4:
        raise ValueError
    joined = np.frombuffer(content, "<f4", (end - start) // 4, start).reshape(count, -1)
    if key_sizes is None:
        return _Values(joined, None, None)
    shape = np.frombuffer(content, HALF, of_shape, end).reshape(count, -1)
    picture = np.frombuffer(content, HALF, of_picture, end + HALF.itemsize * of_shape).reshape(count, -1)
    return _Values(joined, shape, picture)


def _aligned(offset: int) -> int:
    """Return the offset at which vectors begin, a multiple of 16: they are read in place."""
    return -(-offset // 16) * 16


@lru_cache(256)
def _common(text: bytes) -> _Common:
    poses, modalities, model_sha256, *sizes = json.loads(text)
    if sizes:
        (of_shape, of_picture), *_ = sizes
        return _Common(tuple(poses), tuple(modalities), model_sha256, (of_shape, of_picture))
    return _Common(tuple(poses), tuple(modalities), model_sha256, None)


def _json(value: Any) -> bytes:  # noqa: ANN401  # JSON
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
