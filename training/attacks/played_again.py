"""Sequences made of recorded frames, as somebody would feed them to the program instead of a camera's.

The listed kinds are what needs no thought. The adaptive ones know how a sequence is judged, and try to change
what is looked at. Each gives two frames, the fewest that are a sequence, hence the hardest to tell.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from training.camera.noise import Floats, Rng, correlated

CLIP_MM = 10.0
STEPS_MM = (1, 2, 3, 4, 5, 8)
SHIFT_PX = 6
GAINS = (0.8, 1.25)
BIT_SHARE = 0.5  # of the one-bit fakes change the depth, the others the picture


class Shot(NamedTuple):
    """A frame: depth (H, W) in millimetres, 0 where missing; its picture; by how many pixels both moved."""

    depth: NDArray[np.uint16]
    picture: NDArray[np.unsignedinteger]
    moved: tuple[int, int] = (0, 0)


class Recording(NamedTuple):
    """Two frames of a live sequence, and the standard deviation of what noise is new in each."""

    first: Shot
    second: Shot
    depth_mm: float
    picture: float


Fake = Callable[[Rng, Recording], tuple[Shot, Shot]]


def recording(first: Shot, second: Shot, region: tuple[int, int, int, int]) -> Recording:
    """Measure the noise of two frames on the region of a face, from the change of neighbours' difference."""
    top, left, bottom, right = region
    face = (slice(top, bottom), slice(left, right))
    known = (first.depth[face] > 0) & (second.depth[face] > 0)
    change = second.depth[face].astype(np.float32) - first.depth[face]
    depth = np.clip(np.diff(change), -CLIP_MM, CLIP_MM)[known[:, 1:] & known[:, :-1]]
    shown = np.diff(second.picture[face].astype(np.float32) - first.picture[face], axis=1)
    # The median of the absolute value of a normal variable is 0.6745 of its deviation.
    picture = float(np.median(np.abs(shown))) / 0.6745
    deviation = float(np.sqrt(np.mean(depth**2))) if depth.size else 0.0
    return Recording(first, second, max(deviation / 2, 0.3), max(picture / 2, 0.3))


def _round(depth: Floats, like: Shot) -> NDArray[np.uint16]:
    rounded = np.clip(np.rint(depth), 1, np.iinfo(np.uint16).max)
    return np.where(like.depth > 0, rounded, 0).astype(np.uint16)


def _shown(picture: Floats, like: Shot) -> NDArray[np.unsignedinteger]:
    kind = like.picture.dtype
    return np.clip(np.rint(picture), 0, np.iinfo(kind).max).astype(kind)


def noisy(rng: Rng, shot: Shot, depth_mm: float, picture: float) -> Shot:
    """Add white noise to depth and picture."""
    shape, whole = shot.depth.shape, shot.picture.shape
    return Shot(
        _round(shot.depth + np.float32(depth_mm) * rng.standard_normal(shape, dtype=np.float32), shot),
        _shown(shot.picture + np.float32(picture) * rng.standard_normal(whole, dtype=np.float32), shot),
        shot.moved,
    )


def _both(rng: Rng, recorded: Recording, times: float = 1.0) -> tuple[Shot, Shot]:
    deviations = times * recorded.depth_mm, times * recorded.picture
    return noisy(rng, recorded.first, *deviations), noisy(rng, recorded.first, *deviations)


def repeated(_: Rng, recorded: Recording) -> tuple[Shot, Shot]:
    """Give one frame twice."""
    return recorded.first, recorded.first


def one_bit(rng: Rng, recorded: Recording) -> tuple[Shot, Shot]:
    """Change one bit of the depth or of the picture, anywhere."""
    depth, picture = recorded.first.depth.copy(), recorded.first.picture.copy()
    plane = depth if rng.random() < BIT_SHARE else picture
    at = int(rng.integers(plane.size))
    plane.flat[at] ^= plane.dtype.type(1 << int(rng.integers(8)))
    return recorded.first, Shot(depth, picture)


def plus_minus_one(rng: Rng, recorded: Recording) -> tuple[Shot, Shot]:
    """Add -1, 0 or 1 to every reading and every pixel."""
    shot = recorded.first
    first, second = (
        Shot(
            _round(shot.depth.astype(np.float32) + rng.integers(-1, 2, shot.depth.shape), shot),
            _shown(shot.picture.astype(np.float32) + rng.integers(-1, 2, shot.picture.shape), shot),
        )
        for _ in range(2)
    )
    return first, second


def rounded(rng: Rng, recorded: Recording) -> tuple[Shot, Shot]:
    """Round depth and picture to coarser steps, two different ones; the first may be as it was."""
    steps = rng.choice(STEPS_MM, 2, replace=False)
    first, second = (
        Shot(
            _round(np.rint(recorded.first.depth / np.float32(step)) * step, recorded.first),
            _shown(np.rint(recorded.first.picture / np.float32(step)) * step, recorded.first),
        )
        for step in steps
    )
    return first, second


