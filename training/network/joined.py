"""The network that ships: a tower for the face's shape, one for its picture, and one vector for both.

Inputs are the aligned ``tensor`` and the ``chip``; three rows of unit vectors come out:

- ``shape`` (128): what the depth channel of the tensor says (`training.network.model`, trained with the
  picture's channels emptied), whitened (64) and not (62), and how deep the finer relief is (2,
  `training.network.relief`);
- ``picture`` (64): what the chip says (`training.teachers.dlib_resnet`);
- ``embedding`` (128): the whitened shape and the picture side by side, by `SHAPE_WEIGHT`.

Shape and picture are *whitened* by real people (`training.network.whitening`): what varies within a person
counts less, and angles are seen from the mean of real faces, which lies apart from that of rendered ones.

``python -m training.network.joined --shape RUN --captured FILE --data DIR --out DIR`` joins a run of
`training.network.train` and dlib's network.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any, Final

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
from training.network.checkpoint import save_network
from training.network.model import UnitLength
from training.network.projection import Projection, projected, shape_projections
from training.network.relief import ReliefAngle
from training.network.run_folder import inputs_of, read_config
from training.network.train import load_best, set_threads
from training.network.whitening import whitening_of
from training.teachers import dlib_resnet

SHAPE_WEIGHT: Final = 0.8
"""Of the shape in the joined vector, the picture's being 1: it tells people apart less well."""
PLAIN_WEIGHT: Final = 0.7
"""Of what is not whitened in the shape's key, what is being 1. Seen from the mean of real people alone,
rendered ones and whoever lies near them are told apart less well."""
RELIEF_WEIGHT: Final = float(np.sqrt(1.0 + PLAIN_WEIGHT**2))
"""Of the relief there: as much as of both together."""
PICTURE_SHARES: Final = {"captured": 0.4, "morphs": 0.4, "portraits": 0.2}
"""Of the spread within a person: captured people are few, morphs are many, but of photographs."""
PROJECTIONS: Final = {"shape": "shape.npz", "plain": "shape_plain.npz", "picture": "picture.npz"}
TEACHERS_PATH = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "teachers"

Floats = NDArray[np.float32]


@keras.saving.register_keras_serializable(package="faceid_fast")
class DepthOnly(layers.Layer):  # type: ignore[misc]
    """Of tensors (N, 4, H, W) the depth (N, 1, H, W)."""

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Keep channel 0."""
        return inputs[:, :1]


def shape_tower(network: keras.Model, whitened: Projection, plain: Projection) -> keras.Model:
    """Build the shape's tower, of tensors (N, 4, 72, 64) float32.

    It has two outputs of unit rows: ``whitened`` (N, 64), what the joined vector takes, and ``key`` (N, 128),
    what was whitened, what was not, and the relief.

    Parameters
    ----------
    network : of the aligned tensor, trained with the pictures emptied.
    """
    inputs = keras.Input(TENSOR_SHAPE, name="tensor", dtype="float32")
    depth = DepthOnly(name="depth_only")(inputs)
    rows = _of_one_channel(network)(depth)
    of_real = projected(rows, whitened, "whitened")
    of_rendered = projected(rows, plain, "plain")
    relief = ReliefAngle(name="relief")(depth)
    parts = [of_real, PLAIN_WEIGHT * of_rendered, RELIEF_WEIGHT * relief]
    key = UnitLength(name="key", dtype="float32")(layers.Concatenate(name="views")(parts))
    return keras.Model(inputs, {"whitened": of_real, "key": key}, name="shape_tower")


def _of_one_channel(network: keras.Model) -> keras.Model:
    """Leave the emptied channels away: they added nothing, but took time."""

    def clone(layer: keras.Layer) -> keras.Layer:
        if isinstance(layer, keras.Model):  # of training.network.ensemble
            return _of_one_channel(layer)
        return layer.__class__.from_config(layer.get_config())

    depth = keras.Input((1, *TENSOR_SHAPE[1:]), name="depth", dtype="float32")
    trunk = keras.models.clone_model(network, input_tensors=depth, clone_function=clone)
    for layer, full in zip(trunk.layers, network.layers, strict=True):
        if isinstance(full, keras.Model):
            continue
        weights = full.get_weights()
        if weights and weights[0].shape != layer.get_weights()[0].shape:  # the first convolution
            weights[0] = weights[0][:, :, :1]
        layer.set_weights(weights)
    return trunk


def picture_tower(weights: Path | None, projection: Projection) -> keras.Model:
    """Build the picture's tower: (N, 150, 150, 3) float32, 0 to 255, to (N, 64) unit rows.

    Parameters
    ----------
    weights : dlib's file; None for random weights.
    """
    trunk = dlib_resnet.build(weights)
    last = trunk.get_layer("last")
    features = keras.Model(trunk.input, trunk.get_layer("features").output, name="dlib_resnet")
    inputs = keras.Input(trunk.input_shape[1:], name="chip_image", dtype="float32")
    unit = UnitLength(name="picture_unit")(
        layers.Dense(128, use_bias=False, name="picture_last")(features(inputs))
    )
    tower = keras.Model(inputs, projected(unit, projection, "picture"), name="picture_tower")
    tower.get_layer("picture_last").set_weights(last.get_weights())
    return tower


def join(shape: keras.Model, picture: keras.Model) -> keras.Model:
    """Join the towers, as `shape_tower` and `picture_tower` build them: two inputs, three outputs."""
    tensor = keras.Input(TENSOR_SHAPE, name="tensor", dtype="float32")
    chip = keras.Input(CHIP_SHAPE, name="chip", dtype="uint8")
    image = layers.Permute((2, 3, 1), name="chip_channels_last")(keras.ops.cast(chip, "float32"))
    of_shape, of_picture = shape(tensor), picture(image)
    both = layers.Concatenate(name="both")([SHAPE_WEIGHT * of_shape["whitened"], of_picture])
    outputs = {
        "embedding": UnitLength(name="embedding", dtype="float32")(both),
        "shape": layers.Identity(name="shape_key")(of_shape["key"]),
        "picture": layers.Identity(name="picture_key")(of_picture),
    }
    return keras.Model({"tensor": tensor, "chip": chip}, outputs, name="faceid")


def picture_projection(weights: Path, captured: Captured, morphs: MorphChips) -> Projection:
    """Learn the projection of dlib's vectors from captured people, morphs and portraits not held back."""
    trunk = dlib_resnet.build(weights)
    portraits = load_portrait_chips().of(held=False)
    kinds = {
        "captured": (_unit_vectors(trunk, captured.chips), captured.people),
        "morphs": (_unit_vectors(trunk, morphs.chips), morphs.identities),
        "portraits": (_unit_vectors(trunk, portraits.chips), portraits.people),
    }
    return Projection.keeping(whitening_of(kinds, PICTURE_SHARES), kinds)


