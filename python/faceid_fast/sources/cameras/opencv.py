"""Depth cameras with a driver in OpenCV: by OpenNI2 (Kinect, Xtion, Astra), and Orbbec's cameras."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from faceid_fast.checks import checked_flag, checked_integer, checked_number
from faceid_fast.errors import InvalidInputError, SourceError
from faceid_fast.frame import FOCAL_RANGE_PX, Frame, Intrinsics
from faceid_fast.timing import since_boot_s

from .base import (
    LIVE_TIMEOUT_S,
    MAX_INDEX,
    Source,
    blaming,
    checked_timeout,
    frame_of,
    polled,
    silent,
)

MILLIMETRE_M: Final = 0.001
_OPENNI_FOCAL_WIDTH_PX: Final = 640
"""Width of the pictures that OpenNI's focal length is for, whatever the picture's own width."""
_READING: Final = "unplug it and plug it in again"

Parts = dict[str, NDArray[Any]]


class _Captured(Source):
    """A depth camera behind `cv2.VideoCapture`: depth in millimetres, and a picture registered to it.

    Parameters
    ----------
    name : name for messages.
    opening : the back end, and the number of the camera among those of the back end.
    maps : flags of `retrieve` for depth, and for the picture.
    infrared : whether the picture is infrared; else it is colour, which OpenCV gives as BGR.
    focal_px : focal length in pixels, in place of the camera's own; None: the camera's own.
    timeout_s : longest time to wait for a frame.
    origin : kind of the camera; OpenCV tells no serial number.
    """

    def __init__(
        self,
        name: str,
        opening: tuple[int, int],
        maps: tuple[int, int],
        *,
        infrared: bool,
        focal_px: float | None,
        timeout_s: float,
        origin: str,
    ) -> None:
        self.name, self.origin = name, origin
        self._timeout_s = checked_timeout(timeout_s)
        picture = "infrared" if checked_flag("infrared", infrared) else "color"
        self._maps = dict(zip(("depth", picture), maps, strict=True))
        self._focal_px = (
            None if focal_px is None else checked_number("focal_px", focal_px, *FOCAL_RANGE_PX, "pixels")
        )
        self._held: Parts = {}
        self._came_s: dict[str, float] = {}
        """When each part that is held came: one may wait long for the other."""
        backend, index = opening
        checked_integer("index", index, 0, MAX_INDEX)
        with blaming(name, _READING):
            self._capture = cv2.VideoCapture(index, backend)
            opened = self._capture.isOpened()
        if not opened:
            there = cv2.videoio_registry.hasBackend(backend)
            message = (
                f"{name}: could not be opened: is camera {index} plugged in, and no other program using it?"
                if there
                else f"{name}: not usable: OpenCV was built without it, as the wheels are; build it with it"
            )
            raise SourceError(message)

    @abstractmethod
    def _intrinsics(self, height: int, width: int) -> Intrinsics:
        """Return the camera's intrinsics for pictures of a size; InvalidInputError if they are impossible."""

    def _read(self) -> Frame:
        with blaming(self.name, _READING):
            pair = polled(self._pair, self._timeout_s)
        if pair is None:
            raise silent(self.name, self._timeout_s, _READING)
        parts, at_s = pair
        if "color" in parts:
            parts["color"] = parts["color"][..., ::-1]
        height, width = parts["depth"].shape[:2]
        try:
            if self._focal_px is None:
                camera = self._intrinsics(height, width)
            else:
                camera = _centred(self._focal_px, height, width)
        except InvalidInputError as error:
            message = f"{self.name}: does not say what its lens is like ({error}): give focal_px"
            raise SourceError(message) from error
        frame = frame_of(self.name, depth_unit_m=MILLIMETRE_M, intrinsics=camera, **parts)
        return self._stamped(frame, at_s)

    def _pair(self) -> tuple[Parts, float] | None:
        """Return depth and a picture, both new, and when the older came; None while one is missing."""
        if not self._capture.grab():
            return None
        for part, flag in self._maps.items():
            came, samples = self._capture.retrieve(flag=flag)
            if came:
                self._held[part], self._came_s[part] = samples, since_boot_s()
        if len(self._held) < len(self._maps):
            return None
        pair, self._held = self._held, {}
        return pair, min(self._came_s.values())

    def _release(self) -> None:
        self._capture.release()


