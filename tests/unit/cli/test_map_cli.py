"""``faceid map``: only for who asks for it in so many words, and noted."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from faceid_fast.cli import app
from faceid_fast.sources.files.images import read_png
from faceid_fast.sources.renders import bundled_renders
from faceid_fast.storage.references import References
from faceid_fast.vault import Vault

KEY = bytes.fromhex("5e" * 32)


def faceid(*arguments: object, input: str | None = None) -> Any:  # noqa: A002  # as the runner calls it
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=input)


def frames_of(person: str, kind: str, folder: Path) -> Path:
    folder.mkdir()
    for render in bundled_renders():
        if (render.person, render.kind) == (person, kind):
            for file in (render.infrared, render.depth, render.camera):
                shutil.copy(file, folder)
    return folder


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two people."""
    key = tmp_path / "key"
    key.write_text(KEY.hex())
    key.chmod(0o600)
    monkeypatch.setenv("FACEID_KEY_FILE", str(key))
    place = tmp_path / "vault"
    for person in ("ada", "ben"):
        folder = frames_of(person, "enroll", tmp_path / person)
        assert faceid("enroll", person, folder, "--vault", place).exit_code == 0
    assert faceid("vault", "policy", "diagnostics=true", "--vault", place).exit_code == 0
    return place


def logged(vault: Path) -> list[str]:
    return [
        event["what"]
        for event in json.loads(faceid("audit", "--vault", vault, "--json", "-").stdout)["events"]
    ]


def test_a_map_of_the_vault_and_of_frames(vault: Path, tmp_path: Path) -> None:
    out = tmp_path / "map.png"
    probes, fakes = (frames_of("ada", kind, tmp_path / kind) for kind in ("probe", "print"))
    result = faceid("map", probes, fakes, "--out", out, "--diagnostics", "--vault", vault, "--json", "-")
    assert result.exit_code == 0, result.output
    assert "left out: print_0 (spoof)" in result.stderr
    assert read_png(out).shape[2] >= 3
    record = json.loads(result.stdout)
    places = {name: [] for name in ("ada", "ben", None)}
    for point in record["points"]:
        places[point["identity"]].append(point["pca"])
        assert len(point["tsne"]) == 2
        assert (point["frame"] is None) == (point["identity"] is not None)
    assert [len(found) for found in places.values()] == [5, 5, 2]
    ada, ben, probe = (np.mean(found, axis=0) for found in places.values())
    assert np.linalg.norm(probe - ada) < np.linalg.norm(probe - ben)
    assert logged(vault)[-1] == "mapped"


def test_it_has_to_be_asked_for(vault: Path, tmp_path: Path) -> None:
    out = tmp_path / "map.png"
    refused = faceid("map", "--out", out, "--vault", vault)
    assert refused.exit_code == 2
    assert refused.stderr.startswith("error: --diagnostics: expected it, since a map shows who is near whom")
    assert refused.stderr.count("\n") == 1
    assert not out.exists()
    assert "mapped" not in logged(vault)


def test_the_vault_has_to_permit_it_or_the_credential(vault: Path, tmp_path: Path) -> None:
    at = ("--vault", vault)
    assert faceid("vault", "policy", "diagnostics=false", *at).exit_code == 0
    drawing = ("map", "--out", tmp_path / "map.png", "--diagnostics", *at)
    refused = faceid(*drawing)
    assert refused.exit_code == 2
    assert "expected the leave of the vault, whose policy says diagnostics=false" in refused.stderr
    assert faceid("credential", "set", *at, input="2468\n2468\n").exit_code == 0
    assert "expected the one that is set" in faceid(*drawing, input="1357\n").stderr
    assert "mapped" not in logged(vault)
    assert faceid(*drawing, input="2468\n").exit_code == 0
    assert logged(vault)[-1] == "mapped"


def test_the_frames_of_a_map_are_charged(vault: Path, tmp_path: Path) -> None:
    drawing = ("map", tmp_path / "ada", "--out", tmp_path / "map.png", "--diagnostics", "--vault", vault)
    assert faceid(*drawing).exit_code == 0  # five frames of ada's
    assert "too many failures: wait" in faceid(*drawing).stderr


def test_what_no_map_is_made_of(vault: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, asked = tmp_path / "map.png", ("--diagnostics", "--vault", vault)
    for arguments, said in (
        (("--out", tmp_path), "--out: "),
        (
            ("--out", out, "--modality", "color"),
            "--modality: expected infrared, which the vault holds, got 'color'",
        ),
        (("--out", out, tmp_path / "nothing"), "expected a file or a folder"),
    ):
        result = faceid("map", *arguments, *asked)
        assert (result.exit_code, said in result.stderr) == (2, True), result.output
    faceid("vault", "policy", "diagnostics=true", "--vault", tmp_path / "empty")
    empty = faceid("map", "--out", out, "--diagnostics", "--vault", tmp_path / "empty")
    assert "expected references of this model to make a map of, got none" in empty.stderr
    faceid("remove", "ben", "--vault", vault)
    with Vault.open(vault, key=KEY) as people:
        ada = people.snapshot()["ada"]
        few, other = ada.rows([0, 1]), References("old", ada.vectors, ada.poses, ada.modalities, "00" * 32)
        both = References("both", ada.vectors[:2], ada.poses[:2], ("infrared", "color"), ada.model_sha256)
        people.put_all([few, other])
    assert "expected 4 to 2000 infrared references" in faceid("map", "--out", out, *asked).stderr
    with Vault.open(vault, key=KEY) as people:
        people.put_all([ada, both])
    assert (
        "expected color or infrared, which the vault holds, got none"
        in faceid("map", "--out", out, *asked).stderr
    )
    chosen = faceid("map", "--out", out, "--modality", "infrared", *asked)
    assert chosen.exit_code == 0, chosen.output
    assert "left out: 1 people whose references were made with another model" in chosen.stdout
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    assert "install faceid-fast[report]" in faceid("map", "--out", out, *asked).stderr
