"""The packed head from a model's OBJ files: a small model by hand, and the numbering of the real one."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from training.heads import pack_ict
from training.heads.ict import DEFAULT_PATH, FILE_NAME, ParametricHead
from training.heads.pack_ict import EXPRESSIONS, LIGHT, Layout, pack, read_obj

# 80 vertices: two of the narrow face, one left out, 77 of the head; every landmark is one of them.
SMALL = Layout(80, ((0, 2, 0), (3, 80, 2)), tuple(range(3, 71)))
NAMES = ("jawOpen", "mouthClose")


@pytest.fixture
def light(tmp_path: Path) -> Path:
    """Write a model of two identities and two expressions."""
    rng = np.random.default_rng(0)
    neutral = rng.uniform(-10, 10, (80, 3)).round(3)
    folder = tmp_path / "FaceXModel"
    folder.mkdir()
    faces = ["f 1/1 2/2 4/3 5/4", "f 1/1 2/2 3/3", "f 4/4/1 5/3/1 6/1/1"]
    texture = ["vt 0.25 0.5", "vt 0.5 0.75", "vt 1.5 0.125", "vt 1.25 0.25"]
    for number, name in enumerate(["generic_neutral_mesh", "identity000", "identity001", *NAMES]):
        moved = neutral + number * np.linspace(0, 1, 80)[:, None] * [1, -1, 0.5]
        lines = [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in moved]
        (folder / f"{name}.obj").write_text("\n".join(["# a comment", "o head", *lines, *texture, *faces]))
    return folder


def test_the_packed_file_is_what_the_renderer_reads(light: Path, tmp_path: Path) -> None:
    arrays = pack(light, SMALL, 2, NAMES)
    np.savez_compressed(tmp_path / FILE_NAME, **arrays)
    head = ParametricHead.load(tmp_path)
    assert (head.identity_count, head.expression_count, len(head.mean)) == (2, 2, 79)
    assert head.expression_index("mouthClose") == 1
    source = read_obj(light / "generic_neutral_mesh.obj").vertices[arrays["src_index"]]
    turned = source * [10, -10, -10]
    np.testing.assert_allclose(head.mean, turned - turned[[2 + 36, 2 + 45]].mean(axis=0), atol=1e-4)
    moved = head.vertices([0, 1], [0.5, 0]) - head.mean
    step = np.linspace(0, 1, 80)[arrays["src_index"]][:, None] * [10, 10, -5]
    np.testing.assert_allclose(moved, 2 * step + 0.5 * 3 * step, atol=0.1)  # float16 modes


def test_polygons_are_cut_and_those_of_left_out_vertices_go(light: Path) -> None:
    arrays = pack(light, SMALL, 2, NAMES)
    # Vertex 2 is left out, and with it the second face; vertices 3 to 5 move up by one.
    assert arrays["tri"].tolist() == [[0, 1, 2], [0, 2, 3], [2, 3, 4]]
    assert arrays["tri_uv"][1].tolist() == [[0.25, 0.5], [1.5, 0.125], [1.25, 0.25]]
    assert arrays["part"].tolist() == [0, 0, *[2] * 77]
    assert arrays["landmarks68"].tolist() == list(range(2, 70))
    dtypes = {name: str(array.dtype) for name, array in arrays.items() if name != "ex_names"}
    assert dtypes == {
        "mean": "float32",
        "id": "float16",
        "ex": "float16",
        "tri": "uint16",
        "tri_uv": "float16",
        "src_index": "uint16",
        "landmarks68": "uint16",
        "part": "uint8",
    }


def test_a_model_of_another_numbering_is_refused(light: Path) -> None:
    with pytest.raises(ValueError, match="expected 26719 vertices, got 80"):
        pack(light)
    with pytest.raises(ValueError, match="expected 81 vertices, got 80"):
        pack(light, replace(SMALL, vertices=81), 2, NAMES)
    with pytest.raises(FileNotFoundError, match="identity002"):
        pack(light, SMALL, 3, NAMES)
    (light / "jawOpen.obj").write_text("v 1 2")
    with pytest.raises(ValueError, match=r"jawOpen.obj:1: expected a vertex.*'v 1 2'"):
        pack(light, SMALL, 2, NAMES)


def test_the_command(light: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "made" / FILE_NAME
    monkeypatch.setattr(sys, "argv", ["pack_ict", "--light", str(light), "--out", str(out)])
    monkeypatch.setattr(pack_ict, "pack", lambda folder: pack(folder, SMALL, 2, NAMES))
    pack_ict.main()
    assert ParametricHead.load(out).expression_names == NAMES


def test_the_numbering_is_that_of_the_head_in_use() -> None:
    if not DEFAULT_PATH.is_dir():
        pytest.skip(f"no parametric head: {DEFAULT_PATH} is missing")
    with np.load(DEFAULT_PATH / FILE_NAME) as data:
        arrays = {name: data[name] for name in data if name not in {"id", "ex"}}
    kept = np.concatenate([np.arange(first, end) for first, end, _ in LIGHT.parts])
    np.testing.assert_array_equal(arrays["src_index"], kept)
    part = np.concatenate([np.full(end - first, number) for first, end, number in LIGHT.parts])
    np.testing.assert_array_equal(arrays["part"], part)
    np.testing.assert_array_equal(arrays["src_index"][arrays["landmarks68"]], LIGHT.landmarks68)
    assert tuple(arrays["ex_names"]) == EXPRESSIONS
