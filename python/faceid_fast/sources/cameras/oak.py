"""OAK cameras of Luxonis, with a colour camera and a stereo pair, by DepthAI 3."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any, Final

from faceid_fast.checks import checked_integer
from faceid_fast.errors import SourceError
from faceid_fast.frame import MAX_SIDE_PX, MIN_SIDE_PX, Frame

from .base import (
    LIVE_TIMEOUT_S,
    MAX_FPS,
    Source,
    blaming,
    came_s,
    checked_timeout,
    frame_of,
    lens_of,
    library,
    origin_of,
    polled,
    silent,
)

_MAJOR: Final = 3
_STEREO_SIZE: Final = (640, 400)
_MILLIMETRE_M: Final = 0.001
_OPENING: Final = "is an OAK plugged in (USB 3), and no other program using it?"
_READING: Final = "unplug it and plug it in again"


class Oak(Source):
    """An OAK camera: undistorted colour, with stereo depth of the same moment aligned to it.

    With a baseline of 75 mm, extended disparity reduces the nearest distance from about 0.35 to 0.2 m, and
    subpixel disparity the steps of depth at 0.5 m from about 7 to 1 mm. Intrinsics are those of the device's
    calibration, for the picture as it was resized.

    Parameters
    ----------
    width, height, fps : int
        Of the colour picture.
    device : str, optional
        Name, IP address or MXID of the camera. Without it only cameras at a USB port are looked for, unless
        the environment variable DEPTHAI_PROTOCOL says otherwise.
    timeout_s : float
        Longest time to wait for a frame.

    Raises
    ------
    SourceError
        If there is no such camera, or the library is not DepthAI 3.
    InvalidInputError
        If an argument is not usable.
    """

    def __init__(
        self,
        *,
        width: int = 640,
        height: int = 480,
        fps: int = 30,
        device: str | None = None,
        timeout_s: float = LIVE_TIMEOUT_S,
    ) -> None:
        self.name = "OAK"
        self._timeout_s = checked_timeout(timeout_s)
        checked_integer("width", width, MIN_SIDE_PX, MAX_SIDE_PX)
        checked_integer("height", height, MIN_SIDE_PX, MAX_SIDE_PX)
        checked_integer("fps", fps, 1, MAX_FPS)
        if device is None:
            # A camera in the network must be given by name or address: a search would broadcast to
            # everybody there, and trust whoever answers.
            os.environ.setdefault("DEPTHAI_PROTOCOL", "usb")
        dai = library("depthai", "oak")
        if int(str(dai.__version__).partition(".")[0]) < _MAJOR:
            message = (
                f"depthai: expected version {_MAJOR}, got {dai.__version__}: pip install 'faceid-fast[oak]'"
            )
            raise SourceError(message)
        self._clock = dai.Clock
        with blaming(self.name, _OPENING):
            self._device = dai.Device() if device is None else dai.Device(dai.DeviceInfo(device))
        try:
            with blaming(self.name, _OPENING):
                self._pipeline = dai.Pipeline(self._device)
                self._queue = _wired(dai, self._pipeline, self._device, (width, height), fps)
                self._pipeline.start()
                self.origin = origin_of("oak", self._device.getDeviceId())
        except BaseException:
            self._device.close()
            raise

    def _read(self) -> Frame:
        with blaming(self.name, _READING):
            group = polled(self._next_group, self._timeout_s)
            if group is None:
                raise silent(self.name, self._timeout_s, _READING)
            color, depth = group["color"], group["depth"]
            # By the library's clock, as the device's times are brought to it.
            taken = min(color.getTimestamp(), depth.getTimestamp())
            at_s = came_s((self._clock.now() - taken).total_seconds())
            (fx, _, cx), (_, fy, cy), _ = color.getTransformation().getIntrinsicMatrix()
            frame = frame_of(
                self.name,
                color=color.getCvFrame()[..., ::-1],  # from OpenCV's BGR
                depth=depth.getFrame(),
                depth_unit_m=_MILLIMETRE_M,
                intrinsics=lens_of(self.name, fx, fy, cx, cy),
            )
            return self._stamped(frame, at_s)

    def _next_group(self) -> Any:
        group = self._queue.tryGet()
        if group is None and not self._pipeline.isRunning():
            message = f"{self.name}: the camera has stopped: {_READING}"
            raise SourceError(message)
        return group

    def _release(self) -> None:
        with blaming(self.name, _READING):
            try:
                self._pipeline.stop()
            finally:
                self._device.close()


def _wired(dai: Any, pipeline: Any, device: Any, size: tuple[int, int], fps: int) -> Any:
    """Connect the nodes that run on the camera, and return the queue of their synchronised output."""
    sockets = dai.CameraBoardSocket
    camera = pipeline.create(dai.node.Camera).build(sockets.CAM_A)
    color = camera.requestOutput(size, type=dai.ImgFrame.Type.BGR888i, fps=fps, enableUndistortion=True)
    stereo = pipeline.create(dai.node.StereoDepth)
    stereo.setExtendedDisparity(True)
    stereo.setSubpixel(True)
    stereo.setLeftRightCheck(True)
    for socket, side in ((sockets.CAM_B, stereo.left), (sockets.CAM_C, stereo.right)):
        pipeline.create(dai.node.Camera).build(socket).requestOutput(_STEREO_SIZE, fps=fps).link(side)
    depth = stereo.depth
    if device.getPlatform() == dai.Platform.RVC4:  # where depth is aligned by a node of its own
        align = pipeline.create(dai.node.ImageAlign)
        stereo.depth.link(align.input)
        color.link(align.inputAlignTo)
        depth = align.outputAligned
    else:
        color.link(stereo.inputAlignTo)
    sync = pipeline.create(dai.node.Sync)
    sync.setSyncThreshold(timedelta(seconds=0.5 / fps))
    color.link(sync.inputs["color"])
    depth.link(sync.inputs["depth"])
    return sync.out.createOutputQueue(maxSize=2, blocking=False)
