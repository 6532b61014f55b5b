"""Procedural hair: where it grows, how far it stands out, how dark it is."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from training.people.skin import (
    ATLAS_HEIGHT,
    ATLAS_WIDTH,
    AXIS_Z_MM,
    Rng,
    smooth_noise,
    smoothstep,
    texel_grid,
)

Floats = NDArray[np.float32]

# Angle from the front, degrees; and the height y (mm) above which hair grows there in the mean style.
_ANGLES = np.array([0, 18, 38, 52, 64, 74, 84, 96, 112, 135, 180], np.float64)
_HAIRLINE = np.array([-66, -65, -60, -46, -24, 8, 14, -34, 30, 62, 78], np.float64)


@dataclass(frozen=True)
class HairStyle:
    """A haircut; millimetres and degrees.

    ``kind`` is "bald", "short", "fringe", "long" or "tied". ``hairline`` holds the height of the hair's
    lower edge at the knots around the head. ``curtain_deg`` is where hanging hair begins beside the face.
    """

    kind: str
    hairline: tuple[float, ...]
    top_mm: float
    side_mm: float
    ragged_mm: float
    part_deg: float
    curtain_deg: tuple[float, float]
    curtain_radius_mm: float
    streak: float
    frizz_mm: float


@dataclass(frozen=True, eq=False)
class Hair:
    """A haircut painted on the atlas.

    Attributes
    ----------
    mask : (H, W) 0..1; thickness_mm, curtain : (H, W); shade : (H, W) factor on the hair's reflectance.
    curtain_radius_mm : distance from the head's vertical axis that hanging hair reaches.
    frizz_mm : standard deviation of the surface's roughness.
    """

    mask: Floats
    thickness_mm: Floats
    curtain: Floats
    shade: Floats
    curtain_radius_mm: float
    frizz_mm: float


def draw_style(rng: Rng) -> HairStyle:
    """Draw a haircut: 85 % of heads have hair to speak of."""
    kind = str(rng.choice(["bald", "short", "fringe", "long", "tied"], p=[0.12, 0.4, 0.16, 0.2, 0.12]))
    line = _HAIRLINE + rng.normal(0, 1, len(_HAIRLINE)) * np.array([6, 6, 6, 5, 6, 10, 12, 6, 10, 10, 10])
    line[:3] += rng.normal(0, 6)
    receding = max(0.0, rng.normal(0, 1)) if kind in ("bald", "short", "tied") else 0.0
    line[1:4] -= receding * np.array([7, 12, 8])
    if kind == "bald":
        line[:5] -= rng.uniform(10, 60)
    if kind == "fringe":
        line[:4] += rng.uniform(14, 42) * np.array([1.0, 1.0, 0.95, 0.7])
    if kind in ("fringe", "long"):
        line[5:8] += rng.uniform(0, 60)  # over the ears
    top = {"bald": (0.5, 3), "short": (2, 22), "fringe": (6, 24), "long": (5, 22), "tied": (2, 9)}[kind]
    side = {"bald": (0.3, 3), "short": (1, 12), "fringe": (4, 20), "long": (5, 24), "tied": (1, 6)}[kind]
    left, right = rng.normal(68, 11, 2) if kind == "long" else (400.0, 400.0)
    return HairStyle(
        kind=kind,
        hairline=tuple(float(value) for value in line),
        top_mm=float(rng.uniform(*top)),
        side_mm=float(rng.uniform(*side)),
        ragged_mm=float(rng.uniform(1, 4) + (rng.uniform(2, 9) if kind == "fringe" else 0.0)),
        part_deg=float(rng.normal(0, 25)),
        curtain_deg=(float(max(left, 42)), float(max(right, 42))),
        curtain_radius_mm=float(rng.uniform(82, 108)),
        streak=float(rng.uniform(0.1, 0.45)),
        frizz_mm=float(rng.uniform(0.5, 3.0) + (rng.uniform(0, 3) if kind != "bald" else 0.0)),
    )


def vary_style(rng: Rng, style: HairStyle) -> HairStyle:
    """Vary a haircut as from day to day: edges move, strands fall elsewhere."""
    line = np.array(style.hairline) + rng.normal(0, 1, len(style.hairline)) * 3.0
    if style.kind == "fringe":
        line[:4] += rng.normal(0, 6)
    return HairStyle(
        kind=style.kind,
        hairline=tuple(float(value) for value in line),
        top_mm=style.top_mm * float(np.exp(rng.normal(0, 0.2))),
        side_mm=style.side_mm * float(np.exp(rng.normal(0, 0.2))),
        ragged_mm=style.ragged_mm,
        part_deg=style.part_deg + float(rng.normal(0, 5)),
        curtain_deg=(
            float(max(style.curtain_deg[0] + rng.normal(0, 6), 42)),
            float(max(style.curtain_deg[1] + rng.normal(0, 6), 42)),
        ),
        curtain_radius_mm=style.curtain_radius_mm + float(rng.normal(0, 4)),
        streak=style.streak,
        frizz_mm=style.frizz_mm,
    )


def paint(rng: Rng, style: HairStyle) -> Hair:
    """Paint a haircut on the atlas; the random strands come from ``rng``."""
    angle, y = texel_grid()
    away = np.abs(angle)
    edge = np.interp(away, _ANGLES, style.hairline).astype(np.float32)
    strands = cv2.resize(
        rng.standard_normal((1, ATLAS_WIDTH // 5), dtype=np.float32),
        (ATLAS_WIDTH, 1),
        interpolation=cv2.INTER_CUBIC,
    ) + 0.8 * cv2.resize(
        rng.standard_normal((1, ATLAS_WIDTH // 16), dtype=np.float32),
        (ATLAS_WIDTH, 1),
        interpolation=cv2.INTER_CUBIC,
    )
    fine = smooth_noise(rng, 2.6, stretch=5.0)
    inside = edge + style.ragged_mm * (strands + 0.4 * fine) - y  # millimetres above the hair's edge
    mask = smoothstep(inside / 4.0)
    # Thickest at the crown, thinner towards the edges; a parting is a groove.
    height = smoothstep((-y - 30.0) / 60.0)
    thickness = style.side_mm + (style.top_mm - style.side_mm) * height
    thickness = thickness * (1.0 - 0.5 * np.exp(-(((angle - style.part_deg) / 5.0) ** 2)) * height)
    thickness = thickness * smoothstep(inside / (8.0 + thickness))
    thickness = thickness + mask * style.frizz_mm * (0.8 * fine + 0.7 * smooth_noise(rng, 9.0))
    curtain = np.zeros((ATLAS_HEIGHT, ATLAS_WIDTH), np.float32)
    if style.kind == "long":
        begin = np.where(angle < 0, style.curtain_deg[0], style.curtain_deg[1])
        hanging = smoothstep((away - begin) / 10.0) * smoothstep((y + 20.0) / 40.0)
        # Below the jaw the mesh is stretched from the neck out to the hair: it is all hair.
        reached = np.maximum(begin + 3.0 - 22.0 * smoothstep((y - 25.0) / 30.0), 46.0) + 200.0 * (y < -10.0)
        mask = np.maximum(mask, smoothstep((away - reached + 2.0 * strands) / 5.0))
        curtain = hanging
        # The mesh is too coarse for strands below the ears.
        thickness = thickness * (1.0 - 0.8 * hanging)
    shade = np.exp(style.streak * (0.7 * fine + 0.4 * strands) - 0.06)
    return Hair(
        mask=mask.astype(np.float32),
        thickness_mm=np.maximum(thickness, 0.0).astype(np.float32),
        curtain=curtain.astype(np.float32),
        shade=shade.astype(np.float32),
        curtain_radius_mm=style.curtain_radius_mm,
        frizz_mm=style.frizz_mm,
    )


def displace(vertices: Floats, normals: Floats, texels: Floats, hair: Hair, relief_mm: Floats) -> Floats:
    """Grow hair, brows and beard on vertices (V, 3) of the face frame."""
    layers = np.dstack([hair.thickness_mm + relief_mm, hair.curtain])
    sampled = cv2.remap(layers, texels[:, 0], texels[:, 1], cv2.INTER_LINEAR).reshape(-1, 2)
    grown = vertices + normals * sampled[:, :1]
    hanging = np.flatnonzero(sampled[:, 1] > 0.01)
    if len(hanging):
        flat = grown[hanging][:, [0, 2]] - np.float32([0, AXIS_Z_MM])
        radius = np.linalg.norm(flat, axis=1, keepdims=True)
        pushed = radius + sampled[hanging, 1:] * np.maximum(hair.curtain_radius_mm - radius, 0)
        flat *= pushed / np.maximum(radius, 1.0)
        grown[hanging, 0], grown[hanging, 2] = flat[:, 0], flat[:, 1] + AXIS_Z_MM
    out: Floats = grown.astype(np.float32)
    return out
