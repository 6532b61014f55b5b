"""Procedural looks: skin, brows, lashes, lips, beard and hair, painted on a cylindrical atlas.

The atlas unrolls the mean head around a vertical axis, one millimetre a texel, so a look sticks to the
vertices and moves with identity and expression. Infrared reflectance and linear RGB are painted together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from training.heads.ict import ParametricHead

ATLAS_WIDTH, ATLAS_HEIGHT = 544, 352
AXIS_Z_MM, RADIUS_MM, TOP_MM = 75.0, 85.0, -116.0

Floats = NDArray[np.float32]
Rng = np.random.Generator
_SMOOTH = {"lineType": cv2.LINE_AA, "shift": 3}  # three fractional bits: see `FacePaint._fixed`


def atlas_coordinates(mean: Floats) -> Floats:
    """Texels (V, 2) of the mean head's vertices: angle about the vertical axis, height."""
    angle = np.arctan2(mean[:, 0], AXIS_Z_MM - mean[:, 2])
    u = angle * RADIUS_MM + 0.5 * ATLAS_WIDTH
    return np.stack([u, mean[:, 1] - TOP_MM], axis=1).astype(np.float32)


def texel_grid() -> tuple[Floats, Floats]:
    """Angle in degrees (1, W) and height y in millimetres (H, 1) of the texels."""
    angle = np.degrees((np.arange(ATLAS_WIDTH) - 0.5 * ATLAS_WIDTH) / RADIUS_MM).astype(np.float32)
    return angle[None, :], (np.arange(ATLAS_HEIGHT) + TOP_MM).astype(np.float32)[:, None]


def smooth_noise(rng: Rng, scale: float, stretch: float = 1.0) -> Floats:
    """Unit-variance noise (H, W) of about ``scale`` texels, ``stretch`` times taller than wide."""
    rows = int(ATLAS_HEIGHT / (scale * stretch)) + 3
    columns = int(ATLAS_WIDTH / scale) + 3
    coarse = rng.standard_normal((rows, columns), dtype=np.float32)
    fine: Floats = cv2.resize(coarse, (ATLAS_WIDTH, ATLAS_HEIGHT), interpolation=cv2.INTER_CUBIC)
    return fine * np.float32(1.25)  # interpolation lowers the variance


