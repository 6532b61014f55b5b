"""Name of the aligner that makes tensors, so that those of different aligners are told apart."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final

from faceid_fast import _core
from faceid_fast.face.bundled import bundled_model_sha256
from faceid_fast.face.head_model import HEAD_MODEL, PREPROCESSING_ID

_BUILD_ID: Final = re.compile(rb"(?<=\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0).{20}", re.DOTALL)
"""What a linker on Linux writes into a module: a hash of all that is in it."""


def aligner_digest() -> str:
    """Name the package's aligner: preprocessing, digest of the built core, digest of the head model.

    Shards of tensors carry it, so that tensors of different aligners are never mixed.
    """
    core = core_digest(Path(_core.__file__).read_bytes(), _core.MODEL_FILES)
    return f"{PREPROCESSING_ID} {core[:16]} {bundled_model_sha256(HEAD_MODEL)[:16]}"


def core_digest(module: bytes, model_files: str) -> str:
    """Return the SHA-256 of a built core without its record of the model files.

    A network that ships changes the record, not the tensors that the next one is trained with.
    """
    record = model_files.encode()
    code = _BUILD_ID.sub(bytes(20), module.replace(record, bytes(len(record))))
    return hashlib.sha256(code).hexdigest()
