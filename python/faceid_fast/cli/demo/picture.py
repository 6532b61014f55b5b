"""The demo's picture: who was enrolled, who tried, and how far they were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from faceid_fast.cli.output import make_folder_of, write_file
from faceid_fast.errors import InvalidInputError
from faceid_fast.evaluate.report.crops import as_rgb, cut_out

if TYPE_CHECKING:
    from faceid_fast.face.crop import FaceCrop, NoFace
    from faceid_fast.frame import Frame

Pixels = NDArray[np.uint8]

TILE_WIDTH, TILE_HEIGHT = 96, 108
GAP, CAPTION_HEIGHT, NAME_WIDTH, SPLIT, HEADER = 8, 18, 90, 28, 48
_RING_PX, _DOT_PX = 24, 6
_AROUND: Final = {"frontal": (0, 0), "left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
_FONT_SCALE: Final = 0.45
_PAPER: Final = (255, 255, 255)
_INK: Final = (40, 40, 40)
_FRAME_COLORS: Final = {True: (80, 160, 40), False: (60, 60, 210), None: (190, 190, 190)}
"""BGR: accepted, refused, enrolled."""


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """One face: its picture (H, W, 3) uint8 BGR, what is written below, and the verdict."""

    picture: Pixels
    caption: str
    accepted: bool | None


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """A person: the poses that the enrolment covers, the enrolled faces, and those of other times."""

    person: str
    poses: Sequence[str]
    enrolled: Sequence[Tile]
    tried: Sequence[Tile]


def tile_of(frame: Frame, look: FaceCrop | NoFace, caption: str, *, accepted: bool | None) -> Tile:
    """Cut the face out of a frame; the whole frame where no face was found."""
    return Tile(_fitted(as_bgr(cut_out(frame, look))), caption, accepted)


def as_bgr(picture: NDArray[Any]) -> Pixels:
    """Show colour (H, W, 3), or infrared (H, W) by its own brightness, as OpenCV has it: uint8 BGR."""
    return np.ascontiguousarray(as_rgb(picture)[..., ::-1])


def draw_demo(rows: Sequence[Row], threshold: float) -> Pixels:
    """Draw a row per person: name and poses, the enrolled faces, then the others with their distances."""
    most_enrolled = max((len(row.enrolled) for row in rows), default=0)
    most_tried = max((len(row.tried) for row in rows), default=0)
    step_x, step_y = TILE_WIDTH + GAP, TILE_HEIGHT + CAPTION_HEIGHT + GAP
    tried_left = NAME_WIDTH + most_enrolled * step_x + SPLIT
    title = f"probes: own / nearest other distance, accepted up to {threshold:.2f}; then the story"
    width = tried_left + max(most_tried * step_x, _text_width(title)) + GAP
    height = HEADER + len(rows) * step_y + GAP
    canvas: Pixels = np.full((height, width, 3), _PAPER, np.uint8)
    _write(canvas, "enrolled", NAME_WIDTH, 34)
    _write(canvas, title, tried_left, 34)
    for number, row in enumerate(rows):
        top = HEADER + number * step_y
        _write(canvas, row.person[:10], GAP, top + 20)
        _ring(canvas, row.poses, (NAME_WIDTH - GAP) // 2, top + 20 + (TILE_HEIGHT - 20) // 2 + 6)
        for left, tiles in ((NAME_WIDTH, row.enrolled), (tried_left, row.tried)):
            for place, tile in enumerate(tiles):
                _place(canvas, tile, top, left + place * step_x)
    return canvas


def write_picture(picture: Pixels, path: Path) -> None:
    """Write a PNG, and the folder it goes to.

    Raises
    ------
    InvalidInputError
        If the file cannot be written.
    """
    encoded, content = cv2.imencode(".png", picture)
    if not encoded:
        message = f"--out: {path}: the picture could not be encoded"
        raise InvalidInputError(message)
    make_folder_of("--out", path)
    write_file("--out", path, content.tobytes())


def _fitted(picture: NDArray[Any]) -> Pixels:
    """Scale into a tile, keeping proportions."""
    height, width = picture.shape[:2]
    scale = min(TILE_WIDTH / width, TILE_HEIGHT / height)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    scaled = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    tile: Pixels = np.full((TILE_HEIGHT, TILE_WIDTH, 3), 235, np.uint8)
    top, left = (TILE_HEIGHT - size[1]) // 2, (TILE_WIDTH - size[0]) // 2
    tile[top : top + size[1], left : left + size[0]] = scaled
    return tile


def _place(canvas: Pixels, tile: Tile, top: int, left: int) -> None:
    canvas[top : top + TILE_HEIGHT, left : left + TILE_WIDTH] = tile.picture
    corner = (left + TILE_WIDTH - 1, top + TILE_HEIGHT - 1)
    cv2.rectangle(canvas, (left, top), corner, _FRAME_COLORS[tile.accepted], 2)
    _write(canvas, tile.caption, left + 2, top + TILE_HEIGHT + CAPTION_HEIGHT - 5)


def _ring(canvas: Pixels, poses: Sequence[str], x: int, y: int) -> None:
    """Draw the poses around a point: filled where the enrolment covers them."""
    cv2.circle(canvas, (x, y), _RING_PX, _FRAME_COLORS[None], 1, cv2.LINE_AA)
    for pose, (across, down) in _AROUND.items():
        at = (x + across * _RING_PX, y + down * _RING_PX)
        covered = pose in poses
        cv2.circle(canvas, at, _DOT_PX, _FRAME_COLORS[True] if covered else _PAPER, -1, cv2.LINE_AA)
        cv2.circle(canvas, at, _DOT_PX, _FRAME_COLORS[True if covered else None], 1, cv2.LINE_AA)


def _text_width(text: str) -> int:
    (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, _FONT_SCALE, 1)
    return int(width)


def _write(canvas: Pixels, text: str, left: int, bottom: int) -> None:
    plain = text.encode("ascii", "replace").decode("ascii")  # the font has no more
    cv2.putText(canvas, plain, (left, bottom), cv2.FONT_HERSHEY_SIMPLEX, _FONT_SCALE, _INK, 1, cv2.LINE_AA)