def sensor_noise(rng: Rng, recorded: Recording) -> tuple[Shot, Shot]:
    """Add white noise as large as the sensor's to depth and picture, anew for each frame."""
    return _both(rng, recorded)


def brighter(rng: Rng, recorded: Recording) -> tuple[Shot, Shot]:
    """Change the picture's brightness as well, or only that, and leave the depth."""
    low, high = np.log(GAINS)
    gain = np.float32(np.exp(rng.uniform(low, high)))
    first, second = _both(rng, recorded) if rng.random() < 0.5 else (recorded.first, recorded.first)
    return first, second._replace(picture=_shown(gain * second.picture, second))


def shifted(rng: Rng, recorded: Recording) -> tuple[Shot, Shot]:
    """Shift by whole pixels, half of them with noise as large as the sensor's."""
    rows, columns = (int(each) for each in rng.integers(-SHIFT_PX, SHIFT_PX + 1, 2))
    columns = columns or 1
    first, second = _both(rng, recorded) if rng.random() < 0.5 else (recorded.first, recorded.first)
    moved = [np.roll(plane, (rows, columns), (0, 1)) for plane in second[:2]]
    return first, Shot(moved[0], moved[1], (rows, columns))


def twice_the_noise(rng: Rng, recorded: Recording) -> tuple[Shot, Shot]:
    """Add white noise of twice the sensor's size."""
    return _both(rng, recorded, 2.0)


def thrice_the_noise(rng: Rng, recorded: Recording) -> tuple[Shot, Shot]:
    """Add white noise of three times the sensor's size."""
    return _both(rng, recorded, 3.0)


def _filled(shot: Shot) -> Floats:
    """Depth whose holes have the mean of what is around, for filters."""
    known = (shot.depth > 0).astype(np.float32)
    weight = cv2.GaussianBlur(known, (0, 0), 3.0)
    mean = cv2.GaussianBlur(shot.depth.astype(np.float32), (0, 0), 3.0) / np.maximum(weight, 1e-3)
    return np.where(shot.depth > 0, shot.depth, mean).astype(np.float32)


def _cleaned(shot: Shot, method: str) -> Shot:
    """Take the noise off depth and picture."""
    depth, picture = _filled(shot), shot.picture.astype(np.float32)
    if method == "gaussian":
        depth, picture = cv2.GaussianBlur(depth, (0, 0), 1.5), cv2.GaussianBlur(picture, (0, 0), 0.8)
    elif method == "median":
        depth, picture = cv2.medianBlur(depth, 5), cv2.medianBlur(picture, 3)
    elif method == "bilateral":
        depth, picture = cv2.bilateralFilter(depth, 9, 8.0, 2.0), cv2.GaussianBlur(picture, (0, 0), 0.8)
    else:
        near = cv2.fastNlMeansDenoising(shot.depth, [4.0], None, 5, 15, cv2.NORM_L1)
        depth = np.where(shot.depth > 0, near, depth).astype(np.float32)
        picture = cv2.GaussianBlur(picture, (0, 0), 0.8)
    return Shot(_round(depth, shot), _shown(picture, shot))


def denoised(method: str) -> Fake:
    """Take the noise off, then add noise of the sensor's size."""

    def fake(rng: Rng, recorded: Recording) -> tuple[Shot, Shot]:
        return _both(rng, recorded._replace(first=_cleaned(recorded.first, method)))

    return fake


def correlated_noise(rng: Rng, recorded: Recording) -> tuple[Shot, Shot]:
    """Add noise that is alike over 2 pixels to the depth, as large as the sensor's."""
    first, second = (
        _lumpy(rng, noisy(rng, recorded.first, 0.0, recorded.picture), recorded.depth_mm) for _ in range(2)
    )
    return first, second


def _lumpy(rng: Rng, shot: Shot, deviation_mm: float) -> Shot:
    height, width = shot.depth.shape
    return shot._replace(
        depth=_round(shot.depth + np.float32(deviation_mm) * correlated(rng, (height, width), 2.0), shot)
    )


def swayed(rng: Rng, recorded: Recording) -> tuple[Shot, Shot]:
    """Move a frame by part of a pixel, some tenths of a millimetre and of a degree, and add noise."""
    moved = _moved(rng, recorded.first)
    deviations = recorded.depth_mm, recorded.picture
    return noisy(rng, recorded.first, *deviations), noisy(rng, moved, *deviations)


def cleaned_and_swayed(rng: Rng, recorded: Recording) -> tuple[Shot, Shot]:
    """Take the noise off, move, add noise: a rendering of one frame."""
    return swayed(rng, recorded._replace(first=_cleaned(recorded.first, "gaussian")))


