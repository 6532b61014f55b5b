"""The stages of the core by themselves: its bench program, and the file that hands it a frame."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from faceid_fast.face.bundled import read_bundled_model
from faceid_fast.face.head_model import HEAD_MODEL
from faceid_fast.frame import Frame

from .turns import Asked, Elsewhere

ROOT: Final = Path(__file__).parents[1]
CARGO: Final = ("cargo", "bench", "--quiet", "-p", "faceid-core", "--locked", "--bench", "aligning", "--")
KEPT_MM: Final = (650.0, 1750.0)
"""Depths that the clean-up of a whole frame keeps."""


def hand_over(color: Frame, infrared: Frame, file: Path) -> None:
    """Write what ``rust/core/benches/aligning.rs`` reads: a frame in both kinds of light, the head model."""
    with np.load(io.BytesIO(read_bundled_model(HEAD_MODEL))) as arrays:
        model = {name: np.asarray(arrays[name], "<f4") for name in arrays.files}
    k, sizes = color.intrinsics, color.depth.shape
    numbers = (color.depth_unit_m, k.fx, k.fy, k.cx, k.cy, *KEPT_MM)
    counts = (len(model["mean"]), len(model["components"]), len(model["correction"]))
    names = ("mean", "normals", "components", "template", "correction", "correction_offset")
    with file.open("wb") as to:
        to.write((" ".join(map(str, (*sizes, *numbers, *counts))) + "\n").encode())
        to.write(color.depth.astype("<u2").tobytes())
        to.write(color.picture.tobytes())
        to.write(infrared.picture.tobytes())
        for name in names:
            to.write(model[name].tobytes())


class Stage(Elsewhere):
    """One stage of the core, timed by itself.

    Parameters
    ----------
    program : was given `cells`, to write what a cleaned-up frame comes to.
    name : of the stage.
    """

    def __init__(self, program: Asked, name: str, cells: Path) -> None:
        self._program, self._name, self._cells = program, name, cells

    def seconds(self, calls: int) -> float:
        """See `Elsewhere`."""
        return self._program.seconds(self._name, calls)

    def __call__(self) -> NDArray[np.float32]:
        """Depth and log light of the cells, (2, H, W); NaN where nothing can be drawn."""
        self.seconds(1)
        numbers = np.fromfile(self._cells, "<f4")
        height, width = numbers[:2].astype(int)
        return numbers[2:].reshape(2, height, width)
