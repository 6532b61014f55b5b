"""A plain numpy version of the preprocessing, written to be read: float64, loops over triangles.

It repeats what ``rust/core`` documents from the frame and the pose that the core found to the tensor, and
shares no code with it. How the core finds that pose is not repeated: `pose_step` takes one plain
Gauss-Newton step from it, which must find next to nothing left to do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d
from scipy.spatial.transform import Rotation

Floats = NDArray[np.float64]

WIDTH, HEIGHT, STEP, LEFT, TOP = 64, 72, 2.0, -64.0, -50.0
SIGMA_MM, CUTOFF_MM, MIN_COSINE = 3.2, 12.0, 0.25
FOREHEAD_MM, FRINGE_MM = -18.0, 5.0


@dataclass(frozen=True)
class Patch:
    depth: Floats
    colors: Floats
    fx: float
    fy: float
    cx: float
    cy: float


def linear_colors(picture: NDArray[np.generic]) -> Floats:
    """Linear red, green and blue (H, W, 3): infrared three times; colour decoded by the exponent 2.2."""
    if picture.ndim == 2:
        return np.repeat(picture.astype(float)[..., None], 3, axis=2)
    return np.asarray(255.0 * (picture / 255.0) ** 2.2)


def fill_holes(depth: NDArray[np.generic], mm_per_unit: float, focal_px: tuple[float, float]) -> Floats:
    """Bridge small holes along rows and columns, pixel by pixel; depth in units, whole numbers stay whole."""
    units = np.where(np.isfinite(depth) & (depth > 0), depth, 0).astype(float)
    filled = units.copy()
    for row, column in zip(*np.nonzero(units == 0), strict=True):
        across = _gap(units[row], column, mm_per_unit, focal_px[0])
        down = _gap(units[:, column], row, mm_per_unit, focal_px[1])
        if across is None or down is None or min(across.length_mm, down.length_mm) > 25.0:
            continue
        bridges = [gap for gap in (across, down) if gap.step_mm <= 25.5]
        if not bridges or (len(bridges) == 2 and abs(across.value - down.value) * mm_per_unit > 25.5):
            continue
        mean = np.average([gap.value for gap in bridges], weights=[1 / gap.pixels for gap in bridges])
        whole = np.issubdtype(depth.dtype, np.integer)
        filled[row, column] = max(1.0, np.floor(mean + 0.5)) if whole else mean
    return filled


@dataclass(frozen=True)
class _Gap:
    value: float
    pixels: int
    length_mm: float
    step_mm: float


def _gap(line: Floats, at: int, mm_per_unit: float, focal_px: float) -> _Gap | None:
    """Return the gap around a missing place of a line, unless it is open, long, or at a silhouette."""
    before, after = np.flatnonzero(line[:at] > 0), np.flatnonzero(line[at:] > 0)
    if not len(before) or not len(after):
        return None
    first, last = int(before[-1]), at + int(after[0])
    pixels, apart = last - first - 1, line[last] - line[first]
    gap = _Gap(
        value=float(line[first] + apart * (at - first) / (last - first)),
        pixels=pixels,
        length_mm=float(pixels * min(line[first], line[last]) * mm_per_unit / focal_px),
        step_mm=float(abs(apart) * mm_per_unit),
    )
    return gap if gap.length_mm <= 30.0 and gap.step_mm <= 60.5 else None


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

    colors = linear_colors(picture)
    z, lights = blocks(depth_mm), [blocks(colors[..., k]) for k in range(3)]
    inside = (z >= near) & (z <= far)
    count = inside.sum(axis=2)
    kept = (count > 0) & (2 * count >= block * block)
    safe = np.maximum(count, 1)
    depth = np.where(kept, np.where(inside, z, 0).sum(axis=2) / safe, 0.0)
    falloff = (depth / 1000.0) ** 2 if picture.ndim == 2 else 1.0
    means = [np.where(kept, np.where(inside, light, 0).sum(axis=2) / safe * falloff, 0.0) for light in lights]
    return Patch(
        depth,
        np.stack(means, axis=2),
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
    """Orthographic z-buffer of the triangulated patch in the face frame: z, log colours (H, W, 3), valid."""
    solid = solid_cells(patch.depth)
    v, u = np.mgrid[: patch.depth.shape[0], : patch.depth.shape[1]]
    z = patch.depth
    points = np.stack([(u - patch.cx) / patch.fx * z, (v - patch.cy) / patch.fy * z, z], axis=-1)
    face = (points - translation) @ rotation
    x = (face[..., 0] - LEFT) / STEP - 0.5
    y = (face[..., 1] - TOP) / STEP - 0.5
    light = np.log(np.maximum(patch.colors, 1e-3))
    depth_map = np.full((HEIGHT, WIDTH), np.inf)
    light_map = np.zeros((HEIGHT, WIDTH, 3))
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
                for row in inside(ay, by, dy, HEIGHT):
                    for column in inside(ax, bx, dx, WIDTH):
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
    before = np.where(valid, depth, 0.0), np.where(valid[..., None], light, 0.0)
    for r in range(1, HEIGHT - 1):
        for c in range(1, WIDTH - 1):
            around = valid[r - 1 : r + 2, c - 1 : c + 2]
            if not valid[r, c] and around.sum() >= 5:
                depth[r, c] = before[0][r - 1 : r + 2, c - 1 : c + 2].sum() / around.sum()
                light[r, c] = before[1][r - 1 : r + 2, c - 1 : c + 2].sum(axis=(0, 1)) / around.sum()
                filled[r, c] = True
    return depth, light, filled


def tensor_of(depth: Floats, light: Floats, valid: NDArray[np.bool_], template: Floats) -> Floats:
    """Depth against the template; colours against their neighbourhood of 12 mm and its gray contrast."""
    relative = np.where(valid, np.clip((np.where(valid, depth, 0) - template) / 10.0, -2.5, 2.5), 0.0)
    kernel = np.exp(-0.5 * (np.arange(-15, 16) / 6.0) ** 2)
    kernel /= kernel.sum()

    def blur(image: Floats) -> Floats:
        across = correlate1d(image, kernel, axis=1, mode="constant")
        return np.asarray(correlate1d(across, kernel, axis=0, mode="constant"))

    mask = valid.astype(float)
    weight = np.where(valid, blur(mask), 1.0)

    def centred(channel: Floats) -> Floats:
        return np.where(valid, channel - channel[valid].mean(), 0.0)

    gray = centred(light.mean(axis=2))
    deviation = np.sqrt(np.maximum(blur(gray**2) / weight - (blur(gray) / weight) ** 2, 0.0))
    channels = [relative]
    for k in range(3):
        color = centred(light[..., k])
        contrast = (color - blur(color) / weight) / (deviation + 0.08)
        channels.append(np.where(valid, np.clip(contrast, -3, 3), 0.0))
    return np.stack(channels)


def plane_distance(depth: Floats, valid: NDArray[np.bool_]) -> float:
    """Root mean square distance along z from the best plane, within 50 mm of the face's middle."""
    x, y = np.meshgrid(LEFT + (np.arange(WIDTH) + 0.5) * STEP, TOP + (np.arange(HEIGHT) + 0.5) * STEP - 20.0)
    chosen = valid & (x**2 + y**2 < 50.0**2)
    design = np.stack([x[chosen], y[chosen], np.ones(chosen.sum())], axis=1)
    _, residue, *_ = np.linalg.lstsq(design, depth[chosen], rcond=None)
    return float(np.sqrt(residue[0] / chosen.sum()))


