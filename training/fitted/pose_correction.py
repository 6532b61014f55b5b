"""Learn the correction of the fitted pose: a linear map from the aligned maps to the error of the fit.

The aligner fits a head model to depth alone. Renders know the true pose; a ridge regression from the
aligned maps to the error of the fit, stage after stage, becomes part of ``models/head.npz``, and the
aligner applies it (``rust/core/src/align/pose_correction.rs``). Real faces are fitted worse than rendered
ones: with ``--disturbed``, as shipped, the poses are disturbed before they are looked at, so that two stages
learn to mend errors that renders seldom show.

Run ``python -m training.fitted.pose_correction`` after ``training.data.build render``, before
``training.data.build align``.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from faceid_fast.face.crop import TENSOR_SHAPE, FaceCrop, NoFace
from faceid_fast.frame import Intrinsics
from training.data.build import DEFAULT_FOLDER
from training.data.misfit import MISFIT_ALIGNERS, STEP, misfit_aligners
from training.data.raw import RawShard, raw_shards, reproject, shard_frames
from training.data.workers import worker_pool
from training.fitted.head_model import write_model

HEAD_FILE = Path("python/faceid_fast/models/head.npz")
DISTURBED = ((3.0, 2.5, 2.5, 2.5, 4.0, 2.0, 3.0, 3.0), (1.5, 1.2, 1.2, 1.2, 2.0, 1.2, 1.5, 1.5))
"""Per stage: standard deviations of what is added to the fitted pose."""
UNDISTURBED = (0.0,) * STEP
SHARDS = 80
SEED = 7_313
RIDGE = 3e3
"""In faces: weighs as much as so many whose cells all deviate by one; a tenth or ten times changes little."""
# Beyond these the fit has lost the face: nothing to learn from.
MAX_TURN_DEG, MAX_SHIFT_MM = 14.0, 18.0

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PoseErrors:
    """Aligned maps and the errors of their fitted poses.

    Attributes
    ----------
    maps : (n, 2 * 72 * 64) float16, depth and the mean of red, green and blue.
    errors : (n, 8) float32: three turns (degrees), three shifts (mm) along the face's axes, two slopes
        (hundredths), from the fitted to the true pose.
    """

    maps: NDArray[np.float16]
    errors: Floats


def maps_of(tensor: Floats) -> Floats:
    """Flatten a (4, 72, 64) tensor to what the correction is computed from: depth and grey, (2 * 72 * 64,).

    The aligner itself looks at a grey picture; the two differ where a single colour reaches its limit.
    """
    return np.concatenate([tensor[0].ravel(), tensor[1:].mean(axis=0).ravel()])


def measure(job: tuple[Path, dict[str, NDArray[np.floating]], tuple[float, ...]]) -> PoseErrors:
    """Align a raw shard with a head model and measure the errors of the poses.

    Parameters
    ----------
    job : the shard, the head model's arrays, and the standard deviations that poses are disturbed by.
    """
    path, arrays, deviations = job
    rng = np.random.default_rng([SEED, int(path.stem.rsplit("-", 1)[1])])
    aligners = misfit_aligners(arrays, deviations, rng)
    raw = RawShard.read(path)
    maps, errors = [], []
    for row, _, frame in shard_frames(raw):
        face = aligners[rng.integers(MISFIT_ALIGNERS)].align(frame)
        if isinstance(face, NoFace):
            continue
        turn, shift, lean = errors_of(face, frame.intrinsics, raw, row)
        if np.linalg.norm(turn) < MAX_TURN_DEG and np.linalg.norm(shift) < MAX_SHIFT_MM:
            maps.append(maps_of(face.tensor).astype(np.float16))
            errors.append(np.concatenate([turn, shift, lean]))
    return PoseErrors(np.array(maps), np.array(errors, np.float32))


def errors_of(face: FaceCrop, given: Intrinsics, raw: RawShard, row: int) -> tuple[Doubles, Doubles, Doubles]:
    """Error of a fitted pose: the step from the fit to the truth, as `training.data.misfit.STEP` names it.

    Returns
    -------
    turn (3,) degrees and shift (3,) mm about and along the face's axes; slopes (2,) in hundredths.
    """
    true = np.array([given.cx, given.cy]) + raw.hidden_offset_px[row]
    found = replace(given, cx=face.principal_point_px[0], cy=face.principal_point_px[1])
    back = face.pose.rotation.astype(np.float64).T
    turn = Rotation.from_matrix(back @ raw.rotation[row]).as_rotvec(degrees=True)
    fitted = reproject(face.pose.translation_mm.astype(np.float64), found, true)
    shift = back @ (reproject(raw.translation_mm[row], given, true) - fitted)
    return turn, shift, 100.0 * (np.array(face.principal_point_px) - true) / [given.fx, given.fy]


def regress(seen: PoseErrors) -> tuple[Floats, Floats]:
    """Ridge regression of the pose errors on the maps: weights (8, 2 * 72 * 64) and offset (8,)."""
    size = seen.maps.shape[1]
    mean = seen.maps.mean(axis=0, dtype=np.float32)
    gram = np.zeros((size, size), np.float32)
    right = np.zeros((size, STEP), np.float32)
    offset = seen.errors.mean(axis=0)
    for start in range(0, len(seen.maps), 4096):
        block = seen.maps[start : start + 4096].astype(np.float32) - mean
        gram += block.T @ block
        right += block.T @ (seen.errors[start : start + 4096] - offset)
    gram[np.diag_indices(size)] += RIDGE
    weights = np.linalg.solve(gram, right).T.astype(np.float32)
    return weights, offset - weights @ mean


def spread(seen: PoseErrors) -> str:
    """Describe the standard deviations of the errors in words."""
    turn, shift, lean = np.split(seen.errors.std(axis=0).round(2), [3, 6])
    return f"pitch, yaw, roll {turn} degrees; x, y, z {shift} mm; slopes {lean} hundredths"


def main() -> None:
    """Learn the stages and write them into the head model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER)
    parser.add_argument("--shards", type=int, default=SHARDS, help="how many of the train split")
    parser.add_argument("--disturbed", action="store_true", help="learn from disturbed poses, in two stages")
    parser.add_argument("--head-model", type=Path, default=HEAD_FILE)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    folder = arguments.folder / "raw" / "train"
    shards = raw_shards(folder)[: arguments.shards]
    if not shards:
        sys.exit(f"no shards below {folder}: run training.data.build render first")
    with np.load(arguments.head_model) as file:
        arrays = dict(file)
    weights = np.zeros((0, STEP, 2, *TENSOR_SHAPE[1:]), np.float16)
    offsets = np.zeros((0, STEP), np.float32)
    stages = DISTURBED if arguments.disturbed else (UNDISTURBED,)
    with worker_pool(arguments.processes) as pool:
        for stage, deviations in enumerate((*stages, UNDISTURBED)):
            arrays |= {"correction": weights, "correction_offset": offsets}
            # Every stage, and the last look, on other heads: what a stage knows by heart must not
            # look like what it leaves.
            mine = shards[stage :: len(stages) + 1]
            parts = pool.map(measure, [(path, arrays, deviations) for path in mine], chunksize=1)
            seen = PoseErrors(
                np.concatenate([p.maps for p in parts]), np.concatenate([p.errors for p in parts])
            )
            print(f"after {stage} stages, {len(seen.maps)} faces: {spread(seen)}", flush=True)
            if stage < len(stages):
                weight, offset = regress(seen)
                weights = np.concatenate([weights, weight.reshape(1, *weights.shape[1:]).astype(np.float16)])
                offsets = np.concatenate([offsets, offset[None]])
    write_model(arguments.head_model, arrays)


if __name__ == "__main__":
    main()
