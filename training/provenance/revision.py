"""State of this repository: its root, and the commit that a network is made at."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""Folder of this repository."""
DECIDING = (
    "training",
    "rust",
    "python/faceid_fast/face",
    "python/faceid_fast/frame.py",
    "python/faceid_fast/models/head.npz",
)
"""All that decides a tensor or a weight, as git paths."""


def training_commit(root: Path = ROOT) -> str:
    """Name the commit of a checkout, marked ``-dirty`` where `DECIDING` files differ from it.

    ``unknown`` where there is no git or no repository, as in an unpacked archive.
    """

    def git(*arguments: str) -> str:
        command = ("git", "-C", str(root), *arguments)
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--", *DECIDING)
        return git("rev-parse", "HEAD") + ("-dirty" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
