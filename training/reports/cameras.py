"""Figures of depth by the kind of its camera: rendered kinds beside real ones.

``python -m training.reports.cameras --captures 40`` renders so many captures by every camera model, and
measures each as it does the real captures at hand (``--kinect-v2 DIR``, ``--truedepth DIR``). It prints a
table in Markdown: the median of each figure and, in brackets, its 10 % and 90 % quantiles over the captures.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from faceid_fast.frame import Frame, Intrinsics
from faceid_fast.sources.camera_figures import measure
from faceid_fast.sources.files.images import read_png
from faceid_fast.sources.layouts.kinect_v2 import captures as kinect_captures
from training.camera.delivery import face_distance
from training.camera.models import CAMERA_MODELS, CameraModel
from training.data.build import render_identity
from training.data.config import VALIDATION_WIDE
from training.heads.ict import DEFAULT_PATH, ParametricHead
from training.people.person import Studio
from training.provenance.revision import ROOT
from training.reports.rooms import frame_of

Floats = NDArray[np.float32]
SHARED = ROOT.parent / "shared" / "data"
# CameraMetadata.json beside the pictures says so.
TRUEDEPTH_CAMERA = Intrinsics(595.34, 595.34, 318.33, 239.96)
TRUEDEPTH_UNIT_M = 0.0001
BANDS_MM = ((1.5, 3.0), (3.0, 6.0))
"""Standard deviations of the two Gaussians between which relief is measured, on the surface."""
LOCAL_PX = 3.0
"""What a Gaussian of this deviation leaves of the depth is compared between neighbours."""
NEAR_MM = 120.0
"""Of the nearest surface so much counts: a face without what is behind it."""


@dataclass(frozen=True)
class DepthFigures:
    """Figures of one capture; NaN where there is too little to measure on.

    Attributes
    ----------
    density : share of the pixels with depth, in the middle half of the picture.
    single_holes, round_holes : shares of the pixels inside surfaces, see `CameraFigures`.
    noise_mm : from pixel to pixel, on smooth surfaces.
    alike : correlation of the fine differences of neighbouring pixels: 0 of white noise, near 1 where depth
        was smoothed.
    fine_mm, coarse_mm : robust deviation of the relief of the nearest surface in each of `BANDS_MM`.
    """

    density: float
    single_holes: float
    round_holes: float
    noise_mm: float
    alike: float
    fine_mm: float
    coarse_mm: float


def figures(frame: Frame) -> DepthFigures:
    """Measure one capture."""
    whole = measure([frame])
    depth = frame.depth.astype(np.float32) * np.float32(1e3 * frame.depth_unit_m)
    face = _nearest(depth)
    px_per_mm = frame.intrinsics.fx / face_distance(depth) if face.any() else 1.0
    fine, coarse = (_relief(depth, face, low * px_per_mm, high * px_per_mm) for low, high in BANDS_MM)
    return DepthFigures(
        density=whole.density_middle,
        single_holes=_number(whole.single_holes),
        round_holes=float(np.sum(whole.round_holes)) if whole.round_holes else np.nan,
        noise_mm=_number(whole.noise_spatial_mm),
        alike=_alike(depth, face),
        fine_mm=fine,
        coarse_mm=coarse,
    )


def _number(value: float | None) -> float:
    return np.nan if value is None else value


def _nearest(depth: Floats) -> NDArray[np.bool_]:
    """The nearest surface of a depth map, without its rim."""
    known = depth[depth > 0]
    if not known.size:
        return np.zeros(depth.shape, bool)
    calm = cv2.medianBlur(depth, 5)
    nearest = float(np.percentile(calm[calm > 0] if (calm > 0).any() else known, 2))
    near = (depth > 0) & (np.abs(depth - nearest) < NEAR_MM)
    # Holes are no rim: closed first.
    closed = cv2.morphologyEx(near.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    return near & (cv2.erode(closed, np.ones((7, 7), np.uint8), borderValue=0) > 0)


def _mean(depth: Floats, mask: NDArray[np.bool_], sigma_px: float) -> Floats:
    """Gaussian mean over the pixels of a mask."""
    weight = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), sigma_px)
    mean: Floats = cv2.GaussianBlur(np.where(mask, depth, 0), (0, 0), sigma_px) / np.maximum(weight, 1e-3)
    return mean


def _relief(depth: Floats, face: NDArray[np.bool_], low_px: float, high_px: float) -> float:
    """Robust deviation of what lies between two Gaussian means."""
    if face.sum() < 100:
        return np.nan
    return _deviation((_mean(depth, face, low_px) - _mean(depth, face, high_px))[face])


def _deviation(values: Floats) -> float:
    # The median of the absolute value of a normal variable is 0.6745 of its deviation.
    return float(np.median(np.abs(values)) / 0.6745)


def _alike(depth: Floats, face: NDArray[np.bool_]) -> float:
    rest = np.where(face, depth - _mean(depth, face, LOCAL_PX), 0)
    # Edges and the nose are no noise.
    usual = face & (np.abs(rest) < 4.0 * max(_deviation(rest[face]), 0.1)) if face.any() else face
    ones = [(usual[:, 1:] & usual[:, :-1], rest[:, 1:], rest[:, :-1])]
    ones.append((usual[1:] & usual[:-1], rest[1:], rest[:-1]))
    first = np.concatenate([one[both] for both, one, _ in ones])
    second = np.concatenate([other[both] for both, _, other in ones])
    power = float(np.sqrt(np.mean(first**2) * np.mean(second**2))) if first.size > 100 else 0.0
    return float(np.mean(first * second)) / power if power > 0 else np.nan


def rendered(studio: Studio, model: CameraModel, captures: int) -> Iterator[Frame]:
    """Frames by one camera model, five of each person of `VALIDATION_WIDE`, bareheaded."""
    split = replace(
        VALIDATION_WIDE, cameras=((model.name, 1.0),), captures=5, portrait_share=0.0, glasses_share=0.0
    )
    for index in range(-(-captures // split.captures)):
        shots, _ = render_identity(studio, split, index)
        yield from (frame_of(shot) for shot in shots)


def truedepth_frames(folder: Path) -> Iterator[Frame]:
    """Frames of the flat sheet."""
    for path in sorted(folder.glob("depth_*.png")):
        color = read_png(path.with_name(path.name.replace("depth_", "rgb_")))
        yield Frame(
            color=color, depth=read_png(path), depth_unit_m=TRUEDEPTH_UNIT_M, intrinsics=TRUEDEPTH_CAMERA
        )


def row(name: str, frames: Iterable[Frame]) -> str:
    """Write a line of the table."""
    found = [figures(frame) for frame in frames]
    cells = []
    for field in fields(DepthFigures):
        values = np.array([getattr(each, field.name) for each in found], np.float64)
        values = values[np.isfinite(values)]
        if not values.size:
            cells.append("-")
            continue
        middle, low, high = np.quantile(values, [0.5, 0.1, 0.9])
        scale, digits = (1.0, 2) if field.name.endswith("_mm") or field.name == "alike" else (100.0, 1)
        middle, low, high = (f"{scale * value:.{digits}f}" for value in (middle, low, high))
        cells.append(f"{middle} ({low} to {high})")
    return f"| {name} | {len(found)} | {' | '.join(cells)} |"


HEADER = (
    "| camera | captures | density, % | single holes, % | round holes, % | noise, mm | neighbours alike | "
    "relief 1.5 to 3 mm | 3 to 6 mm |\n|---|---|---|---|---|---|---|---|---|"
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--captures", type=int, default=40, help="rendered by each model")
    parser.add_argument("--head", type=Path, default=DEFAULT_PATH)
    parser.add_argument("--kinect-v2", type=Path, default=SHARED / "kinect_v2")
    parser.add_argument("--truedepth", type=Path, default=SHARED / "truedepth_flat")
    given = parser.parse_args()
    studio = Studio(ParametricHead.load(given.head))
    print(HEADER)
    for model in CAMERA_MODELS:
        print(row(f"`{model.name}`", rendered(studio, model, given.captures)), flush=True)
    if given.kinect_v2.is_dir():
        print(row("real Kinect v2, six people", (shot.read() for shot in kinect_captures(given.kinect_v2))))
    else:
        print(f"no real Kinect v2: {given.kinect_v2} is missing")
    if given.truedepth.is_dir():
        print(row("real TrueDepth, a flat sheet at 0.2 m", truedepth_frames(given.truedepth)))
    else:
        print(f"no real TrueDepth: {given.truedepth} is missing")


if __name__ == "__main__":
    main()
