"""Public names: one table, a stub that says the same, and the module paths of the release before."""

import json
import subprocess
import sys
import warnings
from importlib import import_module
from pathlib import Path

import pytest

import faceid_fast
from faceid_fast import aliases
from release.public_names import STUB, stub


def test_the_stub_is_the_table() -> None:
    assert STUB.read_text("utf-8") == stub(), "run `python -m release.public_names`"


def test_no_public_name_of_the_release_before_is_lost() -> None:
    golden = Path(__file__).resolve().parents[1] / "golden" / "public-names.json"
    assert set(json.loads(golden.read_text("utf-8"))) <= set(faceid_fast.__all__)


def test_every_public_name_loads() -> None:
    for name in faceid_fast.__all__:
        assert getattr(faceid_fast, name) is not None


def test_only_public_names_are_listed() -> None:
    listed = subprocess.run(
        [sys.executable, "-c", "import faceid_fast; print(*dir(faceid_fast))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert listed == sorted(faceid_fast.__all__)


def test_other_names_are_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        faceid_fast.nothing  # noqa: B018
    with pytest.raises(ModuleNotFoundError):
        import_module("faceid_fast.nothing")


@pytest.mark.parametrize("old", aliases.MOVED)
def test_an_older_path_still_imports(old: str) -> None:
    sys.modules.pop(f"faceid_fast.{old}", None) if old not in PACKAGES else None
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        module = import_module(f"faceid_fast.{old}")
        for new in aliases.MOVED[old]:
            there = import_module(f"faceid_fast.{new}")
            own = [
                name
                for name, value in vars(there).items()
                if getattr(value, "__module__", "") == there.__name__ and not name.startswith("__")
            ]
            assert own
            for name in own:
                assert getattr(module, name).__name__ == name
    assert {warning.category for warning in said} == {DeprecationWarning}
    assert {warning.filename for warning in said} == {__file__} or old not in PACKAGES
    assert any("goes with the next release" in str(warning.message) for warning in said)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        module.nothing  # noqa: B018


PACKAGES = {"calibration", "enrollment", "face"}


def test_an_older_path_blames_whoever_imports_it() -> None:
    code = "import faceid_fast.live as live; live.watch"
    ran = subprocess.run(
        [sys.executable, "-W", "always", "-c", code], capture_output=True, text=True, check=True
    )
    assert ran.stderr.count("<string>:1: DeprecationWarning") == 2
