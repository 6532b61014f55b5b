from __future__ import annotations

from pathlib import Path

import pytest

LONG = "--long"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(LONG, action="store_true", help="the full figures: hours")


@pytest.fixture(scope="session")
def long(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption(LONG))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "vault"
