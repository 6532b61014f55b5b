"""The base class of all sources, and functions that cameras share: loading a library, errors with advice.

A camera's library is imported when the camera is opened. Extras of this package install the libraries.
"""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from types import ModuleType
from typing import Any, Final, Self, TypeVar

from faceid_fast.checks import checked_number
from faceid_fast.errors import FaceIDError, InvalidInputError, SourceError
from faceid_fast.frame import MAX_SOURCE_CHARS, Capture, Frame, Intrinsics, captured
from faceid_fast.timing import since_boot_s

LIVE_TIMEOUT_S: Final = 5.0
"""Longest time to wait for a frame, by default; the first one takes longest."""
MAX_INDEX: Final = 99
"""Highest number of a camera among those of one kind on a computer."""
MAX_FPS: Final = 1000
_POLL_S: Final = 0.002

_Given = TypeVar("_Given")


class Source(ABC, Iterator[Frame]):
    """An iterator over frames, until there are no more or `close` is called.

    A subclass implements reading the next frame and releasing the device. Exceptions of a camera's library
    become a `SourceError` with advice.

    Frames of a camera say which one captured them, and when (`Frame.capture`). Those of files never do.

    Attributes
    ----------
    name : name for messages.
    live : True for a camera, whose frames are lost if they are not read in time; False for files.
    origin : kind and serial number of a camera, for instance ``"realsense:0123456789"``, its kind alone if
        there is no number; None for files, and for a camera that does not say.
    interruptions : number of times that the camera was away, after which others may stand before it.
    """

    name: str
    live: bool = True
    origin: str | None = None
    interruptions: int = 0
    _closed: bool = False

    @abstractmethod
    def _read(self) -> Frame | None:
        """Wait for the next frame and return it; None if there are no more."""

    @abstractmethod
    def _release(self) -> None:
        """Release the device or the files; called once."""

    def __next__(self) -> Frame:
        """Wait for the next frame and return it.

        Raises
        ------
        SourceError
            If no frame comes in time, the frame is not usable, or the source is closed.
        """
        if self._closed:
            message = f"{self.name}: closed; open it again"
            raise SourceError(message)
        frame = self._read()
        if frame is None:
            raise StopIteration
        # What passes a frame on must not make it younger than it was when its camera gave it.
        return frame if frame.capture is not None else self._stamped(frame, since_boot_s())

    def _stamped(self, frame: Frame, at_s: float) -> Frame:
        """Return a frame of a camera with its capture; a frame of files as it is.

        A subclass calls it if it knows better than `__next__` when the frame came.
        """
        if not self.live or self.origin is None:
            return frame
        return captured(frame, Capture(self.origin, at_s))

    def close(self) -> None:
        """Close the source; closing again does nothing."""
        if not self._closed:
            self._closed = True
            self._release()

    def interrupt(self) -> None:
        """End a wait of another thread that reads, so that the source can be closed.

        By default nothing is done: a camera's own wait ends by itself, after its `timeout_s`.
        """

    def __enter__(self) -> Self:
        """Return the source."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Close the source; an error of closing does not hide an earlier exception."""
        if kind is None:
            self.close()
        else:
            with suppress(SourceError):
                self.close()


_QUIET: Final = {
    "depthai": {
        "DEPTHAI_TELEMETRY": "0",
        "DEPTHAI_DISABLE_STARTUP_NOTIFICATIONS": "1",
        "DEPTHAI_DISABLE_FEEDBACK": "1",
        "DEPTHAI_DISABLE_CRASHDUMP_COLLECTION": "1",
    },
    "pyrealsense2": {"RS2_RUM_CLOUD_ENABLED": "0"},
}
"""Environment variables that keep a library from reporting to its maker; it reads them at its import."""


def library(module: str, extra: str) -> ModuleType:
    """Import a camera's library, with its reports to the maker switched off, unless the user has set them.

    Raises
    ------
    SourceError
        If it is not installed, or lacks something that it needs; the message names this package's extra.
    """
    for name, value in _QUIET.get(module, {}).items():
        os.environ.setdefault(name, value)
    try:
        return import_module(module)
    except ImportError as error:
        message = (
            f"{module}: not usable ({_line(error)}): pip install 'faceid-fast[{extra}]', "
            "and see what else it needs on this system"
        )
        raise SourceError(message) from error


def origin_of(kind: str, serial: object) -> str:
    """Name a camera by its kind and serial number; by its kind alone if there is none that can be shown."""
    origin = f"{kind}:{serial}"
    shows = isinstance(serial, str) and serial.isprintable() and len(origin) <= MAX_SOURCE_CHARS
    return origin if serial and shows else kind


def came_s(waited_s: float) -> float:
    """Return when a frame came that waited in a camera's library, by `since_boot_s`.

    Parameters
    ----------
    waited_s : seconds until now, by a clock of the library; if that clock was set back, they may be negative,
        and count as none: no frame is younger than the moment at which it is read.
    """
    return max(since_boot_s() - max(waited_s, 0.0), 0.0)


@contextmanager
def blaming(name: str, advice: str) -> Iterator[None]:
    """Turn any exception of a camera's library into a `SourceError` with advice."""
    try:
        yield
    except FaceIDError:
        raise
    except Exception as error:
        message = f"{name}: {_line(error)}: {advice}"
        raise SourceError(message) from error


def lens_of(name: str, fx: float, fy: float, cx: float, cy: float) -> Intrinsics:
    """Make intrinsics from a camera's values.

    Raises
    ------
    SourceError
        If the values are not possible.
    """
    try:
        return Intrinsics(fx, fy, cx, cy)
    except InvalidInputError as error:
        message = f"{name}: does not say what its lens is like: {error}"
        raise SourceError(message) from error


def frame_of(name: str, **parts: Any) -> Frame:
    """Make a frame from a camera's data; `parts` are the arguments of `Frame`.

    Raises
    ------
    SourceError
        If no frame can be made of the data.
    """
    try:
        return Frame(**parts)
    except InvalidInputError as error:
        message = f"{name}: gave no usable frame: {error}"
        raise SourceError(message) from error


def polled(fetch: Callable[[], _Given | None], timeout_s: float) -> _Given | None:
    """Call `fetch` repeatedly until it returns something; return that, or None after `timeout_s`."""
    until = time.monotonic() + timeout_s
    while (given := fetch()) is None:
        if time.monotonic() >= until:
            return None
        time.sleep(_POLL_S)
    return given


def silent(name: str, timeout_s: float, advice: str) -> SourceError:
    """Make the error for a camera that gave no frame in time."""
    return SourceError(f"{name}: no frame for {timeout_s:g} s: {advice}")


def checked_timeout(timeout_s: object) -> float:
    """Check a time to wait, 0.001 to 3600 seconds, and return it; InvalidInputError for another value."""
    return checked_number("timeout_s", timeout_s, 0.001, 3600.0, "seconds")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
