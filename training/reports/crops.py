"""Errors of the aligner on rendered head crops, where the truth is known.

``python -m training.reports.crops --split test_crops`` aligns a rendered split with the package's own aligner
and prints, as JSON, by camera: captures, faces, and the standard deviation of what is left of the pose
(degrees and millimetres along the face's axes, pixels of the principal point). ``--deviation-px 0`` lets the
aligner believe the principal point that it is given, which shows what seeking it is worth.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceid_fast.face.aligner import FaceAligner
from faceid_fast.face.crop import NoFace
from training.camera.models import CAMERA_MODELS
from training.data.build import DEFAULT_FOLDER
from training.data.raw import RawShard, raw_shards, shard_frames
from training.data.workers import worker_pool
from training.fitted.pose_correction import MAX_SHIFT_MM, MAX_TURN_DEG, errors_of

AXES = ("pitch_deg", "yaw_deg", "roll_deg", "x_mm", "y_mm", "z_mm", "principal_x_px", "principal_y_px")
_PIXELS_OF_HUNDREDTH = 0.01

Measured = dict[str, list[NDArray[np.float64] | None]]


def measure(job: tuple[Path, float | None]) -> Measured:
    """Align a raw shard: errors (8,) of each picture, by camera; None where no face was found."""
    path, deviation = job
    aligner = FaceAligner.bundled()
    raw = RawShard.read(path)
    found: Measured = defaultdict(list)
    for row, _, frame in shard_frames(raw):
        given = frame.intrinsics
        if deviation is not None:
            given = replace(given, principal_deviation_px=deviation)
            frame = replace(frame, intrinsics=given)  # noqa: PLW2901  # the same picture of another camera
        face = aligner.align(frame)
        name = CAMERA_MODELS[raw.camera_model[row]].name
        if isinstance(face, NoFace):
            found[name].append(None)
            continue
        turn, shift, lean = errors_of(face, given, raw, row)
        pixels = _PIXELS_OF_HUNDREDTH * lean * [given.fx, given.fy]
        found[name].append(np.concatenate([turn, shift, pixels]))
    return dict(found)


def summary(parts: list[Measured]) -> dict[str, dict[str, object]]:
    """Standard deviations of the pose errors by camera; faces that the fit has lost are counted apart."""
    by_camera: Measured = defaultdict(list)
    for part in parts:
        for name, errors in part.items():
            by_camera[name] += errors
    report: dict[str, dict[str, object]] = {}
    for name, errors in sorted(by_camera.items()):
        faces = np.array([e for e in errors if e is not None]).reshape(-1, len(AXES))
        turned = np.linalg.norm(faces[:, :3], axis=1) < MAX_TURN_DEG
        held = faces[turned & (np.linalg.norm(faces[:, 3:6], axis=1) < MAX_SHIFT_MM)]
        deviations = held.std(axis=0).round(2).tolist() if len(held) else [None] * len(AXES)
        report[name] = {
            "pictures": len(errors),
            "no_face": len(errors) - len(faces),
            "lost": len(faces) - len(held),
            "deviation": dict(zip(AXES, deviations, strict=True)),
        }
    return report


def main() -> None:
    """Align, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER)
    parser.add_argument("--split", default="test_crops")
    parser.add_argument("--shards", type=int, default=6, help="how many of the split")
    parser.add_argument(
        "--deviation-px", type=float, help="tell the aligner this instead of the camera's own"
    )
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    folder = given.folder / "raw" / given.split
    shards = raw_shards(folder)[: given.shards]
    if not shards:
        sys.exit(f"no shards below {folder}: run training.data.build render first")
    with worker_pool(given.processes) as pool:
        parts = pool.map(measure, [(path, given.deviation_px) for path in shards], chunksize=1)
    print(json.dumps(summary(parts), indent=1))


if __name__ == "__main__":
    main()
