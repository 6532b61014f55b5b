"""Rendered sets: a shard gives back what was rendered, and look-alikes differ in shape."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")
if not hasattr(cv2, "triangleRasterize"):
    pytest.skip("OpenCV 4 has no triangleRasterize: renders need OpenCV 5", allow_module_level=True)

from training.data.build import make_identity, render_identity  # noqa: E402
from training.data.config import TRAIN, TRAIN_ALIKE  # noqa: E402
from training.data.raw import RawShard  # noqa: E402
from training.people.person import Studio  # noqa: E402


def test_a_shard_gives_back_captures_of_unlike_pictures(studio: Studio) -> None:
    split = replace(TRAIN, captures=6, portrait_share=0.0)
    captures, _ = render_identity(studio, split, 3)
    shard = RawShard.of(captures, [0] * 6, [-1] * 6)
    assert len(set(zip(shard.has_infrared.tolist(), shard.has_color.tolist(), strict=True))) > 1
    for capture, (depth, pictures, _) in zip(captures, shard.crops(), strict=True):
        np.testing.assert_array_equal(depth, capture.depth_mm)
        for name in ("infrared", "color"):
            picture = getattr(capture, name)
            assert (name in pictures) == (picture is not None)
            if picture is not None:
                np.testing.assert_array_equal(pictures[name], picture)
    again, _ = render_identity(studio, split, 3)
    for first, second in zip(captures, again, strict=True):
        np.testing.assert_array_equal(first.depth_mm, second.depth_mm)
        assert (first.worn, first.camera_model) == (second.worn, second.camera_model)


def test_look_alikes_of_one_skin_differ_in_shape_alone(studio: Studio) -> None:
    for split, shared in ((TRAIN, False), (TRAIN_ALIKE, True)):
        plain = replace(split, portrait_share=0.0, glasses_share=0.0)
        (first, one), (second, other) = (make_identity(studio, plain, index) for index in (0, 1))
        assert one == other >= 0
        assert np.array_equal(first.skin.infrared, second.skin.infrared) is shared
        assert not np.array_equal(first.weights, second.weights)
