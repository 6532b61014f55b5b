"""Frames of 640 x 480 for timings: the bundled renders of heads, in front of a wall."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from faceid_fast.frame import Frame, Intrinsics
from faceid_fast.sources.renders import Render, bundled_renders

WIDTH, HEIGHT = 640, 480
FOCAL_PX = 571.0
"""Of the Kinect that the VAP RGB-D set was taken with."""
WALL_MM = 1600.0
NOISE_MM, NOISE = 0.7, 0.01
"""Of depth, and of light as a share of itself."""
_SHADOW_PX = 9  # beside whatever is near, structured light casts one
_HEAD_MM = (150.0, 170.0)  # before and behind the middle of a crop; whatever is elsewhere is left out


@cache
def heads(kind: str = "probe") -> list[Render]:
    """Renders of one kind, one person after the other."""
    return [render for render in bundled_renders() if render.kind == kind]


def room(render: Render, seed: int = 0, *, infrared: bool = False) -> Frame:
    """Set a rendered head into a room, in colour or infrared, as far away as it was rendered.

    Parameters
    ----------
    render : its crop is enlarged to this camera's focal length.
    seed : of the noise that is added.
    infrared : leave it as it is; else it is tinted, and lit by the room.
    """
    return in_room(render.read(), seed, infrared=infrared)


def in_room(crop: Frame, seed: int = 0, *, infrared: bool = False) -> Frame:
    """Set any crop of a head in infrared into a room; see `room`."""
    k = crop.intrinsics
    assert crop.infrared is not None  # noqa: S101  # of such frames only
    scale = FOCAL_PX / k.fx
    size = (round(scale * crop.depth.shape[1]), round(scale * crop.depth.shape[0]))
    depth = 1e3 * crop.depth_unit_m * cv2.resize(crop.depth, size, interpolation=cv2.INTER_NEAREST)
    light = cv2.resize(crop.infrared.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    middle = float(np.median(depth[depth > 0]))
    head = (depth > middle - _HEAD_MM[0]) & (depth < middle + _HEAD_MM[1])
    # The crop's principal point is the frame's: every ray stays what it was.
    cx, cy = scale * (k.cx + 0.5) - 0.5, scale * (k.cy + 0.5) - 0.5
    left, top = (WIDTH - size[0]) // 2, (HEIGHT - size[1]) // 2 - 30

    rows, columns = np.indices((HEIGHT, WIDTH), np.float32)
    whole = WALL_MM + 0.2 * (columns - WIDTH / 2)
    picture = np.full((HEIGHT, WIDTH), 0.25 * float(np.median(light[head])), np.float32)
    picture *= 1 + 0.2 * np.sin(columns / 7) * np.sin(rows / 11)
    place = np.s_[top : top + size[1], left : left + size[0]]
    # Shoulders as wide as shoulders are, below the chin.
    z = middle + 60.0
    chin = top + size[1]
    shoulders = (rows >= chin - 4) & (np.abs(columns - left - size[0] / 2) < 220.0 * FOCAL_PX / z)
    whole[shoulders] = z + 0.1 * np.abs(columns[shoulders] - left - size[0] / 2)
    near = shoulders.copy()
    near[place] |= head
    shadow = cv2.dilate(near.astype(np.uint8), np.ones((1, 2 * _SHADOW_PX + 1), np.uint8)) > 0
    whole[shadow & ~near] = 0.0
    whole[place][head] = depth[head]
    picture[place][head] = light[head]
    picture /= np.quantile(picture[near], 0.99)
    # No two pictures are the same.
    rng = np.random.default_rng(seed)
    whole += np.where(whole > 0, rng.normal(0.0, NOISE_MM, whole.shape), 0.0)
    picture *= rng.normal(1.0, NOISE, picture.shape)
    intrinsics = Intrinsics(FOCAL_PX, FOCAL_PX, left + cx, top + cy)
    depth_mm = np.round(whole).astype(np.uint16)
    if infrared:
        grey = (255.0 * np.clip(picture, 0.0, 1.0)).astype(np.uint8)
        return Frame(infrared=grey, depth=depth_mm, depth_unit_m=0.001, intrinsics=intrinsics)
    return Frame(color=_tinted(picture), depth=depth_mm, depth_unit_m=0.001, intrinsics=intrinsics)


def _tinted(light: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Colour of a made-up lamp, encoded as pictures are."""
    encoded = 255.0 * np.clip(light, 0.0, 1.0) ** (1 / 2.2)
    across = np.linspace(0.0, 1.0, light.shape[1], dtype=np.float32)
    tint = np.stack([np.ones_like(across), 0.6 + 0.3 * across, 0.9 - 0.4 * across**2], axis=1)
    return (encoded[..., None] * tint).astype(np.uint8)
