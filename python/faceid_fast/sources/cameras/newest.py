"""The newest frame of a camera: a reader that is slower than the camera skips old frames."""

from __future__ import annotations

import threading
from typing import Final

from faceid_fast.frame import Frame

from .base import Source

_JOIN_S: Final = 10.0


class Newest(Source):
    """A source that gives the newest frame of a camera.

    A thread reads the camera and keeps only the newest frame, which says when it was captured, however long
    it is kept. Sources that are not live are read one by one.

    Parameters
    ----------
    source : the source; it is closed with this one.

    Attributes
    ----------
    dropped : number of frames so far that were replaced by newer ones.
    """

    def __init__(self, source: Source) -> None:
        self.name = source.name
        self.live = source.live
        self.origin = source.origin
        self.dropped = 0
        self.interruptions = 0
        self._source = source
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._given_by = (source.interruptions, source.origin)
        """Of the source, when it gave the frame that is kept."""
        self._error: BaseException | None = None
        self._over = False
        self._thread: threading.Thread | None = None
        if source.live:
            self._thread = threading.Thread(
                target=self._keep_reading, name=f"{source.name} frames", daemon=True
            )
            self._thread.start()

    def _keep_reading(self) -> None:
        try:
            while not self._over:
                frame = next(self._source, None)
                with self._changed:
                    self.dropped += self._frame is not None and frame is not None
                    self._frame = frame or self._frame
                    self._given_by = (self._source.interruptions, self._source.origin)
                    self._over |= frame is None
                    self._changed.notify()
        except BaseException as error:  # noqa: BLE001  # raised again in the reader's thread
            with self._changed:
                self._error, self._over = error, True
                self._changed.notify()

    def _read(self) -> Frame | None:
        if self._thread is None:
            frame = next(self._source, None)
            self.interruptions, self.origin = self._source.interruptions, self._source.origin
            return frame
        with self._changed:
            self._changed.wait_for(lambda: self._frame is not None or self._over)
            frame, self._frame = self._frame, None
            self.interruptions, self.origin = self._given_by
            if frame is None and self._error is not None:
                raise self._error
        return frame

    def interrupt(self) -> None:
        """End the frames: a reader in another thread need not wait for the camera."""
        with self._changed:
            self._over = True
            self._changed.notify_all()
        self._source.interrupt()

    def _release(self) -> None:
        self.interrupt()
        if self._thread is not None:
            self._thread.join(_JOIN_S)  # a camera must not be closed while it is read
        self._source.close()
