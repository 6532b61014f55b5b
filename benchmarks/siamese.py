"""The notebook of 2018: a Siamese network that is asked pair by pair, for `benchmarks.aligning`.

``python -m benchmarks.siamese`` runs where TensorFlow is (`make train-smoke` builds such an environment) and
answers ``predict CALLS`` on its standard input with the seconds of one call: ten pairs, one `predict` each.
Its weights are random: trained ones take as long.
"""

from __future__ import annotations

import sys
import time

import keras
import numpy as np
import tensorflow as tf
from keras import layers

SIDE_PX, CHANNELS, REFERENCES = 200, 4, 10
PARAMETERS = 32_000_000
"""About so many, as the model card says."""


def fire(x: object, squeeze: int, expand: int) -> object:
    """Squeeze to a few channels, expand by 1x1 and 3x3 side by side."""
    x = layers.Conv2D(squeeze, 1, activation="relu")(x)
    sides = [layers.Conv2D(expand, size, padding="same", activation="relu")(x) for size in (1, 3)]
    return layers.Concatenate()(sides)


def network() -> keras.Model:
    """Two pictures (200, 200, 4) in, their distance out."""
    picture = keras.Input((SIDE_PX, SIDE_PX, CHANNELS))
    x = layers.Conv2D(64, 5, strides=2)(picture)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    for channels in (16, 32):
        x = layers.MaxPooling2D(3, 2)(x)
        x = fire(fire(x, channels, channels), channels, channels)
    x = layers.MaxPooling2D(3, 2)(x)
    for channels in (48, 48, 64, 64):
        x = fire(x, channels, channels)
    x = layers.Conv2D(512, 1, activation="relu")(layers.Dropout(0.2)(x))
    x = layers.Dense(512, activation="relu")(layers.Flatten()(x))
    x = layers.Dense(128)(layers.Dropout(0.2)(x))
    side = keras.Model(picture, layers.UnitNormalization()(x))
    pair = [keras.Input((SIDE_PX, SIDE_PX, CHANNELS)) for _ in range(2)]
    apart = layers.Subtract()([side(picture) for picture in pair])
    return keras.Model(pair, keras.ops.norm(apart, axis=1, keepdims=True))


def main() -> None:
    """Answer until there is nothing more to answer."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    model = network()
    if not 0.9 < model.count_params() / PARAMETERS < 1.1:
        message = f"expected about {PARAMETERS} parameters, got {model.count_params()}"
        raise ValueError(message)
    rng = np.random.default_rng(0)
    seen, *references = rng.random((1 + REFERENCES, 1, SIDE_PX, SIDE_PX, CHANNELS), np.float32)
    model.predict([seen, references[0]], verbose=0)
    for line in sys.stdin:
        calls = int(line.split()[1])
        began = time.perf_counter()
        for _ in range(calls):
            for reference in references:
                model.predict([seen, reference], verbose=0)
        print((time.perf_counter() - began) / calls, flush=True)


if __name__ == "__main__":
    main()
