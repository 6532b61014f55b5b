"""A plain numpy version of the preprocessing, written to be read: float64, loops over triangles.

It repeats what ``rust/core`` documents, from the frame and the pose that the core found to the tensor,
and the fit's Gauss-Newton step, and shares no code with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

Floats = NDArray[np.float64]

WIDTH, HEIGHT, STEP, LEFT, TOP = 64, 72, 2.0, -64.0, -50.0


@dataclass(frozen=True)
class Patch:
    depth: Floats
    reflectance: Floats
    fx: float
    fy: float
    cx: float
    cy: float


def linear_intensity(picture: NDArray[np.generic]) -> Floats:
    """Infrared as it is; colour decoded from sRGB (exponent 2.2) to luminance, 0..255."""
    if picture.ndim == 2:
        return picture.astype(float)
    return 255.0 * (picture / 255.0) ** 2.2 @ np.array([0.2126, 0.7152, 0.0722])


def cut_patch(
    depth_mm: Floats,
    picture: NDArray[np.generic],
    intrinsics: tuple[float, float, float, float],
    region: tuple[int, int, int, int],
    band_mm: tuple[float, float],
) -> Patch:
    """Average blocks of pixels inside the band of depths into cells of about 2 mm."""
    fx, fy, cx, cy = intrinsics
    top, left, bottom, right = region
    near, far = band_mm
    block = max(1, int(np.floor(2.0 / (near / fx) + 0.5)))
    rows, columns = (bottom - top) // block, (right - left) // block
    window = np.s_[top : top + rows * block, left : left + columns * block]

    def blocks(image: Floats) -> Floats:
        return image[window].reshape(rows, block, columns, block).swapaxes(1, 2).reshape(rows, columns, -1)

    z, light = blocks(depth_mm), blocks(linear_intensity(picture))
    inside = (z >= near) & (z <= far)
    count = inside.sum(axis=2)
    kept = (count > 0) & (2 * count >= block * block)
    safe = np.maximum(count, 1)
    depth = np.where(kept, np.where(inside, z, 0).sum(axis=2) / safe, 0.0)
    falloff = (depth / 1000.0) ** 2 if picture.ndim == 2 else 1.0
    reflectance = np.where(kept, np.where(inside, light, 0).sum(axis=2) / safe * falloff, 0.0)
    return Patch(
        depth,
        reflectance,
        fx / block,
        fy / block,
        (cx - left + 0.5) / block - 0.5,
        (cy - top + 0.5) / block - 0.5,
    )


def solid_cells(depth: Floats) -> NDArray[np.bool_]:
    """Cells that are not far behind a neighbour and not within two steps of a hole."""
    solid = depth > 0
    padded = np.pad(depth, 1)
    for neighbour in (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]):
        solid &= ~((depth > 0) & (neighbour > 0) & (depth - neighbour > 25.0))
    for _ in range(2):
        edge = np.pad(solid, 1, constant_values=True)
        solid = solid & edge[:-2, 1:-1] & edge[2:, 1:-1] & edge[1:-1, :-2] & edge[1:-1, 2:]
    return solid


def inside(a: float, b: float, c: float, size: int) -> range:
    """Whole numbers between the least and the largest of three, within 0..size."""
    return range(max(0, int(np.ceil(min(a, b, c)))), min(size - 1, int(np.floor(max(a, b, c)))) + 1)


def draw(patch: Patch, rotation: Floats, translation: Floats) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Orthographic z-buffer of the triangulated patch in the face frame: z, log light, valid."""
    solid = solid_cells(patch.depth)
    v, u = np.mgrid[: patch.depth.shape[0], : patch.depth.shape[1]]
    z = patch.depth
    points = np.stack([(u - patch.cx) / patch.fx * z, (v - patch.cy) / patch.fy * z, z], axis=-1)
    face = (points - translation) @ rotation
    x = (face[..., 0] - LEFT) / STEP - 0.5
    y = (face[..., 1] - TOP) / STEP - 0.5
    light = np.log(np.maximum(patch.reflectance, 1e-3))
    depth_map = np.full((HEIGHT, WIDTH), np.inf)
    light_map = np.zeros((HEIGHT, WIDTH))
    rows, columns = patch.depth.shape
    for r in range(1, rows):
        for c in range(1, columns):
            corners = [(r - 1, c - 1), (r - 1, c), (r, c - 1), (r, c)]
            for triangle in ([0, 1, 2], [1, 3, 2]):
                cells = [corners[k] for k in triangle]
                if not all(solid[cell] for cell in cells):
                    continue
                depths = [patch.depth[cell] for cell in cells]
                if max(depths) - min(depths) > 25.0:
                    continue
                (ax, ay, az, al), (bx, by, bz, bl), (dx, dy, dz, dl) = (
                    (x[cell], y[cell], face[(*cell, 2)], light[cell]) for cell in cells
                )
                area = (bx - ax) * (dy - ay) - (dx - ax) * (by - ay)
                if abs(area) < 1e-6:
                    continue
                for row in range(
                    max(0, int(np.ceil(min(ay, by, dy)))), min(HEIGHT - 1, int(np.floor(max(ay, by, dy)))) + 1
                ):
                    for column in range(
                        max(0, int(np.ceil(min(ax, bx, dx)))),
                        min(WIDTH - 1, int(np.floor(max(ax, bx, dx)))) + 1,
                    ):
                        beta = ((column - ax) * (dy - ay) - (dx - ax) * (row - ay)) / area
                        gamma = ((bx - ax) * (row - ay) - (column - ax) * (by - ay)) / area
                        alpha = 1 - beta - gamma
                        if min(alpha, beta, gamma) < -1e-5:
                            continue
                        here = alpha * az + beta * bz + gamma * dz
                        if here < depth_map[row, column]:
                            depth_map[row, column] = here
                            light_map[row, column] = alpha * al + beta * bl + gamma * dl
    valid = np.isfinite(depth_map)
    return close_pinholes(depth_map, light_map, valid)


