"""Files of networks beside a vault's database, named by their SHA-256.

They are no secret, and nothing vouches for them but the hash that the vault's security state pins: whoever
loads one hashes the very bytes that were read.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from faceid_fast.errors import ModelError
from faceid_fast.face.embedder import MAX_MODEL_BYTES

if TYPE_CHECKING:
    from .directory import PrivateDirectory

PATTERN: Final = "model-*.onnx"


def name_of(sha256: str) -> str:
    """Return the name of the file with this SHA-256 (hex)."""
    return PATTERN.replace("*", sha256)


def read(directory: PrivateDirectory, sha256: str) -> bytes:
    """Read the file with this SHA-256; ModelError if it is missing, or was changed."""
    name = name_of(sha256)
    place = directory.path / name
    try:
        content = directory.read(name, most=MAX_MODEL_BYTES + 1)
    except OSError as error:
        message = (
            f"{place}: not readable ({error.strerror}): put the model's file back there, or adopt it again "
            "(faceid model adopt)"
        )
        raise ModelError(message) from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        message = (
            f"{place}: expected SHA-256 {sha256}, got {found}: adopt the model again (faceid model adopt)"
        )
        raise ModelError(message)
    return content


def write(directory: PrivateDirectory, content: bytes) -> None:
    """Keep a file, under the name that its SHA-256 gives; readable by its owner alone."""
    directory.write(name_of(hashlib.sha256(content).hexdigest()), content)


def delete_others(directory: PrivateDirectory, keep: str | None) -> None:
    """Delete all such files, except the one with this SHA-256."""
    for found in directory.path.glob(PATTERN):
        if keep is None or found.name != name_of(keep):
            directory.unlink(found.name)
