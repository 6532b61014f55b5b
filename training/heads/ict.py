"""The parametric head that renders come from: identity modes, expressions, eyes.

The data file is packed from the ICT-FaceKit light model (MIT, Copyright (c) 2020 USC Institute for
Creative Technologies). It stays outside the repository; nothing of it ships.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.provenance.revision import ROOT

DEFAULT_PATH = ROOT.parent / "shared/data/ict_face"
FILE_NAME = "ict_head_eyes_f16.npz"
MM_PER_CM = 10.0
OUTER_EYE_CORNERS = (36, 45)  # Multi-PIE: the subject's right and left outer corner
PART_NARROW_FACE, PART_FACE, PART_HEAD, PART_SOCKETS, PART_EYES = range(5)

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ParametricHead:
    """Head mesh as a linear function of identity and expression, in the face frame.

    Face frame: millimetres, origin midway between the outer eye corners of the mean head, x to the
    subject's left (image right when frontal), y down, z into the head.

    Attributes
    ----------
    mean : (V, 3) float32 vertices of the mean head.
    identity_modes : (100, V * 3) float32, scaled by their standard deviation: draw weights N(0, I).
    expression_modes : (53, V * 3) float32, ARKit-like, weights in [0, 1].
    expression_names : the 53 names.
    triangles : (T, 3) int32 vertex indices.
    landmarks68 : (68,) vertex indices, Multi-PIE order.
    part : (V,) uint8: 0 narrow face, 1 rest of the face, 2 head and neck, 3 mouth and eye sockets, 4 eyes.
    """

    mean: Floats
    identity_modes: Floats
    expression_modes: Floats
    expression_names: tuple[str, ...]
    triangles: NDArray[np.int32]
    landmarks68: NDArray[np.int64]
    part: NDArray[np.uint8]

    @classmethod
    def load(cls, path: Path | str = DEFAULT_PATH) -> ParametricHead:
        """Read the packed head.

        Parameters
        ----------
        path : the folder that holds ``ict_head_eyes_f16.npz``, or the file itself.

        Raises
        ------
        FileNotFoundError
            If the file is missing.
        """
        file = Path(path)
        if file.is_dir():
            file = file / FILE_NAME
        with np.load(file) as data:
            # Centimetres with y up and z out of the face become millimetres with y down and z in:
            # half a turn about x, a proper rotation, so triangles keep their winding.
            turn = np.float32([MM_PER_CM, -MM_PER_CM, -MM_PER_CM])
            landmarks = data["landmarks68"].astype(np.int64)
            mean = data["mean"].astype(np.float32) * turn
            mean -= mean[landmarks[list(OUTER_EYE_CORNERS)]].mean(axis=0)
            identity = data["id"].astype(np.float32) * turn
            expression = data["ex"].astype(np.float32) * turn
            return cls(
                mean=mean,
                identity_modes=identity.reshape(len(identity), -1),
                expression_modes=expression.reshape(len(expression), -1),
                expression_names=tuple(str(name) for name in data["ex_names"]),
                triangles=data["tri"].astype(np.int32),
                landmarks68=landmarks,
                part=data["part"],
            )

    @property
    def seen_triangles(self) -> NDArray[np.int32]:
        """Triangles (T, 3) of skin and eyes, without what lies inside."""
        return self.triangles[(self.part[self.triangles] <= PART_EYES).all(axis=1)]

    @property
    def identity_count(self) -> int:
        """How many identity weights there are (100)."""
        return len(self.identity_modes)

    @property
    def expression_count(self) -> int:
        """How many expression weights there are (53)."""
        return len(self.expression_modes)

    @cached_property
    def _expression_indices(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.expression_names)}

    def expression_index(self, name: str) -> int:
        """Position of an expression by name; KeyError if there is none."""
        return self._expression_indices[name]

    def vertices(self, identity: ArrayLike, expression: ArrayLike | None = None) -> Floats:
        """Vertices of one head.

        Parameters
        ----------
        identity : (100,) weights, N(0, 1) each.
        expression : (53,) weights in [0, 1]; None for neutral.

        Returns
        -------
        (V, 3) float32 in the face frame, millimetres.
        """
        shape = self.mean.reshape(-1) + np.asarray(identity, np.float32) @ self.identity_modes
        if expression is not None:
            weights = np.asarray(expression, np.float32)
            active = np.flatnonzero(weights)  # a handful of 53: skip reading the rest
            shape += weights[active] @ self.expression_modes[active]
        return shape.reshape(-1, 3)

    def eye_midpoint(self, vertices: Floats) -> Floats:
        """Midpoint (3,) of the outer eye corners of ``vertices``, millimetres."""
        corners: Floats = vertices[self.landmarks68[list(OUTER_EYE_CORNERS)]]
        midpoint: Floats = corners.mean(axis=0)
        return midpoint


def normals_of(vertices: Floats, triangles: NDArray[np.int32]) -> Floats:
    """Outward unit normals (V, 3), area-weighted; the mesh winds so that the cross product points out."""
    a, b, c = (vertices[triangles[:, corner]] for corner in range(3))
    face = np.cross(b - a, c - a)
    count = len(vertices)
    flat = triangles.T.ravel()
    normals = np.stack(
        [np.bincount(flat, weights=np.tile(face[:, axis], 3), minlength=count) for axis in range(3)], axis=1
    )
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    unit: Floats = (normals / np.maximum(length, 1e-12)).astype(np.float32)
    return unit
