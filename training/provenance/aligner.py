"""Name of the aligner that makes tensors, so that those of different aligners are told apart."""

from __future__ import annotations

import hashlib
from pathlib import Path


def aligner_digest() -> str:
    """Name the package's aligner: preprocessing, digest of the built core, digest of the head model.

    Shards of tensors carry it, so that tensors of different aligners are never mixed.
    """
    from faceid_fast import _core, face  # noqa: PLC0415 - rendering needs no built package

    core = hashlib.sha256(Path(_core.__file__).read_bytes()).hexdigest()
    return f"{face.PREPROCESSING_ID} {core[:16]} {face.bundled_model_sha256(face.HEAD_MODEL)[:16]}"