def close_pinholes(
    depth: Floats, light: Floats, valid: NDArray[np.bool_]
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Fill inner cells that have at least five of eight neighbours with their mean."""
    depth, light, filled = depth.copy(), light.copy(), valid.copy()
    before = np.where(valid, depth, 0.0), np.where(valid, light, 0.0)
    for r in range(1, HEIGHT - 1):
        for c in range(1, WIDTH - 1):
            around = valid[r - 1 : r + 2, c - 1 : c + 2]
            if not valid[r, c] and around.sum() >= 5:
                depth[r, c] = before[0][r - 1 : r + 2, c - 1 : c + 2].sum() / around.sum()
                light[r, c] = before[1][r - 1 : r + 2, c - 1 : c + 2].sum() / around.sum()
                filled[r, c] = True
    return depth, light, filled


def tensor_of(depth: Floats, light: Floats, valid: NDArray[np.bool_], template: Floats) -> Floats:
    """Depth against the template; light against its neighbourhood of 12 mm."""
    relative = np.where(valid, np.clip((np.where(valid, depth, 0) - template) / 10.0, -2.5, 2.5), 0.0)
    kernel = np.exp(-0.5 * (np.arange(-15, 16) / 6.0) ** 2)
    kernel /= kernel.sum()

    def blur(image: Floats) -> Floats:
        across = correlate1d(image, kernel, axis=1, mode="constant")
        return np.asarray(correlate1d(across, kernel, axis=0, mode="constant"))

    mask = valid.astype(float)
    weight = np.where(valid, blur(mask), 1.0)
    centred = np.where(valid, light - light[valid].mean(), 0.0)
    mean = blur(centred) / weight
    deviation = np.sqrt(np.maximum(blur(centred**2) / weight - mean**2, 0.0))
    contrast = np.where(valid, np.clip((centred - mean) / (deviation + 0.08), -3, 3), 0.0)
    return np.stack([relative, contrast])


def plane_distance(depth: Floats, valid: NDArray[np.bool_]) -> float:
    """Root mean square distance along z from the best plane, within 50 mm of the face's middle."""
    x, y = np.meshgrid(LEFT + (np.arange(WIDTH) + 0.5) * STEP, TOP + (np.arange(HEIGHT) + 0.5) * STEP - 20.0)
    chosen = valid & (x**2 + y**2 < 50.0**2)
    design = np.stack([x[chosen], y[chosen], np.ones(chosen.sum())], axis=1)
    _, residue, *_ = np.linalg.lstsq(design, depth[chosen], rcond=None)
    return float(np.sqrt(residue[0] / chosen.sum()))