def _unit_vectors(trunk: keras.Model, chips: NDArray[np.uint8], batch: int = 32) -> Floats:
    """Embed chips (N, 3, 150, 150) by dlib's network: (N, 128), to unit length."""
    images = chips.transpose(0, 2, 3, 1)
    parts = [
        np.asarray(trunk(images[at : at + batch].astype(np.float32), training=False))
        for at in range(0, len(images), batch)
    ]
    rows = np.concatenate(parts)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def _digest(path: Path | None) -> str:
    return "" if path is None else hashlib.sha256(path.read_bytes()).hexdigest()


def load_joined(run: Path) -> keras.Model:
    """Load the network that this module wrote into a run's folder, with its own layers."""
    return load_best(run)


def main() -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add = parser.add_argument
    add("--shape", type=Path, required=True, help="run with --inputs depth")
    add("--captured", type=Path, help="what training.data.captured wrote")
    add("--leave-out", nargs="*", default=(), metavar="PERSON", help="of them")
    add("--data", type=Path, required=True, help="folder of the shards that the run was trained on")
    add("--morphs", type=Path, default=DEFAULT_MORPHS, help="what training.data.morph_chips made")
    add("--picture", type=Path, help="projection of the picture's tower, instead of learning one")
    add("--teacher", type=Path, default=TEACHERS_PATH / dlib_resnet.WEIGHTS, help="dlib's weights")
    add("--out", type=Path, required=True)
    given = parser.parse_args()
    set_threads(2)
    config = read_config(given.shape)
    if (seen := inputs_of(config)) != InputChoice("depth"):
        parser.error(f"--shape: expected a run that saw {InputChoice('depth')}, got one that saw {seen}")
    left_out = sorted(given.leave_out)
    if config.get("captured") and sorted(config["left_out"]) != left_out:
        parser.error(f"--leave-out: the run left out {config.get('left_out')}, not {left_out}")
    captured = None if given.captured is None else load_captured(given.captured, left_out)
    if given.picture is not None and left_out:
        parser.error("--leave-out: a --picture that was learned elsewhere may know them")
    if given.picture is not None:
        picture = Projection.read(given.picture)
    elif captured is not None:
        picture = picture_projection(given.teacher, captured, MorphChips.read(given.morphs))
    else:
        parser.error("--captured or --picture: the projection of pictures is learned from real people")
    given.out.mkdir(parents=True, exist_ok=True)
    network = load_best(given.shape)
    shape, plain = shape_projections(network, load_split(given.data)[0], captured)
    for name, projection in (("shape", shape), ("plain", plain), ("picture", picture)):
        projection.write(given.out / PROJECTIONS[name])
    shutil.copyfile(given.shape / "best.keras", given.out / "shape.keras")
    network = join(shape_tower(network, shape, plain), picture_tower(given.teacher, picture))
    save_network(given.out / "best.keras", network)
    written: dict[str, Any] = {
        "towers": {"shape": config},
        "left_out": left_out,
        "captured": _digest(given.captured),
        "teacher": _digest(given.teacher),
        "training_commit": config["training_commit"],
    }
    (given.out / "config.json").write_text(json.dumps(written, indent=2) + "\n")


if __name__ == "__main__":
    main()
