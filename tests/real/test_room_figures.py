"""Figures of cameras in rendered rooms, where it is known how far the picture is off the depth."""

from __future__ import annotations

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")
if not hasattr(cv2, "triangleRasterize"):
    pytest.skip("OpenCV 4 has no triangleRasterize: renders need OpenCV 5", allow_module_level=True)

from faceid_fast import Frame  # noqa: E402
from faceid_fast.sources.camera_figures import measure  # noqa: E402
from training.camera.sensor import StructuredLight, TimeOfFlight  # noqa: E402
from training.heads.ict import DEFAULT_PATH, ParametricHead  # noqa: E402
from training.people.person import Studio  # noqa: E402
from training.reports.rooms import frame_of  # noqa: E402
from training.scenes.rooms import render_room  # noqa: E402

pytestmark = pytest.mark.skipif(not DEFAULT_PATH.exists(), reason=f"no parametric head at {DEFAULT_PATH}")
OFFSETS_PX = ((0, 0), (4, 0), (-3, 5))


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio(ParametricHead.load())


@pytest.mark.parametrize("kind", [StructuredLight, TimeOfFlight])
@pytest.mark.parametrize("seed", range(4))
def test_the_offset_of_a_picture_is_measured(studio: Studio, kind: type, seed: int) -> None:
    rng = np.random.default_rng(seed)
    person = studio.identity(rng, rng.standard_normal(100).astype(np.float32), hair_varies=False)
    room = render_room(np.random.default_rng(seed), studio, person, distance_mm=700.0, sensor=kind())
    frame = frame_of(room)
    for across, down in OFFSETS_PX:
        picture = np.roll(frame.picture, (down, across), axis=(0, 1))
        moved = Frame(
            depth=frame.depth,
            depth_unit_m=frame.depth_unit_m,
            infrared=picture,
            intrinsics=frame.intrinsics,
        )
        figures = measure([moved])
        assert figures.offset_px is not None
        assert np.hypot(figures.offset_px[0] - across, figures.offset_px[1] - down) < 2.0
        assert figures.noise_spatial_mm is not None
        assert 0.3 < figures.noise_spatial_mm < 3.0  # what these sensors have at 0.7 m
