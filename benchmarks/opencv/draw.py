"""From a fitted patch to frontal maps on the tensor's grid, and from these to the tensor."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .locate import clamped
from .patch import TEAR_MM, Patch

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]

WIDTH, HEIGHT, STEP_MM, LEFT_MM, TOP_MM = 64, 72, 2.0, -64.0, -50.0
FACE_DEPTH_MM = (-70.0, 90.0)
HAIRS_BREADTH, MIN_AREA = 1e-5, 1e-6
DEPTH_UNIT_MM, DEPTH_LIMIT, INTENSITY_LIMIT, CONTRAST_FLOOR = 10.0, 2.5, 3.0, 0.08
_TAPS = np.exp(-0.5 * (np.arange(-15, 16) / 6.0) ** 2)
KERNEL: Floats = (_TAPS / _TAPS.sum()).astype(np.float32)
_BOX = np.array(
    [
        [x, y, z]
        for x in (LEFT_MM, LEFT_MM + WIDTH * STEP_MM)
        for y in (TOP_MM, TOP_MM + HEIGHT * STEP_MM)
        for z in FACE_DEPTH_MM
    ],
    np.float32,
)
_AROUND = np.ones((3, 3), np.float32)


def draw(
    patch: Patch, solid: Floats, light: Floats, rotation: Floats, translation: Floats
) -> tuple[Floats, Floats, Flags]:
    """Draw a surface as seen from the front of the face.

    Parameters
    ----------
    patch, solid, light : a patch and its `surface`.
    rotation, translation : (3, 3) and (3,).

    Returns
    -------
    z (72, 64) in millimetres and log light (72, 64, channels), 0 where there is none; and where there is.
    """
    seen = _BOX @ rotation.T + translation
    columns, rows = (
        seen[:, axis] / seen[:, 2] * focal + centre
        for axis, focal, centre in ((0, patch.fx, patch.cx), (1, patch.fy, patch.cy))
    )
    top, bottom = clamped(rows.min(), len(solid)), clamped(rows.max() + 2, len(solid))
    left, right = clamped(columns.min(), solid.shape[1]), clamped(columns.max() + 2, solid.shape[1])
    z = solid[top:bottom, left:right]
    across = ((np.arange(left, right) - patch.cx) / patch.fx).astype(np.float32)
    down = ((np.arange(top, bottom) - patch.cy) / patch.fy).astype(np.float32)
    points = cv2.merge([z * across, z * down[:, None], z]) - translation
    # On the grid: columns, rows, and millimetres.
    turned = cv2.transform(points, np.ascontiguousarray(rotation.T))
    turned *= np.array([1 / STEP_MM, 1 / STEP_MM, 1], np.float32)
    turned -= np.array([LEFT_MM / STEP_MM + 0.5, TOP_MM / STEP_MM + 0.5, 0], np.float32)
    lit = light[top:bottom, left:right].reshape(z.size, -1)
    return _closed(*_painted(turned, z, lit))


def _painted(turned: Floats, z: Floats, light: Floats) -> tuple[Floats, Floats, Flags]:
    """Fill the grid with triangles of neighbouring cells, the nearest last."""
    near = _apart(z[:-1, 1:], z[1:, :-1])  # the diagonal that both triangles of four cells share
    upper = near & _apart(z[:-1, :-1], z[:-1, 1:]) & _apart(z[:-1, :-1], z[1:, :-1])
    lower = near & _apart(z[1:, 1:], z[:-1, 1:]) & _apart(z[1:, 1:], z[1:, :-1])
    width = z.shape[1]
    firsts = []
    for triangles in (upper, lower):
        at = np.flatnonzero(triangles)
        firsts.append(at // (width - 1) * width + at % (width - 1))
    a, d = firsts[0], firsts[1] + width + 1
    corners = np.concatenate(
        [np.stack([a, a + 1, a + width]), np.stack([d - width, d, d - 1])], axis=1
    )
    flat = turned.reshape(-1, 3)
    x, y = flat[:, 0].take(corners), flat[:, 1].take(corners)
    first_column, last_column = _range(x, WIDTH)
    first_row, last_row = _range(y, HEIGHT)
    some = np.flatnonzero((first_column <= last_column) & (first_row <= last_row))
    corners, x, y = corners[:, some], x[:, some], y[:, some]
    first_column, last_column = first_column[some], last_column[some]
    first_row, last_row = first_row[some], last_row[some]
    bx, dx, by, dy = x[1] - x[0], x[2] - x[0], y[1] - y[0], y[2] - y[0]
    area = bx * dy - dx * by
    with np.errstate(divide="ignore"):
        inverse = np.where(np.abs(area) < MIN_AREA, np.float32(np.nan), 1 / area)
    found = []
    for aside in range(int((last_column - first_column).max(initial=-1)) + 1):
        for below in range(int((last_row - first_row).max(initial=-1)) + 1):
            column, row = first_column + np.float32(aside), first_row + np.float32(below)
            at = np.flatnonzero((column <= last_column) & (row <= last_row))
            column, row = column[at], row[at]
            px, py = column - x[0, at], row - y[0, at]
            beta = (px * dy[at] - dx[at] * py) * inverse[at]
            gamma = (bx[at] * py - px * by[at]) * inverse[at]
            inside = np.minimum(np.minimum(beta, gamma), 1 - beta - gamma) >= -HAIRS_BREADTH
            cell = (row[inside] * WIDTH + column[inside]).astype(np.intp)
            found.append((cell, at[inside], beta[inside], gamma[inside]))
    if not found:
        return (
            np.zeros((HEIGHT, WIDTH), np.float32),
            np.zeros((HEIGHT, WIDTH, light.shape[1]), np.float32),
            np.zeros((HEIGHT, WIDTH), bool),
        )
    cell, triangle, beta, gamma = (np.concatenate(each) for each in zip(*found, strict=True))
    shares = np.stack([1 - beta - gamma, beta, gamma])
    depths = (shares * flat[:, 2].take(corners[:, triangle])).sum(axis=0)
    nearest = np.full(HEIGHT * WIDTH, -1, np.intp)
    order = np.argsort(-depths, kind="stable")
    nearest[cell[order]] = order  # of equal places the last is kept
    valid = nearest >= 0
    shown = nearest[valid]
    depth_map, light_map = np.zeros(valid.size, np.float32), np.zeros((valid.size, light.shape[1]), np.float32)
    depth_map[valid] = depths[shown]
    light_map[valid] = np.einsum(
        "kn,knc->nc", shares[:, shown], light.take(corners[:, triangle[shown]], axis=0)
    )
    shape = (HEIGHT, WIDTH)
    return depth_map.reshape(shape), light_map.reshape(*shape, -1), valid.reshape(shape)


def _apart(one: Floats, other: Floats) -> Flags:
    """Whether cells belong to one surface; NaN to none."""
    return np.abs(one - other) <= TEAR_MM


def _range(corners: Floats, size: int) -> tuple[Floats, Floats]:
    """First and last middle of a cell between three corners (3, N)."""
    low = np.minimum(np.minimum(corners[0], corners[1]), corners[2])
    high = np.maximum(np.maximum(corners[0], corners[1]), corners[2])
    return np.maximum(np.ceil(low), 0), np.minimum(np.floor(high), size - 1)


def _closed(depth: Floats, light: Floats, valid: Flags) -> tuple[Floats, Floats, Flags]:
    """Fill inner cells that have at least five of eight neighbours with their mean."""
    count = cv2.filter2D(valid.astype(np.float32), -1, _AROUND, borderType=cv2.BORDER_CONSTANT)
    holes = ~valid & (count > 4.5)
    holes[[0, -1]] = holes[:, [0, -1]] = False
    if holes.any():
        depth[holes] = cv2.filter2D(depth, -1, _AROUND, borderType=cv2.BORDER_CONSTANT)[holes] / count[holes]
        sums = cv2.filter2D(light, -1, _AROUND, borderType=cv2.BORDER_CONSTANT).reshape(light.shape)
        light[holes] = sums[holes] / count[holes][:, None]
    return depth, light, valid | holes


def tensor_of(depth: Floats, light: Floats, valid: Flags, template: Floats) -> Floats:
    """Depth against the mean face; light against its neighbourhood; (4, 72, 64)."""
    mask = valid.astype(np.float32)
    tensor = np.empty((4, HEIGHT, WIDTH), np.float32)
    tensor[0] = np.clip((depth - template) * np.float32(1 / DEPTH_UNIT_MM), -DEPTH_LIMIT, DEPTH_LIMIT) * mask
    mean = light.reshape(-1, light.shape[2]).sum(axis=0) / max(1.0, float(mask.sum()))
    centred = (light - mean) * mask[..., None]
    gray = centred.mean(axis=2)
    planes = np.dstack([centred, mask, gray * gray])
    blurred = cv2.sepFilter2D(planes, -1, KERNEL, KERNEL, borderType=cv2.BORDER_CONSTANT)
    blurred, weight, square = blurred[..., :-2], blurred[..., -2], blurred[..., -1]
    weight = np.where(valid, weight, np.float32(1))
    local = blurred.mean(axis=2) / weight
    scale = mask / (np.sqrt(np.maximum(square / weight - local * local, 0)) + np.float32(CONTRAST_FLOOR))
    contrast = (centred - blurred / weight[..., None]) * scale[..., None]
    tensor[1:] = np.clip(contrast, -INTENSITY_LIMIT, INTENSITY_LIMIT).transpose(2, 0, 1)
    return tensor
