from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import faceid_fast
from faceid_fast import _core
from faceid_fast.errors import FaceIDError, ModelError
from faceid_fast.face import bundled
from faceid_fast.face.bundled import bundled_model_sha256, read_bundled_model
from faceid_fast.face.head_model import HEAD_MODEL

PACKAGE = Path(faceid_fast.__file__).parent
FILES = ("faceid.onnx", "head.npz", "liveness.json")


def test_the_core_was_built_with_this_record() -> None:
    text = (PACKAGE / "models/models.json").read_text("utf-8")
    assert text == _core.MODEL_FILES, "the core is older than models.json: build it anew (make)"
    assert set(json.loads(text)) == set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_what_ships_is_what_the_core_records(name: str) -> None:
    assert hashlib.sha256(read_bundled_model(name)).hexdigest() == bundled_model_sha256(name)


@pytest.fixture
def installation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Give the folder of an installation in place of the package's."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / HEAD_MODEL).write_bytes(read_bundled_model(HEAD_MODEL))
    monkeypatch.setattr(bundled.resources, "files", lambda _: tmp_path)
    return tmp_path / "models"


def test_a_changed_model(installation: Path) -> None:
    content = bytearray((installation / HEAD_MODEL).read_bytes())
    content[-1] ^= 1
    (installation / HEAD_MODEL).write_bytes(content)
    with pytest.raises(ModelError, match=r"models/head\.npz: expected SHA-256 .*; reinstall faceid-fast"):
        read_bundled_model(HEAD_MODEL)


def test_a_missing_model(installation: Path) -> None:
    (installation / HEAD_MODEL).unlink()
    with pytest.raises(FaceIDError, match=r"models/head\.npz: not readable"):
        read_bundled_model(HEAD_MODEL)


@pytest.mark.parametrize("name", ["other.npz", "models.json", "../aliases.py", ""])
def test_a_file_that_the_core_does_not_record(name: str) -> None:
    with pytest.raises(ModelError, match="not recorded in the core; reinstall faceid-fast"):
        read_bundled_model(name)


@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("liveness.json", "from faceid_fast.face.liveness import LivenessCheck as It"),
        ("head.npz", "from faceid_fast.face.aligner import FaceAligner as It"),
        ("faceid.onnx", "from faceid_fast.face.embedder import Embedder as It"),
    ],
)
def test_a_model_that_is_changed_together_with_its_record(tmp_path: Path, name: str, use: str) -> None:
    shutil.copytree(PACKAGE, tmp_path / "faceid_fast", ignore=shutil.ignore_patterns("__pycache__"))
    models = tmp_path / "faceid_fast/models"
    content = (models / name).read_bytes() + b"\n"
    (models / name).write_bytes(content)
    record = json.loads((models / "models.json").read_text("utf-8"))
    record[name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    (models / "models.json").write_text(json.dumps(record, indent=2) + "\n")
    code = f"import faceid_fast; print(faceid_fast.__file__); {use}; It.bundled(); print('loaded')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert str(tmp_path) in done.stdout
    assert "loaded" not in done.stdout
    assert f"models/{name}: expected SHA-256" in done.stderr
