"""A camera that is opened again when it drops out: a loose plug, a driver that hangs, a phone asleep."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from faceid_fast.checks import checked_number
from faceid_fast.errors import InvalidInputError, SourceError
from faceid_fast.frame import Frame

from .base import Source

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
"""Long enough that a driver or a USB hub can start anew, short enough to wait for at a door."""
STEADY_S: Final = 10.0
"""A camera that has given frames for so long is well again: its next pause is the first one."""
_SLICE_S: Final = 0.5
"""Time between two questions whether to go on waiting."""
_LOG: Final = logging.getLogger(__name__)


class Reopening(Source):
    """A source that opens its camera again when reading fails, after pauses that grow.

    While the camera is away there are no frames. What fails before the first frame of all is raised: that is
    a wrong setting, and no loose plug. So is what a source raises that is not live, such as a recording.

    Parameters
    ----------
    opening : callable
        Opens the camera; called at once, and again each time that it dropped out.
    told : callable
        Gets one line (str) when the camera is lost, and one when it is back; by default the log gets them, as
        a warning. Called in the thread that reads.
    goes_on : callable
        Asked at least once a second while the camera is away. If it returns False, the error with which the
        camera was lost is raised; if it raises an error, that one.
    first_pause_s, longest_pause_s : float
        Seconds before the first attempt to open it again, and the longest pause; each pause is twice as long
        as the one before. 0.001 to 3600.

    Attributes
    ----------
    interruptions : number of times that the camera was away and is back.
    origin : of the camera that was opened last.

    Raises
    ------
    SourceError
        If the camera cannot be opened at first.
    InvalidInputError
        If an argument is not usable.
    """

    def __init__(
        self,
        opening: Callable[[], Source],
        *,
        told: Callable[[str], None] = _LOG.warning,
        goes_on: Callable[[], bool] = lambda: True,
        first_pause_s: float = FIRST_PAUSE_S,
        longest_pause_s: float = LONGEST_PAUSE_S,
    ) -> None:
        for name, call in (("opening", opening), ("told", told), ("goes_on", goes_on)):
            if not callable(call):
                message = f"{name}: expected a function, got {type(call).__name__}"
                raise InvalidInputError(message)
        self._first_pause_s = checked_number("first_pause_s", first_pause_s, 0.001, 3600.0, "seconds")
        self._longest_pause_s = checked_number("longest_pause_s", longest_pause_s, 0.001, 3600.0, "seconds")
        self._opening, self._told, self._goes_on = opening, told, goes_on
        self._ended = threading.Event()
        self._changing = threading.Lock()
        self._pause_s = self._first_pause_s
        self._steady_at = 0.0
        self._gave_frames = False
        self._source: Source | None = _checked(opening())
        self.name, self.live, self.origin = self._source.name, self._source.live, self._source.origin
        self.interruptions = 0

    def _read(self) -> Frame | None:
        source = self._source
        if source is None or self._ended.is_set():
            return None
        try:
            frame = next(source, None)
        except SourceError as error:
            if self._ended.is_set():
                return None
            if not self.live or not self._gave_frames:
                raise
            return self._return(error)
        self._gave_frames = True
        if self._pause_s > self._first_pause_s and time.monotonic() >= self._steady_at:
            self._pause_s = self._first_pause_s
        return frame

    def _return(self, lost: SourceError) -> Frame | None:
        """Wait until the camera gives frames again, and return the first; None if the frames are to end."""
        since = time.monotonic()
        self._told(f"{lost}: opening it again until it answers")
        frame: Frame | None = None
        while frame is None:
            self._put_down()
            if not self._waited():
                if self._ended.is_set():
                    return None
                raise lost
            with suppress(SourceError):  # it has been said that the camera is away
                frame = self._first_frame()
        self.interruptions += 1
        self._steady_at = time.monotonic() + STEADY_S
        self._told(f"{self.name}: back after {time.monotonic() - since:.0f} s")
        return frame

    def _waited(self) -> bool:
        """Wait for a pause, and make the next one longer; False if the camera is not to be opened again."""
        until = time.monotonic() + self._pause_s
        self._pause_s = min(2.0 * self._pause_s, max(self._longest_pause_s, self._first_pause_s))
        while (left_s := until - time.monotonic()) > 0:
            if self._ended.wait(min(left_s, _SLICE_S)) or not self._goes_on():
                return False
        return self._goes_on() and not self._ended.is_set()

    def _first_frame(self) -> Frame | None:
        """Open the camera and read a frame: one that opens and gives none is not back."""
        opened = _checked(self._opening())
        with self._changing:
            kept = not self._ended.is_set()
            if kept:
                self._source = opened
                self.origin = opened.origin  # it may be another camera
        if not kept:  # closed while the camera was being opened, which takes seconds
            opened.close()
            return None
        return next(opened, None)

    def _put_down(self) -> None:
        """Close the camera that dropped out; that it cannot be closed properly says nothing new."""
        with self._changing:
            source, self._source = self._source, None
        if source is not None:
            with suppress(SourceError):
                source.close()

    def interrupt(self) -> None:
        """End the frames; a wait for the camera ends at once."""
        self._ended.set()
        source = self._source
        if source is not None:
            source.interrupt()

    def _release(self) -> None:
        self._ended.set()
        with self._changing:
            source, self._source = self._source, None
        if source is not None:
            source.close()


def _checked(opened: object) -> Source:
    if isinstance(opened, Source):
        return opened
    message = (
        f"opening: expected a function that returns a Source, got one that returns {type(opened).__name__}"
    )
    raise InvalidInputError(message)
