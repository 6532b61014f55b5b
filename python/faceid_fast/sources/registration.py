"""Depth for a picture that another camera took: what that camera would have measured.

>>> cameras = {"depth_intrinsics": a, "image_intrinsics": b, "extrinsics": a_to_b}  # doctest: +SKIP
>>> depth = register(depth, 0.001, color.shape[:2], **cameras)  # doctest: +SKIP
>>> Frame(color=color, depth=depth, depth_unit_m=0.001, intrinsics=b)  # doctest: +SKIP
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from faceid_fast._core import register_depth
from faceid_fast.errors import InvalidInputError
from faceid_fast.frame import MAX_SIDE_PX, Intrinsics, checked_depth

MAX_APART_M: Final = 10.0
_TOLERANCE: Final = 1e-3
"""Of a rotation's products of rows: what calibration files round away."""


@dataclass(frozen=True, slots=True)
class Extrinsics:
    """How one camera stands to another: point p of the first is rotation @ p + translation to the other.

    Parameters
    ----------
    rotation : three rows of three numbers, a rotation within 1e-3
    translation_m : three numbers, metres, each at most 10

    Raises
    ------
    InvalidInputError
        If they are not.
    """

    rotation: tuple[tuple[float, float, float], ...] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    translation_m: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        """Check both and store them as tuples of floats."""
        rotation = _numbers("extrinsics.rotation", self.rotation, (3, 3))
        apart = np.abs(rotation @ rotation.T - np.eye(3)).max()
        if not (apart <= _TOLERANCE and np.linalg.det(rotation) > 0):
            message = "extrinsics.rotation: expected a rotation (rows of length 1, at right angles), got none"
            raise InvalidInputError(message)
        translation = _numbers("extrinsics.translation_m", self.translation_m, (3,))
        if np.abs(translation).max() > MAX_APART_M:
            message = f"extrinsics.translation_m: expected at most {MAX_APART_M:g} metres, got more"
            raise InvalidInputError(message)
        object.__setattr__(self, "rotation", tuple(map(tuple, rotation.tolist())))
        object.__setattr__(self, "translation_m", tuple(translation.tolist()))


def register(
    depth: NDArray[Any],
    depth_unit_m: float,
    shape: tuple[int, int],
    *,
    depth_intrinsics: Intrinsics,
    image_intrinsics: Intrinsics,
    extrinsics: Extrinsics,
) -> NDArray[Any]:
    """Move depth into the grid of a picture.

    Every pixel of depth is a small square across its axis; a pixel of the picture that looks at several gets
    the nearest. Where it looks at none, or at what hides behind something nearer, there is a hole.

    Parameters
    ----------
    depth : (H, W) uint16, float32 or float64
        As `Frame` takes it.
    depth_unit_m : metres per unit
    shape : (height, width) of the picture
    depth_intrinsics, image_intrinsics : of the two cameras, without distortion
    extrinsics : from the depth camera to the picture's

    Returns
    -------
    (height, width), uint16 of uint16, else float32
        In the same unit, along the axis of the picture's camera; 0 where there is a hole, or where the unit
        does not reach.

    Raises
    ------
    InvalidInputError
        If an argument has the wrong type, dtype, shape or range.
    """
    samples, unit = checked_depth(depth, depth_unit_m)
    if not isinstance(extrinsics, Extrinsics):
        message = f"extrinsics: expected Extrinsics, got {type(extrinsics).__name__}"
        raise InvalidInputError(message)
    seen = register_depth(
        samples,
        unit,
        _pinhole("depth_intrinsics", depth_intrinsics),
        _pinhole("image_intrinsics", image_intrinsics),
        extrinsics.rotation,
        extrinsics.translation_m,
        _checked_shape(shape),
    )
    units = seen / np.float32(1000.0 * unit)
    if samples.dtype != np.uint16:
        return units
    whole = np.rint(units)
    return np.where(whole <= np.iinfo(np.uint16).max, whole, 0).astype(np.uint16)


def _pinhole(name: str, camera: object) -> tuple[float, float, float, float]:
    if not isinstance(camera, Intrinsics):
        message = f"{name}: expected Intrinsics, got {type(camera).__name__}"
        raise InvalidInputError(message)
    return camera.fx, camera.fy, camera.cx, camera.cy


def _checked_shape(shape: object) -> tuple[int, int]:
    wanted = f"shape: expected (height, width), each 1 to {MAX_SIDE_PX}"
    if not isinstance(shape, tuple) or len(shape) != 2:
        message = f"{wanted}, got {type(shape).__name__}"
        raise InvalidInputError(message)
    sides = []
    for side in shape:
        is_whole = isinstance(side, (int, np.integer)) and not isinstance(side, (bool, np.timedelta64))
        if not is_whole or not 1 <= side <= MAX_SIDE_PX:
            message = f"{wanted}, got {side!a:.40}"
            raise InvalidInputError(message)
        sides.append(int(side))
    return sides[0], sides[1]


def _numbers(name: str, value: object, shape: tuple[int, ...]) -> NDArray[np.float64]:
    try:
        numbers = np.array(value, np.float64)
    except (TypeError, ValueError, OverflowError):
        numbers = np.full(0, np.nan)
    if numbers.shape != shape or not np.isfinite(numbers).all():
        message = f"{name}: expected finite numbers of shape {shape}, got {type(value).__name__}"
        raise InvalidInputError(message)
    return numbers
