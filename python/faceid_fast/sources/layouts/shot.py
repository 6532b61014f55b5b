"""Shots: frames in files that are listed, but not read yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from faceid_fast.errors import InvalidInputError, SourceError
from faceid_fast.frame import Frame

ON_DAMAGE: Final = ("raise", "skip")


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
        if not isinstance(on_damage, str) or on_damage not in ON_DAMAGE:
            got = ascii(on_damage)[:40] if isinstance(on_damage, str) else type(on_damage).__name__
            message = f"on_damage: expected {' or '.join(ON_DAMAGE)}, got {got}"
            raise InvalidInputError(message)
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
