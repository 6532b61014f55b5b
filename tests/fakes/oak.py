"""Stands in for depthai 3: the nodes that a camera is wired of, and a queue that follows a script."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

NOW = timedelta(seconds=5000)
"""By the library's clock."""
INTRINSICS = [[520.0, 0.0, 33.0], [0.0, 521.0, 22.0], [0.0, 0.0, 1.0]]


@dataclass
class Image:
    """A message with a picture."""

    pixels: NDArray[Any]
    intrinsics: list[list[float]] = field(default_factory=lambda: INTRINSICS)
    taken: timedelta = NOW

    def getCvFrame(self) -> NDArray[Any]:  # noqa: N802  # the library's names, here and below
        return self.pixels

    def getFrame(self) -> NDArray[Any]:  # noqa: N802
        return self.pixels

    def getTimestamp(self) -> timedelta:  # noqa: N802
        return self.taken

    def getTransformation(self) -> Image:  # noqa: N802
        return self

    def getIntrinsicMatrix(self) -> list[list[float]]:  # noqa: N802
        return self.intrinsics


def group_of(n: int) -> dict[str, Image]:
    """A group whose depth is 600 + n mm, and whose red is 200."""
    blue_first = np.zeros((48, 64, 3), np.uint8)
    blue_first[..., 2], blue_first[..., 1] = 200, n
    return {"color": Image(blue_first), "depth": Image(np.full((48, 64), 600 + n, np.uint16))}


@dataclass
class Device:
    """What is plugged in."""

    script: Iterable[Any] = ()
    """Groups to deliver; None: none at this moment; an exception: raised."""
    platform: str = "RVC2"
    version: str = "3.12.0"
    at_open: Exception | None = None
    at_start: Exception | None = None
    runs: bool = True
    serial: str = "14442C10D13EABCE00"
    links: list[tuple[str, str]] = field(default_factory=list)
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    stopped: int = 0
    closed: int = 0

    def getPlatform(self) -> str:  # noqa: N802
        return self.platform

    def getDeviceId(self) -> str:  # noqa: N802
        return self.serial

    def close(self) -> None:
        self.closed += 1

    def module(self) -> ModuleType:
        """Make the module."""
        dai = ModuleType("depthai")
        parts = {
            "__version__": self.version,
            "Clock": SimpleNamespace(now=lambda: NOW),
            "Device": self._open,
            "DeviceInfo": lambda name: ("info", name),
            "Pipeline": _Pipeline,
            "CameraBoardSocket": SimpleNamespace(CAM_A="A", CAM_B="B", CAM_C="C"),
            "Platform": SimpleNamespace(RVC2="RVC2", RVC4="RVC4"),
            "ImgFrame": SimpleNamespace(Type=SimpleNamespace(BGR888i="BGR888i")),
            "node": SimpleNamespace(
                Camera=_Camera, StereoDepth=_StereoDepth, ImageAlign=_ImageAlign, Sync=_Sync
            ),
        }
        for name, part in parts.items():
            setattr(dai, name, part)
        return dai

    def _open(self, info: tuple[str, str] | None = None) -> Device:
        self.asked.append(("open", info))
        if self.at_open is not None:
            raise self.at_open
        return self


class _Pipeline:
    def __init__(self, device: Device) -> None:
        self.device = device

    def create(self, kind: Any) -> Any:
        return kind(self.device)

    def start(self) -> None:
        if self.device.at_start is not None:
            raise self.device.at_start

    def stop(self) -> None:
        self.device.stopped += 1

    def isRunning(self) -> bool:  # noqa: N802
        return self.device.runs


class _Output:
    def __init__(self, device: Device, name: str) -> None:
        self._device, self.name = device, name

    def link(self, to: str) -> None:
        self._device.links.append((self.name, to))

    def createOutputQueue(self, maxSize: int, blocking: bool) -> _Queue:  # noqa: N802, N803
        assert (maxSize, blocking) == (2, False)  # the newest matter
        return _Queue(iter(self._device.script))


class _Queue:
    def __init__(self, script: Iterator[Any]) -> None:
        self._script = script

    def tryGet(self) -> Any:  # noqa: N802
        item = next(self._script, None)
        if isinstance(item, Exception):
            raise item
        return item


class _Camera:
    def __init__(self, device: Device) -> None:
        self._device = device

    def build(self, socket: str) -> _Camera:
        self._socket = socket
        return self

    def requestOutput(self, size: tuple[int, int], **options: Any) -> _Output:  # noqa: N802
        self._device.asked.append((self._socket, size, options))
        return _Output(self._device, self._socket)


class _StereoDepth:
    left, right, inputAlignTo = "stereo.left", "stereo.right", "stereo.align_to"  # noqa: N815

    def __init__(self, device: Device) -> None:
        self._device = device
        self.depth = _Output(device, "stereo")

    def __getattr__(self, name: str) -> Any:
        assert name in {"setExtendedDisparity", "setSubpixel", "setLeftRightCheck"}
        return lambda on: self._device.asked.append((name, on))


class _ImageAlign:
    input, inputAlignTo = "align", "align.align_to"  # noqa: N815

    def __init__(self, device: Device) -> None:
        self.outputAligned = _Output(device, "align")


class _Sync:
    inputs = {"color": "sync.color", "depth": "sync.depth"}  # noqa: RUF012

    def __init__(self, device: Device) -> None:
        self._device = device
        self.out = _Output(device, "sync")

    def setSyncThreshold(self, threshold: timedelta) -> None:  # noqa: N802
        self._device.asked.append(("threshold", threshold))
