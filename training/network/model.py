"""The network: a small SqueezeNet over the aligned maps, to a 128-d unit vector.

Fire modules (squeeze to a few 1x1 channels, expand by 1x1 and 3x3 side by side) with bypasses
[Iandola et al. 2016, "SqueezeNet", arXiv:1602.07360], and two departures from it. The head is a
*flatten*, not global pooling: the tensors are aligned on a metric grid, so where a feature sits is
part of what it says. The embedding ends in a BatchNorm without scale or offset, which keeps any
one dimension from dominating the unit vector.

A challenger with plain residual blocks in the place of fire modules sits behind the same interface
(`NETWORKS`).

The Siamese network of a pair loss is this network applied to both sides: the weights are shared,
so a batch is embedded once and the losses compare its rows (`training.network.losses`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import keras
from keras import layers

from faceid_fast.face.crop import TENSOR_SHAPE

INPUT_NAME = "tensor"
OUTPUT_NAME = "embedding"


@dataclass(frozen=True)
class NetworkConfig:
    """The shape of the network.

    Attributes
    ----------
    input_shape : (channels, height, width) of the aligned tensor; depth, then red, green, blue.
    embedding_size : length of the unit vector.
    stem_filters : channels of the first convolution (5x5, stride 2).
    block : "fire", or "residual" for two 3x3 convolutions and a bypass.
    fires : (squeeze, expand) channels of each fire module, in groups; a pool stands before each group.
        A residual block of the same place has ``expand`` channels.
    reduce_filters : channels of the 1x1 convolution before the flatten: the flatten head pays for
        every channel at every position.
    conv_batch_norm : BatchNorm after the stem and after each expand.
    dropout : share of the flattened features dropped in training.
    batch_norm_momentum : 0.9; at 0.99 the statistics lag the weights in runs of a few thousand
        steps and the distances of the exported network collapse.
    """

    input_shape: tuple[int, int, int] = TENSOR_SHAPE
    embedding_size: int = 128
    block: Literal["fire", "residual"] = "fire"
    stem_filters: int = 24
    fires: tuple[tuple[tuple[int, int], ...], ...] = (
        ((16, 32), (16, 32)),
        ((24, 64), (24, 64), (32, 64)),
    )
    reduce_filters: int = 24
    conv_batch_norm: bool = True
    dropout: float = 0.2
    batch_norm_momentum: float = 0.9


NETWORKS = {
    "small": NetworkConfig(),
    "medium": NetworkConfig(
        stem_filters=32,
        fires=(((24, 48), (24, 48)), ((32, 96), (32, 96), (48, 96))),
        reduce_filters=32,
    ),
    "large": NetworkConfig(
        stem_filters=48,
        fires=(((32, 64), (32, 64)), ((48, 128), (48, 128), (64, 128))),
        reduce_filters=40,
    ),
    "residual": NetworkConfig(
        block="residual", fires=(((0, 32), (0, 32)), ((0, 64), (0, 64))), reduce_filters=24
    ),
}
"""By the name that ``training.network.train --network`` takes."""


@keras.saving.register_keras_serializable(package="faceid_fast")
class UnitLength(layers.Layer):  # type: ignore[misc]
    """Divide each row by its Euclidean norm; a zero row stays zero."""

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Normalise (N, D) float rows in float32."""
        rows = keras.ops.cast(inputs, "float32")
        squared = keras.ops.sum(keras.ops.square(rows), axis=-1, keepdims=True)
        return rows * keras.ops.rsqrt(keras.ops.maximum(squared, 1e-12))


@keras.saving.register_keras_serializable(package="faceid_fast")
class Mirror(layers.Layer):  # type: ignore[misc]
    """The face as a mirror shows it: (N, C, H, W) with its columns in reverse."""

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Reverse the columns."""
        return inputs[:, :, :, ::-1]


def build_network(config: NetworkConfig | None = None) -> keras.Model:
    """Build the network: (N, 4, 72, 64) float32, channel first, to (N, 128) float32 unit vectors.

    The channel order is turned inside, because TensorFlow's CPU kernels want channels last while
    the contract of the ONNX file is channels first.
    """
    config = config or NetworkConfig()
    inputs = keras.Input(config.input_shape, name=INPUT_NAME, dtype="float32")
    x = layers.Permute((2, 3, 1), name="channels_last")(inputs)
    x = _conv(config, x, config.stem_filters, 5, strides=2, name="stem")
    for group, fires in enumerate(config.fires, start=1):
        x = layers.MaxPooling2D(3, 2, padding="same", name=f"pool{group}")(x)
        for index, (squeeze, expand) in enumerate(fires, start=1):
            if config.block == "fire":
                x = _fire(config, x, squeeze, expand, name=f"fire{group}_{index}")
            else:
                x = _residual(config, x, expand, name=f"residual{group}_{index}")
    x = layers.Conv2D(config.reduce_filters, 1, activation="relu", name="reduce")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dropout(config.dropout, name="dropout")(x)
    x = layers.Dense(config.embedding_size, use_bias=False, name="dense")(x)
    x = layers.BatchNormalization(
        momentum=config.batch_norm_momentum, center=False, scale=False, name="whiten"
    )(x)
    outputs = UnitLength(name=OUTPUT_NAME, dtype="float32")(x)
    return keras.Model(inputs, outputs, name="faceid")


def _fire(
    config: NetworkConfig, inputs: keras.KerasTensor, squeeze: int, expand: int, name: str
) -> keras.KerasTensor:
    """Squeeze, expand two ways, and add the input back where the widths match."""
    x = layers.Conv2D(squeeze, 1, activation="relu", name=f"{name}_squeeze")(inputs)
    pointwise = _conv(config, x, expand, 1, name=f"{name}_expand1")
    spatial = _conv(config, x, expand, 3, name=f"{name}_expand3")
    x = layers.Concatenate(name=f"{name}_concat")([pointwise, spatial])
    if inputs.shape[-1] == 2 * expand:
        x = layers.Add(name=f"{name}_bypass")([inputs, x])
    return x


def _residual(config: NetworkConfig, inputs: keras.KerasTensor, filters: int, name: str) -> keras.KerasTensor:
    """Convolve twice and add the input, widened by a 1x1 convolution where need be."""
    x = _conv(config, inputs, filters, 3, name=f"{name}_first")
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"{name}_second")(x)
    x = layers.BatchNormalization(momentum=config.batch_norm_momentum, name=f"{name}_second_norm")(x)
    if inputs.shape[-1] != filters:
        inputs = layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_widen")(inputs)
    x = layers.Add(name=f"{name}_bypass")([inputs, x])
    return layers.ReLU(name=f"{name}_relu")(x)


def _conv(
    config: NetworkConfig,
    inputs: keras.KerasTensor,
    filters: int,
    size: int,
    name: str,
    strides: int = 1,
) -> keras.KerasTensor:
    """Convolve, normalise where the configuration says so, rectify."""
    x = layers.Conv2D(
        filters, size, strides=strides, padding="same", use_bias=not config.conv_batch_norm, name=name
    )(inputs)
    if config.conv_batch_norm:
        x = layers.BatchNormalization(momentum=config.batch_norm_momentum, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)
