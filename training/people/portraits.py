"""Skin detail from portraits of real people, warped onto the atlas of `training.people.skin`.

The portraits (CC BY 4.0: DeBruine & Jones, Face Research Lab London Set, doi:10.6084/m9.figshare.5047666,
and Young Adult White Faces with Manipulated Versions, doi:10.6084/m9.figshare.4220517) stay outside the
repository. `Portraits.of_set` makes their maps once, below ``build``, and loads them from there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator

from training.camera.raster import Camera, draw
from training.heads.ict import DEFAULT_PATH, PART_HEAD, ParametricHead, normals_of
from training.people.skin import ATLAS_HEIGHT, ATLAS_WIDTH, TOP_MM, Rng, atlas_coordinates, smoothstep
from training.provenance.revision import ROOT

PORTRAITS_PATH = DEFAULT_PATH.parent / "portraits"
CACHE = ROOT / "build" / "portraits" / "detail.npz"
CACHE_VERSION = 2
SETS = ("london_neutral", "canada")
_HELD_EVERY = 9  # of every nine people two are held back from training
WINDOW = np.s_[0:300, 112:432]  # rows and columns of the atlas that a portrait can cover
STEP = 1 / 48  # of log reflectance, one unit of the stored maps

Floats = NDArray[np.float32]

# The 189 landmarks (WebMorph's FRL template) that stand for Multi-PIE's 68, with weights: the brow's
# middle line, the jaw's sides and the nose's ridge are drawn by eye, hence light.
_EXACT = {
    36: 18, 37: 19, 38: 21, 39: 22, 40: 30, 41: 28, 42: 23, 43: 24, 44: 26, 45: 27, 46: 33, 47: 31,
    48: 87, 49: 88, 50: 89, 51: 90, 52: 91, 53: 92, 54: 93, 55: 108, 56: 107, 57: 106, 58: 105, 59: 104,
    61: 95, 62: 96, 63: 97, 65: 102, 66: 101, 67: 100, 8: 129, 33: 55, 31: 64, 35: 69,
}  # fmt: skip
_BETWEEN = {
    17: (71, 71), 18: (72, 83), 19: (73, 83), 20: (74, 84), 21: (75, 76),
    22: (77, 78), 23: (79, 85), 24: (80, 86), 25: (81, 86), 26: (82, 82),
    27: (50, 56), 29: (53, 59), 30: (54, 60),
    4: (125, 125), 5: (126, 126), 6: (127, 127), 7: (128, 128),
    9: (130, 130), 10: (131, 131), 11: (132, 132), 12: (133, 133),
}  # fmt: skip
_OUTLINE = [*range(134, 145), 112, 113, 114, 133, 132, 131, 130, 129, 128, 127, 126, 125, 111, 110, 109]


@dataclass(frozen=True, eq=False)
class Portraits:
    """Maps of real faces on the atlas: log reflectance relative to the person's own skin.

    Attributes
    ----------
    names : of the portraits.
    detail : (n, 300, 320, 3) int8, R, G, B in units of `STEP`; 0 where nothing is known.
    """

    names: tuple[str, ...]
    detail: NDArray[np.int8]

    @classmethod
    def of_set(cls, name: str) -> Portraits:
        """Load the people of a set, "train" or "held"; their maps are made where missing.

        Raises
        ------
        FileNotFoundError
            If neither the maps nor the portraits are there.
        """
        return _of_set(name)

    def blend(self, rng: Rng) -> Floats:
        """Draw a face's log detail (H, W, 3) on the whole atlas: two people, mixed, stronger or fainter."""
        first, second = rng.choice(len(self.names), 2, replace=False)
        share = np.float32(rng.uniform(0.5, 1.0))
        mixed = share * self.detail[first] + (1 - share) * self.detail[second].astype(np.float32)
        if rng.random() < 0.5:
            mixed = mixed[:, ::-1]
        out = np.zeros((ATLAS_HEIGHT, ATLAS_WIDTH, 3), np.float32)
        out[WINDOW] = mixed * np.float32(STEP * rng.uniform(0.75, 1.3))
        return out


def is_held(number: int) -> bool:
    """Whether a person is held back from training, by their number over all of `SETS`."""
    return number % _HELD_EVERY < 2


@cache
def _of_set(name: str) -> Portraits:
    names, detail = _load()
    chosen = [k for k in range(len(names)) if is_held(k) == (name == "held")]
    return Portraits(tuple(names[k] for k in chosen), detail[chosen])


