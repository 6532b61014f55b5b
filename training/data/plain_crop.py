"""Tensors without 3-D alignment, for comparison: a square cut out of the picture at the eyes.

What the package's aligner finds is used for one thing only, the midpoint of the eyes. Around it the
depth map and the picture are sampled at 2 mm a cell, as if the face were a plane at the eyes' distance: no
turn of the head is undone, and what is nearer than the eyes comes out larger. Units, limits and
neighbourhoods are those of the aligned tensors. Two things are not quite: the logarithm of the darkest
pixels is floored more softly, and a neighbourhood's deviation is taken from each pixel's own local mean.
"""

from __future__ import annotations

import io
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from faceid_fast.face.aligner import FaceAligner
from faceid_fast.face.bundled import read_bundled_model
from faceid_fast.face.crop import GRID_STEP_MM, TENSOR_SHAPE, FaceCrop, NoFace
from faceid_fast.face.head_model import HEAD_MODEL
from faceid_fast.frame import Frame
from training.data.augment import DEPTH_LIMIT, GRID_TOP_MM, INTENSITY_LIMIT
from training.data.batches import MODALITIES
from training.data.raw import RawShard, raw_shards, reproject, shard_frames, write_arrays
from training.provenance.aligner import aligner_digest

Floats = NDArray[np.float32]

GRID_LEFT_MM: Final = -GRID_STEP_MM * TENSOR_SHAPE[2] / 2
DEPTH_UNIT_MM: Final = 10.0
FACE_DEPTH_MM: Final = (-70.0, 90.0)
"""Nearer or farther than this from the eyes is not the face. All as in `rust/core/src/align/`."""
BLUR_SIGMA_CELLS: Final = 12.0 / GRID_STEP_MM
CONTRAST_FLOOR: Final = 0.08
VERSION: Final = "plain-crop-2"


def crop_split(raw: Path, target: Path) -> None:
    """Write shards of plain crops beside those of raw captures; shards of this aligner are kept.

    Parameters
    ----------
    raw : folder of raw shards of one split, as `training.data.build` writes them.
    target : folder for the tensor shards, one for one.

    Raises
    ------
    FileNotFoundError
        There are no raw shards.
    """
    sources = raw_shards(raw)
    if not sources:
        message = f"no raw shards in {raw}: the plain crop is cut from raw captures"
        raise FileNotFoundError(message)
    digest = f"{aligner_digest()} {VERSION}"
    for source in track(sources, f"plain crops {raw.name}"):
        path = target / source.name
        if path.exists() and path.stat().st_mtime >= source.stat().st_mtime and _aligner(path) == digest:
            continue
        shard = RawShard.read(source)
        rows, modalities, tensors = [], [], []
        for row, modality, frame in shard_frames(shard):
            face = FaceAligner.bundled().align(frame)
            if isinstance(face, NoFace):
                continue
            rows.append(row)
            modalities.append(MODALITIES.index(modality))
            tensors.append(plain_crop(frame, eyes_in(frame, face)).astype(np.float16))
        write_arrays(
            path,
            {
                "tensor": np.array(tensors, np.float16).reshape(-1, *TENSOR_SHAPE),
                "identity": shard.identity[rows],
                "cluster": shard.cluster[rows],
                "modality": np.array(modalities, np.int32),
                "aligner": np.array(digest),
            },
        )


def eyes_in(frame: Frame, face: FaceCrop) -> NDArray[np.float64]:
    """Midpoint of the eyes (3,) in the frame's camera; the aligner may have moved its principal point."""
    k = frame.intrinsics
    found = replace(k, cx=face.principal_point_px[0], cy=face.principal_point_px[1])
    return reproject(face.eye_midpoint_mm.astype(np.float64), found, np.array([k.cx, k.cy]))


def plain_crop(frame: Frame, eyes_mm: NDArray[np.floating]) -> Floats:
    """Cut a tensor (C, 72, 64) out of a frame around the eyes (3,): camera frame, millimetres."""
    height, width = TENSOR_SHAPE[1:]
    x, y, z = (float(value) for value in eyes_mm)
    k = frame.intrinsics
    across = x + GRID_LEFT_MM + (np.arange(width) + 0.5) * GRID_STEP_MM
    down = y + GRID_TOP_MM + (np.arange(height) + 0.5) * GRID_STEP_MM
    columns = np.tile(np.float32(k.fx * across / z + k.cx), (height, 1))
    rows = np.tile(np.float32(k.fy * down / z + k.cy)[:, None], (1, width))

    def sample(values: NDArray[np.floating]) -> Floats:
        return np.asarray(cv2.remap(np.float32(values), columns, rows, cv2.INTER_LINEAR), np.float32)

    depth_mm = np.nan_to_num(frame.depth.astype(np.float32) * (frame.depth_unit_m * 1e3))
    near, far = FACE_DEPTH_MM
    face = (depth_mm > z + near) & (depth_mm < z + far)
    share = sample(face)
    valid = share > 0.5
    weight = np.where(valid, share, 1.0)
    tensor = np.zeros(TENSOR_SHAPE, np.float32)
    relative = sample(depth_mm * face) / weight - z - _template()
    tensor[0] = np.clip(relative / DEPTH_UNIT_MM, -DEPTH_LIMIT, DEPTH_LIMIT) * valid
    light = np.stack([sample(channel * face) / weight for channel in _log_light(frame)])
    light = normalise(light, valid)
    tensor[1:] = light if len(light) == len(tensor) - 1 else light.mean(axis=0)
    return tensor


@cache
def _template() -> Floats:
    with np.load(io.BytesIO(read_bundled_model(HEAD_MODEL))) as file:
        return np.asarray(file["template"], np.float32)


def _log_light(frame: Frame) -> Floats:
    """Logarithm of linear intensity: (1, H, W) of infrared, (3, H, W) of colour."""
    if frame.color is None:
        assert frame.infrared is not None
        return np.log1p(frame.infrared.astype(np.float32))[None]
    linear = (frame.color.astype(np.float32) / 255.0) ** 2.2
    return np.log(linear + 0.01).transpose(2, 0, 1)


def normalise(light: Floats, valid: NDArray[np.bool_]) -> Floats:
    """Normalise channels: each less its local mean, over the local deviation of their average.

    Cells that are not valid become 0.
    """

    def blur(values: NDArray[np.floating]) -> Floats:
        kernel = 2 * int(2.5 * BLUR_SIGMA_CELLS) + 1
        blurred = cv2.GaussianBlur(
            np.float32(values * valid), (kernel, kernel), BLUR_SIGMA_CELLS, borderType=cv2.BORDER_CONSTANT
        )
        return np.asarray(blurred / weight, np.float32)

    weight: Floats = np.ones(valid.shape, np.float32)
    weight = np.maximum(blur(np.ones(valid.shape)), 1e-6)
    gray = light.mean(axis=0)
    mean = blur(gray)
    deviation = np.sqrt(np.maximum(blur((gray - mean) ** 2), 0.0))
    centred = np.stack([channel - blur(channel) for channel in light])
    clipped = np.clip(centred / (deviation + CONTRAST_FLOOR), -INTENSITY_LIMIT, INTENSITY_LIMIT)
    return np.asarray(clipped * valid, np.float32)


def _aligner(path: Path) -> str:
    with np.load(path) as shard:
        return str(shard["aligner"])
