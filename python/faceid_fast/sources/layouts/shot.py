"""Shots: frames in files that are listed, but not read yet; and how they are to be read."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Literal

import numpy as np

from faceid_fast.checks import is_number, shown
from faceid_fast.errors import InvalidInputError, SourceError, SourceWarning
from faceid_fast.frame import MODALITIES, Frame
from faceid_fast.sources.orientation import rotated

ON_DAMAGE: Final = ("raise", "skip")
TURNS_DEG: Final = (0, 90, 180, 270)
MOST_NAMED: Final = 20
"""Files that one message names."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One frame in files, which `read` reads.

    Attributes
    ----------
    person : name of the frame's folder; in a data set, that of the person's folder.
    label : name of the frame: its file name without the layout's endings.
    layout : name of the layout, one of `recognized.LAYOUTS`.
    read : reads the frame; `SourceError` if a file is damaged.
    pose, expression : numbers as in `kinect_v2`; None if the layout does not tell.
    """

    person: str
    label: str
    layout: str
    read: Callable[[], Frame]
    pose: int | None = None
    expression: int | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """Frames that are listed, and the files that were left out.

    Attributes
    ----------
    shots : the frames.
    left_out : for each frame that was left out the name of a file, and why: nothing is left out silently.
    notes : what else whoever reads the frames has to know, such as which of two pictures is taken.
    """

    shots: Sequence[Shot] = ()
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def summary(self) -> str:
        """Return notes and what was left out in one text, which names a few files only; empty if nothing."""
        named = self.left_out[:MOST_NAMED]
        more = len(self.left_out) - len(named)
        words = [f"left out: {each}" for each in named] + ([f"{more} more were left out"] if more else [])
        return "; ".join((*self.notes, *words))

    def first_left_out(self, most: int) -> str:
        """Name so many of the files that were left out in one text, and say how many more there are."""
        more = len(self.left_out) - most
        return "; ".join((*self.left_out[:most], *((f"and {more} more",) if more > 0 else ())))


def joined(listings: Iterable[Listing]) -> Listing:
    """Join listings in their order; a note that several have is in it once."""
    several = tuple(listings)
    return Listing(
        [shot for each in several for shot in each.shots],
        tuple(name for each in several for name in each.left_out),
        tuple(dict.fromkeys(note for each in several for note in each.notes)),
    )


def warn_of(found: Listing) -> None:
    """Warn whoever calls the caller of what was left out of a listing, and of its notes, if there is any."""
    if found.left_out or found.notes:
        warnings.warn(found.summary(), SourceWarning, stacklevel=3)


def turned(shot: Shot, turn_deg: int) -> Shot:
    """Return a shot whose frame is turned clockwise, as `checked_turn` allows, intrinsics and all."""
    return replace(shot, read=partial(_read_turned, shot.read, turn_deg)) if turn_deg else shot


def checked_turn(turn_deg: object) -> int:
    """Check a turn: 0, 90, 180 or 270 degrees; InvalidInputError for another."""
    if is_number(turn_deg) and isinstance(turn_deg, (int, np.integer)) and turn_deg in TURNS_DEG:
        return int(turn_deg)
    message = f"turn_deg: expected {', '.join(map(str, TURNS_DEG))}, got {shown(turn_deg)}"
    raise InvalidInputError(message)


def checked_picture(picture: object) -> str | None:
    """Check a choice of picture, one of `MODALITIES` or None; InvalidInputError for another."""
    if picture is None:
        return None
    if isinstance(picture, str) and picture in MODALITIES:
        return MODALITIES[MODALITIES.index(picture)]
    message = f"picture: expected {' or '.join(MODALITIES)}, or None, got {shown(picture)}"
    raise InvalidInputError(message)


def check_on_damage(on_damage: object) -> None:
    """Refuse what is not one of `ON_DAMAGE`."""
    if not isinstance(on_damage, str) or on_damage not in ON_DAMAGE:
        message = f"on_damage: expected {' or '.join(ON_DAMAGE)}, got {shown(on_damage)}"
        raise InvalidInputError(message)


def _read_turned(read: Callable[[], Frame], turn_deg: int) -> Frame:
    return rotated(read(), -(turn_deg // 90))


class Frames:
    """An iterable of shots with their frames, which are read one by one.

    >>> frames = Frames(captures("faces"), on_damage="skip")  # doctest: +SKIP
    >>> for shot, frame in frames: ...  # doctest: +SKIP
    >>> len(frames.skipped)  # doctest: +SKIP

    Parameters
    ----------
    shots : the shots to read.
    on_damage : ``raise`` an error for a shot that cannot be read, or ``skip`` the shot.

    Attributes
    ----------
    skipped : list of SourceError
        The errors of the shots that the last pass has skipped; each message names the file.

    Raises
    ------
    InvalidInputError
        If ``on_damage`` is neither.
    SourceError
        While iterating, if a shot cannot be read and ``on_damage`` is ``raise``.
    """

    def __init__(self, shots: Sequence[Shot], *, on_damage: Literal["raise", "skip"] = "raise") -> None:
        check_on_damage(on_damage)
        self._shots = shots
        self._skips = on_damage == "skip"
        self.skipped: list[SourceError] = []

    def __iter__(self) -> Iterator[tuple[Shot, Frame]]:
        """Yield each shot with its frame."""
        self.skipped = []
        for shot in self._shots:
            try:
                frame = shot.read()
            except SourceError as error:
                if not self._skips:
                    raise
                self.skipped.append(error)
            else:
                yield shot, frame