def _load() -> tuple[tuple[str, ...], NDArray[np.int8]]:
    if CACHE.exists():
        with np.load(CACHE) as stored:
            if int(stored["version"]) == CACHE_VERSION:
                return tuple(str(name) for name in stored["names"]), stored["detail"]
    names, detail = make_maps(ParametricHead.load(), PORTRAITS_PATH)
    CACHE.parent.mkdir(parents=True, exist_ok=True)
    partial = CACHE.with_suffix(".part")
    with partial.open("wb") as file:
        np.savez(file, version=CACHE_VERSION, names=names, detail=detail)
    partial.replace(CACHE)
    return names, detail


def make_maps(head: ParametricHead, folder: Path) -> tuple[tuple[str, ...], NDArray[np.int8]]:
    """Warp every portrait below ``folder`` onto the atlas; names, and maps as in `Portraits`.

    Raises
    ------
    FileNotFoundError
        If a set of portraits is missing.
    """
    names, maps = [], []
    for group in SETS:
        marks_file = folder / group / "landmarks189.npz"
        if not marks_file.exists():
            message = (
                f"no portraits at {folder / group}: they are the Face Research Lab London Set and the Young "
                "Adult White Faces of figshare.com (CC BY 4.0); without them render with portrait_share 0"
            )
            raise FileNotFoundError(message)
        with np.load(marks_file) as marks:
            people = list(zip(marks["names"], marks["points"], strict=True))
        for name, points in people:
            picture = cv2.imread(str(folder / group / f"{name}.jpg"))
            if picture is None:
                message = f"no portrait at {folder / group / name}.jpg"
                raise FileNotFoundError(message)
            names.append(f"{group}/{name}")
            maps.append(_detail_of(head, picture, points.astype(np.float64)))
    return tuple(names), np.array(maps)


def _targets(points: NDArray[np.float64]) -> tuple[list[int], NDArray[np.float64], NDArray[np.float64]]:
    """Multi-PIE numbers, their pixels (n, 2) and weights (n,)."""
    numbers = [*_EXACT, *_BETWEEN]
    exact = [points[k] for k in _EXACT.values()]
    between = [0.5 * (points[a] + points[b]) for a, b in _BETWEEN.values()]
    weights = [1.0] * len(exact) + [0.3 if number in range(17) else 0.6 for number in _BETWEEN]
    return numbers, np.array(exact + between), np.array(weights)


def fit_head(
    head: ParametricHead, points: NDArray[np.float64], modes: int = 30
) -> tuple[Floats, NDArray[np.float64], NDArray[np.float64]]:
    """Fit a head to landmarks: vertices (V, 3), their pixels (V, 2), rotation (3, 3)."""
    numbers, pixels, weight = _targets(points)
    chosen = head.landmarks68[numbers]
    basis = head.identity_modes[:modes].reshape(modes, -1, 3)[:, chosen].astype(np.float64)
    mean = head.mean[chosen].astype(np.float64)
    coefficients = np.zeros(modes)
    root = np.sqrt(weight)[:, None]
    for _ in range(8):
        shape = mean + np.tensordot(coefficients, basis, 1)
        design = np.hstack([shape, np.ones((len(shape), 1))])
        affine = np.linalg.lstsq(root * design, root * pixels, rcond=None)[0].T
        left, scales, right = np.linalg.svd(affine[:, :3], full_matrices=False)
        scale, rows = scales.mean(), left @ right
        shift = np.average(pixels - scale * shape @ rows.T, axis=0, weights=weight)
        projected = scale * np.einsum("kni,ci->knc", basis, rows).reshape(modes, -1)
        left_over = (root * (pixels - shift - scale * mean @ rows.T)).ravel()
        system = (projected.reshape(modes, -1, 2) * root).reshape(modes, -1)
        # Landmarks are good to about 2 mm: the prior N(0, I) is worth so much.
        gram = system @ system.T + (2.0 * scale) ** 2 * np.eye(modes)
        coefficients = np.linalg.solve(gram, system @ left_over)
    weights = np.zeros(head.identity_count, np.float32)
    weights[:modes] = coefficients
    vertices = head.vertices(weights)
    flat = scale * vertices @ rows.T + shift
    # What the modes do not explain is bent in the picture, smoothly.
    bend = RBFInterpolator(flat[chosen], pixels - flat[chosen], smoothing=2.0 / weight, neighbors=None)
    return vertices, flat + bend(flat), np.vstack([rows, np.cross(rows[0], rows[1])])


