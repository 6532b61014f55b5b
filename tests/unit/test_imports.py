from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import faceid_fast

PACKAGE = Path(faceid_fast.__file__).parent
CORE_MAY_BE_IMPORTED_BY = {"face", "matching", "sources", "errors", "storage/names.py"}
"""Folders, modules, and in storage one module alone: the core has the tables of what names look like."""


def run(code: str) -> str:
    """Run code in a fresh interpreter, where nothing has been imported yet."""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return result.stdout


def test_importing_the_package_is_light() -> None:
    loaded = json.loads(
        run(
            "import sys; before = set(sys.modules); import faceid_fast; import json;"
            "print(json.dumps(sorted(set(sys.modules) - before)))"
        )
    )
    heavy = {"numpy", "cv2", "onnxruntime", "typer", "rich", "matplotlib", "sklearn"}
    assert not heavy & {name.partition(".")[0] for name in loaded}
    assert [name for name in loaded if name.startswith("faceid_fast.")] == ["faceid_fast.aliases"]


@pytest.mark.parametrize("name", ["Frame", "Decision", "Gallery", "FaceAligner", "Authenticator", "Embedder"])
def test_onnxruntime_and_opencv_wait_for_use(name: str) -> None:
    loaded = run(f"import sys, faceid_fast; faceid_fast.{name}; print(*sys.modules)").split()
    assert "faceid_fast" in loaded
    assert not {"cv2", "onnxruntime"} & set(loaded)


def test_version_is_the_core_s_and_the_package_s() -> None:
    core = __import__("faceid_fast._core", fromlist=["__version__"])
    assert faceid_fast.__version__ == core.__version__


def imports_core(source: str) -> bool:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(alias.name for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        if any("_core" in name.split(".") for name in names):
            return True
    return False


def test_core_is_imported_only_where_allowed() -> None:
    importing = {
        path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if imports_core(path.read_text("utf-8"))
    }
    assert Path("matching/gallery.py") in importing  # the search itself works
    elsewhere = {
        path
        for path in importing
        if not {path.parts[0].removesuffix(".py"), path.as_posix()} & CORE_MAY_BE_IMPORTED_BY
    }
    assert not elsewhere


def test_no_module_without_a_subject() -> None:
    names = {path.stem for path in PACKAGE.rglob("*.py")}
    assert not names & {"utils", "common", "helpers", "manager", "misc"}
