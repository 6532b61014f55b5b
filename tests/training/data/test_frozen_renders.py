"""The frozen tests are rendered as they always were, bit by bit, whatever is added to the cameras."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")
if not hasattr(cv2, "triangleRasterize"):
    pytest.skip("OpenCV 4 has no triangleRasterize: renders need OpenCV 5", allow_module_level=True)

from training.camera.models import CAMERA_MODELS, PLAIN_MODELS, WIDE_MODELS  # noqa: E402
from training.data.build import render_identity  # noqa: E402
from training.data.config import SPLITS, WIDE_CAMERAS  # noqa: E402
from training.heads.ict import DEFAULT_PATH, ParametricHead  # noqa: E402
from training.people.person import Studio  # noqa: E402
from training.provenance.revision import ROOT  # noqa: E402

# Of the first captures of each split's first identity, without portraits, before there were wide cameras.
RENDERED_BY = ("2.4.6", "5.0.0")
FROZEN = {
    "test": (2, "3f3a868d057da3ee"),
    "test_color": (2, "d85b544d82df6f5d"),
    "test_cameras": (6, "06dcc2cdc3749991"),
    "test_worn": (2, "bb4e4daf5bca6bb3"),
    "test_crops": (2, "67d5c331c78fde61"),
    "test_alike": (2, "d5e6f8f280dacd01"),
    "val": (2, "5eae0c980afc1931"),
    "val_cameras": (6, "13e19c62aa2e9add"),
}


# Wider vectors add up in another order: as on the processor that they were recorded on.
LIKE_HASWELL = {
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    "OPENBLAS_CORETYPE": "Haswell",
}


@pytest.fixture(scope="module")
def digests() -> dict[str, str]:
    found = (np.__version__, cv2.__version__)
    if found != RENDERED_BY:
        pytest.skip(f"recorded with numpy and OpenCV {RENDERED_BY}, here are {found}")
    command = [sys.executable, "-m", "tests.training.data.test_frozen_renders"]
    done = subprocess.run(
        command, env=os.environ | LIKE_HASWELL, cwd=ROOT, check=True, capture_output=True, text=True
    )
    written: dict[str, str] = json.loads(done.stdout)
    return written


@pytest.mark.usefixtures("studio")  # without the head there is nothing to render
@pytest.mark.parametrize("name", FROZEN)
def test_frozen_sets_are_rendered_bit_by_bit_as_before(digests: dict[str, str], name: str) -> None:
    assert digests[name] == FROZEN[name][1]


def _digest(studio: Studio, name: str) -> str:
    split = replace(SPLITS[name], captures=FROZEN[name][0], portrait_share=0.0)
    digest = hashlib.sha256()
    for shot in render_identity(studio, split, 0)[0]:
        for picture in (shot.depth_mm, shot.infrared, shot.color):
            if picture is not None:
                digest.update(picture.tobytes())
    return digest.hexdigest()[:16]


def test_cameras_keep_their_numbers_in_the_shards() -> None:
    names = [model.name for model in CAMERA_MODELS]
    assert names[:4] == ["kinect_v2", "kinect_v1", "realsense_d435", "truedepth"]
    assert tuple(names[4:]) == WIDE_CAMERAS
    for model in PLAIN_MODELS:
        assert model.sensor.delivery is None
    for model in WIDE_MODELS:
        assert model.sensor.delivery is not None


def test_wide_sets_are_seen_by_all_wide_cameras_in_all_their_pictures(studio: Studio) -> None:
    for name in ("val_wide", "test_wide"):
        split = SPLITS[name]
        assert [camera for camera, _ in split.cameras] == list(WIDE_CAMERAS)
        assert split.pictures == (("both", 1.0),)
    shots, _ = render_identity(studio, replace(SPLITS["val_wide"], captures=8, portrait_share=0.0), 0)
    assert {CAMERA_MODELS[shot.camera_model] for shot in shots} <= set(WIDE_MODELS)
    assert any(shot.infrared is not None for shot in shots)
    assert any(shot.color is not None for shot in shots)
    for shot in shots:
        assert (shot.depth_mm > 0).mean() > 0.5


def test_training_sets_are_seen_by_sharp_and_wide_cameras() -> None:
    for name in ("train", "train_open", "train_alike"):
        shares = dict(SPLITS[name].cameras)
        assert set(shares) == {model.name for model in CAMERA_MODELS}
        assert sum(shares.values()) == pytest.approx(1.0)
        assert 0.4 < sum(shares[camera] for camera in WIDE_CAMERAS) < 0.75


if __name__ == "__main__":
    rendering = Studio(ParametricHead.load(DEFAULT_PATH))
    print(json.dumps({name: _digest(rendering, name) for name in FROZEN}))
