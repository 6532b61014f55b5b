"""Photographs of people who do not exist: two portraits mixed on a mixed head, turned, moved and lit.

Rendered skin is no face to a network that knows real ones; photographs on fitted heads are. A *morph* has the
photographed skin of two people, mixed by smooth weights, on a head between their two with some modes of its
own. It can be seen from any side, with any expression, in colour or as infrared cameras see skin: what varies
within a person and what does not can be learned from it, for as many people as are wanted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from training.camera.raster import Camera, draw, rotation_of
from training.heads.ict import DEFAULT_PATH, PART_SOCKETS, ParametricHead, normals_of
from training.people.portraits import PORTRAITS_PATH, SETS, fit_head, is_held

SIDE_PX: Final = 224
GAMMA: Final = 2.2
ORIGIN_Y_MM: Final = 20.0
"""The head's origin lies so far below the middle of the picture."""
OWN_MODES: Final = 40
MOUTH_SHADE: Final = 0.25
"""Light inside of the mouth, which no portrait shows."""

Rng = np.random.Generator
Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Sitter:
    """A portrait and the head fitted to it.

    Attributes
    ----------
    picture : (H, W, 3) float32, R, G, B, 0 to 255.
    vertices : (V, 3) millimetres. pixels : (V, 2), where each vertex is in the picture.
    """

    picture: Floats
    vertices: Floats
    pixels: Floats


@dataclass(frozen=True, eq=False)
class Morph:
    """A person who does not exist.

    Attributes
    ----------
    skins : of whom the skin is. weight : (V,) the second one's share.
    vertices : (V, 3) millimetres, neutral.
    tint : (3,) factors of the linear colours.
    """

    skins: tuple[Sitter, Sitter]
    weight: Floats
    vertices: Floats
    tint: Floats


@dataclass(frozen=True, eq=False)
class Photograph:
    """A morph seen by a camera.

    Attributes
    ----------
    picture : (224, 224, 3) uint8; infrared is the same three times.
    points_px : (5, 2), the eye corners and the base of the nose as `training.data.portrait_chips` has them.
    infrared : whether it is infrared.
    """

    picture: NDArray[np.uint8]
    points_px: NDArray[np.float64]
    infrared: bool


@cache
def sitters(folder: Path = PORTRAITS_PATH, set_name: str = "train") -> tuple[Sitter, ...]:
    """Fit heads to the neutral portraits of a set, "train" or "held", as `Portraits.of_set` splits them.

    Raises
    ------
    FileNotFoundError
        A set or a portrait is missing.
    """
    head = ParametricHead.load(DEFAULT_PATH)
    found, number = [], 0
    for group in SETS:
        with np.load(folder / group / "landmarks189.npz") as marks:
            people = list(zip(marks["names"], marks["points"], strict=True))
        for name, points in people:
            held, number = is_held(number), number + 1
            if held != (set_name == "held"):
                continue
            path = folder / group / f"{name}.jpg"
            picture = cv2.imread(str(path))
            if picture is None:
                message = f"no portrait at {path}"
                raise FileNotFoundError(message)
            vertices, pixels, _ = fit_head(head, points.astype(np.float64))
            rgb = picture[..., ::-1].astype(np.float32)
            found.append(Sitter(rgb, vertices.astype(np.float32), pixels.astype(np.float32)))
    return tuple(found)


def draw_morph(rng: Rng, head: ParametricHead, people: Sequence[Sitter]) -> Morph:
    """Draw a person: one in three has the skin of a single sitter."""
    first, second = (people[k] for k in rng.choice(len(people), 2, replace=False))
    share = float(rng.uniform(0.0, 0.5)) if rng.random() < 0.65 else 0.0
    deviation = 0.45 if share else 0.15
    modes = head.identity_modes[:OWN_MODES].reshape(OWN_MODES, -1, 3)
    own = np.tensordot(rng.normal(0.0, deviation, OWN_MODES).astype(np.float32), modes, 1)
    vertices = (1 - share) * first.vertices + share * second.vertices + own
    weight = np.full(len(vertices), share, np.float32)
    if share and rng.random() < 0.6:  # one sitter's on one side, the other's on the other
        direction = rng.normal(size=3)
        along = head.mean @ (direction / np.linalg.norm(direction))
        place = (along - along.mean()) / along.std()
        weight = (0.9 / (1.0 + np.exp(-(2.0 * place + rng.normal())))).astype(np.float32)
    tint = np.exp(rng.normal(0.0, 0.12, 3) + rng.normal(0.0, 0.25))
    return Morph((first, second), weight, vertices.astype(np.float32), tint.astype(np.float32))


def draw_sitter(rng: Rng, sitter: Sitter) -> Morph:
    """Take a sitter as they are, but for the tint of their skin."""
    tint = np.exp(rng.normal(0.0, 0.12, 3) + rng.normal(0.0, 0.25)).astype(np.float32)
    return Morph((sitter, sitter), np.zeros(len(sitter.vertices), np.float32), sitter.vertices, tint)


