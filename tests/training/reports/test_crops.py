"""What is left of the pose on rendered crops: how it is summed up."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("scipy", reason="needs the training environment")
pytest.importorskip("rich", reason="needs the training environment")

from training.reports.crops import AXES, summary


def test_errors_are_summed_up_by_camera_without_lost_faces() -> None:
    good = np.arange(8.0)
    lost = np.full(8, 40.0)
    report = summary([{"a": [good, -good, None]}, {"a": [lost], "b": [None]}])
    assert report["a"] == {
        "pictures": 4,
        "no_face": 1,
        "lost": 1,
        "deviation": dict(zip(AXES, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], strict=True)),
    }
    assert report["b"]["pictures"] == report["b"]["no_face"] == 1
    assert report["b"]["deviation"] == dict.fromkeys(AXES)
