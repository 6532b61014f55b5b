"""Alignment and speed of the package on rendered rooms, where the truth is known.

``python -m training.reports.rooms --frames 500`` renders people at 0.4 m and 1.2 m in a 640 x 480 room with a
wall, somebody's arm and a second, farther person; rooms with two people at nearly the same distance; and
prints held to the camera. It counts how often the nearest face is found within 5 mm and 5 degrees of the
truth, and times `verify` stage by stage.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from rich.progress import track

from faceid_fast.authenticator import Authenticator
from faceid_fast.face.aligner import FaceAligner
from faceid_fast.face.crop import FaceCrop
from faceid_fast.face.liveness import LivenessCheck
from faceid_fast.frame import Frame, Intrinsics
from faceid_fast.outcome import Outcome
from training.attacks.print_in_room import render_print
from training.camera.raster import angle_between
from training.data.workers import studio, worker_pool
from training.heads.ict import DEFAULT_PATH
from training.scenes.capture import Capture
from training.scenes.rooms import render_room

SEED = 4_771
DISTANCES_MM = (400.0, 1200.0)
TOLERANCE_MM, TOLERANCE_DEG = 5.0, 5.0
KINDS = ("alone", "rivals", "print")


@dataclass(frozen=True)
class RoomReport:
    """Figures measured on rendered rooms; shares are fractions of the frames.

    Attributes
    ----------
    frames : rooms with one nearest face.
    aligned : share found within 5 mm (midpoint of the outer eye corners) and 5 degrees of the truth.
    error_mm, error_deg : median and 98 % quantile over the frames in which a face was found.
    misses : what the others came out as.
    several_faces : share of the rooms with two people within 0.25 m that came out as SEVERAL_FACES.
    prints : outcomes of prints held to the camera, the liveness check included.
    timings_ms : median and 90 % quantile of each stage of `verify`, one thread; empty without a model.
    """

    frames: int
    aligned: float
    error_mm: tuple[float, float]
    error_deg: tuple[float, float]
    misses: dict[str, int]
    several_faces: float
    prints: dict[str, int]
    timings_ms: dict[str, tuple[float, float]] = field(default_factory=dict)


def frame_of(capture: Capture) -> Frame:
    """Frame of a rendered capture, as a camera would give it to the package."""
    camera = capture.camera
    return Frame(
        depth=capture.depth_mm,
        depth_unit_m=0.001,
        infrared=capture.infrared,
        color=capture.color if capture.infrared is None else None,
        intrinsics=Intrinsics(camera.fx, camera.fy, camera.cx, camera.cy),
    )


def errors(crop: FaceCrop, capture: Capture) -> tuple[float, float]:
    """Distance (mm) of the eyes' midpoint and angle (degrees) of the rotation from the truth."""
    apart = float(np.linalg.norm(crop.eye_midpoint_mm - capture.eye_midpoint_mm))
    return apart, angle_between(crop.pose.rotation, capture.rotation)


def _render(job: tuple[str, int]) -> tuple[str, Capture]:
    kind, number = job
    stage = studio()
    rng = np.random.default_rng([SEED, KINDS.index(kind), number])
    weights = rng.standard_normal(stage.head.identity_count).astype(np.float32)
    identity = stage.identity(rng, weights, hair_varies=True)
    if kind == "print":
        return kind, render_print(rng, stage, identity)
    if kind == "rivals":
        return kind, render_room(rng, stage, identity, rival=True)
    distance = DISTANCES_MM[number % len(DISTANCES_MM)]
    return kind, render_room(rng, stage, identity, distance_mm=distance)


def run(frames: int, head: Path = DEFAULT_PATH, processes: int = 2, *, timed: bool = True) -> RoomReport:
    """Render ``frames`` rooms, a fifth as many with rivals and as many prints, and measure."""
    jobs = [("alone", k) for k in range(frames)]
    jobs += [(kind, k) for kind in ("rivals", "print") for k in range(max(1, frames // 5))]
    aligner = FaceAligner.bundled()
    auth = Authenticator(aligner=aligner, lockout=False, diagnostics=True) if timed else None
    found: list[tuple[float, float]] = []
    misses: Counter[str] = Counter()
    rivals: Counter[str] = Counter()
    prints: Counter[str] = Counter()
    laps: list[dict[str, float]] = []
    kept: list[Frame] = []
    with worker_pool(processes, head) as pool:
        for kind, capture in track(pool.imap(_render, jobs, chunksize=4), "rooms", len(jobs)):
            frame = frame_of(capture)
            crop = aligner.align(frame)
            outcome = "face" if isinstance(crop, FaceCrop) else str(crop.outcome)
            if kind == "rivals":
                rivals[outcome] += 1
            elif kind == "print":
                spoof = isinstance(crop, FaceCrop) and not LivenessCheck.bundled().check(crop).live
                prints[str(Outcome.SPOOF) if spoof else outcome] += 1
            elif isinstance(crop, FaceCrop):
                found.append(errors(crop, capture))
                if found[-1][0] > TOLERANCE_MM or found[-1][1] > TOLERANCE_DEG:
                    misses["misaligned"] += 1
                kept.append(frame)
            else:
                misses[outcome] += 1
    # Timed after the renderers have stopped: they would take the cores.
    if auth is not None and kept:
        auth.enroll("somebody", kept[:9], strangers="keep")  # of several people: only the time counts
        laps = [dict(auth.verify(frame, "somebody").timings_ms) for frame in kept]
    stages = sorted({stage for lap in laps for stage in lap})
    both = np.array(found) if found else np.full((1, 2), np.nan)

    def spread(values: np.ndarray, high: float) -> tuple[float, float]:
        return round(float(np.median(values)), 3), round(float(np.quantile(values, high)), 3)

    return RoomReport(
        frames=frames,
        aligned=1.0 - sum(misses.values()) / frames,
        error_mm=spread(both[:, 0], 0.98),
        error_deg=spread(both[:, 1], 0.98),
        misses=dict(misses),
        several_faces=rivals[str(Outcome.SEVERAL_FACES)] / max(1, sum(rivals.values())),
        prints=dict(prints),
        timings_ms={
            stage: spread(np.array([lap[stage] for lap in laps if stage in lap]), 0.9) for stage in stages
        },
    )


def main() -> None:
    """Print the report as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=500)
    parser.add_argument("--head", type=Path, default=DEFAULT_PATH)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    json.dump(asdict(run(arguments.frames, arguments.head, arguments.processes)), sys.stdout, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
