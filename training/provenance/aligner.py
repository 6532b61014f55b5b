"""Name of the aligner that makes tensors, so that those of different aligners are told apart."""

from __future__ import annotations

import hashlib
from pathlib import Path

from faceid_fast import _core
from faceid_fast.face.bundled import bundled_model_sha256
from faceid_fast.face.head_model import HEAD_MODEL, PREPROCESSING_ID


def aligner_digest() -> str:
    """Name the package's aligner: preprocessing, digest of the built core, digest of the head model.

    Shards of tensors carry it, so that tensors of different aligners are never mixed.
    """
    core = hashlib.sha256(Path(_core.__file__).read_bytes()).hexdigest()
    return f"{PREPROCESSING_ID} {core[:16]} {bundled_model_sha256(HEAD_MODEL)[:16]}"
