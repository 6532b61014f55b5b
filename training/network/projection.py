"""Projections: what the vectors of a tower become as a key of the face.

A key is whitened by real people (`training.network.whitening`): what varies within a person counts less, and
angles are seen from the mean of real faces, which lies apart from that of rendered ones. Of the whitened
numbers those are kept in which people differ most.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from training.data.batches import TensorSet
from training.data.captured import Captured
from training.data.raw import write_arrays
from training.metrics.verification import embed
from training.network.model import UnitLength
from training.network.whitening import Labelled, Whitening, principal_directions, whitening_of

KEY_SIZE: Final = 64
"""Numbers that are kept of each tower, whitened."""
PLAIN_SIZE: Final = 62
"""The same of the shape's, not whitened: with the relief's two, its key has 128."""
PROJECTED_IMAGES: Final = 3_000
CAPTURED_REPEATED: Final = 5
"""What tells people apart is kept; the captured ones count more often there, being few."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Projection:
    """What a tower's unit vectors become: ``(row - mean) @ matrix``, to unit length.

    Attributes
    ----------
    mean : (128,) float32.
    matrix : (128, numbers that are kept) float32.
    """

    mean: Floats
    matrix: Floats

    @classmethod
    def read(cls, path: Path) -> Projection:
        """Read what `write` wrote."""
        with np.load(path) as file:
            return cls(file["mean"], file["matrix"])

    def write(self, path: Path) -> None:
        """Write the arrays."""
        write_arrays(path, {"mean": self.mean, "matrix": self.matrix})

    @classmethod
    def keeping(cls, whitening: Whitening, telling: dict[str, Labelled], size: int = KEY_SIZE) -> Projection:
        """Keep ``size`` directions of whitened space: those in which people of several kinds differ most."""
        means = []
        for name, (rows, people) in telling.items():
            whitened = whitening.apply(rows)
            each = [whitened[people == person].mean(axis=0) for person in np.unique(people)]
            means += each * (CAPTURED_REPEATED if name == "captured" else 1)
        matrix = whitening.matrix @ principal_directions(np.array(means, np.float32), size)
        return cls(whitening.mean.astype(np.float32), matrix.astype(np.float32))


def projected(rows: keras.KerasTensor, projection: Projection, name: str) -> keras.KerasTensor:
    """Whiten unit rows."""
    project = layers.Dense(projection.matrix.shape[1], name=f"{name}_project")
    outputs = UnitLength(name=name, dtype="float32")(project(rows))
    project.set_weights([projection.matrix, -projection.mean @ projection.matrix])
    return outputs


def shape_projections(
    network: keras.Model, rendered: TensorSet, captured: Captured | None
) -> tuple[Projection, Projection]:
    """Learn what a shape's vectors become, whitened and plain.

    *Whitened* by captured people, seen from their mean; without them, by whoever was trained on. *Plain*,
    they are seen from the mean of rendered people, and nothing within a person counts less.

    Parameters
    ----------
    rendered : what the network was trained on.
    captured : people whom the network has not learned to tell apart.
    """
    # Whole people: everybody's mean is to be that of all captures.
    names = np.random.default_rng(0).permutation(np.unique(rendered.identities))
    chosen = np.isin(rendered.identities, names[: max(PROJECTED_IMAGES * len(names) // len(rendered), 2)])
    some = embed(network, _depth_only(rendered.tensors[chosen])), rendered.identities[chosen]
    telling: dict[str, Labelled] = {"rendered": some}
    if captured is not None:
        telling["captured"] = embed(network, _depth_only(captured.tensors)), captured.people
    by = "rendered" if captured is None else "captured"
    whitening = whitening_of({by: telling[by]}, {by: 1.0})
    size = whitening.matrix.shape[0]
    nothing = Whitening(np.zeros(size, np.float32), np.eye(size, dtype=np.float32))
    return Projection.keeping(whitening, telling), Projection.keeping(nothing, telling, PLAIN_SIZE)


def _depth_only(tensors: NDArray[np.float16]) -> NDArray[np.float16]:
    alone = tensors.copy()
    alone[:, 1:] = 0
    return alone
