"""Stands in for the library record3d: a phone whose frames a thread of its own announces."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

TRUE_DEPTH, LIDAR = 0, 1
NO_CONFIDENCE = np.zeros((0, 0), np.uint8)


@dataclass
class Shot:
    """What the app sends at one moment."""

    depth: NDArray[Any]
    color: NDArray[Any]
    confidence: NDArray[Any] = field(default_factory=lambda: NO_CONFIDENCE)
    lens: tuple[float, float, float, float] = (100.0, 101.0, 40.0, 30.0)
    kind: int = TRUE_DEPTH


@dataclass
class Phone:
    """A device, connected by USB."""

    connects: bool = True
    stream: Any = None
    disconnected: int = 0

    def module(self, *, devices: int = 1) -> ModuleType:
        """Make the module."""
        phone = self

        class Record3DStream:
            on_new_frame: Callable[[], None]
            on_stream_stopped: Callable[[], None]

            @staticmethod
            def get_connected_devices() -> list[SimpleNamespace]:
                return [SimpleNamespace(product_id=4776, udid=f"00008101-{n}") for n in range(devices)]

            def __init__(self) -> None:
                phone.stream = self

            def connect(self, _: SimpleNamespace) -> bool:
                return phone.connects

            def disconnect(self) -> None:
                phone.disconnected += 1
                self.on_stream_stopped()

            def get_depth_frame(self) -> NDArray[Any]:
                return phone.shot.depth

            def get_rgb_frame(self) -> NDArray[Any]:
                return phone.shot.color

            def get_confidence_frame(self) -> NDArray[Any]:
                return phone.shot.confidence

            def get_intrinsic_mat(self) -> SimpleNamespace:
                return SimpleNamespace(**dict(zip(("fx", "fy", "tx", "ty"), phone.shot.lens, strict=True)))

            def get_device_type(self) -> int:
                return phone.shot.kind

        module = ModuleType("record3d")
        module.Record3DStream = Record3DStream  # type: ignore[attr-defined]
        return module

    def send(self, shot: Any) -> None:
        """Announce a frame on another thread, and come back when it has been taken."""
        self.shot = shot
        self._run(self.stream.on_new_frame)

    def unplug(self) -> None:
        """End the stream, as the library's thread does."""
        self._run(self.stream.on_stream_stopped)

    @staticmethod
    def _run(called: Callable[[], None]) -> None:
        thread = threading.Thread(target=called)
        thread.start()
        thread.join()
