"""Batches in which real people and chimeras stand among the rendered ones.

A *chimera* is a face that nobody has: the depth of one person under the picture of another, or a picture
over a shape that is not its own (the mean head, a relief, a blurred face). It is what somebody shows who
holds a photograph of the victim over another shape, so every chimera is an identity of its own: an impostor
to whoever lent the picture and to whoever lent the depth.

Real people are few. They can be identities of their own; above all they lend the rendered ones what renders
lack: the *difference* of two captures of one real person, added to a render, is another capture of that
rendered person as the camera, the muscles and the errors of the alignment would have made it. And whole
batches of rendered people are *moved* towards the mean shape of the real ones: strangers of one population
share it.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from enum import IntEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from faceid_fast.face.bundled import read_bundled_model
from faceid_fast.face.crop import GRID_STEP_MM
from faceid_fast.face.head_model import HEAD_MODEL
from training.data.augment import DEPTH_LIMIT, INTENSITY_LIMIT, InputChoice
from training.data.batches import BatchSampler
from training.data.captured import Captured

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

CAPTURED_FROM = 10_000_000
"""Identity number of the first captured person: beyond those of all rendered ones."""
CHIMERAS_FROM = 20_000_000
_MIXTURE_STREAM = 2
"""Of the seeds: what is mixed in leaves the choice of rendered images as it was."""


class _Kind(IntEnum):
    """Whose shape a chimera has."""

    ANOTHERS = 0
    HALFWAY = 1
    """Halfway between two people's: a relief fitted from a photograph."""
    MEAN_HEAD = 2
    """With as much noise as a camera's."""
    BLURRED = 3
    """A blurred relief of whoever lent the picture."""
    HALF_HEIGHT = 4
    """A relief of half the height of whoever lent the picture."""


_SHARES = (0.65, 0.08, 0.12, 0.10, 0.05)
BLUR_MM = (9.0, 14.0)
"""Standard deviation of a relief's blur. Less is what smooth cameras do to live faces."""
NOISE = 0.05
"""Of the mean head's depth, in the tensor's units of 10 mm."""
DEPTH_UNIT_MM = 10.0
MOVED_BY = (0.3, 1.2)
"""Range of how far a batch is moved, as a share of the way to the real people's mean."""
_MEAN_BATCHES = 16


@dataclass(frozen=True)
class Mixture:
    """What stands in a batch besides rendered people.

    Attributes
    ----------
    captures : of each real person in every batch. 0 for a tower that is whitened by these people: of people
        whom it has learned to tell apart it no longer shows what varies within a person.
    chimeras : in every batch.
    difference_share : of the rendered images that get a real difference.
    difference_scale : range of the factor that a difference is multiplied by.
    captured_share : of the chimeras have a real person's depth, and as many a real person's picture.
    moved_share : of the batches: all rendered people in them are moved towards the captured ones' mean.
    """

    captures: int = 0
    chimeras: int = 96
    difference_share: float = 0.3
    difference_scale: tuple[float, float] = (0.3, 1.0)
    captured_share: float = 0.25
    moved_share: float = 0.6


