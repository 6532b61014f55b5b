"""What every camera shares: frames one after the other, and errors that say what to do.

A camera's library is imported when the camera is opened; each comes with an extra of this package.
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
from faceid_fast.frame import Frame, Intrinsics

LIVE_TIMEOUT_S: Final = 5.0
"""How long a camera may take for a frame; the first one takes longest."""
MAX_INDEX: Final = 99
"""Cameras of one kind on one computer."""
MAX_FPS: Final = 1000
_POLL_S: Final = 0.002

_Given = TypeVar("_Given")


class Source(ABC, Iterator[Frame]):
    """Frames, one after the other, until there are no more or `close` is called.

    A subclass says how to read the next frame and how to let go of the device. What a camera's library
    raises comes out as a `SourceError` that says what to do.

    Attributes
    ----------
    name : for people.
    live : whether frames that nobody fetched in time are lost, as those of a camera are; files wait.
    """

    name: str
    live: bool = True
    _closed: bool = False

    @abstractmethod
    def _read(self) -> Frame | None:
        """Wait for the next frame; None: there are no more."""

    @abstractmethod
    def _release(self) -> None:
        """Let go of the device or the files; called once."""

    def __next__(self) -> Frame:
        """Wait for the next frame.

        Raises
        ------
        SourceError
            If there is none in time, it is not usable, or the source is closed.
        """
        if self._closed:
            message = f"{self.name}: closed; open it again"
            raise SourceError(message)
        frame = self._read()
        if frame is None:
            raise StopIteration
        return frame

    def close(self) -> None:
        """Let go of it; closing again does nothing."""
        if not self._closed:
            self._closed = True
            self._release()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Close; what goes wrong then does not hide what went wrong before."""
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
"""What keeps a library from reporting to its maker; each looks for it when it is imported."""


def library(module: str, extra: str) -> ModuleType:
    """Import a camera's library; what it would report to its maker is switched off, unless it was set.

    Raises
    ------
    SourceError
        If it is not installed, or lacks something that it needs; names the extra of this package.
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


@contextmanager
def blaming(name: str, advice: str) -> Iterator[None]:
    """Turn what a camera's library raises, of whatever type, into a `SourceError` with advice."""
    try:
        yield
    except FaceIDError:
        raise
    except Exception as error:
        message = f"{name}: {_line(error)}: {advice}"
        raise SourceError(message) from error


def lens_of(name: str, fx: float, fy: float, cx: float, cy: float) -> Intrinsics:
    """Make intrinsics of what a camera says.

    Raises
    ------
    SourceError
        If no lens is like that.
    """
    try:
        return Intrinsics(fx, fy, cx, cy)
    except InvalidInputError as error:
        message = f"{name}: does not say what its lens is like: {error}"
        raise SourceError(message) from error


def frame_of(name: str, **parts: Any) -> Frame:
    """Make a frame of what a camera gave.

    Raises
    ------
    SourceError
        If no frame can be made of it.
    """
    try:
        return Frame(**parts)
    except InvalidInputError as error:
        message = f"{name}: gave no usable frame: {error}"
        raise SourceError(message) from error


def polled(fetch: Callable[[], _Given | None], timeout_s: float) -> _Given | None:
    """Ask again and again until there is something; None if there is nothing in time."""
    until = time.monotonic() + timeout_s
    while (given := fetch()) is None:
        if time.monotonic() >= until:
            return None
        time.sleep(_POLL_S)
    return given


def silent(name: str, timeout_s: float, advice: str) -> SourceError:
    """What to raise where no frame came in time."""
    return SourceError(f"{name}: no frame for {timeout_s:g} s: {advice}")


def checked_timeout(timeout_s: object) -> float:
    """Return a time to wait in seconds; InvalidInputError if it is none."""
    return checked_number("timeout_s", timeout_s, 0.001, 3600.0, "seconds")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
