"""Estimate the alignment model: what heads look like at a few hundred points.

The aligner in Rust fits this model to a depth map. It holds no array of the source head: heads are
*sampled* (random identities, random expressions), and their mean and principal components are
measured at points spread evenly over the face. The depth template of the tensors is measured the
same way, as the mean over sampled heads drawn from the front.

``python -m training.fitted.head_model`` writes ``python/faceid_fast/models/head.npz``, without a correction
of the pose: ``training.fitted.pose_correction`` learns it from renders afterwards.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from training.heads.ict import DEFAULT_PATH, ParametricHead, normals_of
from training.provenance.models_manifest import record_model

POINT_SPACING_MM = 7.5  # about 500 points: denser ones add cost, not accuracy
COMPONENTS = 48
SAMPLES = 4000
TEMPLATE_SAMPLES = 200
SEED = 20260
# The tensor's grid: 64 x 72 cells of 2 mm, x -64..64 mm, y -50..94 mm from the eye line down.
GRID_WIDTH, GRID_HEIGHT, GRID_STEP_MM = 64, 72, 2.0
GRID_LEFT_MM, GRID_TOP_MM = -64.0, -50.0

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class HeadModel:
    """Mean and components at N points of the face frame, in millimetres.

    Attributes
    ----------
    mean : (N, 3) points; the last row is the midpoint of the outer eye corners.
    normals : (N, 3) outward unit normals of the mean head (zero for the eye midpoint).
    components : (K, N, 3) principal components, scaled by their standard deviation.
    template : (72, 64) depth z of the mean face on the tensor's grid.
    """

    mean: Floats
    normals: Floats
    components: Floats
    template: Floats


def sample_shape(head: ParametricHead, rng: np.random.Generator) -> Floats:
    """Draw one head (V, 3): identity N(0, I), in four of five cases a few expressions."""
    identity = rng.standard_normal(head.identity_count)
    expression = np.zeros(head.expression_count)
    if rng.random() < 0.8:
        chosen = rng.choice(head.expression_count, rng.integers(1, 7), replace=False)
        expression[chosen] = rng.uniform(0.0, 0.8, len(chosen))
    if rng.random() < 0.3:
        expression[head.expression_index("jawOpen")] = rng.uniform(0.0, 1.0)
    return head.vertices(identity, expression).astype(np.float64)


def choose_points(head: ParametricHead, mean: Floats, normals: Floats) -> NDArray[np.int64]:
    """Choose vertices (indices) spread evenly over the stable part of the face.

    Lids and lips are left out: they move without the head moving. So are points that look away
    from the camera, and everything above the hair line or below the chin.
    """
    landmarks = mean[head.landmarks68]
    eyes, lips = landmarks[36:48], landmarks[48:68]

    def near(points: Floats, reach: float) -> NDArray[np.bool_]:
        distance = np.linalg.norm(mean[:, None, :2] - points[None, :, :2], axis=2)
        return np.asarray(distance.min(axis=1) < reach)

    usable = (
        ((head.part == 0) | (head.part == 1))
        & (normals[:, 2] < -0.15)
        & (mean[:, 1] > -62.0)
        & (mean[:, 1] < landmarks[8, 1] + 4.0)
        & ~near(eyes, 4.0)
        & ~near(lips, 4.0)
    )
    candidates = np.flatnonzero(usable)
    order = candidates[np.argsort(mean[candidates, 2])]  # from the nose tip backwards
    chosen: list[int] = []
    for index in order:
        if not chosen or np.linalg.norm(mean[chosen] - mean[index], axis=1).min() >= POINT_SPACING_MM:
            chosen.append(int(index))
    return np.array(chosen)


def draw_depth(vertices: Floats, triangles: NDArray[np.integer]) -> Floats:
    """Draw the depth z (72, 64) of a head from the front, on the tensor's grid; NaN where nothing is."""
    depth = np.full((GRID_HEIGHT, GRID_WIDTH), np.inf)
    u = (vertices[:, 0] - GRID_LEFT_MM) / GRID_STEP_MM - 0.5
    v = (vertices[:, 1] - GRID_TOP_MM) / GRID_STEP_MM - 0.5
    # The mesh is finer than the grid: points along every triangle's edges and centre cover it.
    weights = np.array([[1, 0, 0], [0.5, 0.5, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [1 / 3, 1 / 3, 1 / 3]])
    for w in weights:
        x, y, z = (w @ q[triangles].T for q in (u, v, vertices[:, 2]))
        column, row = np.rint(x).astype(int), np.rint(y).astype(int)
        inside = (column >= 0) & (column < GRID_WIDTH) & (row >= 0) & (row < GRID_HEIGHT)
        np.minimum.at(depth, (row[inside], column[inside]), z[inside])
    return np.where(np.isfinite(depth), depth, np.nan)


def estimate(head: ParametricHead, samples: int = SAMPLES) -> HeadModel:
    """Sample heads, choose points, and measure mean, components and template."""
    rng = np.random.default_rng(SEED)
    mean_head = head.vertices(np.zeros(head.identity_count), np.zeros(head.expression_count)).astype(float)
    normals = normals_of(head.mean, head.triangles).astype(float)
    points = choose_points(head, mean_head, normals)

    shapes = np.empty((samples, len(points) + 1, 3))
    templates = []
    for k in range(samples):
        vertices = sample_shape(head, rng)
        shapes[k, :-1] = vertices[points]
        shapes[k, -1] = head.eye_midpoint(vertices)
        if k < TEMPLATE_SAMPLES:
            templates.append(draw_depth(vertices, head.triangles))
    mean = shapes.mean(axis=0)
    flat = (shapes - mean).reshape(samples, -1)
    _, singular, directions = np.linalg.svd(flat, full_matrices=False)
    scale = singular[:COMPONENTS] / np.sqrt(samples - 1)
    components = (directions[:COMPONENTS] * scale[:, None]).reshape(COMPONENTS, -1, 3)
    left = 1.0 - (singular[:COMPONENTS] ** 2).sum() / (singular**2).sum()
    print(f"{len(points)} points, {COMPONENTS} components leave {left:.2%} of the variance", file=sys.stderr)

    stack = np.array(templates)
    seen = np.isfinite(stack).sum(axis=0)
    template = np.where(seen > 0, np.nansum(stack, axis=0) / np.maximum(seen, 1), np.nan)
    # Beside the head nothing is seen: continue the cheeks' last depth so that the map is complete.
    filled = np.where(np.isfinite(template), template, np.nanmax(template))
    return HeadModel(
        mean=mean,
        normals=np.vstack([normals[points], np.zeros(3)]),
        components=components,
        template=gaussian_filter(filled, 1.0),
    )


def main() -> None:
    """Write the model file and record its hash."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--head", type=Path, default=DEFAULT_PATH, help="the parametric head (.npz)")
    parser.add_argument("--out", type=Path, default=Path("python/faceid_fast/models/head.npz"))
    arguments = parser.parse_args()
    model = estimate(ParametricHead.load(arguments.head))
    write_model(
        arguments.out,
        {
            "mean": model.mean.astype(np.float32),
            "normals": model.normals.astype(np.float32),
            "components": model.components.astype(np.float16),
            "template": model.template.astype(np.float32),
            "correction": np.zeros((0, 8, 2, GRID_HEIGHT, GRID_WIDTH), np.float16),
            "correction_offset": np.zeros((0, 8), np.float32),
        },
    )


def write_model(path: Path, arrays: dict[str, NDArray[np.floating]]) -> None:
    """Write the arrays of a head model and record the file's hash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    record_model(path)


if __name__ == "__main__":
    main()
