"""The whole way from a frame to the aligned tensor."""

from __future__ import annotations

import io
from dataclasses import replace
from math import cos, radians, sin

import cv2
import numpy as np
from numpy.typing import NDArray

from faceid_fast.face.bundled import read_bundled_model
from faceid_fast.face.head_model import HEAD_MODEL
from faceid_fast.frame import Frame

from .draw import draw, tensor_of
from .fit import Fit, Points, Usable, angles_deg, quads, refine, search, stepped
from .holes import filled
from .locate import Candidate, candidates, clamped
from .patch import Patch, cut, surface

Floats = NDArray[np.float32]

MIN_DISTANCE_MM, MAX_DISTANCE_MM, RIVAL_MM, NEAR_SPREAD_MM = 250.0, 1600.0, 250.0, 60.0
CHEEK_MM, MIN_SCORE, CONFIDENT_SCORE, MIN_VALID_SHARE = 50.0, 0.55, 0.7, 0.35
MAX_ANGLES_DEG = np.array([50.0, 40.0, 35.0])
BAND_MM = (80.0, 170.0)
HAIR_SHARE, SKIN_QUANTILE, MIN_DARK_SHARE = 0.3, 0.6, 0.1
FINAL_CUTOFF_MM = (12.0, 12.0)
EYE_LINES_MM, EYE_LINES_CUT_MM = (75.0, 100.0, 125.0, 150.0), (35.0, 70.0, 105.0, 140.0)
HEAD_RADIUS_MM = 90.0
STEP_LIMIT: Floats = np.array([5, 5, 5, 6, 6, 6], np.float32)
_EDGES: Floats = np.array([[0, -25, 0], [0, 80, 0], [-CHEEK_MM, 20, 0], [CHEEK_MM, 20, 0]], np.float32)
_TURNS = [(radians(yaw), radians(pitch)) for yaw in (-25.0, 0.0, 25.0) for pitch in (-15.0, 5.0, 25.0)]
_AWAY = np.array([[-sin(yaw), sin(pitch), 1 - cos(yaw) * cos(pitch)] for yaw, pitch in _TURNS])


class Aligner:
    """The bundled head model, ready to align frames."""

    def __init__(self) -> None:
        with np.load(io.BytesIO(read_bundled_model(HEAD_MODEL))) as file:
            arrays = {name: np.asarray(file[name], np.float32) for name in file.files}
        mean, normals, components = arrays["mean"][:-1], arrays["normals"][:-1], arrays["components"][:, :-1]
        self._points = tuple(Points(mean, normals, components, stride) for stride in (4, 2, 1))
        self._template = arrays["template"]
        # Without the slopes, which are for cameras whose principal point is not known.
        self._weights = [stage[:6].reshape(6, -1) for stage in arrays["correction"]]
        self._offsets = [stage[:6] for stage in arrays["correction_offset"]]
        pitches = np.array([cv2.Rodrigues(np.array([pitch, 0.0, 0.0]))[0] for _, pitch in _TURNS])
        yaws = np.array([cv2.Rodrigues(np.array([0.0, yaw, 0.0]))[0] for yaw, _ in _TURNS])
        self._turns: Floats = np.tile(pitches @ yaws, (len(EYE_LINES_MM), 1, 1)).astype(np.float32)

    def align(self, frame: Frame) -> Floats | None:
        """Tensor (4, 72, 64) of the nearest face; None if there is none, or more than one."""
        frame = filled(frame)
        found = candidates(frame, MAX_DISTANCE_MM + RIVAL_MM)
        for at, candidate in enumerate(found):
            if not MIN_DISTANCE_MM <= candidate.near_mm <= MAX_DISTANCE_MM:
                return None
            inspected = self._inspect(frame, candidate)
            if inspected is None:
                continue
            others = (
                other
                for other in found[at + 1 :]
                if other.near_mm - candidate.near_mm < RIVAL_MM + NEAR_SPREAD_MM
            )
            if any(_is_rival(inspected[0], self._inspect(frame, other)) for other in others):
                return None
            return self._finish(frame, *inspected)
        return None

    def _inspect(self, frame: Frame, candidate: Candidate) -> tuple[Fit, Patch] | None:
        """Fit the head model to a candidate."""
        band = (candidate.near_mm - BAND_MM[0], candidate.near_mm + BAND_MM[1])
        patch = cut(frame, candidate.region, band)
        least = HAIR_SHARE * _skin_level(patch, frame.intrinsics.fx, candidate)
        skin = Usable(patch, *quads(patch), least, dark_counts=False)
        fit = search(self._points, skin, self._starts(frame, candidate, skin))
        if fit is not None:
            fit = refine(self._points[-1], replace(skin, dark_counts=True), fit, FINAL_CUTOFF_MM)
        elif np.mean(patch.reflectance[patch.depth > 0] < least) > MIN_DARK_SHARE:
            everything = replace(skin, min_reflectance=0.0)
            fit = search(self._points, everything, self._starts(frame, candidate, everything))
        if fit is None or not len(fit.score) or fit.score[0] < MIN_SCORE:
            return None
        return fit, patch

    def _starts(self, frame: Frame, candidate: Candidate, usable: Usable) -> Fit:
        """Guess poses: the head turns about its own middle."""
        k = frame.intrinsics
        z = candidate.near_mm + 20.0
        lines = EYE_LINES_CUT_MM if candidate.touches_top else EYE_LINES_MM
        origins = []
        for line in lines:
            y = (candidate.top + line * k.fy / candidate.near_mm - k.cy) / k.fy * z
            x = _face_middle(usable, (candidate.center - k.cx) / k.fx * z, y, z)
            origins.append(np.array([x, y, z]) + HEAD_RADIUS_MM * _AWAY)
        origin = np.concatenate(origins).astype(np.float32)
        shape = np.zeros((len(origin), len(self._points[-1].bends)), np.float32)
        return Fit(self._turns, origin, shape, np.zeros(len(origin), np.float32))

    def _finish(self, frame: Frame, fit: Fit, patch: Patch) -> Floats | None:
        """Draw a face that is turned little enough and within the frame, at the corrected pose."""
        k = frame.intrinsics
        edges = _EDGES @ fit.rotation[0].T + fit.translation[0]
        u, v = edges[:, 0] / edges[:, 2] * k.fx + k.cx, edges[:, 1] / edges[:, 2] * k.fy + k.cy
        height, width = frame.depth.shape
        inside = (u >= 0) & (v >= 0) & (u < width) & (v < height)
        if (np.abs(angles_deg(fit.rotation)[0]) > MAX_ANGLES_DEG).any() or not inside.all():
            return None
        solid, light = surface(patch)
        gray = light.reshape(*solid.shape, -1).mean(axis=2, keepdims=True)
        for weights, offset in zip(self._weights, self._offsets, strict=True):
            maps = draw(patch, solid, gray, fit.rotation[0], fit.translation[0])
            seen = tensor_of(*maps, self._template)[:2].ravel()
            step = np.clip(weights @ seen + offset, -STEP_LIMIT, STEP_LIMIT)
            fit = stepped(fit, np.radians(step[None, :3]), step[None, 3:])
        depth, lit, valid = draw(patch, solid, light, fit.rotation[0], fit.translation[0])
        if np.mean(valid) < MIN_VALID_SHARE:
            return None
        return tensor_of(depth, lit, valid, self._template)


