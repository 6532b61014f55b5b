"""Chips of portraits: real faces in colour, cut out by their landmarks.

They are as `faceid_fast.face.crop.FaceCrop.chip` is. The portraits and their licence: see
`training.people.portraits`. ``london_smiling`` has no landmarks: those of the same person's neutral portrait
are carried over by registering the two pictures around the eyes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from faceid_fast.face.crop import CHIP_SHAPE
from training.data.raw import write_arrays
from training.people.portraits import PORTRAITS_PATH, SETS, is_held
from training.provenance.revision import ROOT

CHIP_POINTS: Final = ((110.96, 46.3), (89.6, 47.9), (37.06, 46.4), (58.4, 47.9), (74.0, 87.8))
"""Outer and inner eye corners and the base of the nose in a chip, as the core has them (`align/chip.rs`)."""
LANDMARKS: Final = (27, 23, 18, 22, 55)
"""The same among the 189 landmarks."""
SMILING: Final = "london_smiling"
CACHE: Final = ROOT / "build" / "portraits" / "chips.npz"
CACHE_VERSION: Final = 2
_LEAST_CORRELATION: Final = 0.5
"""Pictures of one person that are less alike than this around the eyes were not registered."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PortraitChips:
    """Chips of portraits.

    Attributes
    ----------
    chips : (N, 3, 150, 150) uint8.
    people : (N,) str; the same person smiling has the same name.
    held : (N,) bool, whether they are held back from training, as `Portraits.of_set` splits them.
    """

    chips: NDArray[np.uint8]
    people: NDArray[np.str_]
    held: NDArray[np.bool_]

    def of(self, *, held: bool) -> PortraitChips:
        """Those of the people who are held back, or of the others."""
        chosen = self.held == held
        return PortraitChips(self.chips[chosen], self.people[chosen], self.held[chosen])


def load_portrait_chips(folder: Path = PORTRAITS_PATH, *, smiling: bool = True) -> PortraitChips:
    """Cut the chips of all portraits; without the smiling ones in seconds instead of a minute.

    All of the usual folder's are made once, and kept below ``build``.

    Raises
    ------
    FileNotFoundError
        A set or a portrait is missing.
    """
    if not smiling or folder != PORTRAITS_PATH:
        return _cut_all(folder, smiling=smiling)
    if CACHE.exists():
        with np.load(CACHE) as stored:
            if int(stored["version"]) == CACHE_VERSION:
                return PortraitChips(stored["chip"], stored["person"], stored["held"])
    made = _cut_all(folder, smiling=True)
    arrays = {"chip": made.chips, "person": made.people, "held": made.held}
    write_arrays(CACHE, {"version": np.array(CACHE_VERSION), **arrays})
    return made


def _cut_all(folder: Path, *, smiling: bool) -> PortraitChips:
    chips, people, held, number = [], [], [], 0
    for group in SETS:
        with np.load(folder / group / "landmarks189.npz") as marks:
            found = {str(name): points for name, points in zip(marks["names"], marks["points"], strict=True)}
        for name, points in found.items():
            picture = _read(folder / group / f"{name}.jpg")
            back, number = is_held(number), number + 1
            held.append(back)
            chips.append(cut_chip(picture, points[list(LANDMARKS)].astype(np.float64)))
            people.append(f"{group}/{name.split('_')[0]}")
            if group != SETS[0] or not smiling:
                continue
            others = sorted((folder / SMILING).glob(f"{name.split('_')[0]}_*.jpg"))
            if not others:
                continue
            other = _read(others[0])
            moved = _carried(picture, other, points.astype(np.float64))
            if moved is not None:
                chips.append(cut_chip(other, moved[list(LANDMARKS)]))
                people.append(people[-1])
                held.append(back)
    return PortraitChips(np.array(chips), np.array(people), np.array(held))


def similarity(points: Floats, places: Floats) -> Floats:
    """Least-squares similarity (2, 3) that takes points (N, 2) to places (N, 2)."""
    middle, target = points.mean(axis=0), places.mean(axis=0)
    x, y = (points - middle).T
    u, v = (places - target).T
    spread = np.sum(x * x + y * y)
    a, b = np.sum(x * u + y * v) / spread, np.sum(x * v - y * u) / spread
    turn = np.array([[a, -b], [b, a]])
    return np.column_stack([turn, target - turn @ middle])


def cut_chip(picture: NDArray[np.uint8], points: Floats) -> NDArray[np.uint8]:
    """Cut a chip (3, 150, 150) out of a colour picture (H, W, 3), RGB, by the five points' pixels (5, 2)."""
    move = similarity(points, np.array(CHIP_POINTS))
    scale = float(np.hypot(move[0, 0], move[1, 0]))
    # Smaller ones are averages of several pixels; a Gaussian does the same here.
    smooth = cv2.GaussianBlur(picture, (0, 0), 0.45 / scale) if scale < 1.0 else picture
    chip = cv2.warpAffine(smooth, move, CHIP_SHAPE[1:], flags=cv2.INTER_LINEAR)
    return np.ascontiguousarray(chip.transpose(2, 0, 1))


def _read(path: Path) -> NDArray[Any]:
    picture = cv2.imread(str(path))
    if picture is None:
        message = f"no portrait at {path}"
        raise FileNotFoundError(message)
    return picture[..., ::-1].copy()


def _carried(picture: NDArray[Any], other: NDArray[Any], points: Floats) -> Floats | None:
    """Carry landmarks (189, 2) over to another picture of the person; None if that fails."""
    half = np.s_[::2, ::2]  # as good around the eyes, in a quarter of the time
    gray, other_gray = (
        cv2.GaussianBlur(cv2.cvtColor(each, cv2.COLOR_RGB2GRAY), (0, 0), 2)[half] for each in (picture, other)
    )
    points = points / 2
    apart = float(np.linalg.norm(points[0] - points[1]))
    middle = (points[0] + points[1]) / 2
    around = np.zeros(gray.shape, np.uint8)
    center = (round(middle[0]), round(middle[1] + 0.15 * apart))
    cv2.ellipse(around, center, (round(apart), round(0.55 * apart)), 0, 0, 360, 255, -1)
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 200, 1e-5)
    best, best_move = _LEAST_CORRELATION, None
    for shift in (-15.0, -7.5, 0.0, 7.5, 15.0):
        move = np.array([[1, 0, 0], [0, 1, shift]], np.float32)
        try:
            likeness, move = cv2.findTransformECC(
                gray, other_gray, move, cv2.MOTION_EUCLIDEAN, stop, around, 5
            )
        except cv2.error:  # did not converge from here
            continue
        if likeness > best:
            best, best_move = likeness, move.astype(np.float64)
    return None if best_move is None else 2 * (points @ best_move[:, :2].T + best_move[:, 2])