def smoothstep(x: Floats) -> Floats:
    """Rise from 0 to 1 between x = 0 and x = 1, flat at both ends."""
    t = np.clip(x, 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


@dataclass(frozen=True, eq=False)
class Skin:
    """One identity's lasting look on the atlas.

    Attributes
    ----------
    infrared : (H, W) reflectance.
    rgb : (H, W, 3) linear reflectance.
    relief_mm : (H, W) how far brows and beard stand out.
    gloss : strength of the specular part.
    hair_infrared, hair_rgb : reflectance of hair, brows and beard.
    """

    infrared: Floats
    rgb: Floats
    relief_mm: Floats
    gloss: float
    hair_infrared: float
    hair_rgb: Floats


def bearded(skin: Skin, beard: Floats, length_mm: float) -> Skin:
    """Skin with a beard grown on it: short hair covers, longer hair also stands out.

    Parameters
    ----------
    beard : (H, W) where it grows, 0 to 1: see `FacePaint.beard`.
    length_mm : how far it stands out.
    """
    cover = beard * np.float32(min(0.9, 0.17 * length_mm))
    return replace(
        skin,
        infrared=skin.infrared * (1 - cover) + cover * np.float32(skin.hair_infrared),
        rgb=skin.rgb * (1 - cover[..., None]) + cover[..., None] * skin.hair_rgb,
        relief_mm=skin.relief_mm + beard * np.float32(length_mm),
    )


class FacePaint:
    """Masks on the atlas that come from the mean head's landmarks: made once, used for every identity."""

    def __init__(self, head: ParametricHead) -> None:
        self.texels = atlas_coordinates(head.mean)
        marks = self.texels[head.landmarks68]
        self._marks = marks
        self.lips = self._filled(marks[48:60], blur=1.2)
        lids = np.zeros((ATLAS_HEIGHT, ATLAS_WIDTH), np.float32)
        for eye in (marks[36:42], marks[42:48]):
            cv2.polylines(lids, [self._fixed(eye)], isClosed=True, color=1.0, thickness=2, **_SMOOTH)
            cv2.polylines(
                lids,
                [self._fixed(eye[:4])],
                isClosed=False,
                color=1.0,
                thickness=3,
                lineType=cv2.LINE_AA,
                shift=3,
            )
        self.lids = cv2.GaussianBlur(lids, (0, 0), 0.9)
        sockets = np.zeros_like(lids)
        for eye in (marks[36:42], marks[42:48]):
            centre = eye.mean(axis=0)
            cv2.ellipse(sockets, (int(centre[0]), int(centre[1] + 4)), (22, 15), 0, 0, 360, 1.0, -1)
        self.sockets = cv2.GaussianBlur(sockets, (0, 0), 6.0)
        region = np.zeros_like(lids)
        for brow in (marks[17:22], marks[22:27]):
            cv2.polylines(region, [self._fixed(brow)], isClosed=False, color=1.0, thickness=16, **_SMOOTH)
        self.brow_region = cv2.GaussianBlur(region, (0, 0), 2.0)
        nostrils = np.zeros_like(lids)
        for mark in (marks[32], marks[34]):
            centre = 0.75 * mark + 0.25 * marks[33]
            cv2.ellipse(nostrils, (int(centre[0]), int(centre[1] - 1)), (5, 3), 0, 0, 360, 1.0, -1)
        self.nostrils = cv2.GaussianBlur(nostrils, (0, 0), 1.2)

    @staticmethod
    def _fixed(points: Floats) -> NDArray[np.int32]:
        return np.rint(points * 8).astype(np.int32)  # three fractional bits for sub-texel lines

    def _filled(self, points: Floats, blur: float) -> Floats:
        mask = np.zeros((ATLAS_HEIGHT, ATLAS_WIDTH), np.float32)
        cv2.fillPoly(mask, [self._fixed(points)], 1.0, cv2.LINE_AA, 3)
        blurred: Floats = cv2.GaussianBlur(mask, (0, 0), blur)
        return blurred

    def _brows(self, rng: Rng) -> Floats:
        mask = np.zeros((ATLAS_HEIGHT, ATLAS_WIDTH), np.float32)
        raise_by, arch, thickness = rng.normal(0, 2.0), rng.normal(0, 1.5), rng.uniform(5.0, 11.0)
        reach = rng.uniform(0.75, 1.05)
        for brow in (self._marks[17:22], self._marks[26:21:-1]):  # both from the temple inwards
            line = brow.copy()
            line[:, 1] += raise_by + arch * np.float32([1, 0, -1, -0.5, 0.5])
            line = line[-1] + (line - line[-1]) * np.float32(reach)
            for start, end, width in zip(line[:-1], line[1:], (0.55, 0.8, 1.0, 1.0), strict=True):
                ends = self._fixed(np.stack([start, end]))
                wide = max(1, round(thickness * width))
                cv2.polylines(mask, [ends], isClosed=False, color=1.0, thickness=wide, **_SMOOTH)
        mask = cv2.GaussianBlur(mask, (0, 0), 1.3)
        return mask * np.clip(0.85 + 0.25 * smooth_noise(rng, 3.0), 0.0, 1.0)

    def beard(self, rng: Rng) -> Floats:
        """Draw where a beard grows: (H, W), 0 to 1."""
        angle, y = texel_grid()
        # Jaw, chin and upper lip; the cheeks' upper border rises towards the ears.
        upper = np.interp(np.abs(angle), [0, 12, 30, 55, 75, 85], [50, 52, 76, 58, 30, 15])
        upper = upper + rng.normal(0, 5)
        mask = smoothstep((y - upper) / 14.0) * smoothstep((rng.uniform(125, 150) - y) / 16.0)
        mask = mask * smoothstep((92.0 - np.abs(angle)) / 10.0)
        kind = rng.random()
        if kind < 0.25:  # moustache and goatee
            mask = mask * smoothstep((rng.uniform(24, 34) - np.abs(angle)) / 6.0)
        elif kind < 0.4:  # no moustache
            mask = mask * (1 - smoothstep((74.0 - y) / 8.0) * (np.abs(angle) < 32))
        mask = mask * (1.0 - self.lips)
        return (mask * np.clip(0.85 + 0.2 * smooth_noise(rng, 5.0), 0, 1)).astype(np.float32)

    def skin(self, rng: Rng, portrait: Floats | None = None) -> Skin:
        """Draw one identity's skin.

        Parameters
        ----------
        portrait : log detail (H, W, 3) of a real face; brows, lips and lashes are then its own.
        """
        tone = rng.beta(1.6, 1.8)  # 0 fair .. 1 dark
        # Near infrared hardly sees melanin: reflectances lie close together.
        infrared = np.full((ATLAS_HEIGHT, ATLAS_WIDTH), 0.68 - 0.12 * tone + rng.normal(0, 0.03), np.float32)
        fair, dark = np.float32([0.62, 0.40, 0.31]), np.float32([0.11, 0.058, 0.036])
        base_rgb = np.exp((1 - tone) * np.log(fair) + tone * np.log(dark)) * np.exp(rng.normal(0, 0.06, 3))
        rgb = np.broadcast_to(base_rgb.astype(np.float32), (ATLAS_HEIGHT, ATLAS_WIDTH, 3)).copy()

        blotches = smooth_noise(rng, 26.0) * rng.uniform(0.02, 0.06)
        pores = smooth_noise(rng, 3.5) * rng.uniform(0.01, 0.03)
        infrared *= np.exp(blotches + pores)
        redness = np.float32([0.02, -0.05, -0.04]) * rng.uniform(0.3, 1.5)
        rgb *= np.exp(
            (1.3 * blotches + 1.5 * pores)[..., None] + smooth_noise(rng, 18.0)[..., None] * redness
        )
        self._marks_on_skin(rng, infrared, rgb)

        def darken(mask: Floats, in_infrared: float, in_rgb: NDArray[np.floating] | float) -> None:
            nonlocal infrared, rgb
            infrared = infrared * (1.0 - mask * (1.0 - np.float32(in_infrared)))
            rgb = rgb * (1.0 - mask[..., None] * (1.0 - np.asarray(in_rgb, np.float32)))

        if portrait is not None:
            rgb = np.minimum(rgb * np.exp(portrait), np.float32(0.95))
            # Melanin and blood hardly show in near infrared; hair and hollows do.
            infrared = np.minimum(
                infrared * np.exp(np.float32(rng.uniform(0.35, 0.9)) * portrait[..., 0]), np.float32(0.9)
            )

        def feature(mask: Floats, in_infrared: float, in_rgb: NDArray[np.floating] | float) -> None:
            if portrait is None:
                darken(mask, in_infrared, in_rgb)

        feature(self.sockets, rng.uniform(0.85, 1.0), rng.uniform(0.72, 1.0))
        lip = rng.uniform(0.78, 1.02)
        feature(self.lips, lip, np.array([1.0, 0.62, 0.66]) * rng.uniform(0.75, 1.0))
        feature(self.nostrils, rng.uniform(0.25, 0.6), rng.uniform(0.15, 0.4))
        feature(self.lids, rng.uniform(0.4, 0.8), rng.uniform(0.2, 0.6))

        grey = rng.random() < 0.12
        hair_infrared = float(np.clip(rng.normal(0.4 if grey else 0.16, 0.07), 0.05, 0.55))
        darkness = rng.beta(1.2, 3.0) ** 1.7 * (1.0 - 0.8 * tone)
        hair_rgb = (
            np.float32([0.03, 0.022, 0.018]) * (1 - darkness) + np.float32([0.38, 0.25, 0.13]) * darkness
        )
        if grey:
            hair_rgb = np.float32([0.35, 0.35, 0.36]) * np.float32(rng.uniform(0.5, 1.2))

        def cover(mask: Floats) -> None:
            nonlocal infrared, rgb
            infrared = infrared * (1 - mask) + mask * np.float32(hair_infrared)
            rgb = rgb * (1 - mask[..., None]) + mask[..., None] * hair_rgb

        brows = self._brows(rng)
        strength, standing = np.float32(rng.uniform(0.45, 1.0)), np.float32(rng.uniform(0.2, 1.2))
        if portrait is None:
            cover(brows * strength)
            relief = brows * standing
        else:
            relief = self.brow_region * np.clip(-1.5 * portrait[..., 0] - 0.2, 0, 1) * standing
        if rng.random() < 0.45:  # men, more or less shaven
            beard = self.beard(rng)
            if rng.random() < 0.45:  # a beard: 20 % of all
                cover(beard * np.float32(rng.uniform(0.55, 0.95)))
                relief = relief + beard * np.float32(rng.uniform(1.0, 9.0))
            else:
                cover(beard * np.float32(rng.uniform(0.03, 0.3)))
        return Skin(
            infrared=infrared.astype(np.float32),
            rgb=rgb.astype(np.float32),
            relief_mm=relief.astype(np.float32),
            gloss=float(rng.uniform(0.02, 0.22)),
            hair_infrared=hair_infrared,
            hair_rgb=hair_rgb,
        )

    def _marks_on_skin(self, rng: Rng, infrared: Floats, rgb: Floats) -> None:
        """Moles and scars, in place."""
        for _ in range(rng.poisson(3.0)):
            place = (int(rng.uniform(150, 394)), int(rng.uniform(40, 260)))
            spot = np.zeros_like(infrared)
            cv2.circle(spot, place, int(rng.integers(1, 4)), 1.0, -1, cv2.LINE_AA)
            spot = cv2.GaussianBlur(spot, (0, 0), 0.8)
            infrared *= 1 - spot * np.float32(rng.uniform(0.05, 0.4))
            rgb *= 1 - spot[..., None] * np.float32(rng.uniform(0.2, 0.7))