def _moved(rng: Rng, shot: Shot) -> Shot:
    columns, rows = rng.uniform(-1.0, 1.0, 2)
    warp = np.array([[1.0, 0.0, columns], [0.0, 1.0, rows]])
    size = shot.depth.shape[::-1]
    depth = cv2.warpAffine(_filled(shot), warp, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    height, width = shot.depth.shape
    slope = rng.uniform(-0.003, 0.003, 2)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    depth += rng.uniform(-1.0, 1.0) + slope[0] * (x - width / 2) + slope[1] * (y - height / 2)
    picture = cv2.warpAffine(
        shot.picture.astype(np.float32), warp, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return Shot(_round(depth, shot), _shown(picture, shot))


def offset(rng: Rng, recorded: Recording) -> tuple[Shot, Shot]:
    """Add the same millimetres to every reading, and noise to the picture only."""
    away = int(rng.integers(1, 4))
    second = noisy(rng, recorded.first, 0.0, recorded.picture)
    return recorded.first, second._replace(depth=_round(second.depth.astype(np.float32) + away, second))


def offset_and_noise(rng: Rng, recorded: Recording) -> tuple[Shot, Shot]:
    """Add the same millimetres to every reading, and noise of the sensor's size."""
    first, second = _both(rng, recorded)
    return first, second._replace(
        depth=_round(second.depth.astype(np.float32) + int(rng.integers(1, 4)), second)
    )


def rounded_and_noisy(rng: Rng, recorded: Recording) -> tuple[Shot, Shot]:
    """Round to coarser steps, then add noise of half the sensor's size."""
    first, second = (
        noisy(rng, shot, 0.5 * recorded.depth_mm, 0.5 * recorded.picture) for shot in rounded(rng, recorded)
    )
    return first, second


def signs_changed(rng: Rng, recorded: Recording) -> tuple[Shot, Shot]:
    """Change the sign of the fine relief of every second reading, by chance."""
    first, second = recorded.first, recorded.first
    shots = []
    for shot in (first, second):
        smooth = cv2.GaussianBlur(_filled(shot), (0, 0), 1.5)
        sign = rng.choice(np.array([-1, 1], np.float32), shot.depth.shape)
        calm = cv2.GaussianBlur(shot.picture.astype(np.float32), (0, 0), 0.8)
        sign_of_picture = rng.choice(np.array([-1, 1], np.float32), shot.picture.shape)
        shots.append(
            Shot(
                _round(smooth + sign * (_filled(shot) - smooth), shot),
                _shown(calm + sign_of_picture * (shot.picture - calm), shot),
            )
        )
    return shots[0], shots[1]


def blended(rng: Rng, recorded: Recording) -> tuple[Shot, Shot]:
    """Mix two recorded frames with other weights for each frame, without noise."""
    known = (recorded.first.depth > 0) & (recorded.second.depth > 0)
    shots = []
    for weight in rng.uniform(0.0, 1.0, 2).astype(np.float32):
        depth, picture = (
            weight * one.astype(np.float32) + (1 - weight) * other
            for one, other in zip(recorded.first[:2], recorded.second[:2], strict=True)
        )
        mixed = np.where(known, depth, recorded.first.depth)
        shots.append(Shot(_round(mixed, recorded.first), _shown(picture, recorded.first)))
    return shots[0], shots[1]


def recorded_sequence(_: Rng, recorded: Recording) -> tuple[Shot, Shot]:
    """Play a recorded live sequence as it is."""
    return recorded.first, recorded.second


LISTED: dict[str, Fake] = {
    "repeated": repeated,
    "one bit changed": one_bit,
    "+-1": plus_minus_one,
    "rounded to coarser steps": rounded,
    "noise of the sensor's size": sensor_noise,
    "brightness changed": brighter,
    "shifted by whole pixels": shifted,
}
ADAPTIVE: dict[str, Fake] = {
    "noise of 2 times the sensor's": twice_the_noise,
    "noise of 3 times the sensor's": thrice_the_noise,
    "Gaussian, then noise": denoised("gaussian"),
    "median, then noise": denoised("median"),
    "bilateral, then noise": denoised("bilateral"),
    "non-local means, then noise": denoised("non-local means"),
    "signs changed": signs_changed,
    "two frames blended": blended,
    "depth moved as a whole": offset,
    "rounded, then noise": rounded_and_noisy,
    "noise alike over 2 px": correlated_noise,
    "depth moved as a whole, then noise": offset_and_noise,
    "moved by part of a pixel, then noise": swayed,
    "Gaussian, moved, then noise": cleaned_and_swayed,
    "recorded sequence": recorded_sequence,
}
