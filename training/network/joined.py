"""The network that ships: a tower for the face's shape, one for its picture, and one vector for both.

Inputs are the aligned ``tensor`` and the ``chip``; three rows of unit vectors come out:

- ``embedding`` (128): half of it says what the maps show (`training.network.model`, shape and picture on the
  grid, trained with chimeras as impostors), half what the chip shows. Squared distances are the mean of both.
- ``shape`` (64): the maps with the picture's channels emptied: what depth alone says.
- ``picture`` (64): what the chip alone says.

``python -m training.network.joined --maps RUN --depth RUN --captured FILE --data DIR --out DIR`` joins two
runs of `training.network.train` and dlib's network (`training.teachers.dlib_resnet`).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from faceid_fast.face.crop import CHIP_SHAPE, TENSOR_SHAPE
from training.data.augment import InputChoice
from training.data.batches import load_split
from training.data.captured import Captured, load_captured
from training.data.morph_chips import DEFAULT_FOLDER as DEFAULT_MORPHS
from training.data.morph_chips import MorphChips
from training.data.portrait_chips import load_portrait_chips
from training.data.raw import write_arrays
from training.metrics.verification import embed
from training.network.checkpoint import save_network
from training.network.ensemble import principal_directions
from training.network.model import UnitLength
from training.network.run_folder import inputs_of, read_config
from training.network.train import load_best, set_threads
from training.network.whitening import whitening_of
from training.teachers import dlib_resnet

HALF = 64
"""Numbers of each half of the joined vector, and of each key."""
PROJECTED_IMAGES = 3_000
CAPTURED_REPEATED = 5
PROJECTION = "picture.npz"
TEACHERS_PATH = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "teachers"

Floats = NDArray[np.float32]


@keras.saving.register_keras_serializable(package="faceid_fast")
class DepthOnly(layers.Layer):  # type: ignore[misc]
    """Maps (N, 4, H, W) with the picture's channels emptied, as missing cells are."""

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Keep channel 0."""
        return keras.ops.concatenate([inputs[:, :1], keras.ops.zeros_like(inputs[:, 1:])], axis=1)


@dataclass(frozen=True, eq=False)
class Projection:
    """What the picture's tower does with dlib's unit vectors: ``(row - mean) @ matrix``, to unit length.

    Attributes
    ----------
    mean : (128,) float32.
    matrix : (128, `HALF`) float32.
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


def picture_tower(weights: Path | None, projection: Projection) -> keras.Model:
    """Build the picture's tower: (N, 150, 150, 3) float32, 0 to 255, to (N, `HALF`) unit rows.

    Parameters
    ----------
    weights : dlib's file; None for random weights.
    projection : learned from real people.
    """
    trunk = dlib_resnet.build(weights)
    last = trunk.get_layer("last")
    features = keras.Model(trunk.input, trunk.get_layer("features").output, name="dlib_resnet")
    inputs = keras.Input(trunk.input_shape[1:], name="chip_image", dtype="float32")
    unit = UnitLength(name="picture_unit")(
        layers.Dense(128, use_bias=False, name="picture_last")(features(inputs))
    )
    project = layers.Dense(projection.matrix.shape[1], name="picture_project")
    outputs = UnitLength(name="picture", dtype="float32")(project(unit))
    tower = keras.Model(inputs, outputs, name="picture_tower")
    tower.get_layer("picture_last").set_weights(last.get_weights())
    project.set_weights([projection.matrix, -projection.mean @ projection.matrix])
    return tower


def join(
    maps: keras.Model, depth: keras.Model, picture: keras.Model, kept: tuple[Floats, Floats]
) -> keras.Model:
    """Join the towers to one network with two inputs and three outputs.

    Parameters
    ----------
    maps, depth : networks of the aligned tensor; ``depth`` was trained with the pictures emptied.
    picture : as `picture_tower` builds it.
    kept : (D, `HALF`) orthonormal columns of each of the first two: what of their vectors is kept.
    """
    tensor = keras.Input(TENSOR_SHAPE, name="tensor", dtype="float32")
    chip = keras.Input(CHIP_SHAPE, name="chip", dtype="uint8")
    image = layers.Permute((2, 3, 1), name="chip_channels_last")(keras.ops.cast(chip, "float32"))
    named = [keras.Model(m.input, m.output, name=n) for m, n in ((maps, "maps"), (depth, "depth"))]
    seen = [named[0](tensor), named[1](DepthOnly(name="depth_only")(tensor))]
    halves = []
    for name, rows, columns in zip(("maps", "shape"), seen, kept, strict=True):
        project = layers.Dense(columns.shape[1], use_bias=False, name=f"{name}_project")
        halves.append(UnitLength(name=f"{name}_unit", dtype="float32")(project(rows)))
        project.set_weights([columns])
    of_maps, of_shape = halves
    of_picture = picture(image)
    both = layers.Concatenate(name="both")([of_maps, of_picture])
    outputs = {
        "embedding": UnitLength(name="embedding", dtype="float32")(both),
        "shape": layers.Identity(name="shape")(of_shape),
        "picture": layers.Identity(name="picture_key")(of_picture),
    }
    return keras.Model({"tensor": tensor, "chip": chip}, outputs, name="faceid")


