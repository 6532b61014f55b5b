"""Each import contract of pyproject.toml goes red for an import planted in a module of any folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

import pytest

import faceid_fast

pytestmark = pytest.mark.slow

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = Path(faceid_fast.__file__).parent
CONTRACTS: Final = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
LINT: Final = Path(sys.executable).with_name("lint-imports")

ROOMS: Final = sorted(
    path.name.removesuffix(".py")
    for path in PACKAGE.iterdir()
    if (path.suffix == ".py" and path.name != "__init__.py") or (path / "__init__.py").exists()
)
FOLDERS: Final = sorted(
    path.parent.relative_to(PACKAGE).as_posix()
    for path in PACKAGE.rglob("__init__.py")
    if path.parent != PACKAGE
)
LIBRARIES: Final = (
    *("onnxruntime", "cv2", "apsw", "cryptography", "matplotlib", "sklearn", "jinja2"),
    *("training", "keras", "tensorflow", "onnx", "sqlite3"),
)


def allowed(importer: str, library: str) -> bool:
    """Whether pyproject.toml names the importer, or a folder that it is in, as one that may import it."""
    for contract in CONTRACTS["contracts"]:
        if contract["type"] == "protected" and library in contract["protected_modules"]:
            return any(f"{importer}.".startswith(f"{name}.") for name in contract["allowed_importers"])
    return False


def layer_of(room: str) -> int:
    """Place of a room in the flow, from the top."""
    layers = next(each["layers"] for each in CONTRACTS["contracts"] if each["type"] == "layers")
    return next(at for at, layer in enumerate(layers) if room in layer.replace("|", ":").split(" : "))


def plant_in(folder: str) -> Path:
    """A module of a folder, or of the top: the first that is no `__init__`."""
    place = PACKAGE / folder
    if place.with_suffix(".py").exists():
        return place.with_suffix(".py")
    return next(path for path in sorted(place.glob("*.py")) if path.name != "__init__.py")


def broken_by(tree: Path, *planted: tuple[Path, str]) -> list[str]:
    """Plant imports in a copy of the package; returns the names of the contracts that break."""
    before = {}
    for module, line in planted:
        file = tree / "faceid_fast" / module.relative_to(PACKAGE)
        before[file] = file.read_text("utf-8")
        file.write_text(f"{before[file]}\n{line}\n", "utf-8")
    try:
        ran = subprocess.run(
            [LINT, "--config", ROOT / "pyproject.toml", "--no-cache"],
            capture_output=True,
            text=True,
            cwd=tree,
            env={"PYTHONPATH": str(tree), "COLUMNS": "500"},
            check=False,
        )
    finally:
        for file, text in before.items():
            file.write_text(text, "utf-8")
    assert "Contracts: " in ran.stdout, ran.stdout + ran.stderr
    return [line.rsplit(" BROKEN", 1)[0] for line in ran.stdout.splitlines() if " BROKEN" in line]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the Python of the package, and of training."""
    tree = tmp_path_factory.mktemp("contracts")
    ignored = shutil.ignore_patterns("*.so", "__pycache__", "*.png", "weights")
    for package in (PACKAGE, ROOT / "training"):
        shutil.copytree(package, tree / package.name, ignore=ignored)
    return tree


def test_nothing_is_broken(tree: Path) -> None:
    assert broken_by(tree) == []


def test_no_list_of_modules_is_kept_by_hand() -> None:
    for contract in CONTRACTS["contracts"]:
        assert contract.get("source_modules", ["faceid_fast"]) == ["faceid_fast"]
    layers = next(each["layers"] for each in CONTRACTS["contracts"] if each["type"] == "layers")
    assert len(layers) <= 11


@pytest.mark.parametrize("folder", sorted({*FOLDERS, *ROOMS}))
def test_forbidden_imports_in_any_folder_break_every_contract(tree: Path, folder: str) -> None:
    module = plant_in(folder)
    importer = ".".join(("faceid_fast", *module.relative_to(PACKAGE).with_suffix("").parts))
    planted = [library for library in LIBRARIES if not allowed(importer, library)]
    wanted = {
        contract["name"]
        for contract in CONTRACTS["contracts"]
        if contract["type"] in {"protected", "forbidden"}
        and {*contract.get("protected_modules", contract.get("forbidden_modules"))} & {*planted}
    }
    assert len(wanted) >= 5
    room = folder.partition("/")[0]
    if above := [
        other for other in ROOMS if layer_of(other) < layer_of(room)
    ]:  # the top imports what it likes
        planted.append(f"faceid_fast.{above[-1]}")
        wanted.add("The flow: each layer imports only layers below")
    broken = broken_by(tree, (module, "; ".join(f"import {name}" for name in planted)))
    assert wanted <= {*broken} <= wanted | {"No import circles, between folders or within one"}


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_circle_within_a_folder_is_seen(tree: Path, folder: str) -> None:
    modules = [path for path in sorted((PACKAGE / folder).glob("*.py")) if path.name != "__init__.py"]
    if len(modules) < 2:
        pytest.skip("one module makes no circle")
    names = [".".join(("faceid_fast", *path.relative_to(PACKAGE).with_suffix("").parts)) for path in modules]
    broken = broken_by(tree, (modules[0], f"import {names[1]}"), (modules[1], f"import {names[0]}"))
    assert "No import circles, between folders or within one" in broken


def test_a_new_room_has_to_be_given_a_layer(tree: Path) -> None:
    extra = tree / "faceid_fast" / "basement.py"
    extra.write_text('"""New."""\n', "utf-8")
    try:
        assert broken_by(tree) == ["The flow: each layer imports only layers below"]
    finally:
        extra.unlink()
