"""The model files of this package, checked against the SHA-256 that the core was built with.

They stand in `models/models.json` when the core is built, and in the core from then on: somebody who changes
a model file and that record together changes nothing here.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib import resources
from typing import Any

from faceid_fast import _core
from faceid_fast.errors import ModelError


def read_bundled_model(name: str) -> bytes:
    """Read a model file of this package and check it against the core's record.

    Parameters
    ----------
    name : str
        File name, for instance ``head.npz``.

    Raises
    ------
    ModelError
        If the file is missing or not recorded, or its SHA-256 is not the recorded one.
    """
    expected = bundled_model_sha256(name)
    try:
        content = (resources.files("faceid_fast") / "models" / name).read_bytes()
    except OSError as error:
        message = f"models/{name}: not readable ({error.strerror}); reinstall faceid-fast"
        raise ModelError(message) from error
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        message = f"models/{name}: expected SHA-256 {expected}, got {found}; reinstall faceid-fast"
        raise ModelError(message)
    return content


def bundled_model_sha256(name: str) -> str:
    """Return the SHA-256 (hex) that the core records for a model file of this package.

    Raises
    ------
    ModelError
        If it records none.
    """
    try:
        return str(_recorded()[name]["sha256"])
    except KeyError:
        message = f"models/{name}: not recorded in the core; reinstall faceid-fast"
        raise ModelError(message) from None


@cache
def _recorded() -> dict[str, dict[str, Any]]:
    files: dict[str, dict[str, Any]] = json.loads(_core.MODEL_FILES)
    return files
