"""Augmentation of training batches, and inputs left out for ablations.

An augmentation is on where its share (or deviation) is above zero; all are off by default. They
work on whole batches in place, in a few percent of a training step's time.

Inputs are left out (`InputChoice`) in training and in measuring alike, and `training.ship.export` refuses
such a network, because the package does not empty anything.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

DEPTH_LIMIT: Final = 2.5
INTENSITY_LIMIT: Final = 3.0
"""Where the aligner clips (`faceid_fast.face.crop.FaceCrop`)."""

GRID_TOP_MM: Final = -50.0
HAIR_BAND_MM: Final = 28.0
HAIR_ROWS: Final = 11
"""Rows whose centres, at `GRID_TOP_MM` + 2 mm * (row + 0.5), lie more than `HAIR_BAND_MM` above
the eye line: forehead on some, hair on others, and not the same hair next month."""

NOISE_CELLS: Final = 4
"""Side of the noise's own grid in cells: 8 mm, about the reach of a depth camera's correlated errors."""

InputNames = Literal["both", "depth", "intensity"]


@dataclass(frozen=True)
class InputChoice:
    """Inputs that a network is given; by default the whole tensor.

    Attributes
    ----------
    names : "both", "depth" (channel 0 alone) or "intensity" (the other channels alone).
    hair_band : whether the rows above `HAIR_BAND_MM` over the eye line are given.
    """

    names: InputNames = "both"
    hair_band: bool = True

    def __post_init__(self) -> None:
        """Refuse names that are none of the three."""
        if self.names not in {"both", "depth", "intensity"}:
            message = f"inputs: expected 'both', 'depth' or 'intensity', got {self.names!r}"
            raise ValueError(message)

    @property
    def complete(self) -> bool:
        """Whether nothing is left out."""
        return self.names == "both" and self.hair_band

    def empty_rest(self, tensors: NDArray[np.floating]) -> None:
        """Set what is left out of (N, C, 72, 64) tensors to 0, the value of missing cells, in place."""
        if self.names == "depth":
            tensors[:, 1:] = 0
        if self.names == "intensity":
            tensors[:, 0] = 0
        if not self.hair_band:
            tensors[:, :, :HAIR_ROWS] = 0


@dataclass(frozen=True)
class Augmentation:
    """Augmentations by the share of the images that each changes, independently; 0 is off.

    Attributes
    ----------
    cut_out_share : a rectangle of 8 to 24 cells a side becomes missing.
    noise_share : correlated noise of up to `noise_deviation` (in the tensor's own units; one unit of
        depth is 10 mm) is added to the cells that are there.
    shifted_share : moved by one cell (2 mm) to one of the eight neighbours.
    depth_only_share, intensity_only_share : the other channels become missing.
    gain_share : the intensity's contrast is multiplied by 0.7 to 1.4.
    hair_dropped_share : the rows of the hair band become missing.
    slid_share : the intensity is moved by one cell against the depth, to one of the eight neighbours. On real
        captures the picture of a nodding head slides over its depth by 2 mm for 10 degrees, on renders not.
    borrowed_share : the intensity is mixed with another image's of the batch, by a weight of 0 to 1. Rendered
        skins give people away by far more than real ones in infrared do; this makes shape worth learning.
    """

    cut_out_share: float = 0.0
    noise_share: float = 0.0
    noise_deviation: float = 0.15
    shifted_share: float = 0.0
    depth_only_share: float = 0.0
    intensity_only_share: float = 0.0
    gain_share: float = 0.0
    hair_dropped_share: float = 0.0
    borrowed_share: float = 0.0
    slid_share: float = 0.0

    def __post_init__(self) -> None:
        """Refuse shares outside 0 to 1."""
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0.0 <= value <= 1.0:
                message = f"{field.name}: expected 0 to 1, got {value}"
                raise ValueError(message)
        if self.depth_only_share + self.intensity_only_share > 1.0:
            message = "depth_only_share + intensity_only_share: expected at most 1, got more"
            raise ValueError(message)

    def apply(self, tensors: Floats, rng: np.random.Generator) -> None:
        """Augment (N, C, H, W) float32 tensors in place."""
        # One stream each: switching one on leaves what another draws as it was.
        *first, borrowing, sliding = rng.spawn(8)
        _borrow(tensors, self.borrowed_share, borrowing)
        _shift(tensors[:, 1:], self.slid_share, sliding)
        streams = iter(first)
        _shift(tensors, self.shifted_share, next(streams))
        _add_noise(tensors, self.noise_share, self.noise_deviation, next(streams))
        _change_gain(tensors, self.gain_share, next(streams))
        _cut_out(tensors, self.cut_out_share, next(streams))
        hairless = next(streams).random(len(tensors)) < self.hair_dropped_share
        tensors[hairless, :, :HAIR_ROWS] = 0
        lot = next(streams).random(len(tensors))
        tensors[lot < self.depth_only_share, 1:] = 0
        tensors[lot >= 1.0 - self.intensity_only_share, 0] = 0


def _borrow(tensors: Floats, share: float, rng: np.random.Generator) -> None:
    if not share:
        return
    chosen = np.flatnonzero(rng.random(len(tensors)) < share)
    others = rng.integers(0, len(tensors), len(chosen))
    weight = rng.random((len(chosen), 1, 1, 1), dtype=np.float32)
    lent = tensors[others, 1:]
    tensors[chosen, 1:] += weight * (lent - tensors[chosen, 1:])


def _shift(tensors: Floats, share: float, rng: np.random.Generator) -> None:
    if not share:
        return
    moves = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if (down, right) != (0, 0)]
    chosen = np.where(rng.random(len(tensors)) < share, rng.integers(0, len(moves), len(tensors)), -1)
    height, width = tensors.shape[2:]
    for index, (down, right) in enumerate(moves):
        rows = np.flatnonzero(chosen == index)
        moved = np.zeros((len(rows), *tensors.shape[1:]), tensors.dtype)
        to_y, from_y = _overlap(down, height)
        to_x, from_x = _overlap(right, width)
        moved[:, :, to_y, to_x] = tensors[rows][:, :, from_y, from_x]
        tensors[rows] = moved


def _overlap(shift: int, size: int) -> tuple[slice, slice]:
    """Where a line of cells arrives when it is moved, and where from."""
    ahead, behind = max(shift, 0), max(-shift, 0)
    return slice(ahead, size - behind), slice(behind, size - ahead)


def _add_noise(tensors: Floats, share: float, deviation: float, rng: np.random.Generator) -> None:
    if not (share and deviation):
        return
    rows = np.flatnonzero(rng.random(len(tensors)) < share)
    channels, height, width = tensors.shape[1:]
    down, across = _spread(height), _spread(width)
    # Depth has its own noise; the intensity channels share theirs, as infrared does its three copies.
    coarse = rng.standard_normal((len(rows), min(channels, 2), down.shape[1], across.shape[1]), np.float32)
    coarse *= rng.uniform(0.0, deviation, (len(rows), 1, 1, 1)).astype(np.float32)
    noise = down @ coarse @ across.T
    part = tensors[rows]
    seen = part != 0
    part[:, :1] += noise[:, :1]
    part[:, 1:] += noise[:, 1:]
    np.clip(part[:, :1], -DEPTH_LIMIT, DEPTH_LIMIT, out=part[:, :1])
    np.clip(part[:, 1:], -INTENSITY_LIMIT, INTENSITY_LIMIT, out=part[:, 1:])
    part *= seen
    tensors[rows] = part


def _spread(cells: int) -> Floats:
    """Matrix (cells, nodes) that interpolates between nodes `NOISE_CELLS` apart, to unit variance."""
    nodes = -(-cells // NOISE_CELLS) + 1
    place = np.arange(cells)[:, None] / NOISE_CELLS
    weights = np.maximum(1.0 - np.abs(place - np.arange(nodes)), 0.0)
    return np.asarray(weights / np.linalg.norm(weights, axis=1, keepdims=True), np.float32)


def _change_gain(tensors: Floats, share: float, rng: np.random.Generator) -> None:
    if not share:
        return
    rows = np.flatnonzero(rng.random(len(tensors)) < share)
    gain = np.exp(rng.uniform(np.log(0.7), np.log(1.4), (len(rows), 1, 1, 1))).astype(np.float32)
    tensors[rows, 1:] = np.clip(tensors[rows, 1:] * gain, -INTENSITY_LIMIT, INTENSITY_LIMIT)


def _cut_out(tensors: Floats, share: float, rng: np.random.Generator) -> None:
    if not share:
        return
    rows = np.flatnonzero(rng.random(len(tensors)) < share)
    inside = [_span(len(rows), size, rng) for size in tensors.shape[2:]]
    hole = inside[0][:, :, None] & inside[1][:, None, :]
    tensors[rows] *= ~hole[:, None]


def _span(count: int, size: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Mask (count, size) of a stretch of 8 to 24 cells at a random place, which may be cut by the border."""
    length = rng.integers(8, 25, count)[:, None]
    start = rng.integers(-4, size - 4, count)[:, None]
    cells = np.arange(size)
    return np.asarray((cells >= start) & (cells < start + length))
