"""Which commit trained a network: clean, dirty, or unknown."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from training.provenance.revision import DECIDING, ROOT, training_commit


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in (*DECIDING, "README.md"):
        path = tmp_path / name
        path = path if path.suffix else path / "code"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("before")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message", "all")
    return tmp_path


def git(root: Path, *arguments: str) -> str:
    command = ("git", "-C", str(root), *arguments)
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_a_clean_checkout_is_named_by_its_commit(checkout: Path) -> None:
    (checkout / "README.md").write_text("after")  # decides nothing
    assert training_commit(checkout) == git(checkout, "rev-parse", "HEAD")


@pytest.mark.parametrize("name", DECIDING)
def test_whatever_decides_a_weight_makes_it_dirty(checkout: Path, name: str) -> None:
    path = checkout / name
    (path if path.suffix else path / "code").write_text("after")
    assert training_commit(checkout).endswith("-dirty")


def test_what_decides_exists() -> None:
    assert all((ROOT / name).exists() for name in DECIDING)


def test_an_unpacked_archive_is_unknown(tmp_path: Path) -> None:
    assert training_commit(tmp_path) == "unknown"
