"""The model files of this package, checked against the SHA-256 that `models/models.json` records."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from faceid_fast.errors import ModelError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable


def read_bundled_model(name: str) -> bytes:
    """Read a model file of this package and check it against `models.json`.

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
        content = _bundled(name).read_bytes()
    except OSError as error:
        message = f"models/{name}: not readable ({error.strerror}); reinstall faceid-fast"
        raise ModelError(message) from error
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        message = f"models/{name}: expected SHA-256 {expected}, got {found}; reinstall faceid-fast"
        raise ModelError(message)
    return content


@cache
def bundled_model_sha256(name: str) -> str:
    """Return the SHA-256 (hex) that `models.json` records for a model file of this package.

    Raises
    ------
    ModelError
        If `models.json` cannot be read, or does not record the file.
    """
    try:
        manifest = json.loads(_bundled("models.json").read_text("utf-8"))
        digest = manifest[name]["sha256"]
    except OSError as error:
        message = f"models/models.json: not readable ({error.strerror}); reinstall faceid-fast"
        raise ModelError(message) from error
    except (ValueError, RecursionError) as error:
        message = f"models/models.json: expected JSON, got: {error}; reinstall faceid-fast"
        raise ModelError(message) from None
    except (KeyError, TypeError, IndexError):
        digest = None
    if not isinstance(digest, str):
        message = f"models/{name}: not recorded in models.json; reinstall faceid-fast"
        raise ModelError(message)
    return digest


def _bundled(name: str) -> Traversable:
    return resources.files("faceid_fast") / "models" / name
