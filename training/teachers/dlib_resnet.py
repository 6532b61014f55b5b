"""dlib's face recognition network, in Keras: the weights that the picture's network starts from.

Davis King released the weights into the public domain. The architecture is his (29 convolutions in
residual blocks); the affine layers that follow the convolutions are multiplied into them here, which
computes the same.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

WEIGHTS: Final = "dlib_face_recognition_resnet_model_v1.dat"
SHA256_START: Final = "55533b28"
CHIP_PX: Final = 150
MEAN_RGB: Final = (122.782, 117.001, 104.298)
SCALE: Final = 256.0
EMBEDDING_SIZE: Final = 128
LEVELS: Final = (("level4", 32, 3, False), ("level3", 64, 4, True), ("level2", 128, 3, True),
                 ("level1", 256, 3, True), ("level0", 256, 1, True))  # fmt: skip
"""(name, filters, blocks, whether its first block halves the map), from the picture on."""

_TENSOR: Final = b"\x01\x02"

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Convolution:
    """A convolution with its affine layer: kernel (H, W, in, out), bias (out,)."""

    kernel: Floats
    bias: Floats


def read_weights(path: Path) -> tuple[list[Convolution], Floats]:
    """Read the convolutions, from the picture on, and the last matrix (256, 128).

    Raises
    ------
    ValueError
        It is another file, or not what it should be.
    """
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if not digest.startswith(SHA256_START):
        message = f"{path}: expected SHA-256 {SHA256_START}..., got {digest[:8]}..."
        raise ValueError(message)
    shapes = _convolution_shapes()
    last_shape = (LEVELS[-1][1], EMBEDDING_SIZE)
    # A convolution's filters, then its biases; an affine layer's factors, then its offsets.
    counts = [count for shape in shapes for count in (int(np.prod(shape)) + shape[0], 2 * shape[0])]
    *pairs, last = _tensors(path, content, [*counts, int(np.prod(last_shape))])
    found = []
    for shape, convolution, affine in zip(shapes, pairs[::2], pairs[1::2], strict=True):
        weights = int(np.prod(shape))
        gamma, beta = np.split(affine, 2)
        kernel, bias = convolution[:weights].reshape(shape), convolution[weights:]
        scaled = (kernel * gamma[:, None, None, None]).transpose(2, 3, 1, 0)
        found.append(Convolution(np.ascontiguousarray(scaled), bias * gamma + beta))
    return found, last.reshape(last_shape)


def _tensors(path: Path, content: bytes, counts: list[int]) -> list[Floats]:
    """Read tensors of so many numbers: the bytes 1 and 2, four dimensions, little-endian float32.

    A dimension is a length and as many bytes, little-endian. What stands between them, and looks like a
    tensor of another size, is passed over.
    """
    found: list[Floats] = []
    at = 0
    while len(found) < len(counts):
        at = content.find(_TENSOR, at)
        if at < 0:
            message = f"{path}: expected {len(counts)} tensors, got {len(found)}"
            raise ValueError(message)
        place, count = _header(content, at + len(_TENSOR))
        if count == counts[len(found)] and place + 4 * count <= len(content):
            found.append(np.frombuffer(content, "<f4", count, place).astype(np.float32))
            at = place + 4 * count
        else:
            at += 1
    return found


def _header(content: bytes, place: int) -> tuple[int, int]:
    """Read four dimensions: where the numbers begin, and how many there are (0: these are none)."""
    count = 1
    for _ in range(4):
        length = content[place] if place < len(content) else 0
        if not 1 <= length <= 4:
            return place, 0
        count *= int.from_bytes(content[place + 1 : place + 1 + length], "little")
        place += 1 + length
    return place, count


def _convolution_shapes() -> list[tuple[int, int, int, int]]:
    """(filters, channels, 7, 7) of the first and (filters, channels, 3, 3) of the others."""
    shapes, channels = [(32, 3, 7, 7)], 32
    for _, filters, blocks, _ in LEVELS:
        for _ in range(blocks):
            shapes += [(filters, channels, 3, 3), (filters, filters, 3, 3)]
            channels = filters
    return shapes


@keras.saving.register_keras_serializable(package="faceid_fast")
class Widen(layers.Layer):  # type: ignore[misc]
    """Pad a map (N, H, W, C) with zeros: at the right and the bottom, and in channels.

    Parameters
    ----------
    height, width, channels : of the result.
    """

    def __init__(self, height: int, width: int, channels: int, **rest: object) -> None:
        super().__init__(**rest)
        self.height, self.width, self.channels = height, width, channels

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Pad."""
        _, height, width, channels = inputs.shape
        missing = (self.height - height, self.width - width, self.channels - channels)
        return ops.pad(inputs, [(0, 0), *((0, count) for count in missing)])

    def get_config(self) -> dict[str, object]:
        """Return what the constructor takes."""
        sizes = {"height": self.height, "width": self.width, "channels": self.channels}
        return super().get_config() | sizes


def build(weights: Path | None, chip_px: int = CHIP_PX) -> keras.Model:
    """Build the network with dlib's weights: (N, 150, 150, 3) RGB, 0 to 255, to (N, 128) float32.

    Two pictures of one person are at a Euclidean distance of less than 0.6, says its author.

    Parameters
    ----------
    weights : dlib's file; None for random weights, which tell nobody apart: to try the code without the file.
    chip_px : side of the chip.

    Raises
    ------
    ValueError
        It is another file.
    """
    convolutions, last = (None, None) if weights is None else read_weights(weights)
    each = iter(enumerate(_convolution_shapes()))

    def convolve(x: keras.KerasTensor, strides: int) -> keras.KerasTensor:
        number, (filters, _, _, size) = next(each)
        padding = "same" if strides == 1 else "valid"
        layer = layers.Conv2D(filters, size, strides=strides, padding=padding, name=f"convolution{number}")
        convolved = layer(x)
        if convolutions is not None:
            layer.set_weights([convolutions[number].kernel, convolutions[number].bias])
        return convolved

    inputs = keras.Input((chip_px, chip_px, 3), name="chip", dtype="float32")
    x = layers.Rescaling(1 / SCALE, [-value / SCALE for value in MEAN_RGB], name="rescaled")(inputs)
    x = layers.ReLU()(convolve(x, 2))
    x = layers.MaxPooling2D(3, 2)(x)
    for _, filters, blocks, halves in LEVELS:
        for block in range(blocks):
            down = halves and block == 0
            through = layers.ReLU()(convolve(x, 2 if down else 1))
            through = convolve(through, 1)
            beside = layers.AveragePooling2D(2, 2)(x) if down else x
            height, width = (max(a, b) for a, b in zip(through.shape[1:3], beside.shape[1:3], strict=True))
            through, beside = (
                each if each.shape[1:] == (height, width, filters) else Widen(height, width, filters)(each)
                for each in (through, beside)
            )
            x = layers.ReLU()(layers.Add()([through, beside]))
    x = layers.GlobalAveragePooling2D(name="features")(x)
    project = layers.Dense(EMBEDDING_SIZE, use_bias=False, name="last")
    outputs = project(x)
    if last is not None:
        project.set_weights([last])
    return keras.Model(inputs, outputs, name="dlib_resnet")
