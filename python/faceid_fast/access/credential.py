"""The credential for when a face is not enough: a PIN or a phrase, stored as its Argon2id hash."""

from __future__ import annotations

import secrets
from typing import Final

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from faceid_fast.errors import InvalidInputError

MIN_CHARS: Final = 4
MAX_CHARS: Final = 1024
# The second of the two settings that RFC 9106 recommends: 64 MiB, about a quarter of a second.
_ITERATIONS: Final = 3
_LANES: Final = 4
_MEMORY_KIB: Final = 64 * 1024
_SALT_BYTES: Final = 16
_HASH_BYTES: Final = 32


def hashed(credential: str) -> str:
    """Return the salted Argon2id hash of a credential, as a PHC string.

    Raises
    ------
    InvalidInputError
        If the credential is not a str of 4 to 1024 characters.
    """
    given = len(credential) if isinstance(credential, str) else type(credential).__name__
    if not isinstance(credential, str) or not MIN_CHARS <= len(credential) <= MAX_CHARS:
        message = f"credential: expected a str of {MIN_CHARS} to {MAX_CHARS} characters, got {given}"
        raise InvalidInputError(message)
    return Argon2id(
        salt=secrets.token_bytes(_SALT_BYTES),
        length=_HASH_BYTES,
        iterations=_ITERATIONS,
        lanes=_LANES,
        memory_cost=_MEMORY_KIB,
    ).derive_phc_encoded(_encoded(credential))


def matches(credential: object, kept: str) -> bool:
    """Whether a credential is the one whose hash is `kept`; hashes are compared in constant time."""
    if not isinstance(credential, str) or not MIN_CHARS <= len(credential) <= MAX_CHARS:
        return False
    try:
        Argon2id.verify_phc_encoded(_encoded(credential), kept)
    except (InvalidKey, ValueError):
        return False
    return True


def _encoded(credential: str) -> bytes:
    return credential.encode("utf-8", "surrogatepass")
