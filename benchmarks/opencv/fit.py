"""Fitting the head model to a patch: Gauss-Newton on pose and shape, for all starts at once."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .patch import TEAR_MM, Patch

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]

POSE: Final = 6
MIN_COSINE, DARK_CUTOFF_MM, FOREHEAD_MM, MAX_COVERED = 0.25, 5.0, -18.0, 0.5
SIGMA_MM = 3.2
START_CUTOFF_MM = (40.0, 40.0, 30.0, 25.0, 20.0)
BEND_CUTOFF_MM = (20.0, 16.0)
FULL_CUTOFF_MM = (14.0, 12.0, 12.0)
JUDGED_CUTOFF_MM = 12.0
KEPT_EARLY, KEPT, KEPT_MARGIN = 10, 6, 0.12
HOPELESS_SCORE, POOR_SCORE = 0.55, 0.35
SHAPE_COST, POSE_COST = 0.12, 0.1
TURNED_DEG = np.array([50.0, 45.0, 30.0], np.float32)
SAME_MM, SAME_RAD = 8.0, 0.14
DAMPING: Floats = np.array([2e4, 2e4, 2e4, 2, 2, 2], np.float32)
TORN = np.float32(-1.0)


class Points:
    """Every so many points of a head model, and the rows of their Jacobian in the face frame.

    Parameters
    ----------
    mean, normals : (N, 3); components : (K, N, 3); all without the midpoint of the eyes.
    stride : 1 for all of them.
    """

    def __init__(self, mean: Floats, normals: Floats, components: Floats, stride: int) -> None:
        self.mean: Floats = np.ascontiguousarray(mean[::stride])
        self.normals: Floats = np.ascontiguousarray(normals[::stride])
        chosen = components[:, ::stride]
        self.bends: Floats = np.ascontiguousarray(chosen.reshape(len(chosen), -1))  # (K, 3 N)
        turns = np.cross(self.mean, self.normals)
        along = np.einsum("kna,na->nk", chosen, self.normals)
        self.rows: Floats = np.hstack([turns, self.normals, along])  # (N, 6 + K)
        six = self.rows[:, :POSE]
        self.products: Floats = (six[:, :, None] * six[:, None]).reshape(-1, POSE * POSE)


@dataclass(frozen=True, slots=True)
class Usable:
    """What rays can meet.

    Attributes
    ----------
    patch : the patch.
    depth : of its cells, row by row, and zeros for a row more.
    light : (cells + 1,) the least reflectance of each cell, its right one, and the two below these; -1 where
        they are not one surface, and last.
    min_reflectance, dark_counts : what may be hair, and whether it counts where it agrees with the model.
    """

    patch: Patch
    depth: Floats
    light: Floats
    min_reflectance: float
    dark_counts: bool


@dataclass(slots=True)
class Fit:
    """Heads at S poses: rotation (S, 3, 3), translation (S, 3), shape (S, K), score (S,)."""

    rotation: Floats
    translation: Floats
    shape: Floats
    score: Floats

    def __getitem__(self, chosen: NDArray[np.generic]) -> Fit:
        """Some of them."""
        return Fit(self.rotation[chosen], self.translation[chosen], self.shape[chosen], self.score[chosen])


@dataclass(frozen=True, slots=True)
class _Met:
    """What the rays of N points at S poses meet; all (S, N)."""

    along: Floats
    z: Floats
    surface: Floats
    light: Floats
    facing: Flags


def quads(patch: Patch) -> tuple[Floats, Floats]:
    """`Usable.depth` and `Usable.light` of a patch."""
    height, width = patch.depth.shape
    depth = np.zeros(height * width + width + 2, np.float32)
    depth[: height * width] = patch.depth.ravel()
    light = np.full(height * width + 1, TORN)
    views = (np.s_[:-1, :-1], np.s_[:-1, 1:], np.s_[1:, :-1], np.s_[1:, 1:])
    a, b, c, d = (patch.depth[view] for view in views)
    low, high = np.minimum(np.minimum(a, b), np.minimum(c, d)), np.maximum(np.maximum(a, b), np.maximum(c, d))
    a, b, c, d = (patch.reflectance[view] for view in views)
    least = np.minimum(np.minimum(a, b), np.minimum(c, d))
    least[(low <= 0) | (high - low > TEAR_MM)] = TORN
    light[:-1].reshape(height, width)[:-1, :-1] = least
    return depth, light


def search(model: tuple[Points, Points, Points], usable: Usable, starts: Fit) -> Fit | None:
    """Find the best fit from many starts, at every fourth, every second, and all points of a model."""
    coarse, medium, fine = model
    states = _distinct(_walk(coarse, usable, _begin(coarse, usable, starts), START_CUTOFF_MM[:2]), KEPT_EARLY)
    states = _distinct(_walk(coarse, usable, states, START_CUTOFF_MM[2:]), KEPT)
    if not len(states.score) or states.score[0] < HOPELESS_SCORE:
        return None
    states = states[states.score > states.score[0] - KEPT_MARGIN]
    states = refine(medium, usable, states, BEND_CUTOFF_MM)
    if not len(states.score) or states.score.max() < POOR_SCORE:
        return None
    return refine(fine, usable, states[[int(states.score.argmax())]], FULL_CUTOFF_MM)


def _follow(points: Floats, normals: Floats, usable: Usable, at: Fit) -> _Met:
    """Follow the rays of points, (N, 3) or (S, N, 3)."""
    patch = usable.patch
    eye = -(at.translation[:, None] @ at.rotation)  # (S, 1, 3)
    # |eye - point|^2 and its part along the normal, without an array of the differences.
    along = (eye @ normals.T)[:, 0] - np.einsum("...na,na->...n", points, normals)
    squared = np.einsum("...na,...na->...n", points, points) - 2 * (eye @ points.swapaxes(-1, -2))[:, 0]
    squared += np.einsum("sia,sia->si", eye, eye)
    facing = (along > 0) & (along * along >= MIN_COSINE**2 * squared)
    turned = at.rotation @ points.swapaxes(-1, -2) + at.translation[..., None]  # (S, 3, N)
    z = turned[:, 2]
    u = turned[:, 0] / z * np.float32(patch.fx) + np.float32(patch.cx)
    v = turned[:, 1] / z * np.float32(patch.fy) + np.float32(patch.cy)
    height, width = patch.depth.shape
    inside = facing & (z > 1) & (u >= 0) & (v >= 0) & (u < width - 1) & (v < height - 1)
    column, row = np.floor(u), np.floor(v)
    cell = np.where(inside, row * np.float32(width) + column, np.float32(height * width)).astype(np.intp)
    a, b, c, d = (usable.depth.take(cell + beyond) for beyond in (0, 1, width, width + 1))
    right, down = u - column, v - row
    upper, lower = a + right * (b - a), c + right * (d - c)
    return _Met(along, z, upper + down * (lower - upper), usable.light.take(cell), facing)


def _measure(met: _Met, heights: Floats, usable: Usable) -> tuple[Floats, Floats, Floats]:
    """Residuals (S, N), the most that a cut-off may be (0: none counts), and how many points should count."""
    mm = met.along * (met.surface / met.z - 1)
    meets = met.light >= 0
    dark = meets & (met.light < usable.min_reflectance)
    agrees = usable.dark_counts & (np.abs(mm) <= DARK_CUTOFF_MM)
    hidden = ((heights < FOREHEAD_MM) & (mm < -DARK_CUTOFF_MM)) | (dark & ~agrees)
    covered = np.count_nonzero(meets & hidden & (mm < DARK_CUTOFF_MM), axis=-1)
    limit = np.where(dark, np.float32(DARK_CUTOFF_MM), np.float32(np.inf))
    limit[~meets | hidden] = 0.0
    facing = np.count_nonzero(met.facing, axis=-1).astype(np.float32)
    return mm, limit, facing - np.minimum(covered, MAX_COVERED * facing).astype(np.float32)


def _roots(mm: Floats, limit: Floats, cutoff: float) -> Floats:
    """Roots of Tukey's weights."""
    with np.errstate(divide="ignore", invalid="ignore"):
        x = mm / np.minimum(limit, np.float32(cutoff))
        return np.where(np.abs(x) < 1, 1 - x * x, np.float32(0))


