"""Sequences: whether several frames are several measurements, or one that is played again.

Every frame of a camera has noise of its own, and nobody holds still to a tenth of a millimetre. So between
two live frames two things change: the fine relief of the depth, which is mostly noise, and the depth as a
whole, smoothly. What is made of one recorded frame keeps its fine relief, and white noise that is added to it
changes nothing smoothly. Depth decides: the picture's fine relief is the face's own, and lasts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from faceid_fast.frame import Frame

    from .crop import FaceCrop

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

WINDOW_PX: Final = 128
"""So much of the face's middle is compared, rows and columns. On 96 px, very still heads and noise added to
smooth depth were told apart less well; this takes 0.3 ms a pair."""
BLOCKS_PX: Final = (8, 16)
"""Sides of the squares whose mean change is compared with the change from pixel to pixel."""
LEAST_BLOCKS: Final = 6
LEAST_PIXELS: Final = 300
"""On fewer pixels, of the head in both frames, nothing is told."""
CLIP_MM: Final = 10.0
"""Larger changes are edges and lost readings. A head moves by 1 mm or so between two frames."""
RELIEF_CLIP: Final = 3.0
"""Fine relief is cut off at so many times its mean size, or few edges would decide."""
LEAST_EVIDENCE: Final = 4.0
"""Standard deviations of chance above which two reliefs have something in common."""
SURE_EVIDENCE: Final = 10.0
"""The best of all shifts may have half of this by chance alone."""
LEAST_CHANGE: Final = 5.0
"""Smooth change of two frames in standard deviations of what white noise does to it: less is none.
Chosen, as the limit below, on the rendered sequences of ``training.reports.sequences --choosing``."""
MOST_ALIKE: Final = 0.95
"""Correlation of the fine relief of two frames of which one is the other's, whatever else has changed.
Live ones had 0.83 at most, and 0.90 behind a filter that mixes each frame with the last ones."""
STEPS: Final = tuple(range(2, 17))
"""Multiples of a depth's unit that its steps may be."""
ON_STEPS: Final = 0.95
"""Share of the readings that are multiples of a step where depth was rounded to it."""
LEAST_STEPS: Final = 4
"""Different multiples of a step, without which it is not told: a plane may lie on one by chance."""
SAME_PICTURE: Final = 0.98
"""Share of the face's pixels, plain areas left out, that are the same in a picture that is shown again."""
REACH: Final = 16
"""A frame is compared with so many before it. What repeats later is a recording of more frames than these,
which noise does not tell from life."""


def repeated(frames: Sequence[Frame]) -> set[int]:
    """Return the indices of frames that have exactly the depth or the picture of another one, but not both.

    No camera measures the same twice: pictures that change over a depth that does not are a film, played with
    a copied depth map. Two frames that are the same in both are one frame given twice, which proves nothing.
    Frames of different modalities are not compared: an infrared and a colour picture may share their depth.
    """
    found: set[int] = set()
    for mine, others in (("depth", "picture"), ("picture", "depth")):
        alike: dict[tuple[object, ...], list[int]] = {}
        for at, frame in enumerate(frames):
            plane = getattr(frame, mine)
            # A few samples tell most frames apart; frames with equal samples are compared in full.
            key = (frame.modality, plane.shape, plane.dtype.str, plane[::8, ::8].tobytes())
            for before in alike.setdefault(key, []):
                same = np.array_equal(plane, getattr(frames[before], mine))
                if same and not np.array_equal(getattr(frame, others), getattr(frames[before], others)):
                    found |= {before, at}
            alike[key].append(at)
    return found


def not_independent(frames: Sequence[Frame], faces: Mapping[int, FaceCrop]) -> set[int]:
    """Return which frames of a sequence are not a measurement of their own, but made of another one.

    Found are frames given twice, with few readings changed, with noise added that is as large as the
    sensor's, rounded to coarser steps, or shifted by whole pixels. A recording of as many frames is not.

    Parameters
    ----------
    frames : of one camera, in their order.
    faces : the faces in them, by the index of the frame. Other frames are not looked at.

    Returns
    -------
    set
        Indices of both frames of every pair that is not independent.
    """
    found: set[int] = set()
    if len(faces) < 2:
        return found
    traces: list[tuple[int, Trace]] = []
    for at in sorted(faces):
        trace = Trace.of(frames[at], faces[at])
        for before, earlier in traces[-REACH:]:
            if frames[at].modality == frames[before].modality and compared(earlier, trace).repeats:
                found |= {before, at}
        traces.append((at, trace))
    return found


