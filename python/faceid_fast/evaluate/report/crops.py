"""The part of a frame in which a face was found, to be shown to people."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceid_fast.face.crop import FaceCrop, NoFace
from faceid_fast.frame import Frame

Pixels = NDArray[np.uint8]


def cut_out(frame: Frame, look: FaceCrop | NoFace) -> Pixels:
    """Cut the face out of a frame's picture; the whole picture where no face was found. See `as_rgb`."""
    return as_rgb(part_of(frame.picture, look))


def part_of(pixels: NDArray[Any], look: FaceCrop | NoFace) -> NDArray[Any]:
    """Cut the face out of an array of a frame's size, (H, W) or (H, W, 3); all of it without a face."""
    if isinstance(look, NoFace):
        return pixels
    top, left, bottom, right = look.region
    cut = pixels[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    return cut if cut.size else pixels


def as_rgb(picture: NDArray[Any]) -> Pixels:
    """Turn colour (H, W, 3), or infrared (H, W) scaled by its own brightness, into (H, W, 3) uint8 RGB."""
    if picture.ndim == 3:
        return np.ascontiguousarray(picture, np.uint8)
    bright = max(float(np.percentile(picture, 99)), 1.0)
    # Infrared falls off with the square of the distance: a root keeps the dark parts visible.
    grey = (np.sqrt(np.clip(picture / bright, 0.0, 1.0)) * 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)
