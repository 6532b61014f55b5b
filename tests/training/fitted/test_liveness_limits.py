"""What a live face must reach: few of those it is found on fail it, and misaligned ones have no say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from faceid_fast.face.liveness_limits import CUES, FIGURES, Limits
from training.fitted.liveness_limits import (
    CUE_FALSE_REJECTION,
    FALSE_REJECTION,
    MISALIGNED_DEG,
    MISALIGNED_MM,
    ROOM,
    LiveFaces,
    calibrated,
    figures,
    least_of,
    load_live,
)


def some_cues(count: int = 20_000) -> np.ndarray:
    return np.exp(np.random.default_rng(0).standard_normal((count, len(CUES))) * 0.2)


def some_fits(count: int = 20_000) -> np.ndarray:
    return np.random.default_rng(1).uniform(0.6, 0.9, count)


def some_faces(count: int = 20_000, scale: float = 1.0) -> LiveFaces:
    return LiveFaces(scale * some_cues(count), some_fits(count), np.ones(count, bool))


def test_few_live_faces_are_refused_and_not_fewer_than_may_be() -> None:
    live = some_faces()
    least = least_of([live])
    assert list(least) == list(FIGURES)
    for index, name in enumerate(CUES):
        refused = (live.cues[:, index] * ROOM.get(name, 1.0) < least[name]).mean()
        assert 0.4 * CUE_FALSE_REJECTION < refused <= CUE_FALSE_REJECTION
        assert name not in ROOM or (live.cues[:, index] < least[name]).mean() < refused
    together = (figures(live) < list(least.values())).any(axis=1).mean()
    assert 0.95 * FALSE_REJECTION < together <= FALSE_REJECTION


def test_no_camera_pays_for_another() -> None:
    sharp, smooth = some_faces(), some_faces(4000, 0.6)
    least = least_of([sharp, smooth])
    assert least_of([smooth]) == least
    for live in (sharp, smooth):
        assert (figures(live) < list(least.values())).any(axis=1).mean() <= FALSE_REJECTION


def test_faces_that_were_misaligned_say_nothing() -> None:
    cues, fits = some_cues(4000), some_fits(4000)
    off = np.arange(4000) % 2 == 0
    cues[off] *= 0.01
    record = json.loads(calibrated({"val": LiveFaces(cues, fits, ~off)}))
    assert record["least"] == least_of([LiveFaces(cues[~off], fits[~off], np.ones(2000, bool))])
    found = record["calibration"]["sets"]["val"]
    assert found["n_misaligned"] == 2000
    assert found["false_rejection"] <= max(FALSE_REJECTION, len(CUES) * CUE_FALSE_REJECTION)
    assert found["false_rejection_with_misaligned"] > 0.5
    assert Limits.from_json(json.dumps(record)).least == record["least"]


def test_sets_are_read_with_the_truth_about_the_aligner(tmp_path: Path) -> None:
    (tmp_path / "val").mkdir()
    np.savez(
        tmp_path / "val" / "shard-000000.npz",
        cues=some_cues(4).astype(np.float32),
        fit_score=np.float32([0.6, 0.7, 0.8, 0.9]),
        eye_error_mm=np.float32([1, MISALIGNED_MM + 1, 1, 1]),
        rotation_error_deg=np.float32([1, 1, MISALIGNED_DEG + 1, 1]),
    )
    live = load_live(tmp_path, ("val",))["val"]
    assert live.aligned.tolist() == [True, False, False, True]
    np.testing.assert_allclose(live.cues, some_cues(4), rtol=1e-6)
    np.testing.assert_allclose(live.fit_score, [0.6, 0.7, 0.8, 0.9], rtol=1e-6)
    with pytest.raises(FileNotFoundError, match="no aligned set other below"):
        load_live(tmp_path, ("val", "other"))
