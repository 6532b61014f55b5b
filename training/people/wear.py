"""Glasses and caps: what they look like, and their meshes on a given head."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.camera.raster import Camera, draw
from training.people.skin import AXIS_Z_MM

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Rng = np.random.Generator

AROUND = 32  # points around a lens
LENS_RADIUS_MM = 120.0  # of the lens's front: glints travel over it as the head turns


@dataclass(frozen=True)
class Glasses:
    """A pair of glasses; lengths in millimetres.

    Attributes
    ----------
    half_width, half_height : of a lens. squareness : exponent of its outline, 2 an ellipse, 5 a box.
    bridge : gap between the lenses. rim, depth : the rim's thickness seen from the front and the side.
    before_eyes : how far the lenses stand before the eyes; lower_by : below them.
    half_rim : whether the lower half of the rim is missing.
    infrared, rgb : reflectance of the frame.
    clear_infrared, clear_rgb : share of the light that passes a lens, once.
    glint : brightness of the reflected lamp.
    """

    half_width: float
    half_height: float
    squareness: float
    bridge: float
    rim: float
    depth: float
    before_eyes: float
    lower_by: float
    half_rim: bool
    infrared: float
    rgb: tuple[float, float, float]
    clear_infrared: float
    clear_rgb: float
    glint: float


@dataclass(frozen=True)
class Cap:
    """A cap; lengths in millimetres.

    Attributes
    ----------
    front, back : height y of its edge above the forehead and at the back.
    thickness : by which it stands off the skull. brim : how far the brim reaches; 0 for none.
    droop : how far the brim falls per millimetre forwards.
    infrared, rgb : reflectance.
    """

    front: float
    back: float
    thickness: float
    brim: float
    droop: float
    infrared: float
    rgb: tuple[float, float, float]


@dataclass(frozen=True)
class Wear:
    """What a person wears in one capture."""

    glasses: Glasses | None = None
    cap: Cap | None = None

    @property
    def code(self) -> int:
        """1 with glasses, 2 with a cap, 3 with both."""
        return int(self.glasses is not None) + 2 * int(self.cap is not None)


@dataclass(frozen=True, eq=False)
class Mesh:
    """Vertices (V, 3) in the face frame, triangles (T, 3), both sides drawn."""

    vertices: Floats
    triangles: Ints


def draw_glasses(rng: Rng, *, dark_share: float = 0.05) -> Glasses:
    """Draw a pair of glasses; ``dark_share`` of them are sunglasses."""
    dark = bool(rng.random() < dark_share)
    metal = bool(rng.random() < 0.4)
    width = rng.uniform(22.0, 29.0)
    grey = rng.uniform(0.25, 0.6) if metal else rng.uniform(0.01, 0.08)
    rgb = grey * np.exp(rng.normal(0, 0.15 if metal else 0.4, 3))
    rim = rng.uniform(1.0, 2.2) if metal else rng.uniform(2.0, 5.5)
    return Glasses(
        half_width=float(width),
        half_height=float(width * rng.uniform(0.62, 1.0) * (1.1 if dark else 1.0)),
        squareness=float(rng.uniform(1.9, 4.5)),
        bridge=float(rng.uniform(14.0, 20.0)),
        rim=float(rim),
        depth=float(rng.uniform(1.5, 4.5)),
        before_eyes=float(rng.uniform(12.0, 19.0)),
        lower_by=float(rng.uniform(-1.0, 7.0)),
        half_rim=bool(rng.random() < 0.12),
        infrared=float(rng.uniform(0.3, 0.7) if metal else rng.uniform(0.04, 0.5)),
        rgb=(float(min(rgb[0], 0.8)), float(min(rgb[1], 0.8)), float(min(rgb[2], 0.8))),
        clear_infrared=float(rng.uniform(0.15, 0.9) if dark else rng.uniform(0.8, 0.97)),
        clear_rgb=float(rng.uniform(0.05, 0.4) if dark else rng.uniform(0.86, 0.97)),
        glint=float(np.exp(rng.uniform(np.log(0.1), np.log(4.0)))),
    )


def _draw_cap(rng: Rng) -> Cap:
    rgb = rng.uniform(0.02, 0.6, 3)
    rgb = 0.5 * rgb + 0.5 * rgb.mean()
    brim = rng.random() < 0.7
    return Cap(
        front=float(rng.uniform(-62.0, -40.0)),
        back=float(rng.uniform(-35.0, 20.0)),
        thickness=float(rng.uniform(9.0, 20.0)),
        brim=float(rng.uniform(50.0, 75.0)) if brim else 0.0,
        droop=float(rng.uniform(-0.05, 0.4)),
        infrared=float(rng.choice([rng.uniform(0.06, 0.3), rng.uniform(0.3, 0.85)])),
        rgb=(float(rgb[0]), float(rgb[1]), float(rgb[2])),
    )


def draw_wear(rng: Rng, own: Glasses | None, *, others: bool, cap_share: float) -> Wear:
    """Draw what is worn in one capture.

    Parameters
    ----------
    own : the identity's glasses, worn seven times of ten.
    others : whether those without may wear a foreign pair, once in twenty, often sunglasses.
    """
    luck, cap_luck = rng.random(2)
    glasses = own if luck < 0.7 else None
    if own is None:
        glasses = draw_glasses(rng, dark_share=0.4) if others and luck < 0.05 else None
    return Wear(glasses, _draw_cap(rng) if cap_luck < cap_share else None)


def _two_sided(vertices: Floats, triangles: Ints) -> Mesh:
    """Every triangle twice, facing either way, with normals of its own."""
    back = triangles[:, ::-1] + len(vertices)
    both = np.vstack([vertices, vertices]).astype(np.float32)
    return Mesh(both, np.vstack([triangles, back]).astype(np.int32))


def _strip(rails: list[Floats], *, closed: bool = False) -> tuple[Floats, Ints]:
    """Surface between neighbouring rails (n, 3) each; the last is joined to the first where closed."""
    n, count = len(rails[0]), len(rails)
    triangles = []
    for rail in range(count if closed else count - 1):
        a, b = rail * n, (rail + 1) % count * n
        for k in range(n - 1):
            triangles += [(a + k, b + k, a + k + 1), (a + k + 1, b + k, b + k + 1)]
    return np.vstack(rails), np.array(triangles, np.int32)


def _tube(line: Floats, across: Floats, *, size: tuple[float, float]) -> tuple[Floats, Ints]:
    """A bar of rectangular section along ``line`` (n, 3); ``across`` (n, 3) is its unit width direction."""
    half = 0.5 * np.float32(size[0]) * across
    deep = np.float32([0, 0, size[1]])
    return _strip([line - half, line + half, line + half + deep, line - half + deep], closed=True)


def _joined(parts: list[tuple[Floats, Ints]]) -> Mesh:
    starts = np.cumsum([0] + [len(vertices) for vertices, _ in parts])
    vertices = np.vstack([vertices for vertices, _ in parts])
    return _two_sided(
        vertices, np.vstack([part + start for (_, part), start in zip(parts, starts, strict=False)])
    )


def glasses_meshes(glasses: Glasses, shape: Floats, landmarks68: NDArray[np.int64]) -> tuple[Mesh, Mesh]:
    """Meshes of frame and lenses on a head with these vertices (V, 3), face frame."""
    marks = shape[landmarks68]
    eyes = 0.5 * (marks[36:42].mean(axis=0) + marks[42:48].mean(axis=0))
    y0 = float(eyes[1]) + glasses.lower_by
    z0 = min(float(eyes[2]) - glasses.before_eyes, float(marks[17:27, 2].min()) - 1.0)
    centre_x = 0.5 * glasses.bridge + glasses.half_width

    def placed(x: Floats, y: Floats) -> Floats:
        # Wrapped around the face, the lower edge nearer to the cheeks.
        z = z0 + (x / 22.0) ** 2 * 0.7 + 0.1 * (y - y0)
        return np.stack([x + eyes[0], y, z], axis=1).astype(np.float32)

    angle = np.linspace(0, 2 * np.pi, AROUND + 1)
    cos, sin = np.cos(angle), np.sin(angle)
    power = 2.0 / glasses.squareness
    out_x = np.sign(cos) * np.abs(cos) ** power * glasses.half_width
    out_y = np.sign(sin) * np.abs(sin) ** power * glasses.half_height
    direction = np.stack([cos, sin, np.zeros_like(cos)], axis=1).astype(np.float32)
    frame, lenses = [], []
    for side in (-1.0, 1.0):
        line = placed(side * (centre_x + out_x), y0 + out_y)
        across = direction * np.float32([side, 1, 1])
        upper = slice(AROUND // 2, None) if glasses.half_rim else slice(None)
        frame.append(_tube(line[upper], across[upper], size=(glasses.rim, glasses.depth)))
        middle = placed(np.array([side * centre_x]), np.array([y0]))
        fan = np.array([(0, k + 1, k + 2) for k in range(AROUND)], np.int32)
        lenses.append((np.vstack([middle, line]), fan))
        # The temple: from the rim's outer edge to the ear, outside whatever head is there.
        hinge_y = y0 - 0.4 * glasses.half_height
        hinge = placed(np.array([side * (centre_x + glasses.half_width)]), np.array([hinge_y]))[0]
        beside = shape[(np.abs(shape[:, 1] - hinge_y) < 12) & (side * shape[:, 0] > 20)]
        steps = np.linspace(0, 1, 9)
        temple_z = hinge[2] + (95.0 - hinge[2]) * steps
        reach = np.array(
            [
                (side * beside[np.abs(beside[:, 2] - z) < 12, 0]).max(initial=0.0) + 1.5 if z > 20 else 0.0
                for z in temple_z
            ]
        )
        reach = np.minimum(reach, 82.0)
        x = side * np.maximum(reach, side * hinge[0])
        temple = np.stack([x, hinge[1] + 4.0 * steps**2, temple_z], axis=1).astype(np.float32)
        high = np.float32([0, 0.5 * max(glasses.rim, 2.0), 0])
        thick = np.float32([side * 1.5, 0, 0])
        frame.append(
            _strip([temple - high, temple - high + thick, temple + high + thick, temple + high], closed=True)
        )
    span = np.linspace(-0.5 * glasses.bridge, 0.5 * glasses.bridge, 7)
    arch = y0 - 0.25 * glasses.half_height - 3.0 * (1 - (2 * span / glasses.bridge) ** 2)
    frame.append(
        _tube(
            placed(span, arch),
            np.tile(np.float32([0, 1, 0]), (7, 1)),
            size=(max(glasses.rim, 1.5), glasses.depth),
        )
    )
    return _joined(frame), _joined(lenses)


def cap_edge(cap: Cap, angle_deg: NDArray[np.floating]) -> NDArray[np.floating]:
    """Height y of the cap's lower edge around the head."""
    away = np.abs(angle_deg) / 180.0
    return cap.front + (cap.back - cap.front) * away**1.5


