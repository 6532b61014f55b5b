"""Rendered pictures and screens are not live in any turn that is tried for a camera on its side."""

from __future__ import annotations

import pytest

cv2 = pytest.importorskip("cv2")
if not hasattr(cv2, "triangleRasterize"):
    pytest.skip("OpenCV 4 has no triangleRasterize: renders need OpenCV 5", allow_module_level=True)

from faceid_fast import NoFace  # noqa: E402
from faceid_fast.face.pipeline import Pipeline  # noqa: E402
from faceid_fast.face.stopwatch import Stopwatch  # noqa: E402
from faceid_fast.sources.orientation import rotated  # noqa: E402
from training.attacks import sets  # noqa: E402
from training.data.raw import RawShard, shard_frames  # noqa: E402
from training.heads.ict import DEFAULT_PATH, ParametricHead  # noqa: E402
from training.people.person import Studio  # noqa: E402

pytestmark = pytest.mark.skipif(not DEFAULT_PATH.exists(), reason=f"no parametric head at {DEFAULT_PATH}")
PICTURES = ("flat_print", "eyes_cut_out", "bent_print", "draped_print", "crumpled_print", "screen")


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio(ParametricHead.load())


@pytest.mark.parametrize("species", PICTURES)
def test_pictures_are_live_in_no_turn(studio: Studio, species: str) -> None:
    pipeline = Pipeline(None, None, None, diagnostics=False, try_turns=True)
    captures = [capture for number in range(3) for capture in sets.present(studio, species, number)]
    raw = RawShard.of(captures, [0] * len(captures), [-1] * len(captures))
    for _, _, frame in shard_frames(raw):
        for turns in range(4):
            (look,) = pipeline.look([rotated(frame, turns)], Stopwatch())
            assert isinstance(look, NoFace)
