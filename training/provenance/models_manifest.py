"""Manifest of the shipped model files: the SHA-256 that the core is built with, and checks them by."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path


def record_model(path: Path) -> str:
    """Enter a model file into ``models.json`` beside it; return its SHA-256."""
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    manifest_path = path.parent / "models.json"
    manifest = json.loads(manifest_path.read_text()) if manifest_path.exists() else {}
    manifest[path.name] = {"sha256": digest, "bytes": len(content)}
    manifest_path.write_text(json.dumps(dict(sorted(manifest.items())), indent=2) + "\n")
    return digest
