"""TrueDepth and LiDAR cameras of an iPhone or iPad, streamed over USB by the app Record3D."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from faceid_fast.checks import checked_integer
from faceid_fast.errors import InvalidInputError, SourceError
from faceid_fast.frame import Frame, Intrinsics
from faceid_fast.sources.orientation import mirrored, rotated
from faceid_fast.timing import since_boot_s

from .base import (
    LIVE_TIMEOUT_S,
    MAX_INDEX,
    Source,
    blaming,
    checked_timeout,
    frame_of,
    lens_of,
    library,
    origin_of,
    silent,
)

TURNS_DEG: Final = (0, 90, 180, 270)
CONFIDENCES: Final = (0, 1, 2)
"""Confidence of a depth value: low, medium and high."""
_TRUE_DEPTH: Final = 0
_METRE_M: Final = 1.0
_OPENING: Final = (
    "connect the phone by USB, trust this computer, choose USB streaming in Record3D and press its red button"
)


@dataclass(frozen=True, slots=True, eq=False)
class _Given:
    """The data that the app sent for one frame."""

    depth: NDArray[np.float32]
    color: NDArray[np.uint8]
    confidence: NDArray[np.uint8]
    intrinsics: Intrinsics
    mirrored: bool
    at_s: float
    """When it came; it waits until it is read, and the phone may fall asleep meanwhile."""


class Record3D(Source):
    """An iPhone or iPad with Record3D: depth in metres, and colour reduced to the size of depth.

    The front camera's frames arrive mirrored, and are mirrored back. Frames are upright if the phone is; for
    a phone on its side give `turn_deg`. Frames that are not read in time are lost.

    Parameters
    ----------
    index : int
        Number of the device among those connected.
    turn_deg : 0, 90, 180 or 270
        Clockwise rotation that makes heads upright.
    least_confidence : 0, 1 or 2
        LiDAR depth of a lower confidence counts as missing (TrueDepth reports none): 0 accepts all depth, 2
        only depth of high confidence.
    timeout_s : float
        Longest time to wait for a frame.

    Raises
    ------
    SourceError
        If there is no such device, or it does not stream.
    InvalidInputError
        If an argument is not usable.
    """

    def __init__(
        self,
        *,
        index: int = 0,
        turn_deg: int = 0,
        least_confidence: int = 1,
        timeout_s: float = LIVE_TIMEOUT_S,
    ) -> None:
        self.name = "Record3D"
        self._timeout_s = checked_timeout(timeout_s)
        checked_integer("index", index, 0, MAX_INDEX)
        for name, value, known in (
            ("turn_deg", turn_deg, TURNS_DEG),
            ("least_confidence", least_confidence, CONFIDENCES),
        ):
            if value not in known:
                message = f"{name}: expected {', '.join(map(str, known))}, got {value!r:.40}"
                raise InvalidInputError(message)
        self._turns = turn_deg // 90
        self._least_confidence = least_confidence
        self._changed = threading.Condition()
        self._given: _Given | None = None
        self._error: Exception | None = None
        self._stopped = False
        stream = library("record3d", "record3d").Record3DStream
        with blaming(self.name, _OPENING):
            devices = stream.get_connected_devices()
        if index >= len(devices):
            message = f"{self.name}: no device {index} of {len(devices)}: {_OPENING}"
            raise SourceError(message)
        with blaming(self.name, _OPENING):
            self.origin = origin_of("record3d", devices[index].udid)
            self._session = stream()
            self._session.on_new_frame = self._take
            self._session.on_stream_stopped = self._stop
            connected = self._session.connect(devices[index])
        if not connected:
            message = f"{self.name}: the device does not stream: {_OPENING}"
            raise SourceError(message)

    def _take(self) -> None:
        """Copy a frame; called by the library's own thread, which reuses its memory after this returns."""
        at_s = since_boot_s()
        session = self._session
        given, failed = None, None
        try:
            lens = session.get_intrinsic_mat()
            given = _Given(
                depth=np.array(session.get_depth_frame()),
                color=np.array(session.get_rgb_frame()),
                confidence=np.array(session.get_confidence_frame()),
                intrinsics=lens_of(self.name, lens.fx, lens.fy, lens.tx, lens.ty),
                mirrored=session.get_device_type() == _TRUE_DEPTH,
                at_s=at_s,
            )
        except Exception as error:  # noqa: BLE001  # in that thread it would end the program
            failed = error
        with self._changed:
            self._given, self._error = given, failed
            self._changed.notify()

    def _stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def _read(self) -> Frame:
        with self._changed:
            self._changed.wait_for(lambda: self._given or self._error or self._stopped, self._timeout_s)
            given, self._given = self._given, None
            failed, self._error = self._error, None
            stopped = self._stopped
        with blaming(self.name, _OPENING):
            if failed is not None:
                raise failed
        if given is not None:
            return self._frame(given)
        if stopped:
            message = f"{self.name}: the device has stopped streaming: {_OPENING}"
            raise SourceError(message)
        raise silent(self.name, self._timeout_s, _OPENING)

    def _frame(self, given: _Given) -> Frame:
        depth, color, camera = given.depth, given.color, given.intrinsics
        if depth.ndim != 2 or color.ndim != 3 or not depth.size or not color.size:
            message = f"{self.name}: gave no usable frame: depth {depth.shape}, colour {color.shape}"
            raise SourceError(message)
        if color.shape[:2] != depth.shape:
            color, camera = _shrunk(self.name, color, camera, depth.shape)
        if given.confidence.shape == depth.shape:
            depth = np.where(given.confidence < self._least_confidence, np.float32(np.nan), depth)
        frame = frame_of(self.name, depth=depth, depth_unit_m=_METRE_M, color=color, intrinsics=camera)
        upright = rotated(mirrored(frame) if given.mirrored else frame, -self._turns)
        return self._stamped(upright, given.at_s)

    def _release(self) -> None:
        if not self._stopped:
            with blaming(self.name, _OPENING):
                self._session.disconnect()


def _shrunk(
    name: str, color: NDArray[Any], camera: Intrinsics, size: tuple[int, int]
) -> tuple[NDArray[Any], Intrinsics]:
    """Reduce a picture and its intrinsics to the size of its depth, (height, width)."""
    down, across = size[0] / color.shape[0], size[1] / color.shape[1]
    if not abs(down - across) * max(size) < 1.0:
        message = f"{name}: expected depth in the proportions of colour, got {size} and {color.shape[:2]}"
        raise SourceError(message)
    # The centre of a pixel is half a pixel from its corner, at either size.
    center = (camera.cx + 0.5) * across - 0.5, (camera.cy + 0.5) * down - 0.5
    smaller = cv2.resize(color, (size[1], size[0]), interpolation=cv2.INTER_AREA)
    return smaller, Intrinsics(camera.fx * across, camera.fy * down, *center)
