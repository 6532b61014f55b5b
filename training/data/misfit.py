"""Aligners with errors: real faces are fitted worse than rendered ones, and a network should train on that.

A head model with one more stage of correction, which looks at nothing and always takes the same step, is an
aligner that is off by that step and otherwise the package's own.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from faceid_fast.face.aligner import FaceAligner

STEP = 8
"""Pitch, yaw, roll (degrees), x, y, z (mm) along the face's axes, and the slopes of the viewing rays along x
and y (hundredths), which count only where a capture's principal point is uncertain."""
REAL_MISFIT = (2.0, 1.2, 1.0, 1.0, 2.0, 1.0, 3.0, 3.0)
"""Standard deviations of what real faces are off by beyond rendered ones. Against given landmarks they sat
up to 6 mm higher or lower when a person looked up or down, where renders are off by 1 to 2 mm."""
MISFIT_ALIGNERS = 24
"""Aligners for one shard: every capture gets one of them."""

Floats = NDArray[np.float32]


def misfit_aligners(
    arrays: dict[str, NDArray[np.floating]], deviations: tuple[float, ...], rng: np.random.Generator
) -> list[FaceAligner]:
    """Make `MISFIT_ALIGNERS` aligners, each off by a random step of these standard deviations (see `STEP`).

    Parameters
    ----------
    arrays : of the head model that they fit.
    """
    blind = np.zeros_like(arrays["correction"], shape=(1, *arrays["correction"].shape[1:]))
    aligners = []
    for _ in range(MISFIT_ALIGNERS):
        step = (rng.standard_normal(STEP) * deviations).astype(np.float32)
        changed = arrays | {
            "correction": np.concatenate([arrays["correction"], blind]),
            "correction_offset": np.concatenate([arrays["correction_offset"], step[None]]),
        }
        content = io.BytesIO()
        np.savez(content, **changed)  # type: ignore[arg-type]
        aligners.append(FaceAligner(content.getvalue()))
    return aligners