class Likeness(NamedTuple):
    """What two frames have in common.

    Attributes
    ----------
    alike : correlation of the fine relief, at the shift where it is largest.
    evidence : the same, in standard deviations of what chance does.
    change : smooth change of the depth, in standard deviations of what white noise does to it.
    same_picture : share of the pixels that are the same, where the picture is not plain.
    same_step : whether the depth of both is rounded to the same step, as one camera's is.
    """

    alike: float = 0.0
    evidence: float = 0.0
    change: float = math.inf
    same_picture: float = 0.0
    same_step: bool = True

    @property
    def repeats(self) -> bool:
        """Whether one frame was made of the other, or both of a third."""
        still = self.evidence >= LEAST_EVIDENCE and self.change < LEAST_CHANGE
        copied = self.alike >= MOST_ALIKE or self.same_picture >= SAME_PICTURE
        return still or copied or not self.same_step


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """The middle of the face in one frame, as it is compared.

    Attributes
    ----------
    origin : (row, column) of the window in the frame.
    depth_mm : (h, w), h and w at most `WINDOW_PX`.
    known : (h, w) where the head was measured.
    relief : (h - 2, w - 2) fine relief of the depth, 0 where it was not measured.
    solid : (h - 2, w - 2) where it was.
    spectrum : its discrete Fourier transform, padded to `WINDOW_PX`.
    picture : (h, w) or (h, w, 3).
    step : the largest of `STEPS` that the depth is rounded to; else 1.
    """

    origin: tuple[int, int]
    depth_mm: Floats
    known: Mask
    relief: Floats
    solid: Mask
    spectrum: NDArray[np.complexfloating[Any, Any]]
    picture: NDArray[Any]
    step: int

    @classmethod
    def of(cls, frame: Frame, face: FaceCrop) -> Trace:
        """Take what is compared from the frame of a face."""
        turns = -face.turned_deg // 90
        depth, picture = np.rot90(frame.depth, turns), np.rot90(frame.picture, turns)
        (top, bottom), (left, right) = (
            _middle(face.region[side], face.region[side + 2], length)
            for side, length in enumerate(depth.shape)
        )
        cut = depth[top:bottom, left:right]
        near_mm, far_mm = face.band_mm
        depth_mm = cut.astype(np.float32) * np.float32(1e3 * frame.depth_unit_m)
        known = (depth_mm > max(near_mm, 0.0)) & (depth_mm < far_mm)  # NaN is neither
        depth_mm = np.where(known, depth_mm, np.float32(0))
        relief, solid = _fine_relief(depth_mm, known)
        padded = np.zeros((WINDOW_PX, WINDOW_PX), np.float32)
        padded[: relief.shape[0], : relief.shape[1]] = relief
        step = _step(cut[known]) if cut.dtype.kind == "u" else 1
        pixels = picture[top:bottom, left:right]
        return cls((top, left), depth_mm, known, relief, solid, np.fft.rfft2(padded), pixels, step)


