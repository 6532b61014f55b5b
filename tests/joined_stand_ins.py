"""A joined network that is small: stand-ins for its towers, of the shapes of the real ones."""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from faceid_fast.face.crop import CHIP_SHAPE, TENSOR_SHAPE
from training.data.batches import TensorSet
from training.network.joined import join, shape_tower
from training.network.model import NetworkConfig, UnitLength, build_network
from training.network.projection import KEY_SIZE, PLAIN_SIZE, Projection
from training.provenance.aligner import aligner_digest

SIZE = 128
KEPT: NDArray[np.float32] = np.linalg.qr(np.random.default_rng(0).standard_normal((SIZE, KEY_SIZE)))[
    0
].astype(np.float32)
MOVED = Projection(np.linspace(-0.05, 0.05, SIZE, dtype=np.float32), KEPT)
PLAIN = Projection(np.zeros(SIZE, np.float32), KEPT[:, :PLAIN_SIZE])
SMALL = NetworkConfig(stem_filters=8, fires=(((4, 8),), ((4, 8),)), reduce_filters=4)


def tower(seed: int, config: NetworkConfig = SMALL) -> keras.Model:
    """An untrained network of the tensor, with BatchNorm statistics that are not the identity."""
    keras.utils.set_random_seed(seed)
    network = build_network(config)
    rng = np.random.default_rng(seed)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(rng.normal(0, 0.3, layer.moving_mean.shape))
            layer.moving_variance.assign(rng.uniform(0.5, 2, layer.moving_variance.shape))
    return network


def picture_stand_in(seed: int) -> keras.Model:
    """Two convolutions and a sum where the real tower has 29, in a model of the same name."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((*CHIP_SHAPE[1:], CHIP_SHAPE[0]), name="chip", dtype="float32")
    x = layers.Rescaling(1 / 256, -0.45)(inputs)
    x = layers.MaxPooling2D(3, 3)(layers.ReLU()(layers.Conv2D(8, 7, 2, name="convolution0")(x)))
    through = layers.Conv2D(8, 3, padding="same", name="convolution1")(x)
    x = layers.ReLU()(layers.Add()([through, x]))
    x = layers.AveragePooling2D(4, 4)(x)
    features = keras.Model(inputs, layers.Flatten(name="features")(x), name="dlib_resnet")
    again = keras.Input(inputs.shape[1:], name="chip_image", dtype="float32")
    rows = layers.Dense(KEY_SIZE, name="picture_project")(features(again))
    return keras.Model(again, UnitLength(name="picture", dtype="float32")(rows), name="picture_tower")


def joined_stand_in(seed: int = 7, config: NetworkConfig = SMALL) -> keras.Model:
    """A joined network of small towers."""
    return join(shape_tower(tower(seed, config), MOVED, PLAIN), picture_stand_in(seed))


def faces(identities: int = 20, captures: int = 6, *, seed: int = 5) -> TensorSet:
    """Noise with chips, of people in clusters of four, in infrared."""
    rng = np.random.default_rng(seed)
    count = identities * captures
    who = np.repeat(np.arange(identities, dtype=np.int32), captures)
    own = rng.standard_normal((identities, *TENSOR_SHAPE))[who]
    tensors = np.clip(own + 0.3 * rng.standard_normal((count, *TENSOR_SHAPE)), -2.5, 2.5)
    coarse = rng.integers(0, 256, (identities, 3, 15, 15))[who] + rng.integers(-20, 21, (count, 3, 15, 15))
    chips = np.clip(np.kron(coarse, np.ones((10, 10), int)), 0, 255).astype(np.uint8)
    return TensorSet(tensors.astype(np.float16), who, who // 4, np.zeros_like(who), aligner_digest(), chips)
