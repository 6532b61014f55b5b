"""The demo's picture: who enrolled, who tried, at which distances; and a legend that explains it."""

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
from faceid_fast.evaluate.report.crops import as_rgb, cut_out, part_of
from faceid_fast.face.crop import NoFace

if TYPE_CHECKING:
    from faceid_fast.face.crop import FaceCrop
    from faceid_fast.frame import Frame

Pixels = NDArray[np.uint8]

HALF_WIDTH, TILE_HEIGHT = 84, 96
"""Pixels of a frame's picture, and of its depth beside it."""
RELIEF_MM: Final = 250.0
"""Range of depth that the colours show, which is more than a head has."""
_TILE_WIDTH: Final = 2 * HALF_WIDTH
_GAP, _LINE, _NAME_WIDTH, _MARGIN = 12, 16, 104, 14
_STEP_X: Final = _TILE_WIDTH + _GAP
_ROW_HEIGHT: Final = 2 * TILE_HEIGHT + 2 * _LINE + 3 * _GAP
_KEY_TOP: Final = 40
_TITLE: Final = "faceid demo: who is let in, and who is not"
_BEFORE_THE_EYES_MM: Final = 60.0
"""Where that range begins before the eyes: about at the tip of the nose."""
_RING_PX, _DOT_PX = 22, 5
_AROUND: Final = {"frontal": (0, 0), "left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
_FONT_SCALE: Final = 0.42
_LEAST_WIDTH: Final = 1150
"""In pixels: narrower, the legend would take many lines."""
_PAPER: Final = (255, 255, 255)
_INK: Final = (40, 40, 40)
_FRAME_COLORS: Final = {True: (80, 160, 40), False: (60, 60, 210), None: (170, 170, 170)}
"""BGR: accepted, refused, enrolled."""


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """One frame: its picture and its depth, (H, W, 3) uint8 BGR each, the lines below it, and the verdict."""

    picture: Pixels
    depth: Pixels
    lines: Sequence[str]
    accepted: bool | None


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """A person: the poses that the references cover, the enrolled frames, and those of attempts."""

    person: str
    poses: Sequence[str]
    enrolled: Sequence[Tile]
    tried: Sequence[Tile]


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The largest distances that are accepted: of a claim (1:1), and of the nearest of N people (1:N)."""

    verification: float
    identification: float
    people: int


def tile_of(frame: Frame, look: FaceCrop | NoFace, lines: Sequence[str], *, accepted: bool | None) -> Tile:
    """Cut the face out of a frame; the whole frame where no face was found."""
    depth_mm = part_of(frame.depth, look).astype(np.float32) * (1000.0 * frame.depth_unit_m)
    nearest = None if isinstance(look, NoFace) else look.distance_mm - _BEFORE_THE_EYES_MM
    depth = _fitted(colored_depth(depth_mm, nearest))
    return Tile(_fitted(as_bgr(cut_out(frame, look))), depth, lines, accepted)


def as_bgr(picture: NDArray[Any]) -> Pixels:
    """Show colour (H, W, 3), or infrared (H, W) by its own brightness, as OpenCV has it: uint8 BGR."""
    return np.ascontiguousarray(as_rgb(picture)[..., ::-1])


def colored_depth(depth_mm: NDArray[np.float32], nearest_mm: float | None = None) -> Pixels:
    """Show depth (H, W): the nearest yellow, `RELIEF_MM` behind it and farther blue, none black; BGR.

    Parameters
    ----------
    depth_mm : of each pixel; 0 or not finite where there is none.
    nearest_mm : what is nearest; by default what a tenth of the pixels is nearer than.
    """
    known = np.isfinite(depth_mm) & (depth_mm > 0.0)
    if nearest_mm is None:
        nearest_mm = float(np.percentile(depth_mm[known], 10)) if known.any() else 0.0
    nearness = 1.0 - np.clip((np.where(known, depth_mm, 0.0) - nearest_mm) / RELIEF_MM, 0.0, 1.0)
    shown = cv2.applyColorMap((255 * nearness).astype(np.uint8), cv2.COLORMAP_VIRIDIS)
    return np.where(known[..., None], shown, 0).astype(np.uint8)


def draw_demo(rows: Sequence[Row], thresholds: Thresholds) -> Pixels:
    """Draw the legend, then two lines per person: the enrolled frames, and those of attempts."""
    most = max((len(tiles) for row in rows for tiles in (row.enrolled, row.tried)), default=0)
    width = max(_NAME_WIDTH + most * _STEP_X + _GAP, _LEAST_WIDTH)
    words = [line for text in explained(rows, thresholds) for line in _broken(text, width - 2 * _MARGIN)]
    top = _KEY_TOP + _LINE * (len(words) + 3) + _GAP
    canvas: Pixels = np.full((top + len(rows) * _ROW_HEIGHT, width, 3), _PAPER, np.uint8)
    _write(canvas, _TITLE, _MARGIN, _MARGIN + 14, scale=1.5)
    _draw_key(canvas, _KEY_TOP + 10)
    for number, line in enumerate(words):
        _write(canvas, line, _MARGIN, _KEY_TOP + _LINE * (number + 2) + 8)
    for number, row in enumerate(rows):
        _draw_row(canvas, row, top + number * _ROW_HEIGHT)
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


def explained(rows: Sequence[Row], thresholds: Thresholds) -> list[str]:
    """Explain, in sentences, what is in the picture."""
    people = thresholds.people
    written = " ".join(line for row in rows for tile in row.tried for line in tile.lines)
    always = [
        (
            "Each frame: on the left what the camera saw, on the right its depth (yellow near, blue "
            f"{RELIEF_MM / 10:.0f} cm farther, black not measured). Numbers: how far a face is from the "
            "nearest reference; the smaller, the more alike."
        ),
        (
            f"Accepted are distances up to {thresholds.verification:.3f} where somebody says who they are "
            f"(verification, 1:1), up to {thresholds.identification:.3f} where nobody does (identification, "
            f"1:{people}): less, since each of {people} people is a chance of a mistake."
        ),
    ]
    sentences = {
        "who?": (
            '"who?": identification, and who was found; own, others: the distance to one\'s own references, '
            "and to the nearest of anybody else."
        ),
        "as ": '"as NAME": verification of somebody who says to be NAME.',
        "spoof": "spoof: what is there is not a live face, here a flat print.",
        "locked out": "locked out: after too many failures nobody is looked at for a while.",
        "kept": (
            "kept: a near miss, after which the right PIN was typed, so this picture was kept beside the "
            'references; "by what was kept": accepted because it is near to that picture.'
        ),
    }
    return [*always, *(sentence for word, sentence in sentences.items() if word in written)]


def _draw_key(canvas: Pixels, middle: int) -> None:
    """Draw the line of the legend that says what borders and dots mean."""
    left = _MARGIN
    for accepted, meaning in ((None, "enrolled"), (True, "accepted"), (False, "refused")):
        cv2.rectangle(canvas, (left, middle - 9), (left + 22, middle + 9), _FRAME_COLORS[accepted], 2)
        _write(canvas, meaning, left + 30, middle + 5)
        left += 30 + _text_width(meaning) + 2 * _GAP
    poses = {True: "a pose that the references cover", False: "a pose that none of them shows"}
    for covered, meaning in poses.items():
        _dot(canvas, (left + 6, middle), covered=covered)
        _write(canvas, meaning, left + 18, middle + 5)
        left += 18 + _text_width(meaning) + 2 * _GAP
    _write(canvas, "(ring: up, left, frontal, right, down, as the camera sees it)", left - _GAP, middle + 5)


def _draw_row(canvas: Pixels, row: Row, top: int) -> None:
    cv2.line(canvas, (_MARGIN, top - _GAP), (canvas.shape[1] - _MARGIN, top - _GAP), _FRAME_COLORS[None], 1)
    _write(canvas, row.person[:12], _MARGIN, top + 14, scale=1.3)
    _write(canvas, "enrolled", _MARGIN, top + 32)
    _ring(canvas, row.poses, _MARGIN + _RING_PX + _DOT_PX, top + 38 + _RING_PX + _DOT_PX)
    lower = top + TILE_HEIGHT + _GAP
    _write(canvas, "tries", _MARGIN, lower + 14)
    for tiles, upper in ((row.enrolled, top), (row.tried, lower)):
        for place, tile in enumerate(tiles):
            _place(canvas, tile, upper, _NAME_WIDTH + place * _STEP_X)


def _fitted(picture: NDArray[Any]) -> Pixels:
    """Scale into half a tile, keeping proportions."""
    height, width = picture.shape[:2]
    scale = min(HALF_WIDTH / width, TILE_HEIGHT / height)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    scaled = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    half: Pixels = np.full((TILE_HEIGHT, HALF_WIDTH, 3), 235, np.uint8)
    top, left = (TILE_HEIGHT - size[1]) // 2, (HALF_WIDTH - size[0]) // 2
    half[top : top + size[1], left : left + size[0]] = scaled
    return half


def _place(canvas: Pixels, tile: Tile, top: int, left: int) -> None:
    canvas[top : top + TILE_HEIGHT, left : left + HALF_WIDTH] = tile.picture
    canvas[top : top + TILE_HEIGHT, left + HALF_WIDTH : left + _TILE_WIDTH] = tile.depth
    corner = (left + _TILE_WIDTH - 1, top + TILE_HEIGHT - 1)
    cv2.rectangle(canvas, (left, top), corner, _FRAME_COLORS[tile.accepted], 2)
    for number, line in enumerate(tile.lines):
        _write(canvas, line, left + 1, top + TILE_HEIGHT + _LINE * (number + 1) - 2)


def _ring(canvas: Pixels, poses: Sequence[str], x: int, y: int) -> None:
    """Draw a dot per pose around a point, filled where the references cover the pose."""
    cv2.circle(canvas, (x, y), _RING_PX, _FRAME_COLORS[None], 1, cv2.LINE_AA)
    for pose, (across, down) in _AROUND.items():
        _dot(canvas, (x + across * _RING_PX, y + down * _RING_PX), covered=pose in poses)


def _dot(canvas: Pixels, at: tuple[int, int], *, covered: bool) -> None:
    cv2.circle(canvas, at, _DOT_PX, _FRAME_COLORS[True] if covered else _PAPER, -1, cv2.LINE_AA)
    cv2.circle(canvas, at, _DOT_PX, _FRAME_COLORS[True if covered else None], 1, cv2.LINE_AA)


def _broken(text: str, width: int) -> list[str]:
    """Break a text into lines that are no wider than so many pixels."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if _text_width(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _text_width(text: str) -> int:
    (width, _), _ = cv2.getTextSize(text, _FONT, _FONT_SCALE, 1)
    return int(width)


def _write(canvas: Pixels, text: str, left: int, bottom: int, *, scale: float = 1.0) -> None:
    plain = text.encode("ascii", "replace").decode("ascii")  # the font has no more
    cv2.putText(canvas, plain, (left, bottom), _FONT, scale * _FONT_SCALE, _INK, 1, cv2.LINE_AA)
