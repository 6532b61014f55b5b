"""Real captures lie beside the repository; without them these tests are skipped, and say so."""

from __future__ import annotations

from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def _folder(name: str) -> Path:
    folder = DATA / name
    if not folder.is_dir():
        pytest.skip(f"no real captures: ../shared/data/{name} is not there")
    return folder


@pytest.fixture(scope="session")
def kinect_v2() -> Path:
    return _folder("kinect_v2")


@pytest.fixture(scope="session")
def truedepth_flat() -> Path:
    return _folder("truedepth_flat")