def take_photograph(
    rng: Rng, head: ParametricHead, morph: Morph, behind: Sequence[Sitter], *, infrared: bool | None = None
) -> Photograph:
    """Take a photograph: expression, pose, distance, light and what lies behind are drawn.

    Parameters
    ----------
    behind : of whose portraits a piece may lie behind.
    infrared : whether it is infrared; None draws that too.
    """
    vertices = morph.vertices.copy()
    if rng.random() < 0.75:
        count = int(rng.integers(1, 6))
        chosen = rng.choice(head.expression_count, count, replace=False)
        modes = head.expression_modes.reshape(head.expression_count, -1, 3)[chosen]
        vertices += np.tensordot(rng.uniform(0.1, 0.8, count).astype(np.float32), modes, 1)
    yaw, pitch = np.clip(rng.normal(0, 19), -40, 40), np.clip(rng.normal(5, 13), -24, 32)
    rotation = rotation_of(float(yaw), float(pitch), float(rng.normal(0, 5)))
    distance = float(rng.uniform(500, 1100))
    focal, middle = distance * float(rng.uniform(0.55, 1.05)), (SIDE_PX - 1) / 2
    camera = Camera(focal, focal, middle, middle, SIDE_PX, SIDE_PX)
    placed = (vertices @ rotation.T + [0.0, ORIGIN_Y_MM, distance]).astype(np.float32)
    linear, normals, there = _seen(head, morph, vertices, placed, rotation, camera)
    drawn = bool(rng.random() < 0.6)
    infrared = drawn if infrared is None else infrared
    lit = _infrared(rng, linear, normals) if infrared else _colored(rng, linear, normals)
    backdrop = _backdrop(rng, behind)
    if infrared:
        backdrop = np.repeat(backdrop.mean(axis=2, keepdims=True), 3, axis=2)
    scene = np.where(there[..., None], lit, backdrop)
    if infrared:
        brightest = max(float(np.percentile(scene, 98)), 1e-3)
        picture = 255.0 * np.sqrt(np.clip(scene / brightest, 0.0, 1.0))
    else:
        picture = 255.0 * np.clip(scene, 0.0, 1.0) ** (1 / GAMMA)
    picture = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.3, 1.1)))
    noise = float(rng.choice([0, 1, 2, 4], p=[0.3, 0.3, 0.25, 0.15]))
    picture = picture + rng.normal(0.0, noise, (SIDE_PX, SIDE_PX, 1 if infrared else 3))
    corners = placed[head.landmarks68[[45, 42, 36, 39, 33]]]
    return Photograph(np.rint(np.clip(picture, 0, 255)).astype(np.uint8), camera.project(corners), infrared)


def _seen(
    head: ParametricHead, morph: Morph, vertices: Floats, placed: Floats, rotation: Any, camera: Camera
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Linear skin (H, W, 3), unit normals (H, W, 3), and where the head is (H, W)."""
    first, second = morph.skins
    inside = (head.part == PART_SOCKETS) & (head.mean[:, 1] > 30.0)
    turned = (normals_of(vertices, head.triangles) @ rotation.T).astype(np.float32)
    attributes = (
        np.column_stack([first.pixels, morph.weight]).astype(np.float32),
        np.column_stack([second.pixels, inside]).astype(np.float32),
        turned,
    )
    depth, (of_first, of_second, normals) = draw(placed, head.seen_triangles, attributes, camera)
    weight = of_first[..., 2:]
    skin = (1 - weight) * _looked_up(first, of_first) + weight * _looked_up(second, of_second)
    skin = skin * (1.0 - (1.0 - MOUTH_SHADE) * of_second[..., 2:])
    length = np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-6)
    linear = (skin / 255.0) ** GAMMA * morph.tint
    return linear.astype(np.float32), (normals / length).astype(np.float32), np.isfinite(depth)


def _looked_up(sitter: Sitter, places: Floats) -> Floats:
    u, v = (np.ascontiguousarray(places[..., k]) for k in (0, 1))
    found = cv2.remap(sitter.picture, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, np.float32)


def _infrared(rng: Rng, linear: Floats, normals: Floats) -> Floats:
    """Skin as infrared shows it: mostly its red, flatter, lit from beside the camera."""
    gray = (linear @ rng.dirichlet([6, 2, 1])) ** rng.uniform(0.5, 0.9)
    light = _unit(np.array([rng.normal(0, 0.15), rng.normal(-0.05, 0.12), -1.0]))
    shade = np.clip(normals @ light, 0.05, 1.0) ** rng.uniform(0.1, 0.8)
    return np.asarray(np.repeat((gray * shade)[..., None], 3, axis=2), np.float32)


def _colored(rng: Rng, linear: Floats, normals: Floats) -> Floats:
    """Skin under a lamp of any side and some light from everywhere, beside the portraits' own."""
    light = _unit(np.array([rng.normal(0, 0.7), rng.normal(-0.3, 0.5), -1.0]))
    ambient = rng.uniform(0.3, 1.0)
    shade = ambient + (1 - ambient) * np.clip(normals @ light, 0.0, 1.0)
    return np.asarray(linear * shade[..., None] * np.exp(rng.normal(0, 0.08, 3)), np.float32)


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return vector / np.linalg.norm(vector)


def _backdrop(rng: Rng, behind: Sequence[Sitter]) -> Floats:
    """What lies behind, (224, 224, 3) linear: a plain wall, something blurred, or a piece of a portrait."""
    lot = rng.random()
    if lot < 0.4:
        return np.full((SIDE_PX, SIDE_PX, 3), rng.uniform(0.0, 0.5), np.float32)
    if lot < 0.7:
        rough = cv2.GaussianBlur(rng.random((SIDE_PX, SIDE_PX)), (0, 0), float(rng.uniform(3, 25)))
        even = (rough - rough.min()) / (np.ptp(rough) + 1e-6) * rng.uniform(0.1, 1.0)
        return np.repeat(even[..., None], 3, axis=2).astype(np.float32)
    picture = behind[int(rng.integers(len(behind)))].picture
    top, left = (int(rng.integers(0, size - SIDE_PX)) for size in picture.shape[:2])
    return np.asarray((picture[top : top + SIDE_PX, left : left + SIDE_PX] / 255.0) ** GAMMA, np.float32)