def cap_mesh(cap: Cap, shape: Floats, mean: Floats, triangles: Ints, on_skull: NDArray[np.bool_]) -> Mesh:
    """Mesh of a cap: a shell around the skull, and a brim.

    Parameters
    ----------
    shape, mean : (V, 3) vertices of this head and of the mean head, face frame.
    """
    axis = np.float32([0.0, 0.0, AXIS_Z_MM])
    angle = np.degrees(np.arctan2(mean[:, 0], AXIS_Z_MM - mean[:, 2]))
    covered = on_skull & (mean[:, 1] < cap_edge(cap, angle) + 6.0)
    used = triangles[covered[triangles].all(axis=1)]
    numbers, used = np.unique(used, return_inverse=True)
    used = used.reshape(-1, 3).astype(np.int32)
    points = shape[numbers]
    outward = points - (axis + np.float32([0, -10.0, 0]))
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    # The fabric is pulled to the edge and stands off the crown.
    high = np.clip((cap_edge(cap, angle[numbers]) - mean[numbers, 1]) / 40.0, 0, 1)[:, None]
    shell = (points + outward * (4.0 + cap.thickness * high)).astype(np.float32)
    parts = [(shell, used)]
    if cap.brim > 0:
        ahead = np.radians(np.linspace(-68, 68, 21))
        near = np.degrees(np.arctan2(shell[:, 0], AXIS_Z_MM - shell[:, 2]))
        radius = np.hypot(shell[:, 0], AXIS_Z_MM - shell[:, 2])
        # The brim starts where the shell's fabric ends: its edge follows the mesh.
        reach, edge = np.empty(len(ahead)), np.empty(len(ahead))
        for k, degrees in enumerate(np.degrees(ahead)):
            column = np.flatnonzero(np.abs(near - degrees) < 8)
            last = column[np.argsort(shell[column, 1])[-3:]]
            reach[k], edge[k] = radius[last].mean() - 2.0, shell[last, 1].mean() - 2.0
        blur = np.float64([1, 2, 3, 2, 1]) / 9
        reach, edge = (np.convolve(np.pad(row, 2, mode="edge"), blur, mode="valid") for row in (reach, edge))
        rails = []
        for share in (0.0, 0.35, 0.7, 1.0):
            forwards = share * cap.brim * np.cos(ahead * 90 / 68 * 0.98) ** 0.5
            x = np.sin(ahead) * reach * (1 + 0.04 * share)
            y = edge + cap.droop * forwards + 9.0 * share * (x / 70.0) ** 2
            rails.append(np.stack([x, y, AXIS_Z_MM - np.cos(ahead) * reach - forwards], axis=1))
        parts.append(_strip([rail.astype(np.float32) for rail in rails]))
    return _joined(parts)


def lens_pictures(lenses: Mesh, normals: Floats, camera: Camera) -> tuple[Floats, Floats]:
    """Depth (H, W) of lenses whose vertices are in the camera frame, and their normals (H, W, 3)."""
    depth, (turned,) = draw(lenses.vertices, lenses.triangles, (normals,), camera)
    return depth, turned


def lens_normals(lenses: Mesh) -> Floats:
    """Normals (V, 3) of the lenses' domed fronts, face frame."""
    count = len(lenses.vertices) // 4  # two lenses, two sides
    normals = []
    for start in range(0, len(lenses.vertices), count):
        part = lenses.vertices[start : start + count]
        bent = (part - part[0]) / np.float32(LENS_RADIUS_MM)
        normal = np.stack([bent[:, 0], bent[:, 1] - 0.1, -np.ones(count, np.float32)], axis=1)
        normals.append(normal / np.linalg.norm(normal, axis=1, keepdims=True))
    return np.vstack(normals).astype(np.float32)
