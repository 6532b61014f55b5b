"""How deep the finer relief of a face is: eyes, nostrils and lips, of a few millimetres.

A cast that is blurred, or half as high, keeps the shape that tells people apart and loses this; so does
whatever a camera blurs. It varies little within a person before one camera, so a key that carries it
compares an attempt with the depth that the person was enrolled with.
"""

from __future__ import annotations

import io
import os
from typing import Final

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from faceid_fast.face.bundled import read_bundled_model
from faceid_fast.face.crop import GRID_STEP_MM, TENSOR_SHAPE
from faceid_fast.face.head_model import HEAD_MODEL

FINE_MM: Final = 3.0
COARSE_MM: Final = 6.0
"""What lies between two Gaussians of these standard deviations is the finer relief."""
DISC_MM: Final = (0.0, 20.0, 46.0)
"""Middle (x, y) and radius of the disc in which it is measured, below the middle of the eye line."""
GRID_CORNER_MM: Final = (-64.0, -50.0)
"""Left and upper edge of the tensor's grid."""
DEPTH_UNIT_MM: Final = 10.0
KNOWN_SHARE: Final = 0.6
"""Of what the coarse Gaussian sees, so much must be known."""
STEP_MM: Final = 12.0
"""Larger steps between both are edges of hair or nose: they count as much as this."""
LEAST_MM: Final = 0.1
MOST_MM: Final = 1.1
"""Deeper than sharp cameras show it is all the same: noise adds to it."""
TURN: Final = 2.0
"""Radians for each factor of e: 4.8 from the least to the most, three quarters of a turn, so that nothing
comes near what it is far from."""

Floats = NDArray[np.float32]


@keras.saving.register_keras_serializable(package="faceid_fast")
class ReliefAngle(layers.Layer):  # type: ignore[misc]
    """Of depth (N, 1, 72, 64), in 10 mm from the mean face, the relief as a point (N, 2) on a circle.

    The angle is its logarithm, so that distances are of ratios: whoever has little has little of it blurred.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Take the mean face as a constant."""
        super().build(input_shape)
        self.mean_face = self.add_weight(
            name="mean_face", shape=(1, 1, *TENSOR_SHAPE[1:]), trainable=False, initializer="zeros"
        )
        self.mean_face.assign(_mean_face())

    def call(self, depth: keras.KerasTensor) -> keras.KerasTensor:
        """Measure the relief and turn it to a point."""
        known = ops.cast(ops.not_equal(depth, 0.0), "float32")
        surface = known * (DEPTH_UNIT_MM * depth + self.mean_face)
        blurred = _spread(ops.concatenate([surface, known], axis=1))
        fine = blurred[:, 0:1] / ops.maximum(blurred[:, 2:3], 1e-3)
        share = blurred[:, 3:4]
        coarse = blurred[:, 1:2] / ops.maximum(share, 1e-3)
        counted = known * ops.cast(share > KNOWN_SHARE, "float32") * _disc()
        apart = ops.clip(fine - coarse, -STEP_MM, STEP_MM) * counted
        squares = ops.sum(ops.square(apart), axis=(1, 2, 3)) / ops.maximum(
            ops.sum(counted, axis=(1, 2, 3)), 1.0
        )
        relief = 0.5 * ops.log(squares + LEAST_MM**2)
        angle = TURN * ops.minimum(relief, float(np.log(MOST_MM)))
        return ops.stack([ops.cos(angle), ops.sin(angle)], axis=1)


def _spread(maps: keras.KerasTensor) -> keras.KerasTensor:
    """Convolve (N, 2, H, W) with both Gaussians, zero outside: (N, 4, H, W), each map fine, then coarse.

    All at once: two convolutions take a quarter of the time of eight.
    """
    reach = int(np.ceil(4.0 * COARSE_MM / GRID_STEP_MM))
    millimetres = np.arange(-reach, reach + 1) * GRID_STEP_MM
    lines = np.exp(-0.5 * (millimetres[:, None] / [FINE_MM, COARSE_MM]) ** 2)
    lines = (lines / lines.sum(axis=0)).astype(np.float32)  # (cells, 2)
    down = np.stack([lines, lines], axis=1)[:, None]  # (cells, 1, 2 maps, 2 Gaussians)
    across = np.concatenate([lines, lines], axis=1)[None, :, :, None]  # (1, cells, 4 maps, 1)
    last = ops.transpose(maps, (0, 2, 3, 1))  # convolutions on CPUs want channels last
    for kernel in (down, across):
        last = ops.depthwise_conv(last, kernel, padding="same", data_format="channels_last")
    return ops.transpose(last, (0, 3, 1, 2))


def _mean_face() -> Floats:
    with np.load(io.BytesIO(read_bundled_model(HEAD_MODEL))) as head:
        template = head["template"].astype(np.float32).reshape(1, 1, *TENSOR_SHAPE[1:])
    return np.asarray(template - template.mean(), np.float32)


def _disc() -> Floats:
    """Cells (1, 1, H, W) of the disc: 1 within, 0 outside."""
    rows, columns = np.indices(TENSOR_SHAPE[1:], np.float32)
    left, top = GRID_CORNER_MM
    middle_x, middle_y, radius = DISC_MM
    x, y = left + (columns + 0.5) * GRID_STEP_MM - middle_x, top + (rows + 0.5) * GRID_STEP_MM - middle_y
    return (x**2 + y**2 < radius**2).astype(np.float32)[None, None]