def _begin(points: Points, usable: Usable, starts: Fit) -> Fit:
    """Move starts along their rays until the middle residual is zero."""
    met = _follow(points.mean, points.normals, usable, starts)
    gaps = np.where(met.light >= max(usable.min_reflectance, 0.0), met.surface - met.z, np.float32(np.inf))
    counts = np.count_nonzero(gaps < np.inf, axis=1)
    middles = np.sort(gaps, axis=1)[np.arange(len(gaps)), np.minimum(counts // 2, gaps.shape[1] - 1)]
    kept = counts >= 20
    found = starts[kept]
    found.translation = found.translation.copy()
    found.translation[:, 2] += middles[kept]
    return found


def _walk(points: Points, usable: Usable, states: Fit, cutoffs: tuple[float, ...]) -> Fit:
    """Steps over the pose of the mean head; states that meet next to nothing are dropped."""
    for cutoff in cutoffs:
        if not len(states.score):
            break
        met = _follow(points.mean, points.normals, usable, states)
        mm, limit, facing = _measure(met, points.mean[:, 1], usable)
        kept = np.count_nonzero(limit, axis=1) >= 20
        weights = _roots(mm, limit, cutoff) ** 2
        left = (weights @ points.products).reshape(-1, POSE, POSE) + np.diag(DAMPING)
        step = np.linalg.solve(left, ((weights * mm) @ points.rows[:, :POSE])[..., None])[..., 0]
        states = _descended(states, step)
        states.score = weights.sum(axis=1) / np.maximum(facing, 1e-6)
        if not kept.all():
            states = states[kept]
    return states


def _distinct(states: Fit, count: int) -> Fit:
    """Return the best of those that are not the same."""
    order = np.argsort(-states.score, kind="stable")
    flat = states.rotation.reshape(-1, 9)
    near = flat @ flat.T > 1 + 2 * cos(SAME_RAD)
    near &= np.linalg.norm(states.translation[:, None] - states.translation, axis=2) < SAME_MM
    kept: list[int] = []
    for state in order:
        if not near[state, kept].any():
            kept.append(state)
            if len(kept) == count:
                break
    return states[np.array(kept, np.intp)]


def refine(points: Points, usable: Usable, states: Fit, cutoffs: tuple[float, ...]) -> Fit:
    """Steps over pose and shape, and how well the bent heads then explain the depth."""
    prior = np.ones(points.rows.shape[1], np.float32)
    prior[:POSE] = 0.0
    for cutoff in cutoffs:
        mm, limit, _ = _looked(points, usable, states)
        roots = _roots(mm, limit, cutoff) / np.float32(SIGMA_MM)
        kept = np.count_nonzero(roots, axis=1) >= 60
        if not kept.all():
            states, roots, mm = states[kept], roots[kept], mm[kept]
        weighted = roots[..., None] * points.rows
        across = weighted.transpose(0, 2, 1)
        left = across @ weighted + np.diag(prior)
        right = (across @ (roots * mm)[..., None])[..., 0]
        right[:, POSE:] += states.shape
        step = np.linalg.solve(left, right[..., None])[..., 0]
        states = _descended(states, step[:, :POSE])
        states.shape = states.shape - step[:, POSE:]
    return _judged(points, usable, states)


def _looked(points: Points, usable: Usable, states: Fit) -> tuple[Floats, Floats, Floats]:
    bent = (states.shape @ points.bends).reshape(-1, *points.mean.shape) + points.mean
    return _measure(_follow(bent, points.normals, usable, states), bent[..., 1], usable)


def _judged(points: Points, usable: Usable, states: Fit) -> Fit:
    mm, limit, facing = _looked(points, usable, states)
    explained = (_roots(mm, limit, JUDGED_CUTOFF_MM) ** 2).sum(axis=1) / np.maximum(facing, 1)
    unusual = (states.shape**2).mean(axis=1)
    turned = ((angles_deg(states.rotation) / TURNED_DEG) ** 2).sum(axis=1)
    states.score = explained - SHAPE_COST * unusual - POSE_COST * turned
    return states


def angles_deg(rotation: Floats) -> Floats:
    """Yaw, pitch and roll of (S, 3, 3), as `HeadPose` has them."""
    pitch = np.arcsin(np.clip(rotation[:, 2, 1], -1, 1))
    yaw = np.arctan2(-rotation[:, 2, 0], rotation[:, 2, 2])
    roll = np.arctan2(-rotation[:, 0, 1], rotation[:, 1, 1])
    return np.degrees(np.stack([yaw, pitch, roll], axis=1))


def _descended(states: Fit, step: Floats) -> Fit:
    """Subtract steps given in the face frame, (S, 6)."""
    return stepped(states, -step[:, :3], -step[:, 3:POSE])


def stepped(states: Fit, turn: Floats, shift: Floats) -> Fit:
    """Turn (axis times radians) and then shift (mm), both along the face's axes, (S, 3) each."""
    translation = states.translation + np.einsum("sij,sj->si", states.rotation, shift)
    angle = np.linalg.norm(turn, axis=1)[:, None, None]
    safe = np.maximum(angle, 1e-12)
    x, y, z = turn.T
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=1).reshape(-1, 3, 3)
    rotated = np.sin(angle) / safe * cross + (1 - np.cos(angle)) / safe**2 * (cross @ cross)
    rotation = states.rotation + states.rotation @ rotated
    return Fit(rotation.astype(np.float32), translation.astype(np.float32), states.shape, states.score)