@dataclass(frozen=True)
class Head:
    """The head model: mean and normals (N, 3), components (K, N, 3), millimetres."""

    mean: Floats
    normals: Floats
    components: Floats


def depth_at(patch: Patch, u: Floats, v: Floats) -> Floats:
    """Interpolate depth at (N,) image points; NaN beside the patch, at holes and over edges."""
    column, row = np.floor(u).astype(int), np.floor(v).astype(int)
    rows, columns = patch.depth.shape
    within = (column >= 0) & (row >= 0) & (column + 1 < columns) & (row + 1 < rows)
    c, r = np.where(within, column, 0), np.where(within, row, 0)
    corners = np.stack([patch.depth[r + i, c + j] for i in (0, 1) for j in (0, 1)])
    whole = within & (corners.min(axis=0) > 0) & (np.ptp(corners, axis=0) <= 25.0)
    a, b = u - column, v - row
    upper, lower = corners[0] + a * (corners[1] - corners[0]), corners[2] + a * (corners[3] - corners[2])
    return np.where(whole, upper + b * (lower - upper), np.nan)


def pose_step(patch: Patch, head: Head, rotation: Floats, translation: Floats) -> tuple[float, float]:
    """Turn (degrees) and shift (mm) of one Gauss-Newton step over pose and shape.

    Point to plane along the viewing rays, Tukey weights, prior N(0, I) over the shape. The shape is fitted
    first, in the given pose: what is left is what the pose alone could gain.
    """
    shape = np.zeros(len(head.components))
    step = np.zeros(6)
    for fitted in (0, 0, 0, 0, 0, 6):  # pose parameters that the step may change
        points = head.mean + np.tensordot(shape, head.components, 1)
        normals = head.normals @ rotation.T
        p = points @ rotation.T + translation
        cosine = -(normals * p).sum(axis=1) / np.linalg.norm(p, axis=1)
        seen = depth_at(
            patch,
            p[:, 0] / p[:, 2] * patch.fx + patch.cx,
            p[:, 1] / p[:, 2] * patch.fy + patch.cy,
        )
        residual = (normals * p).sum(axis=1) * (1.0 - seen / p[:, 2])
        fringe = (points[:, 1] < FOREHEAD_MM) & (residual < -FRINGE_MM)
        used = np.isfinite(residual) & (cosine > MIN_COSINE) & (np.abs(residual) < CUTOFF_MM) & ~fringe
        weight = (1.0 - (residual[used] / CUTOFF_MM) ** 2) / SIGMA_MM  # the root of Tukey's
        n = head.normals[used]
        rows = np.hstack([np.cross(points[used], n), n, np.einsum("kna,na->nk", head.components[:, used], n)])
        jacobian = weight[:, None] * rows[:, 6 - fitted :]
        prior = np.eye(jacobian.shape[1])
        prior[:fitted, :fitted] = 0.0
        target = weight * residual[used]
        known = np.concatenate([np.zeros(fitted), shape])
        change = np.linalg.solve(jacobian.T @ jacobian + prior, jacobian.T @ target + prior @ known)
        shape = shape - change[fitted:]
        step[:fitted] = change[:fitted]
    return float(np.degrees(np.linalg.norm(step[:3]))), float(np.linalg.norm(step[3:]))


def turned(rotation: Floats, degrees: tuple[float, float, float]) -> Floats:
    """Turn a pose about the face's axes."""
    return np.asarray(rotation @ Rotation.from_rotvec(degrees, degrees=True).as_matrix())
