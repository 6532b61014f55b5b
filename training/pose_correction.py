"""Learn what the aligned maps say about the error of the fitted pose.

The aligner fits a head model to depth alone. Renders know the true pose; a ridge regression from the
aligned maps to the error of the fit, stage after stage, becomes part of ``models/head.npz``, and the
aligner applies it (``rust/core/src/correct.rs``).

Run ``python -m training.pose_correction`` after ``training.data render``, before ``training.data align``.
"""

from __future__ import annotations

import argparse
import io
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from faceid_fast.face import TENSOR_SHAPE, FaceAligner, NoFace
from faceid_fast.frame import Frame, Intrinsics
from training.data import DEFAULT_FOLDER, RawShard, worker_pool
from training.head_model import write_model

HEAD_FILE = Path("python/faceid_fast/models/head.npz")
STAGES = 1  # a second one found little more
SHARDS = 60
RIDGE = 3e3
"""In faces: weighs as much as so many whose cells all deviate by one; a tenth or ten times changes little."""
# Beyond these the fit has lost the face: nothing to learn from.
MAX_TURN_DEG, MAX_SHIFT_MM = 10.0, 14.0

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Seen:
    """Aligned maps and the errors of their poses.

    Attributes
    ----------
    maps : (n, 2 * 72 * 64) float16, depth and the mean of red, green and blue.
    errors : (n, 6) float32: three turns (degrees), three shifts (mm) along the face's axes, from the
        fitted to the true pose.
    """

    maps: NDArray[np.float16]
    errors: Floats


def maps_of(tensor: Floats) -> Floats:
    """(2 * 72 * 64,) of a (4, 72, 64) tensor, as the aligner's correction looks at it."""
    return np.concatenate([tensor[0].ravel(), tensor[1:].mean(axis=0).ravel()])


def measure(job: tuple[Path, bytes]) -> Seen:
    """Align a raw shard with a head model and measure the errors."""
    path, head = job
    aligner = FaceAligner(head)
    raw = RawShard.read(path)
    maps, errors = [], []
    for row, (depth, pictures, camera) in enumerate(raw.crops()):
        intrinsics = Intrinsics(camera.fx, camera.fy, camera.cx, camera.cy)
        for modality, picture in pictures.items():
            seen = {modality: picture}
            face = aligner.align(Frame(depth=depth, depth_unit_m=0.001, intrinsics=intrinsics, **seen))
            if isinstance(face, NoFace):
                continue
            back = face.pose.rotation.astype(np.float64).T
            turn = Rotation.from_matrix(back @ raw.rotation[row]).as_rotvec(degrees=True)
            shift = back @ (raw.translation_mm[row] - face.pose.translation_mm)
            if np.linalg.norm(turn) < MAX_TURN_DEG and np.linalg.norm(shift) < MAX_SHIFT_MM:
                maps.append(maps_of(face.tensor).astype(np.float16))
                errors.append(np.concatenate([turn, shift]))
    return Seen(np.array(maps), np.array(errors, np.float32))


def regress(seen: Seen) -> tuple[Floats, Floats]:
    """Ridge regression: weights (6, 2 * 72 * 64) and offset (6,)."""
    size = seen.maps.shape[1]
    mean = seen.maps.mean(axis=0, dtype=np.float32)
    gram = np.zeros((size, size), np.float32)
    right = np.zeros((size, 6), np.float32)
    offset = seen.errors.mean(axis=0)
    for start in range(0, len(seen.maps), 4096):
        block = seen.maps[start : start + 4096].astype(np.float32) - mean
        gram += block.T @ block
        right += block.T @ (seen.errors[start : start + 4096] - offset)
    gram[np.diag_indices(size)] += RIDGE
    weights = np.linalg.solve(gram, right).T.astype(np.float32)
    return weights, offset - weights @ mean


def spread(seen: Seen) -> str:
    """Say the standard deviation of the errors."""
    turn, shift = np.split(seen.errors.std(axis=0).round(2), 2)
    return f"pitch, yaw, roll {turn} degrees; x, y, z {shift} mm"


def main() -> None:
    """Learn the stages and write them into the head model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER)
    parser.add_argument("--shards", type=int, default=SHARDS, help="how many of the train split")
    parser.add_argument("--stages", type=int, default=STAGES)
    parser.add_argument("--head-model", type=Path, default=HEAD_FILE)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    shards = sorted((arguments.folder / "raw" / "train").glob("shard-*.npz"))[: arguments.shards]
    if not shards:
        sys.exit(f"no shards below {arguments.folder / 'raw' / 'train'}: run training.data render first")
    with np.load(arguments.head_model) as file:
        arrays = dict(file)
    weights = np.zeros((0, 6, 2, *TENSOR_SHAPE[1:]), np.float16)
    offsets = np.zeros((0, 6), np.float32)
    with worker_pool(arguments.processes) as pool:
        for stage in range(arguments.stages + 1):
            arrays |= {"correction": weights, "correction_offset": offsets}
            content = io.BytesIO()
            np.savez(content, **arrays)  # type: ignore[arg-type]
            # Every stage, and the last look, on other heads: what a stage knows by heart must not
            # look like what it leaves.
            mine = shards[stage :: arguments.stages + 1]
            parts = pool.map(measure, [(path, content.getvalue()) for path in mine], chunksize=1)
            seen = Seen(np.concatenate([p.maps for p in parts]), np.concatenate([p.errors for p in parts]))
            print(f"after {stage} stages, {len(seen.maps)} faces: {spread(seen)}", flush=True)
            if stage < arguments.stages:
                weight, offset = regress(seen)
                weights = np.concatenate([weights, weight.reshape(1, *weights.shape[1:]).astype(np.float16)])
                offsets = np.concatenate([offsets, offset[None]])
    write_model(arguments.head_model, arrays)


if __name__ == "__main__":
    main()
