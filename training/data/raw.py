"""Raw shards: rendered captures on disk, and the frames that a user of the camera would have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from training.camera.models import CAMERA_MODELS
from training.camera.raster import Camera
from training.data.batches import MODALITIES
from training.scenes.capture import Capture

if TYPE_CHECKING:
    from faceid_fast.frame import Frame, Intrinsics


@dataclass(frozen=True, eq=False)
class RawShard:
    """Raw captures of some identities.

    Attributes
    ----------
    depth : (sum of H * W,) uint16, the crops end to end.
    infrared : uint16, color : (sum of H * W, 3) uint8; the same, of the captures that have one.
    has_infrared, has_color : (n,) bool.
    camera_model : (n,) int32 index into `training.camera.models.CAMERA_MODELS`.
    worn : (n,) int32, 1 with glasses, 2 with a cap, 3 with both.
    shape : (n, 2) int32, (H, W); camera : (n, 4) float64 fx, fy, cx, cy.
    identity, cluster : (n,) int32.
    rotation (n, 3, 3), translation_mm (n, 3), eye_midpoint_mm (n, 3), angles_deg (n, 3) yaw, pitch, roll;
    hidden_offset_px (n, 2) : where the true principal point lies beside ``camera``'s.
    """

    depth: NDArray[np.uint16]
    infrared: NDArray[np.uint16]
    color: NDArray[np.uint8]
    has_infrared: NDArray[np.bool_]
    has_color: NDArray[np.bool_]
    camera_model: NDArray[np.int32]
    worn: NDArray[np.int32]
    shape: NDArray[np.int32]
    camera: NDArray[np.float64]
    identity: NDArray[np.int32]
    cluster: NDArray[np.int32]
    rotation: NDArray[np.float64]
    translation_mm: NDArray[np.float64]
    eye_midpoint_mm: NDArray[np.float64]
    angles_deg: NDArray[np.float64]
    hidden_offset_px: NDArray[np.float64]

    @classmethod
    def of(cls, captures: list[Capture], identities: list[int], clusters: list[int]) -> RawShard:
        """Pack captures with the identity and the cluster of each."""
        infrared = [c.infrared.ravel() for c in captures if c.infrared is not None]
        color = [c.color.reshape(-1, 3) for c in captures if c.color is not None]
        return cls(
            depth=np.concatenate([c.depth_mm.ravel() for c in captures]),
            infrared=np.concatenate(infrared) if infrared else np.empty(0, np.uint16),
            color=np.concatenate(color) if color else np.empty((0, 3), np.uint8),
            has_infrared=np.array([c.infrared is not None for c in captures], np.bool_),
            has_color=np.array([c.color is not None for c in captures], np.bool_),
            camera_model=np.array([c.camera_model for c in captures], np.int32),
            worn=np.array([c.worn for c in captures], np.int32),
            shape=np.array([c.depth_mm.shape for c in captures], np.int32),
            camera=np.array([(c.camera.fx, c.camera.fy, c.camera.cx, c.camera.cy) for c in captures]),
            identity=np.array(identities, np.int32),
            cluster=np.array(clusters, np.int32),
            rotation=np.array([c.rotation for c in captures]),
            translation_mm=np.array([c.translation_mm for c in captures]),
            eye_midpoint_mm=np.array([c.eye_midpoint_mm for c in captures]),
            angles_deg=np.array([(c.yaw_deg, c.pitch_deg, c.roll_deg) for c in captures]),
            hidden_offset_px=np.array([c.hidden_offset_px for c in captures], np.float64),
        )

    @classmethod
    def read(cls, path: Path) -> RawShard:
        """Read a shard."""
        with np.load(path) as arrays:
            return cls(**{name: arrays[name] for name in cls.__dataclass_fields__})

    def write(self, path: Path) -> None:
        """Write the shard in one step: an interruption leaves no half a file."""
        write_arrays(path, {name: getattr(self, name) for name in self.__dataclass_fields__})

    def __len__(self) -> int:
        """How many captures."""
        return len(self.identity)

    def crops(self) -> Iterator[tuple[NDArray[np.uint16], dict[str, NDArray[Any]], Camera]]:
        """Yield depth, pictures by modality, and camera of every capture."""
        start, starts = 0, {"infrared": 0, "color": 0}
        present = np.stack([self.has_infrared, self.has_color], axis=1)
        for (height, width), camera, has in zip(
            self.shape.tolist(), self.camera.tolist(), present.tolist(), strict=True
        ):
            size = height * width
            pictures: dict[str, NDArray[Any]] = {}
            for name, there in zip(MODALITIES, has, strict=True):
                if there:
                    begin = starts[name]
                    pixels = getattr(self, name)[begin : begin + size]
                    pictures[name] = pixels.reshape(height, width, *pixels.shape[1:])
                    starts[name] += size
            depth = self.depth[start : start + size].reshape(height, width)
            yield depth, pictures, Camera(*camera, width, height)
            start += size


def raw_shards(folder: Path) -> list[Path]:
    """Files of the raw shards in a folder, by their numbers."""
    return sorted(folder.glob("shard-*.npz"))


def shard_frames(raw: RawShard) -> Iterator[tuple[int, str, Frame]]:
    """Yield (row, modality, frame) for every picture of a shard, as a user of the camera has it."""
    from faceid_fast.frame import Frame, Intrinsics  # noqa: PLC0415 - rendering needs no built package
    from faceid_fast.sources.layouts.kinect_v2 import PRINCIPAL_DEVIATION_PX  # noqa: PLC0415

    for row, (depth, pictures, camera) in enumerate(raw.crops()):
        hidden = CAMERA_MODELS[raw.camera_model[row]].hidden_offset_px > 0
        deviation = PRINCIPAL_DEVIATION_PX if hidden else 0.0
        intrinsics = Intrinsics(camera.fx, camera.fy, camera.cx, camera.cy, deviation)
        for modality, picture in pictures.items():
            seen = {modality: picture}
            yield row, modality, Frame(depth=depth, depth_unit_m=0.001, intrinsics=intrinsics, **seen)


def reproject(
    point_mm: NDArray[np.float64], given: Intrinsics, principal_px: tuple[float, float] | NDArray[np.float64]
) -> NDArray[np.float64]:
    """Move a point (3,) so that it keeps its pixel and depth in a camera with another principal point."""
    slopes = (np.array([given.cx, given.cy]) - principal_px) / [given.fx, given.fy]
    return point_mm + np.append(slopes, 0.0) * point_mm[2]


def write_arrays(path: Path, arrays: dict[str, Any]) -> None:
    """Write an .npz in one step: an interruption leaves no half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    with partial.open("wb") as file:
        np.savez(file, **arrays)
    partial.replace(path)
