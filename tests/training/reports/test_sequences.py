"""Sequences: rendered frames sway and have noise of their own, and their report counts what it should."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")
if not hasattr(cv2, "triangleRasterize"):
    pytest.skip("OpenCV 4 has no triangleRasterize: renders need OpenCV 5", allow_module_level=True)
pytest.importorskip("rich", reason="needs the training environment")

from training.attacks.played_again import ADAPTIVE, LISTED, Shot, recording  # noqa: E402
from training.camera.models import BY_NAME  # noqa: E402
from training.reports.sequences import (  # noqa: E402
    LEFT_OUT,
    FaceAligner,
    Tally,
    frame_of,
    measure_sequence,
    mixed,
    tables,
)
from training.scenes.capture import Capture  # noqa: E402
from training.scenes.sequences import FrameRng, Sway, render_sequence  # noqa: E402

if TYPE_CHECKING:
    from training.people.person import Identity, Studio


@pytest.fixture(scope="module")
def sequence(studio: Studio) -> list[Capture]:
    """Three frames of a head that moves by a third of a millimetre a frame."""
    rng = np.random.default_rng(4)
    weights = rng.standard_normal(studio.head.identity_count).astype(np.float32)
    identity: Identity = studio.identity(rng, weights, hair_varies=False)
    return render_sequence((4, 2), studio, identity, BY_NAME["truedepth"], frames=3, sway=Sway(5.0, 15.0))


def test_a_head_sways_as_fast_as_it_is_told() -> None:
    rng = np.random.default_rng(1)
    steps = np.concatenate([np.diff(Sway(5.0, 15.0).path(rng, 60)[:, :3], axis=0) for _ in range(100)])
    assert 15.0 * np.linalg.norm(steps, axis=1).mean() == pytest.approx(5.0, rel=0.1)


def test_a_camera_keeps_its_settings_and_draws_its_noise_anew() -> None:
    first, second = (FrameRng((1, 2), frame, 100) for frame in (0, 1))
    for draw in ("uniform", "normal", "random"):
        assert getattr(first, draw)() == getattr(second, draw)()
    assert first.choice([1, 2, 3]) == second.choice([1, 2, 3])
    one, other = (np.asarray(rng.standard_normal((100, 100), dtype=np.float32)) for rng in (first, second))
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] == pytest.approx(0.3, abs=0.05)
    assert one.std() == pytest.approx(1.0, abs=0.05)
    slow = [np.asarray(rng.standard_normal((23, 23))) for rng in (first, second)]
    np.testing.assert_array_equal(*slow)
    assert not np.array_equal(first.random((9, 9)), second.random((9, 9)))
    assert not np.array_equal(first.uniform(0, 1, (100, 100)), second.uniform(0, 1, (100, 100)))


def test_frames_of_a_sequence_differ_by_noise_and_by_their_sway(sequence: list[Capture]) -> None:
    places = np.array([capture.translation_mm for capture in sequence])
    assert (np.linalg.norm(np.diff(places, axis=0), axis=1) > 0.0).all()
    assert np.abs(places - places[0]).max() < 5.0
    assert not np.array_equal(sequence[0].depth_mm, sequence[1].depth_mm)


def test_fakes_are_of_the_recorded_size_and_kind(sequence: list[Capture]) -> None:
    frames = [frame_of(capture) for capture in sequence]
    first, second = (Shot(frame.depth, frame.picture) for frame in frames[:2])
    made = recording(first, second, (20, 20, 120, 120))
    assert 0.2 < made.depth_mm < 5.0
    for fake in (LISTED | ADAPTIVE).values():
        shots = fake(np.random.default_rng(1), made)
        assert len(shots) == 2
        for shot in shots:
            assert (shot.depth.dtype, shot.picture.dtype) == (first.depth.dtype, first.picture.dtype)
            assert (shot.depth.shape, shot.picture.shape) == (first.depth.shape, first.picture.shape)


def test_the_report_counts_live_and_forged_sequences(sequence: list[Capture]) -> None:
    tally, frames = Tally(), [frame_of(capture) for capture in sequence]
    measure_sequence(tally, np.random.default_rng(1), "truedepth", frames, 2, FaceAligner.bundled())
    assert (tally.live["truedepth"], tally.refused["truedepth"]) == (1, 0)
    assert [tally.fakes[kind] for kind in LISTED] == [2] * len(LISTED)
    assert sum(tally.accepted[kind] for kind in LISTED) == 0
    assert tally.accepted["recorded sequence"] == 1
    written = "\n".join(tables(tally))
    assert "| all | 1 | 0 | 95.00 |" in written
    assert "| repeated | 2 | 0 | 77.64 |" in written
    assert len(mixed(frames)) == len(frames)


def test_cameras_that_were_left_out_are_no_others() -> None:
    assert not {model.name for model in LEFT_OUT} & set(BY_NAME)
