"""Stands in for `cv2.VideoCapture` with a depth camera behind it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

DEPTH = cv2.CAP_OPENNI_DEPTH_MAP
COLOR = cv2.CAP_OPENNI_BGR_IMAGE
INFRARED = cv2.CAP_OPENNI_IR_IMAGE

Maps = dict[int, NDArray[Any]]


def maps_of(n: int, *, depth: int = DEPTH, color: int = COLOR) -> Maps:
    """Depth of 600 + n mm, red of 200, infrared of n."""
    blue_first = np.zeros((48, 64, 3), np.uint8)
    blue_first[..., 2], blue_first[..., 1] = 200, n
    depths = np.full((48, 64), 600 + n, np.uint16)
    infrared = {INFRARED: np.full((48, 64), n, np.uint16)} if color == COLOR else {}
    return {depth: depths, color: blue_first, **infrared}


@dataclass
class Camera:
    """What is plugged in: the maps that each grab finds (None: nothing; an exception: raised)."""

    script: Iterable[Maps | Exception | None] = ()
    opens: bool = True
    properties: dict[int, float] = field(default_factory=dict)
    settable: bool = True
    asked: list[tuple[int, float]] = field(default_factory=list)
    released: int = 0

    def capture(self, index: int, backend: int) -> Capture:
        self.opened = (index, backend)
        return Capture(self, iter(self.script))


class Capture:
    def __init__(self, camera: Camera, script: Iterator[Any]) -> None:
        self._camera, self._script = camera, script
        self._maps: Maps = {}

    def isOpened(self) -> bool:  # noqa: N802  # OpenCV's name
        return self._camera.opens

    def set(self, key: int, value: float) -> bool:
        self._camera.asked.append((key, value))
        return self._camera.settable

    def get(self, key: int) -> float:
        return self._camera.properties.get(key, 0.0)

    def grab(self) -> bool:
        item = next(self._script, None)
        if isinstance(item, Exception):
            raise item
        self._maps = item or {}
        return item is not None

    def retrieve(self, flag: int) -> tuple[bool, NDArray[Any] | None]:
        return flag in self._maps, self._maps.get(flag)

    def release(self) -> None:
        self._camera.released += 1
