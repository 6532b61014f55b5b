"""Templates: where networks that others made expect a face in their picture, and a chip brought there."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .crop import CHIP_SHAPE, Floats

Points = NDArray[np.float64]

_CHIP_PX: Final = CHIP_SHAPE[1]


class Template(StrEnum):
    """Where a network expects the face in its picture.

    ``ARCFACE``: InsightFace's five points of 112 x 112 px. ``OPENVINO``: those of Open Model Zoo's
    face-reidentification-retail-0095. ``DLIB``: dlib's alignment with a padding of 0.25, which a chip has.
    """

    ARCFACE = "arcface"
    OPENVINO = "openvino"
    DLIB = "dlib"


_CHIP_POINTS: Final[Points] = np.array(
    [(47.7, 47.15), (100.3, 47.15), (74.0, 76.6), (50.4, 103.0), (97.6, 103.0)]
)
"""(5, 2) x and y of the middle of each eye, the tip of the nose and the corners of the mouth in a chip, px.

Those of dlib's mean face (``get_face_chip_details``) at a padding of 0.25, the eyes between their corners.
"""
_SHARES: Final[Mapping[Template, Points]] = MappingProxyType(
    {
        # insightface.utils.face_align.arcface_dst
        Template.ARCFACE: np.array(
            [
                (38.2946, 51.6963),
                (73.5318, 51.5014),
                (56.0252, 71.7366),
                (41.5493, 92.3655),
                (70.7299, 92.2041),
            ]
        )
        / 112.0,
        # docs.openvino.ai, face-reidentification-retail-0095
        Template.OPENVINO: np.array(
            [
                (0.31556875, 0.4615741),
                (0.68262292, 0.4615741),
                (0.5002625, 0.6405054),
                (0.34947187, 0.8246919),
                (0.6534364, 0.8246919),
            ]
        ),
    }
)
"""The same points in the template, as shares of the picture's side."""


class ChipWarp:
    """Brings chips into a template, by bilinear interpolation.

    The similarity fits the template's points best (least squares). What lies outside of a chip gets the value
    of its nearest border.

    Parameters
    ----------
    template : where the face is to be.
    size_px : side of the result.
    """

    def __init__(self, template: Template, size_px: int) -> None:
        columns, rows = np.meshgrid(np.arange(size_px, dtype=np.float64), np.arange(size_px))
        places = np.stack([columns, rows.astype(np.float64)], axis=-1)
        if template is Template.DLIB:
            source = (places + 0.5) * (_CHIP_PX / size_px) - 0.5  # the same square, in other pixels
        else:
            turn, shift = similarity(_SHARES[template] * size_px, _CHIP_POINTS)
            source = places @ turn.T + shift
        source = np.clip(source, 0.0, _CHIP_PX - 1.0)
        low = np.minimum(source.astype(np.intp), _CHIP_PX - 2)
        self._column, self._row = low[..., 0], low[..., 1]
        right, below = np.moveaxis((source - low).astype(np.float32), -1, 0)
        self._weights = (
            ((0, 0), (1 - below) * (1 - right)),
            ((0, 1), (1 - below) * right),
            ((1, 0), below * (1 - right)),
            ((1, 1), below * right),
        )

    def __call__(self, chips: NDArray[np.uint8]) -> Floats:
        """Bring (N, 3, 150, 150) chips into the template: (N, 3, size_px, size_px) float32, 0 to 255."""
        warped = np.zeros((*chips.shape[:2], *self._row.shape), np.float32)
        for (down, across), weight in self._weights:
            warped += chips[:, :, self._row + down, self._column + across] * weight
        return warped


def similarity(source: Points, target: Points) -> tuple[Points, Points]:
    """Return the similarity (scaled rotation and shift) that maps points best to others, by least squares.

    Without a reflection, points are complex numbers: target = a * source + b.

    Parameters
    ----------
    source, target : (n, 2), n >= 2.

    Returns
    -------
    (2, 2) and (2,), so that target is about ``source @ turn.T + shift``.
    """
    first, second = (points[:, 0] + 1j * points[:, 1] for points in (source, target))
    off, to = first - first.mean(), second - second.mean()
    factor = np.vdot(off, to) / np.vdot(off, off)
    shift = second.mean() - factor * first.mean()
    turn = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    return turn, np.array([shift.real, shift.imag])