def fit_projection(weights: Path, captured: Captured, morphs: MorphChips) -> Projection:
    """Learn the projection of dlib's vectors from captured people, morphs and portraits."""
    trunk = dlib_resnet.build(weights)
    portraits = load_portrait_chips()
    kinds = {
        "captured": (_unit_vectors(trunk, captured.chips), captured.people),
        "morphs": (_unit_vectors(trunk, morphs.chips), morphs.identities),
        "portraits": (_unit_vectors(trunk, portraits.chips), portraits.people),
    }
    whitening = whitening_of(**kinds)
    # What tells people apart is to be kept: one row a person, the captured ones more often, being few.
    means = []
    for name, (rows, people) in kinds.items():
        whitened = whitening.apply(rows)
        each = [whitened[people == person].mean(axis=0) for person in np.unique(people)]
        means += each * (CAPTURED_REPEATED if name == "captured" else 1)
    matrix = whitening.matrix @ principal_directions(np.array(means, np.float32), HALF)
    return Projection(whitening.mean.astype(np.float32), matrix.astype(np.float32))


def _unit_vectors(trunk: keras.Model, chips: NDArray[np.uint8], batch: int = 32) -> Floats:
    """Embed chips (N, 3, 150, 150) by dlib's network: (N, 128), to unit length."""
    images = chips.transpose(0, 2, 3, 1)
    parts = [
        np.asarray(trunk(images[at : at + batch].astype(np.float32), training=False))
        for at in range(0, len(images), batch)
    ]
    rows = np.concatenate(parts)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def joined(
    runs: tuple[Path, Path], data: Path, captured: Captured | None, picture: keras.Model
) -> keras.Model:
    """Join two runs, of the maps and of depth alone, with the picture's tower."""
    train, _ = load_split(data)
    chosen = np.sort(np.random.default_rng(0).permutation(len(train))[:PROJECTED_IMAGES])
    rows = train.tensors[chosen]
    if captured is not None:
        rows = np.concatenate([rows, captured.tensors])
    alone = rows.copy()
    alone[:, 1:] = 0
    maps, depth = (load_best(run) for run in runs)
    kept = (
        principal_directions(embed(maps, rows), HALF),
        principal_directions(embed(depth, alone), HALF),
    )
    return join(maps, depth, picture, kept)


def _digest(path: Path | None) -> str:
    return "" if path is None else hashlib.sha256(path.read_bytes()).hexdigest()


def load_joined(run: Path) -> keras.Model:
    """Load the network that this module wrote into a run's folder, with its own layers."""
    return load_best(run)


def main() -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add = parser.add_argument
    add("--maps", type=Path, required=True, help="run that saw the whole tensor, with chimeras")
    add("--depth", type=Path, required=True, help="run with --inputs depth")
    add("--captured", type=Path, help="what training.data.captured wrote")
    add("--leave-out", nargs="*", default=(), metavar="PERSON", help="of them")
    add("--data", type=Path, required=True, help="folder of rendered shards")
    add("--morphs", type=Path, default=DEFAULT_MORPHS, help="what training.data.morph_chips made")
    add("--picture", type=Path, help="projection of the picture's tower, instead of learning one")
    add("--teacher", type=Path, default=TEACHERS_PATH / dlib_resnet.WEIGHTS, help="dlib's weights")
    add("--out", type=Path, required=True)
    given = parser.parse_args()
    set_threads(2)
    configs = {name: read_config(run) for name, run in (("maps", given.maps), ("depth", given.depth))}
    for name, wanted in (("maps", InputChoice()), ("depth", InputChoice("depth"))):
        if (seen := inputs_of(configs[name])) != wanted:
            parser.error(f"--{name}: expected a run that saw {wanted}, got one that saw {seen}")
    left_out = sorted(given.leave_out)
    for name, config in configs.items():
        if config.get("captured") and sorted(config["left_out"]) != left_out:
            parser.error(f"--leave-out: the {name} run left out {config.get('left_out')}, not {left_out}")
    captured = None if given.captured is None else load_captured(given.captured, left_out)
    given.out.mkdir(parents=True, exist_ok=True)
    if given.picture is not None:
        projection = Projection.read(given.picture)
    elif captured is not None:
        projection = fit_projection(given.teacher, captured, MorphChips.read(given.morphs))
    else:
        parser.error("--captured or --picture: the projection of pictures is learned from real people")
    projection.write(given.out / PROJECTION)
    picture = picture_tower(given.teacher, projection)
    network = joined((given.maps, given.depth), given.data, captured, picture)
    for name, run in (("maps", given.maps), ("depth", given.depth)):
        shutil.copyfile(run / "best.keras", given.out / f"{name}.keras")
    save_network(given.out / "best.keras", network)
    config: dict[str, Any] = {
        "towers": configs,
        "left_out": left_out,
        "captured": _digest(given.captured),
        "teacher": _digest(given.teacher),
        "training_commit": configs["maps"]["training_commit"],
    }
    (given.out / "config.json").write_text(json.dumps(config, indent=2) + "\n")


if __name__ == "__main__":
    main()