def _on_atlas(head: ParametricHead, attribute: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Spread vertex attributes (V, 3) over the atlas (H, W, 3); and where there is surface."""
    texels = atlas_coordinates(head.mean)
    camera = Camera(1e3, 1e3, 0.5 * (ATLAS_WIDTH - 1), 0.5 * (ATLAS_HEIGHT - 1), ATLAS_WIDTH, ATLAS_HEIGHT)
    # The unrolled head as a relief 20 m away: what stands out lies in front.
    z = 15_000.0 + head.mean[:, 2]
    flat = np.stack([(texels[:, 0] - camera.cx) * z / 1e3, (texels[:, 1] - camera.cy) * z / 1e3, z], axis=1)
    used = head.triangles[(head.part[head.triangles] <= PART_HEAD).all(axis=1)]
    # Triangles that wrap around the back of the head would cross the whole atlas.
    wide = np.ptp(texels[used, 0], axis=1) > 0.5 * ATLAS_WIDTH
    depth, (spread,) = draw(flat.astype(np.float32), used[~wide], (attribute,), camera)
    return spread, np.isfinite(depth)


def _detail_of(
    head: ParametricHead, picture: NDArray[np.uint8], points: NDArray[np.float64]
) -> NDArray[np.int8]:
    """One portrait's map."""
    vertices, pixels, rotation = fit_head(head, points)
    normals = normals_of(vertices, head.triangles) @ rotation.T.astype(np.float32)
    places, surface = _on_atlas(head, np.hstack([pixels, np.zeros((len(pixels), 1))]).astype(np.float32))
    directions, _ = _on_atlas(head, normals.astype(np.float32))

    rgb = picture[..., ::-1].astype(np.float32) / 255.0
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4).astype(np.float32)
    outline = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(outline, [np.rint(points[_OUTLINE]).astype(np.int32)], 1)
    inside = cv2.distanceTransform(outline, cv2.DIST_L2, 5)
    u, v = (np.ascontiguousarray(places[..., k]) for k in (0, 1))
    seen = cv2.remap(linear, u, v, cv2.INTER_LINEAR)
    per_mm = float(np.linalg.norm(points[0] - points[1])) / 62.0
    from_edge = cv2.remap(inside, u, v, cv2.INTER_LINEAR) / np.float32(per_mm)
    trust = smoothstep((from_edge - 2.0) / 9.0) * smoothstep((-directions[..., 2] - 0.2) / 0.35) * surface
    return _delighted(np.log(np.maximum(seen, 2e-3)), directions, trust.astype(np.float32))


def _delighted(log_rgb: Floats, normals: Floats, trust: Floats) -> NDArray[np.int8]:
    """Take smooth shading out of log colours (H, W, 3); brows, lips and lashes must not weigh in it."""
    x, y, z = (normals[..., k] for k in range(3))
    design = np.stack([np.ones_like(x), x, y, z, x * y, x * z, y * z, x * x - y * y, 3 * z * z - 1], axis=-1)
    flat, rows = trust > 0.7, design.reshape(-1, 9)
    skin = flat.copy()
    rest = log_rgb
    for _ in range(4):
        fitted = np.linalg.lstsq(design[skin], log_rgb[skin], rcond=None)[0]
        rest = log_rgb - (rows @ fitted).reshape(log_rgb.shape).astype(np.float32)
        tone = rest.mean(axis=2)
        skin = flat & (tone > -0.22) & (tone < 0.3)
    weight = cv2.GaussianBlur(skin.astype(np.float32), (0, 0), 12.0) + 1e-3
    smooth = cv2.GaussianBlur(rest * skin[..., None], (0, 0), 12.0) / weight[..., None]
    # Shading is one-sided, and mostly smooth: colour that is smooth and symmetric partly stays.
    smooth = smooth * np.clip(4 * weight, 0, 1)[..., None]
    even = 0.5 * (smooth + smooth[:, ::-1])
    detail = rest - smooth + 0.5 * even
    detail = np.where(
        detail > 0, 0.6 * np.minimum(detail, 0.5), np.maximum(detail, -2.4)
    )  # shine is not skin
    # Hair over the forehead is a haircut, not skin; and the neck is in the chin's shadow.
    y = np.arange(ATLAS_HEIGHT, dtype=np.float32)[:, None] + TOP_MM
    hair = ((rest.mean(axis=2) < -0.35) & (y < -34.0)).astype(np.float32)
    bare = 1.0 - np.clip(
        4.0 * cv2.GaussianBlur(cv2.dilate(hair, np.ones((5, 5), np.uint8)), (0, 0), 3.0), 0, 1
    )
    detail = (detail * (trust * bare * smoothstep((118.0 - y) / 12.0))[..., None])[WINDOW]
    stored: NDArray[np.int8] = np.rint(detail / STEP).astype(np.int8)
    return stored
