"""dlib's network: the file's reader, and what Keras computes beside the same in numpy."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("keras", reason="needs the training environment (Keras)")

from training.provenance.revision import ROOT
from training.teachers import dlib_resnet
from training.teachers.dlib_resnet import WEIGHTS, _tensors, build, read_weights

# Keras hands numpy its variables in a way that numpy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:keras")

FILE = ROOT.parent / "shared" / "data" / "teachers" / WEIGHTS
Floats = NDArray[np.float64]


def tensor(*sizes: int, first: float = 0.0) -> bytes:
    """A tensor as dlib writes it."""
    head = b"\x01\x02"
    for size in sizes:
        digits = size.to_bytes((size.bit_length() + 7) // 8, "little")
        head += bytes([len(digits)]) + digits
    return head + (first + np.arange(np.prod(sizes), dtype="<f4")).astype("<f4").tobytes()


def test_tensors_are_read_in_order() -> None:
    content = b"dlib" + tensor(6, 1, 1, 1) + b"between" + tensor(300, 2, 1, 1, first=7.0)
    one, two = _tensors(Path("file"), content, [6, 600])
    np.testing.assert_array_equal(one, np.arange(6))
    np.testing.assert_array_equal(two, 7 + np.arange(600))


def test_what_only_looks_like_a_tensor_is_walked_over() -> None:
    # The pattern of other sizes, a length that is none, and both within the pattern of the real one.
    others = b"\x01\x02\x01\x02\x01\x02\x01\x02\x01\x02" + b"\x01\x02\x00\x01" + b"\x01\x02\x09"
    content = others + b"\x01\x02" + tensor(5, 1, 1, 1) + others + tensor(3, 1, 1, 1, first=2.0)
    one, two = _tensors(Path("file"), content, [5, 3])
    np.testing.assert_array_equal(one, np.arange(5))
    np.testing.assert_array_equal(two, 2 + np.arange(3))


def test_a_file_without_all_tensors_is_named() -> None:
    with pytest.raises(ValueError, match=r"some\.dat: expected 2 tensors, got 1"):
        _tensors(Path("some.dat"), tensor(5, 1, 1, 1), [5, 3])


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_file_that_ends_within_a_tensor_is_named(cut: int) -> None:
    whole = tensor(5, 1, 1, 1)
    with pytest.raises(ValueError, match=r"some.dat: expected 1 tensors, got 0"):
        _tensors(Path("some.dat"), whole[:cut], [5])


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / WEIGHTS
    path.write_bytes(tensor(4736, 1, 1, 1))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(ValueError, match=rf"expected SHA-256 55533b28\.\.\., got {digest[:8]}"):
        read_weights(path)
    with pytest.raises(ValueError, match="expected SHA-256"):
        build(path)


def test_without_weights_there_is_the_same_architecture() -> None:
    network = build(None)
    assert network.output_shape == (None, 128)
    assert network.get_layer("features").output.shape[1:] == (256,)
    # 29 convolutions and a matrix.
    names = [layer.name for layer in network.layers if layer.weights]
    assert names == [*(f"convolution{number}" for number in range(29)), "last"]
    assert 5_500_000 < network.count_params() < 5_700_000
    assert np.isfinite(np.asarray(network(np.full((1, 150, 150, 3), 99, np.float32)))).all()


# --- the architecture in plain numpy, from its description in ../shared/data/README.md


def convolved(x: Floats, kernel: Floats, bias: Floats, stride: int) -> Floats:
    """(H, W, C) by (h, w, C, D): padded by 1 at a stride of 1, not at all at 2."""
    size = kernel.shape[0]
    if stride == 1:
        x = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    height, width = ((length - size) // stride + 1 for length in x.shape[:2])
    total = np.zeros((height, width, kernel.shape[3])) + bias
    for row in range(size):
        for column in range(size):
            seen = x[row : row + stride * height : stride, column : column + stride * width : stride]
            total += np.einsum("hwc,cd->hwd", seen[:height, :width], kernel[row, column])
    return total


def pooled(x: Floats, size: int, stride: int, how: str) -> Floats:
    height, width = ((length - size) // stride + 1 for length in x.shape[:2])
    windows = [
        x[row : row + stride * height : stride, column : column + stride * width : stride][:height, :width]
        for row in range(size)
        for column in range(size)
    ]
    return np.max(windows, axis=0) if how == "max" else np.mean(windows, axis=0)


def forward(chip: NDArray[np.uint8], weights: tuple[list[dlib_resnet.Convolution], Floats]) -> Floats:
    """(150, 150, 3) to (128,)."""
    convolutions, last = weights
    each = iter(convolutions)

    def convolve(x: Floats, stride: int) -> Floats:
        given = next(each)
        return convolved(x, given.kernel.astype(float), given.bias.astype(float), stride)

    x = (chip.astype(float) - np.array([122.782, 117.001, 104.298])) / 256
    x = pooled(np.maximum(convolve(x, 2), 0), 3, 2, "max")
    for filters, blocks, halves in (
        (32, 3, False),
        (64, 4, True),
        (128, 3, True),
        (256, 3, True),
        (256, 1, True),
    ):
        for block in range(blocks):
            down = halves and block == 0
            through = convolve(np.maximum(convolve(x, 2 if down else 1), 0), 1)
            beside = pooled(x, 2, 2, "mean") if down else x
            height, width = (max(pair) for pair in zip(through.shape[:2], beside.shape[:2], strict=True))
            total = np.zeros((height, width, filters))
            for part in (through, beside):  # zeros at right and bottom, and in channels
                total[: part.shape[0], : part.shape[1], : part.shape[2]] += part
            x = np.maximum(total, 0)
    assert next(each, None) is None
    return x.mean(axis=(0, 1)) @ last.astype(float)


@pytest.mark.skipif(not FILE.exists(), reason=f"no teacher: {FILE} is missing")
def test_keras_computes_what_numpy_does() -> None:
    rng = np.random.default_rng(3)
    coarse = rng.integers(0, 256, (10, 10, 3))
    chip = np.kron(coarse, np.ones((15, 15, 1))) + rng.integers(-9, 10, (150, 150, 3))
    chip = np.clip(chip, 0, 255).astype(np.uint8)
    wanted = forward(chip, read_weights(FILE))
    got = np.asarray(build(FILE)(chip[None].astype(np.float32), training=False))[0]
    assert np.linalg.norm(wanted) > 0.5
    np.testing.assert_allclose(got, wanted, atol=1e-4)
