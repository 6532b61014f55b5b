"""Rendered attacks and printed portraits on real flat sheets: not one of a few is taken for a live face."""

from __future__ import annotations

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")
if not hasattr(cv2, "triangleRasterize"):
    pytest.skip("OpenCV 4 has no triangleRasterize: renders need OpenCV 5", allow_module_level=True)

from faceid_fast import FaceAligner, Frame, LivenessCheck, NoFace  # noqa: E402
from training.attacks import flat_sheets, sets  # noqa: E402
from training.attacks.species import SPECIES, Stage, flat_print, replay  # noqa: E402
from training.data.batches import MODALITIES  # noqa: E402
from training.data.raw import RawShard, shard_frames  # noqa: E402
from training.heads.ict import DEFAULT_PATH, ParametricHead  # noqa: E402
from training.people.person import Studio  # noqa: E402
from training.scenes.capture import Capture  # noqa: E402

pytestmark = pytest.mark.skipif(not DEFAULT_PATH.exists(), reason=f"no parametric head at {DEFAULT_PATH}")
WITHOUT_A_FACE_OF_THEIR_OWN = (
    "flat_print", "eyes_cut_out", "bent_print", "draped_print", "crumpled_print", "screen", "replay",
)  # fmt: skip


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio(ParametricHead.load())


def frames_of(captures: list[Capture]) -> list[Frame]:
    raw = RawShard.of(captures, [0] * len(captures), [-1] * len(captures))
    return [frame for _, _, frame in shard_frames(raw)]


def is_live(frame: Frame) -> bool:
    found = FaceAligner.bundled().align(frame)
    return not isinstance(found, NoFace) and LivenessCheck.bundled().check(found).live


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("species", WITHOUT_A_FACE_OF_THEIR_OWN)
def test_pictures_are_not_live(studio: Studio, species: str, number: int) -> None:
    for frame in frames_of(sets.present(studio, species, number)):
        assert not is_live(frame)


@pytest.mark.parametrize("species", SPECIES)
def test_a_presentation_is_the_same_every_time(studio: Studio, species: str) -> None:
    one, other = (sets.present(studio, species, 1) for _ in range(2))
    assert len(one) == (3 if species == replay.__name__ else 1)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a.depth_mm, b.depth_mm)
        np.testing.assert_array_equal(a.color, b.color)


@pytest.mark.parametrize("modality", MODALITIES)
def test_a_flat_print_shows_a_face_and_is_flat(studio: Studio, modality: str) -> None:
    rng = np.random.default_rng(4)
    stage = Stage.draw(rng, studio, modality)
    person = studio.identity(rng, rng.standard_normal(100).astype(np.float32), hair_varies=False)
    (capture,) = flat_print(rng, stage, person, person)
    picture = capture.color if modality == "color" else capture.infrared
    assert picture is not None
    assert picture.std() > 0.05 * picture.max()
    near = (capture.depth_mm > 0) & (abs(capture.depth_mm - capture.translation_mm[2]) < 120)
    v, u = np.nonzero(near)
    inverse = 1.0 / capture.depth_mm[near]  # of a plane, linear in the pixel
    terms = np.stack([np.ones(len(u)), u, v], axis=1)
    plane, *_ = np.linalg.lstsq(terms, inverse, rcond=None)
    off = np.abs(1.0 / (terms @ plane) - capture.depth_mm[near])
    assert np.median(off) < 4.0


def test_portraits_on_real_flat_sheets_are_not_live() -> None:
    for path in (flat_sheets.FLAT_PATH, flat_sheets.LONDON_PATH):
        if not path.exists():
            pytest.skip(f"no captures at {path}")
    shown = list(flat_sheets.presentations(np.random.default_rng(0), 1))[::10]
    assert len(shown) >= 20
    for frame, pose in shown:
        assert not is_live(frame)
        crop = FaceAligner.bundled().cut_out(frame, pose)
        assert crop.cues.valid_share > 0.9  # it was looked at where it is
        assert not LivenessCheck.bundled().check(crop).live
