"""Skin of real people: training and tests show other people, and what is missing is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")
if not hasattr(cv2, "triangleRasterize"):
    pytest.skip("OpenCV 4 has no triangleRasterize: renders need OpenCV 5", allow_module_level=True)

from training.people.person import Studio  # noqa: E402
from training.people.portraits import CACHE, PORTRAITS_PATH, Portraits, make_maps  # noqa: E402


def test_missing_portraits_are_named(studio: Studio, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="figshare"):
        make_maps(studio.head, tmp_path)


@pytest.mark.skipif(
    not CACHE.exists(), reason=f"no maps of portraits at {CACHE}: a first render of TRAIN makes them"
)
def test_portraits_of_the_sets_are_other_people() -> None:
    train, held = Portraits.of_set("train"), Portraits.of_set("held")
    assert not set(train.names) & set(held.names)
    assert len(train.names) + len(held.names) == 91
    assert len(held.names) >= 20
    detail = train.blend(np.random.default_rng(0))
    assert detail.shape == (352, 544, 3)
    assert -3.2 < detail.min() < -0.5  # brows, lashes, nostrils
    assert 0 < detail.max() < 0.6
    assert (detail[:, :100] == 0).all()  # nothing is known of the sides
    assert not np.array_equal(train.detail[0], train.detail[1])
    assert PORTRAITS_PATH.name == "portraits"
