"""The options that say how frames in files are read, and what the verbs that read them have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from faceid_fast.errors import InvalidInputError, SourceError
from faceid_fast.frame import MAX_FRAMES, Frame, within_budget
from faceid_fast.printable import printable
from faceid_fast.sources.layouts.shot import MOST_NAMED, Frames, Listing, Shot
from faceid_fast.sources.recognized import listing_at

from .output import stepped

if TYPE_CHECKING:
    from rich.console import Console

READING: Final = "Reading files"
"""Heading of these options."""


class Picture(StrEnum):
    """Which picture of a frame to take; ``auto``: the one there is, colour if there are both."""

    AUTO = "auto"
    INFRARED = "infrared"
    COLOR = "color"

    @property
    def chosen(self) -> str | None:
        """The argument of the functions that read frames."""
        return None if self is Picture.AUTO else str(self)


class Turn(StrEnum):
    """Clockwise rotation, in degrees, that makes heads upright."""

    NONE = "0"
    RIGHT = "90"
    HALF = "180"
    LEFT = "270"

    @property
    def deg(self) -> int:
        """The number."""
        return int(self)


PictureOption = Annotated[
    Picture,
    typer.Option(
        help="Picture to take where a frame has two; auto: colour. What a file is, its name says.",
        rich_help_panel=READING,
    ),
]
TurnOption = Annotated[
    Turn,
    typer.Option(
        help="Degrees by which to turn frames clockwise, so that heads are upright.", rich_help_panel=READING
    ),
]
SkipOption = Annotated[
    bool,
    typer.Option(
        "--skip-unreadable",
        help="Leave out frames that cannot be read, and name them; else one ends the verb.",
        rich_help_panel=READING,
    ),
]


@dataclass(frozen=True, slots=True)
class Reading:
    """How frames are read, and what was left out of them.

    Attributes
    ----------
    picture, turn, skip : as the options have it.
    left_out : files of frames that were left out so far, each with the reason.
    """

    picture: Picture = Picture.AUTO
    turn: Turn = Turn.NONE
    skip: bool = False
    left_out: list[str] = field(default_factory=list)

    @property
    def words(self) -> list[str]:
        """The options as they are typed, without those that were not given."""
        words = [] if self.picture is Picture.AUTO else ["--picture", str(self.picture)]
        words += [] if self.turn is Turn.NONE else ["--turn", str(self.turn)]
        return [*words, *(["--skip-unreadable"] if self.skip else [])]

    def note(self, found: Listing) -> Sequence[Shot]:
        """Say on standard error what was left out of a listing, and return its frames."""
        for note in found.notes:
            _say(f"note: {note}")
        self.leave_out(found.left_out)
        return found.shots

    def leave_out(self, names: Sequence[str]) -> None:
        """Say on standard error which files are left out, and remember them."""
        self.left_out.extend(names)
        for name in names[:MOST_NAMED]:
            _say(f"left out: {name}")
        if (more := len(names) - MOST_NAMED) > 0:
            _say(f"left out: {more} more")

    @property
    def unreadable(self) -> Callable[[SourceError], None] | None:
        """What is to be called with the error of a frame that cannot be read; None if that ends the verb."""
        return (lambda error: self.leave_out([str(error)])) if self.skip else None

    def shots_at(self, source: Path) -> Sequence[Shot]:
        """List the frames at a path, and say what was left out; SourceError if there is none."""
        return self.note(listing_at(source, picture=self.picture.chosen, turn_deg=self.turn.deg))

    def each(self, shots: Sequence[Shot]) -> Iterator[tuple[Shot, Frame]]:
        """Read frames one by one; SourceError if one cannot be read, and is not to be skipped."""
        read = Frames(shots, on_damage="skip" if self.skip else "raise")
        yield from read
        self.leave_out(list(map(str, read.skipped)))

    def frames_at(self, source: Path, screen: Console) -> list[tuple[str, Frame]]:
        """Read the frames at a path for one attempt or enrolment; returns each with its label.

        Raises
        ------
        SourceError
            If there are no frames, or one cannot be read and is not to be skipped.
        InvalidInputError
            If there are more than one call takes; then the rest is not read.
        """
        shots = self.shots_at(source)
        if len(shots) > MAX_FRAMES:
            message = (
                f"{source}: expected at most {MAX_FRAMES} frames for one attempt, got {len(shots)}: "
                "choose a few, of one time"
            )
            raise InvalidInputError(message)
        labels: list[str] = []
        with stepped(screen, "reading frames", len(shots)) as step:

            def read() -> Iterator[Frame]:
                for shot, frame in self.each(shots):
                    labels.append(shot.label)
                    yield frame
                    step()

            frames = list(within_budget(read()))
        if not frames:
            message = f"{source}: expected a frame that can be read, got none"
            raise SourceError(message)
        return list(zip(labels, frames, strict=True))


def modality_of(frames: Sequence[tuple[str, Frame]]) -> str:
    """Name the kind of picture of frames that were read; both if they differ."""
    return " and ".join(sorted({frame.modality for _, frame in frames}))


def _say(line: str) -> None:
    typer.echo(printable(line), err=True)
