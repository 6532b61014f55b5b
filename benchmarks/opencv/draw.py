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
    points = np.stack([z * across, z * down[:, None], z]).reshape(3, -1)
    x, y, face_z = rotation.T @ points - (rotation.T @ translation)[:, None]
    grid_x = x * np.float32(1 / STEP_MM) - np.float32(LEFT_MM / STEP_MM + 0.5)
    grid_y = y * np.float32(1 / STEP_MM) - np.float32(TOP_MM / STEP_MM + 0.5)
    lit = light[top:bottom, left:right].reshape(z.size, -1)
    corners = _triangles(z)
    cell, triangle, shares = _covered(grid_x.take(corners), grid_y.take(corners))
    return _closed(*_shown(cell, shares, corners[:, triangle], face_z, lit))


def _triangles(z: Floats) -> NDArray[np.intp]:
    """Corners (3, N) of the triangles between neighbouring cells that lie on one surface."""
    across = np.abs(z[:, 1:] - z[:, :-1]) <= TEAR_MM  # not so for NaN
    down = np.abs(z[1:] - z[:-1]) <= TEAR_MM
    shared = np.abs(z[:-1, 1:] - z[1:, :-1]) <= TEAR_MM
    width = z.shape[1]
    quads = np.arange(z.size).reshape(z.shape)[:-1, :-1]
    a = quads[shared & across[:-1] & down[:, :-1]]
    c = quads[shared & across[1:] & down[:, 1:]] + width
    return np.concatenate([np.stack([a, a + 1, a + width]), np.stack([c - width + 1, c + 1, c])], axis=1)


def _covered(x: Floats, y: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
    """Cells of the grid whose middles lie in triangles (3, N), which of them, and their corners' shares."""
    first_column, columns = _range(x, WIDTH)
    first_row, rows = _range(y, HEIGHT)
    bx, dx, by, dy = x[1] - x[0], x[2] - x[0], y[1] - y[0], y[2] - y[0]
    area = bx * dy - dx * by
    with np.errstate(divide="ignore"):
        inverse = np.where(np.abs(area) < MIN_AREA, np.float32(np.nan), 1 / area)
    # From the first middle of a cell that may lie in it, both shares grow evenly along rows and columns.
    px, py = first_column - x[0], first_row - y[0]
    beta, gamma = (px * dy - dx * py) * inverse, (bx * py - px * by) * inverse
    rates = (dy * inverse, -by * inverse, -dx * inverse, bx * inverse)
    found = []
    for aside in range(int(columns.max(initial=0))):
        for below in range(int(rows.max(initial=0))):
            at = np.flatnonzero((columns > aside) & (rows > below))
            second, third = beta[at], gamma[at]
            if aside:
                second, third = second + aside * rates[0][at], third + aside * rates[1][at]
            if below:
                second, third = second + below * rates[2][at], third + below * rates[3][at]
            first = 1 - second - third
            inside = np.flatnonzero(np.minimum(np.minimum(first, second), third) >= -HAIRS_BREADTH)
            at = at[inside]
            cell = ((first_row[at] + below) * WIDTH + first_column[at] + aside).astype(np.intp)
            found.append((cell, at, np.stack([first[inside], second[inside], third[inside]])))
    if not found:
        return np.empty(0, np.intp), np.empty(0, np.intp), np.empty((3, 0), np.float32)
    cells, triangles, shares = zip(*found, strict=True)
    return np.concatenate(cells), np.concatenate(triangles), np.concatenate(shares, axis=1)


def _shown(
    cell: NDArray[np.intp], shares: Floats, corners: NDArray[np.intp], z: Floats, light: Floats
) -> tuple[Floats, Floats, Flags]:
    """Depth and light of the nearest triangle over each cell, and where there is one."""
    depths = (shares * z.take(corners)).sum(axis=0)
    order = np.argsort(-depths, kind="stable")
    nearest = np.full(HEIGHT * WIDTH, -1, np.intp)
    nearest[cell[order]] = order  # of equal places the last is kept
    valid = nearest >= 0
    shown = nearest[valid]
    depth_map = np.zeros(valid.size, np.float32)
    light_map = np.zeros((valid.size, light.shape[1]), np.float32)
    depth_map[valid] = depths[shown]
    light_map[valid] = (shares[:, shown, None] * light.take(corners[:, shown], axis=0)).sum(axis=0)
    shape = (HEIGHT, WIDTH)
    return depth_map.reshape(shape), light_map.reshape(*shape, -1), valid.reshape(shape)


def _range(corners: Floats, size: int) -> tuple[Floats, Floats]:
    """First middle of a cell between three corners (3, N), and how many there are."""
    low = np.minimum(np.minimum(corners[0], corners[1]), corners[2])
    high = np.maximum(np.maximum(corners[0], corners[1]), corners[2])
    first = np.maximum(np.ceil(low), 0)
    return first, np.minimum(np.floor(high), size - 1) - first + 1


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