def _middle(low: int, high: int, length: int) -> tuple[int, int]:
    """Return the middle of a side of a region, `WINDOW_PX` long or less, within the frame."""
    start = max(low, 0, (low + high - WINDOW_PX) // 2)
    return start, max(start, min(high, length, start + WINDOW_PX))


def _fine_relief(depth_mm: Floats, known: Mask) -> tuple[Floats, Mask]:
    """Return what a pixel's four neighbours do not tell of it (its negative Laplacian), and where."""
    if min(depth_mm.shape) < 3:
        return np.zeros((0, 0), np.float32), np.zeros((0, 0), bool)
    solid = known[1:-1, 1:-1] & known[:-2, 1:-1] & known[2:, 1:-1] & known[1:-1, :-2] & known[1:-1, 2:]
    # Of differences, which are exactly 0 where depth is the same.
    down, right = np.diff(depth_mm[:, 1:-1], axis=0), np.diff(depth_mm[1:-1], axis=1)
    relief: Floats = down[:-1] - down[1:] + right[:, :-1] - right[:, 1:]
    relief *= solid
    most = RELIEF_CLIP * float(np.abs(relief).sum()) / max(int(solid.sum()), 1)
    return np.clip(relief, -most, most, out=relief), solid


def _step(values: NDArray[np.unsignedinteger[Any]]) -> int:
    """Return the largest step that whole numbers are multiples of."""
    if values.size < LEAST_PIXELS:
        return 1
    counts = np.bincount(values)
    least = ON_STEPS * values.size
    multiples = {step: counts[::step] for step in STEPS}
    return max(
        (
            step
            for step, found in multiples.items()
            if found.sum() >= least and np.count_nonzero(found) >= LEAST_STEPS
        ),
        default=1,
    )


def compared(one: Trace, other: Trace) -> Likeness:
    """Compare two frames, at the shift at which their fine relief agrees best, and as they are."""
    surface = np.fft.irfft2(np.conj(one.spectrum) * other.spectrum, s=(WINDOW_PX, WINDOW_PX))
    rows, columns = divmod(int(surface.argmax()), WINDOW_PX)
    shift = (_signed(rows), _signed(columns))
    still = (one.origin[0] - other.origin[0], one.origin[1] - other.origin[1])
    found = _at_shift(one, other, *shift)
    if found.evidence < SURE_EVIDENCE and shift != still:
        as_they_are = _at_shift(one, other, *still)
        found = as_they_are if as_they_are.repeats else found
    if np.array_equal(one.depth_mm, other.depth_mm):  # also where there is too little to compare otherwise
        found = found._replace(alike=1.0)
    return found._replace(same_step=one.step == other.step, same_picture=_same_picture(one, other, *still))


def _signed(shift: int) -> int:
    """Return a shift that is told modulo `WINDOW_PX`."""
    return shift - WINDOW_PX if shift > WINDOW_PX // 2 else shift


def _at_shift(one: Trace, other: Trace, rows: int, columns: int) -> Likeness:
    """Compare what lies at (y, x) of one window and at (y + rows, x + columns) of the other."""
    mine, its = _overlap(one.relief.shape, other.relief.shape, rows, columns)
    count = int(np.count_nonzero(one.solid[mine] & other.solid[its]))
    if count < LEAST_PIXELS:
        return Likeness()
    first, second = one.relief[mine] * other.solid[its], other.relief[its] * one.solid[mine]
    power = float(np.vdot(first, first)) * float(np.vdot(second, second))
    alike = float(np.vdot(first, second)) / math.sqrt(power) if power > 0.0 else 0.0
    mine, its = _overlap(one.known.shape, other.known.shape, rows, columns)
    known = one.known[mine] & other.known[its]
    change = other.depth_mm[its] - one.depth_mm[mine]
    np.minimum(np.maximum(change, -CLIP_MM, out=change), CLIP_MM, out=change)  # faster than clip
    change *= known
    return Likeness(alike, alike * math.sqrt(count), _smooth_change(change, known))


def _smooth_change(change: Floats, known: Mask) -> float:
    """Return how much more the means over squares change than they would by noise of the pixels alone.

    White noise of variance v gives the sum over n pixels a variance of n v, whatever their square; v follows
    from neighbours. The mean of sum^2 / (n v) over m squares is 1, with a standard deviation of sqrt(2 / m).
    """
    both = known[:, 1:] & known[:, :-1]
    between = (change[:, 1:] - change[:, :-1]) * both
    pairs = int(np.count_nonzero(both))
    variance = float(np.vdot(between, between)) / (2 * max(pairs, 1))
    changes = []
    for side in BLOCKS_PX:
        sums, counts = _squares(change, side), _squares(known.astype(np.float32), side)
        full = counts >= side * side // 2
        squares = int(np.count_nonzero(full))
        if squares < LEAST_BLOCKS:
            continue
        power = float(np.mean(sums[full] ** 2 / counts[full]))
        ratio = power / variance if variance > 0.0 else (math.inf if power > 0.0 else 0.0)
        changes.append((ratio - 1.0) * math.sqrt(squares / 2))
    # A head that moves changes the means over small and large squares; chance seldom does both.
    return sum(changes) / len(changes) if changes else math.inf


def _squares(values: Floats, side: int) -> Floats:
    """Sum over squares of `side` pixels."""
    rows, columns = values.shape[0] // side, values.shape[1] // side
    # One axis after the other: that is faster than both at once.
    tall = values[: rows * side, : columns * side].reshape(rows, side, columns * side).sum(axis=1)
    sums: Floats = tall.reshape(rows, columns, side).sum(axis=2)
    return sums


def _overlap(
    one: tuple[int, ...], other: tuple[int, ...], rows: int, columns: int
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return the parts of two windows that lie on each other if the second is shifted."""
    mine, its = [], []
    for length, longest, shift in zip(one, other, (rows, columns), strict=True):
        start, stop = max(0, -shift), max(0, -shift, min(length, longest - shift))
        mine.append(slice(start, stop))
        its.append(slice(start + shift, stop + shift))
    return (mine[0], mine[1]), (its[0], its[1])


def _same_picture(one: Trace, other: Trace, rows: int, columns: int) -> float:
    """Share of equal pixels in the same place of the frame, where a pixel and its right neighbour differ."""
    mine, its = _overlap(one.known.shape, other.known.shape, rows, columns)
    first, second = one.picture[mine], other.picture[its]
    if first.shape != second.shape:  # colour and infrared
        return 0.0
    lively, same = first[:, 1:] != first[:, :-1], first[:, 1:] == second[:, 1:]
    count = int(np.count_nonzero(lively))
    return np.count_nonzero(same & lively) / count if count >= LEAST_PIXELS else 0.0