def _is_rival(first: Fit, inspected: tuple[Fit, Patch] | None) -> bool:
    """Whether a second fit is another face at nearly the same distance."""
    if inspected is None:
        return False
    second = inspected[0]
    x, y, z = apart = second.translation[0] - first.translation[0]
    below = y > 150.0 and abs(x) < 150.0
    return bool(
        z < RIVAL_MM and np.linalg.norm(apart) > 100.0 and (not below or second.score[0] > CONFIDENT_SCORE)
    )


def _skin_level(patch: Patch, focal_px: float, candidate: Candidate) -> float:
    """Reflectance of bright skin: a quantile over the middle of the candidate."""
    cells, scale = patch.fx / candidate.near_mm, patch.fx / focal_px
    middle = (candidate.center - candidate.region[1]) * scale
    top = (candidate.top - candidate.region[0]) * scale
    height, width = patch.depth.shape
    place = np.s_[
        clamped(top + 50 * cells, height) : clamped(top + 190 * cells, height),
        clamped(middle - 50 * cells, width) : clamped(middle + 50 * cells, width),
    ]
    values = patch.reflectance[place][patch.depth[place] > 0]
    if not len(values):
        return 0.0
    at = int((len(values) - 1) * SKIN_QUANTILE)
    return float(np.partition(values, at)[at])


def _face_middle(usable: Usable, x: float, y: float, z: float) -> float:
    """Horizontal middle of the usable cells from the brows to the upper lip, if there are enough."""
    patch = usable.patch
    height, width = patch.depth.shape
    left, right = (clamped((x + dx) / z * patch.fx + patch.cx, width) for dx in (-110.0, 110.0))
    top, bottom = (clamped((y + dy) / z * patch.fy + patch.cy, height) for dy in (-20.0, 50.0))
    place = np.s_[top:bottom, left:right]
    counts = (patch.depth[place] > 0) & (patch.reflectance[place] >= usable.min_reflectance)
    columns = counts.sum(axis=0)
    total = int(columns.sum())
    if total <= 100:
        return x
    middle = left + float(columns @ np.arange(len(columns))) / total
    return (middle - patch.cx) / patch.fx * z
