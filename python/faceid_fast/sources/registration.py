"""Registration: map depth of one camera into the picture of another one.

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
from faceid_fast.checks import checked_instance, checked_number, checked_three, is_number
from faceid_fast.errors import InvalidInputError
from faceid_fast.frame import MAX_SIDE_PX, Intrinsics, checked_depth

MAX_APART_M: Final = 10.0
_TOLERANCE: Final = 1e-3
"""Largest deviation of a rotation's products of rows, for the rounding in calibration files."""


@dataclass(frozen=True, slots=True)
class Extrinsics:
    """The pose of one camera relative to another: p_other = rotation @ p + translation.

    Parameters
    ----------
    rotation : three rows of three numbers, a rotation within 1e-3
    translation_m : three numbers, metres, each from -10 to 10

    Raises
    ------
    InvalidInputError
        If `rotation` is no rotation, or a value is not a number in its range.
    """

    rotation: tuple[tuple[float, float, float], ...] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    translation_m: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        """Check both and convert them to tuples of floats."""
        name = "extrinsics.rotation"
        rows = [
            [
                checked_number(name, each, -1.0 - _TOLERANCE, 1.0 + _TOLERANCE)
                for each in checked_three(name, row)
            ]
            for row in checked_three(name, self.rotation)
        ]
        rotation = np.array(rows)
        apart = np.abs(rotation @ rotation.T - np.eye(3)).max()
        if apart > _TOLERANCE or np.linalg.det(rotation) < 0:
            message = "extrinsics.rotation: expected a rotation (rows of length 1, at right angles), got none"
            raise InvalidInputError(message)
        name = "extrinsics.translation_m"
        translation = (
            checked_number(name, each, -MAX_APART_M, MAX_APART_M, "metres")
            for each in checked_three(name, self.translation_m)
        )
        object.__setattr__(self, "rotation", tuple(map(tuple, rows)))
        object.__setattr__(self, "translation_m", tuple(translation))


def register(
    depth: NDArray[Any],
    depth_unit_m: float,
    shape: tuple[int, int],
    *,
    depth_intrinsics: Intrinsics,
    image_intrinsics: Intrinsics,
    extrinsics: Extrinsics,
) -> NDArray[Any]:
    """Map depth into the pixel grid of a picture.

    Every pixel of depth is treated as a small square at right angles to the optical axis. A pixel of the
    picture gets the nearest of the squares that it shows. It is a hole if it shows none, or if the depth
    camera could not see what it shows.

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
    (height, width), uint16 if `depth` is, else float32
        Depth in the same unit, along the optical axis of the picture's camera; 0 for a hole, or for depth
        that uint16 cannot hold.

    Raises
    ------
    InvalidInputError
        If an argument has the wrong type, dtype, shape or range.
    """
    samples, unit = checked_depth(depth, depth_unit_m)
    checked_instance("extrinsics", extrinsics, Extrinsics)
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
    k = checked_instance(name, camera, Intrinsics)
    return k.fx, k.fy, k.cx, k.cy


def _checked_shape(shape: object) -> tuple[int, int]:
    if isinstance(shape, tuple) and len(shape) == 2:
        height, width = (_side(each) for each in shape)
        if height and width:
            return height, width
    message = f"shape: expected (height, width), whole numbers from 1 to {MAX_SIDE_PX}, got something else"
    raise InvalidInputError(message)


def _side(value: object) -> int:
    """Return the length of a side as an int; 0 if it is not usable."""
    whole = is_number(value) and isinstance(value, (int, np.integer))
    return int(value) if whole and 1 <= value <= MAX_SIDE_PX else 0  # type: ignore[operator, call-overload]