class MixedSampler:
    """Batches of a `BatchSampler` with real people and chimeras added. Batch n depends on seed and n alone.

    Parameters
    ----------
    rendered : where the rendered images come from.
    captured : real people; None for none of them.
    mixture : how much of what.
    seed : of all that is drawn here.
    inputs : what the network may see; chimeras make sense only where it sees depth and picture.
    """

    def __init__(
        self,
        rendered: BatchSampler,
        captured: Captured | None,
        mixture: Mixture,
        seed: int,
        inputs: InputChoice | None = None,
    ) -> None:
        with np.load(io.BytesIO(read_bundled_model(HEAD_MODEL))) as head:
            mean = head["template"].astype(np.float32)
        self._mean_relief = (mean - mean.mean()) / DEPTH_UNIT_MM
        self._rendered = rendered
        self._mixture = mixture
        self._seed = seed
        self._inputs = inputs or InputChoice()
        self._real = np.empty(0, np.float32) if captured is None else captured.tensors.astype(np.float32)
        names = [] if captured is None else sorted(set(captured.people.tolist()))
        self._rows = [np.flatnonzero(captured.people == name) for name in names] if captured else []
        self._offset = self._mean_offset() if self._rows and mixture.moved_share else None

    @property
    def identity_count(self) -> int:
        """Number of identities that can be drawn, without chimeras."""
        return self._rendered.identity_count + len(self._rows)

    @property
    def batch_size(self) -> int:
        """Images of a batch."""
        mixture = self._mixture
        return self._rendered.batch_size + mixture.captures * len(self._rows) + mixture.chimeras

    def draw(self, number: int) -> tuple[Floats, Ints]:
        """Batch ``number``: (n, C, 72, 64) float32 tensors and their (n,) identities."""
        tensors, identities = self._rendered.draw(number)
        rng = np.random.default_rng([self._seed, number, _MIXTURE_STREAM])
        self._move(tensors, rng)
        self._add_differences(tensors, rng)
        tensors, identities = self._with_captured(tensors, identities, rng)
        chimeras = self._chimeras(tensors, identities, rng)
        numbers = CHIMERAS_FROM + np.arange(len(chimeras), dtype=np.int32)
        mixed = np.concatenate([tensors, chimeras])
        self._inputs.empty_rest(mixed)
        return mixed, np.concatenate([identities, numbers])

    def _add_differences(self, tensors: Floats, rng: np.random.Generator) -> None:
        """Add differences of two captures of one real person, in place, where all are known."""
        if not self._rows:
            return
        for row in np.flatnonzero(rng.random(len(tensors)) < self._mixture.difference_share):
            captures = self._rows[rng.integers(len(self._rows))]
            one, other = self._real[rng.choice(captures, 2, replace=False)]
            scale = np.float32(rng.uniform(*self._mixture.difference_scale))
            known = (one != 0) & (other != 0) & (tensors[row] != 0)
            tensors[row] += scale * (one - other) * known
        _clip(tensors)

    def _mean_offset(self) -> Floats:
        """By how much the captured people's mean depth differs from the rendered ones', (H, W)."""
        rendered = np.concatenate([self._rendered.draw(number)[0][:, 0] for number in range(_MEAN_BATCHES)])
        people = [_mean_depth(self._real[rows, 0]) for rows in self._rows]
        return np.asarray(np.mean(people, axis=0) - _mean_depth(rendered), np.float32)

    def _move(self, tensors: Floats, rng: np.random.Generator) -> None:
        """Move everybody in the batch alike: strangers of one population are alike in what their mean is."""
        if self._offset is not None and rng.random() < self._mixture.moved_share:
            tensors[:, 0] += np.float32(rng.uniform(*MOVED_BY)) * self._offset * (tensors[:, 0] != 0)

    def _with_captured(
        self, tensors: Floats, identities: Ints, rng: np.random.Generator
    ) -> tuple[Floats, Ints]:
        """Append captures of every real person."""
        chosen = [rng.choice(rows, self._mixture.captures, replace=False) for rows in self._rows]
        if not chosen:
            return tensors, identities
        numbers = CAPTURED_FROM + np.arange(len(chosen), dtype=np.int32)
        captured = self._real[np.concatenate(chosen)]
        return (
            np.concatenate([tensors, captured]),
            np.concatenate([identities, np.repeat(numbers, self._mixture.captures)]),
        )

    def _chimeras(self, tensors: Floats, identities: Ints, rng: np.random.Generator) -> Floats:
        """Put depths under pictures that are not theirs: (n, C, 72, 64)."""
        count = self._mixture.chimeras
        depth, picture = (rng.integers(0, len(tensors), count) for _ in range(2))
        captured = np.flatnonzero(identities >= CAPTURED_FROM)
        if len(captured):
            # Real depths first and real pictures from the middle of those on: some have both.
            real = round(self._mixture.captured_share * count)
            depth[:real] = rng.choice(captured, real)
            picture[real // 2 : real // 2 + real] = rng.choice(captured, real)
        chimeras = tensors[picture].copy()
        chimeras[:, 0] = tensors[depth, 0]
        kinds = rng.choice(len(_SHARES), count, p=_SHARES)
        # Somebody's own depth under their own picture is no chimera, but blurred it is.
        kinds[(kinds < _Kind.MEAN_HEAD) & (identities[depth] == identities[picture])] = _Kind.BLURRED
        for row in np.flatnonzero(kinds != _Kind.ANOTHERS):
            shape = tensors[picture[row], 0]
            chimeras[row, 0] = self._reshaped(_Kind(kinds[row]), shape, tensors[depth[row], 0], rng)
        return chimeras

    def _reshaped(self, kind: _Kind, own: Floats, anothers: Floats, rng: np.random.Generator) -> Floats:
        """Make a chimera's shape from that of the picture's owner and another's, both (H, W)."""
        known = own != 0
        if kind is _Kind.MEAN_HEAD:
            return np.asarray(rng.normal(0.0, NOISE, own.shape) * known, np.float32)
        if kind is _Kind.BLURRED:
            return _blurred(own, rng.uniform(*BLUR_MM))
        if kind is _Kind.HALF_HEIGHT:
            relief = (0.5 * own - 0.5 * self._mean_relief) * known
            return np.asarray(np.clip(relief, -DEPTH_LIMIT, DEPTH_LIMIT), np.float32)
        return np.asarray(0.5 * (own + anothers), np.float32)


def _mean_depth(depth: Floats) -> Floats:
    """Mean of (n, H, W) where it is known; 0, as the mean head has it, where it is in less than half."""
    known = (depth != 0).sum(axis=0)
    return np.asarray(
        np.where(2 * known > len(depth), depth.sum(axis=0) / np.maximum(known, 1), 0), np.float32
    )


def _blurred(depth: Floats, deviation_mm: float) -> Floats:
    """Blur a depth channel where it is known."""
    known = (depth != 0).astype(np.float32)
    weight = cv2.GaussianBlur(known, (0, 0), deviation_mm / GRID_STEP_MM)
    blurred = cv2.GaussianBlur(depth, (0, 0), deviation_mm / GRID_STEP_MM) / np.maximum(weight, 1e-3)
    return np.asarray(blurred * known, np.float32)


def _clip(tensors: Floats) -> None:
    np.clip(tensors[:, :1], -DEPTH_LIMIT, DEPTH_LIMIT, out=tensors[:, :1])
    np.clip(tensors[:, 1:], -INTENSITY_LIMIT, INTENSITY_LIMIT, out=tensors[:, 1:])
