"""Pack the ICT-FaceKit light model's own files into the one file that `training.heads.ict` reads.

``python -m training.heads.pack_ict --light ICT-FaceKit/FaceXModel --out FILE`` reads the OBJ files of that
folder: ``generic_neutral_mesh.obj``, ``identity000.obj`` to ``identity099.obj``, and one file for each
expression of `EXPRESSIONS`. Which vertices are what is told by the README of github.com/USC-ICT/ICT-FaceKit
(MIT, Copyright (c) 2020 USC Institute for Creative Technologies). Commits of the model before that README
number the vertices otherwise: the number of vertices is checked.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

NEUTRAL = "generic_neutral_mesh"
IDENTITIES = 100
SIDED_EXPRESSIONS = [
    "browDown",
    "browInnerUp",
    "browOuterUp",
    "cheekPuff",
    "cheekSquint",
    "eyeBlink",
    "eyeLookDown",
    "eyeLookIn",
    "eyeLookOut",
    "eyeLookUp",
    "eyeSquint",
    "eyeWide",
    "mouthDimple",
    "mouthFrown",
    "mouthLowerDown",
    "mouthPress",
    "mouthSmile",
    "mouthStretch",
    "mouthUpperUp",
    "noseSneer",
]
WHOLE_EXPRESSIONS = [
    "jawForward",
    "jawLeft",
    "jawOpen",
    "jawRight",
    "mouthClose",
    "mouthFunnel",
    "mouthLeft",
    "mouthPucker",
    "mouthRight",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthShrugLower",
    "mouthShrugUpper",
]
EXPRESSIONS = tuple(
    sorted([*WHOLE_EXPRESSIONS, *(f"{name}_{side}" for name in SIDED_EXPRESSIONS for side in "LR")])
)
"""The 53 expressions in the order of the file, named as ARKit does, with the sides as _L and _R."""

# fmt: off
MULTI_PIE_68 = (
    1225, 1888, 1052, 367, 1719, 1722, 2199, 1447, 966, 3661, 4390, 3927, 3924, 2608, 3272, 4088, 3443,
    268, 493, 1914, 2044, 1401, 3615, 4240, 4114, 2734, 2509, 978, 4527, 4942, 4857, 1140, 2075, 1147,
    4269, 3360, 1507, 1542, 1537, 1528, 1518, 1511, 3742, 3751, 3756, 3721, 3725, 3732, 5708, 5695, 2081,
    0, 4275, 6200, 6213, 6346, 6461, 5518, 5957, 5841, 5702, 5711, 5533, 6216, 6207, 6470, 5517, 5966,
)
# fmt: on

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Layout:
    """Which vertices of the model are what.

    Attributes
    ----------
    vertices : of the whole model.
    parts : (first vertex, one past the last, part of `training.heads.ict`); what is in none (gums, teeth,
        lacrimal fluid, lashes) is left out: no depth camera sees it as a surface.
    landmarks68 : vertices, Multi-PIE order.
    """

    vertices: int
    parts: tuple[tuple[int, int, int], ...]
    landmarks68: tuple[int, ...]


LIGHT = Layout(
    vertices=26_719,
    parts=(
        (0, 6706, 0),  # narrow face
        (6706, 9409, 1),  # rest of the face
        (9409, 11_248, 2),  # head and neck
        (11_248, 14_062, 3),  # mouth and eye sockets
        (21_451, 24_591, 4),  # eyeballs
    ),
    landmarks68=MULTI_PIE_68,
)


@dataclass(frozen=True)
class Mesh:
    """Content of an OBJ file.

    Attributes
    ----------
    vertices : (V, 3) float64.
    texture : (U, 2) float64; texture coordinates, tile by tile (face 0 to 1, head and neck 1 to 2, ...).
    triangles : (T, 3) int64, of vertices; polygons are cut from their first corner on.
    triangle_texture : (T, 3) int64, of texture coordinates.
    """

    vertices: NDArray[np.float64]
    texture: NDArray[np.float64]
    triangles: Ints
    triangle_texture: Ints


def read_obj(path: Path, *, faces: bool = True) -> Mesh:
    """Read vertices, texture coordinates and polygons of an OBJ file.

    Raises
    ------
    ValueError
        A line is not what an OBJ file of this kind holds.
    """
    vertices: list[list[float]] = []
    texture: list[list[float]] = []
    corners: list[list[tuple[int, int]]] = []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        kind, _, rest = line.partition(" ")
        try:
            if kind == "v":
                x, y, z = rest.split()[:3]
                vertices.append([float(x), float(y), float(z)])
            elif kind == "vt" and faces:
                u, v = rest.split()[:2]
                texture.append([float(u), float(v)])
            elif kind == "f" and faces:
                pairs = [corner.split("/") for corner in rest.split()]
                polygon = [(int(pair[0]) - 1, int(pair[1]) - 1) for pair in pairs]
                corners += [[polygon[0], polygon[i], polygon[i + 1]] for i in range(1, len(polygon) - 1)]
        except (ValueError, IndexError) as error:
            message = f"{path}:{number}: expected a vertex, a texture coordinate or a face, got {line!r:.80}"
            raise ValueError(message) from error
    both = np.array(corners, np.int64).reshape(-1, 3, 2)
    return Mesh(
        np.array(vertices, np.float64).reshape(-1, 3),
        np.array(texture, np.float64).reshape(-1, 2),
        both[..., 0],
        both[..., 1],
    )


def pack(
    folder: Path,
    layout: Layout = LIGHT,
    identities: int = IDENTITIES,
    expressions: tuple[str, ...] = EXPRESSIONS,
) -> dict[str, NDArray[np.generic]]:
    """Collect the arrays of the packed file, in the model's centimetres, y up and z out of the face.

    Returns
    -------
    dict
        ``mean`` (V, 3) float32; ``id`` (100, V, 3) float16, identity modes as the model scales them (weights
        N(0, 1)); ``ex`` (53, V, 3) float16 with ``ex_names``; ``tri`` (T, 3) uint16; ``tri_uv``
        (T, 3, 2) float16; ``src_index`` (V,) uint16, vertices of the model; ``landmarks68`` (68,)
        uint16; ``part`` (V,) uint8.

    Raises
    ------
    FileNotFoundError
        A file is missing.
    ValueError
        A file is not of this model.
    """
    neutral = _read(folder, NEUTRAL, layout, faces=True)
    kept = np.concatenate([np.arange(first, end) for first, end, _ in layout.parts])
    part = np.concatenate([np.full(end - first, number) for first, end, number in layout.parts])
    place = np.full(layout.vertices, -1)
    place[kept] = np.arange(len(kept))
    whole = (place[neutral.triangles] >= 0).all(axis=1)
    mean = neutral.vertices[kept]

    def modes(names: list[str]) -> NDArray[np.float16]:
        found = [_read(folder, name, layout, faces=False).vertices[kept] - mean for name in names]
        return np.array(found, np.float16).reshape(len(names), len(kept), 3)

    return {
        "mean": mean.astype(np.float32),
        "id": modes([f"identity{number:03d}" for number in range(identities)]),
        "ex": modes(list(expressions)),
        "ex_names": np.array(expressions),
        "tri": place[neutral.triangles[whole]].astype(np.uint16),
        "tri_uv": neutral.texture[neutral.triangle_texture[whole]].astype(np.float16),
        "src_index": kept.astype(np.uint16),
        "landmarks68": place[list(layout.landmarks68)].astype(np.uint16),
        "part": part.astype(np.uint8),
    }


def _read(folder: Path, name: str, layout: Layout, *, faces: bool) -> Mesh:
    mesh = read_obj(folder / f"{name}.obj", faces=faces)
    if len(mesh.vertices) != layout.vertices:
        message = f"{folder / name}.obj: expected {layout.vertices} vertices, got {len(mesh.vertices)}"
        raise ValueError(message)
    return mesh


def main() -> None:
    """Write the packed head."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--light", type=Path, required=True, help="folder FaceXModel of ICT-FaceKit")
    parser.add_argument("--out", type=Path, required=True, help="the packed head (.npz)")
    arguments = parser.parse_args()
    arrays = pack(arguments.light)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(arguments.out, **arrays)
    vertices, triangles = len(arrays["mean"]), len(arrays["tri"])
    print(f"{arguments.out}: {vertices} vertices, {triangles} triangles", file=sys.stderr)


if __name__ == "__main__":
    main()
