"""Camera models: each delivers the pictures that it says, at its distances."""

from __future__ import annotations

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")
if not hasattr(cv2, "triangleRasterize"):
    pytest.skip("OpenCV 4 has no triangleRasterize: renders need OpenCV 5", allow_module_level=True)

from training.camera.models import BY_NAME, CAMERA_MODELS, LARGEST_CROP_PX  # noqa: E402
from training.data.config import TEST  # noqa: E402
from training.people.person import Identity, Studio  # noqa: E402
from training.scenes.crops import render_crop  # noqa: E402


@pytest.mark.parametrize("model", CAMERA_MODELS, ids=lambda model: model.name)
def test_cameras_deliver_their_pictures(studio: Studio, identity: Identity, model: object) -> None:
    camera = BY_NAME[model.name]
    for wanted in ("infrared", "color", "both"):
        modality = camera.delivered(wanted)
        capture = render_crop(np.random.default_rng(1), studio, identity, modality=modality, model=camera)
        got = {name for name in ("infrared", "color") if getattr(capture, name) is not None}
        assert got <= set(camera.pictures)
        assert got == ({wanted} if wanted != "both" else {"infrared", "color"}) & set(camera.pictures) or (
            len(camera.pictures) == 1
        )
        assert got
        near, far = camera.distance_mm or TEST.poses.distance_mm
        assert near - 40 < capture.distance_mm < far + 40
        if camera.binned:
            assert max(capture.depth_mm.shape) < 1.25 * LARGEST_CROP_PX
        u, v = np.rint(capture.camera.project(capture.eye_midpoint_mm)[0]).astype(int)
        patch = capture.depth_mm[v - 4 : v + 5, u - 4 : u + 5].astype(float)
        assert abs(np.median(patch[patch > 0]) - capture.distance_mm) < 60
