"""Expressions: mouths are open as often as a set says."""

from __future__ import annotations

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")
if not hasattr(cv2, "triangleRasterize"):
    pytest.skip("OpenCV 4 has no triangleRasterize: renders need OpenCV 5", allow_module_level=True)

from training.people.person import Studio  # noqa: E402
from training.scenes.poses import random_expression  # noqa: E402


def test_mouths_are_wide_open_where_a_split_says_so(studio: Studio) -> None:
    jaw = studio.head.expression_index("jawOpen")
    for share, least in ((0.0, 0), (0.5, 15), (1.0, 40)):
        rng = np.random.default_rng(6)
        drawn = [random_expression(rng, studio.head, wide_open_share=share)[jaw] for _ in range(40)]
        wide = sum(weight >= 0.6 for weight in drawn)
        assert wide >= least
        assert share > 0 or wide <= 12