class OpenNI2(_Captured):
    """A camera with a driver for OpenNI2: Kinect v1 and v2, Xtion, Astra.

    OpenCV must be built with OpenNI2; its wheels are not. The camera registers depth to colour; to infrared
    it is registered already. The principal point is assumed at the centre of the picture.

    Parameters
    ----------
    index : int
        Number of the camera.
    infrared : bool
        Whether to use the infrared picture instead of colour.
    focal_px : float, optional
        Focal length of the picture in pixels, if you know a better one: the driver's is that of the depth
        camera, even if depth is registered to colour.
    timeout_s : float
        Longest time to wait for a frame.

    Raises
    ------
    SourceError
        If there is no such camera, or it cannot register depth to colour.
    InvalidInputError
        If an argument is not usable.
    """

    def __init__(
        self,
        *,
        index: int = 0,
        infrared: bool = False,
        focal_px: float | None = None,
        timeout_s: float = LIVE_TIMEOUT_S,
    ) -> None:
        picture = cv2.CAP_OPENNI_IR_IMAGE if infrared else cv2.CAP_OPENNI_BGR_IMAGE
        super().__init__(
            "OpenNI2",
            (cv2.CAP_OPENNI2, index),
            (cv2.CAP_OPENNI_DEPTH_MAP, picture),
            infrared=infrared,
            focal_px=focal_px,
            timeout_s=timeout_s,
            origin="openni2",
        )
        wanted = 0.0 if infrared else 1.0
        if not self._capture.set(cv2.CAP_OPENNI_DEPTH_GENERATOR_REGISTRATION, wanted) and not infrared:
            self.close()
            message = f"{self.name}: this camera cannot register depth to colour: infrared=True"
            raise SourceError(message)

    def _intrinsics(self, height: int, width: int) -> Intrinsics:
        focal_px = self._capture.get(cv2.CAP_OPENNI_DEPTH_GENERATOR_FOCAL_LENGTH)
        return _centred(focal_px * width / _OPENNI_FOCAL_WIDTH_PX, height, width)


class Obsensor(_Captured):
    """A camera of Orbbec (Gemini, Femto, Astra 2), by the back end in OpenCV's wheels.

    It gives colour with depth aligned to it. Depth and colour arrive separately; a frame is made when both
    are new.

    Parameters
    ----------
    index : int
        Number of the camera.
    focal_px : float, optional
        Focal length of the picture in pixels, for a camera that does not report one.
    timeout_s : float
        Longest time to wait for a frame.

    Raises
    ------
    SourceError
        If there is no such camera.
    InvalidInputError
        If an argument is not usable.
    """

    def __init__(
        self, *, index: int = 0, focal_px: float | None = None, timeout_s: float = LIVE_TIMEOUT_S
    ) -> None:
        self._last: Parts = {}
        super().__init__(
            "Orbbec",
            (cv2.CAP_OBSENSOR, index),
            (cv2.CAP_OBSENSOR_DEPTH_MAP, cv2.CAP_OBSENSOR_BGR_IMAGE),
            infrared=False,
            focal_px=focal_px,
            timeout_s=timeout_s,
            origin="obsensor",
        )

    def _pair(self) -> tuple[Parts, float] | None:
        """Drop pairs that the back end returns again while it waits for new ones."""
        pair = super()._pair()
        if pair is None:
            return None
        parts, at_s = pair
        if self._last and all(np.array_equal(parts[part], self._last[part]) for part in parts):
            return None
        self._last = dict(parts)
        return parts, at_s

    def _intrinsics(self, height: int, width: int) -> Intrinsics:  # noqa: ARG002  # the camera's values are for its own size
        names = ("FX", "FY", "CX", "CY")
        keys = [getattr(cv2, f"CAP_PROP_OBSENSOR_INTRINSIC_{name}") for name in names]
        return Intrinsics(*(self._capture.get(key) for key in keys))


def _centred(focal_px: float, height: int, width: int) -> Intrinsics:
    return Intrinsics(focal_px, focal_px, (width - 1) / 2, (height - 1) / 2)
