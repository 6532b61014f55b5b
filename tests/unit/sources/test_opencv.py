from __future__ import annotations

import itertools
from typing import Any

import cv2
import numpy as np
import pytest

from faceid_fast.errors import SourceError
from faceid_fast.frame import Capture, Intrinsics
from faceid_fast.sources.cameras import opencv
from faceid_fast.sources.cameras.base import Source
from faceid_fast.sources.source import open_source
from fakes.capture import COLOR, DEPTH, INFRARED, Camera, maps_of

OPENNI_LENS = {cv2.CAP_OPENNI_DEPTH_GENERATOR_FOCAL_LENGTH: 570.0}
ORBBEC_LENS = {
    cv2.CAP_PROP_OBSENSOR_INTRINSIC_FX: 500.0,
    cv2.CAP_PROP_OBSENSOR_INTRINSIC_FY: 501.0,
    cv2.CAP_PROP_OBSENSOR_INTRINSIC_CX: 30.0,
    cv2.CAP_PROP_OBSENSOR_INTRINSIC_CY: 20.0,
}


@pytest.fixture
def plug(monkeypatch: pytest.MonkeyPatch) -> Any:
    def plugged(camera: Camera) -> Camera:
        monkeypatch.setattr(cv2, "VideoCapture", camera.capture)
        return camera

    return plugged


def opened(name: str, **options: Any) -> Source:
    return open_source(name, **{"timeout_s": 0.05, **options})


def orbbec(n: int) -> dict[int, Any]:
    return maps_of(n, depth=cv2.CAP_OBSENSOR_DEPTH_MAP, color=cv2.CAP_OBSENSOR_BGR_IMAGE)


def test_openni2_color(plug: Any) -> None:
    camera = plug(Camera([maps_of(0), maps_of(1)], properties=OPENNI_LENS))
    with opened("openni2", index=2) as source:
        frames = [next(source), next(source)]
    assert camera.opened == (2, cv2.CAP_OPENNI2)
    assert [int(frame.depth[0, 0]) for frame in frames] == [600, 601]
    assert frames[1].picture[0, 0].tolist() == [200, 1, 0]
    assert frames[0].depth_unit_m == 0.001
    # The driver speaks of pictures 640 pixels wide.
    assert frames[0].intrinsics == Intrinsics(57.0, 57.0, 31.5, 23.5)
    assert camera.asked == [(cv2.CAP_OPENNI_DEPTH_GENERATOR_REGISTRATION, 1.0)]
    assert camera.released == 1


def test_openni2_infrared(plug: Any) -> None:
    camera = plug(Camera([maps_of(3)], settable=False))
    with opened("openni2", infrared=True, focal_px=365.0) as source:
        frame = next(source)
    assert (frame.modality, int(frame.picture[0, 0]), frame.picture.dtype) == ("infrared", 3, np.uint16)
    assert frame.intrinsics == Intrinsics(365.0, 365.0, 31.5, 23.5)
    assert camera.asked == [(cv2.CAP_OPENNI_DEPTH_GENERATOR_REGISTRATION, 0.0)]


def test_openni2_that_cannot_register_depth_to_color(plug: Any) -> None:
    camera = plug(Camera(settable=False))
    with pytest.raises(SourceError, match="cannot register depth to colour: infrared=True"):
        opened("openni2")
    assert camera.released == 1


def test_a_lens_that_nobody_knows(plug: Any) -> None:
    plug(Camera([maps_of(0)]))
    with (
        opened("openni2") as source,
        pytest.raises(SourceError, match=r"what its lens is like .*give focal_px"),
    ):
        next(source)
    nan = dict.fromkeys(ORBBEC_LENS, float("nan"))  # OpenCV divides by what the camera did not tell
    plug(Camera([orbbec(0)], properties=nan))
    with opened("obsensor") as source, pytest.raises(SourceError, match="give focal_px"):
        next(source)


def test_obsensor_joins_what_comes_one_by_one(plug: Any) -> None:
    depth, color = cv2.CAP_OBSENSOR_DEPTH_MAP, cv2.CAP_OBSENSOR_BGR_IMAGE
    first, second, third = orbbec(0), orbbec(1), orbbec(2)
    camera = plug(
        Camera(
            [
                *(None, {depth: first[depth]}, None, {color: first[color]}),
                *({depth: second[depth]}, {depth: third[depth]}, {color: third[color]}),
                *(third, third, second),
            ],
            properties=ORBBEC_LENS,
        )
    )
    with opened("obsensor") as source:
        frames = [next(source) for _ in range(3)]
        with pytest.raises(SourceError, match="Orbbec: no frame"):
            next(source)
    assert camera.opened == (0, cv2.CAP_OBSENSOR)
    assert [(int(f.depth[0, 0]), f.picture[0, 0].tolist()) for f in frames] == [
        (600, [200, 0, 0]),
        (602, [200, 2, 0]),  # the newest depth, and what is given again is not given on
        (601, [200, 1, 0]),
    ]
    assert frames[0].intrinsics == Intrinsics(500.0, 501.0, 30.0, 20.0)


def test_what_goes_wrong_says_what_to_do(plug: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plug(Camera(opens=False))
    with pytest.raises(SourceError, match="OpenNI2: not usable: OpenCV was built without it"):
        opened("openni2")
    monkeypatch.setattr(cv2.videoio_registry, "hasBackend", lambda _: True)
    with pytest.raises(SourceError, match="OpenNI2: could not be opened: is camera 0 plugged in"):
        opened("openni2")
    plug(Camera([maps_of(0), cv2.error("Failed to open device")], properties=OPENNI_LENS))
    with opened("openni2") as source:
        next(source)
        with pytest.raises(SourceError, match="Failed to open device: unplug it"):
            next(source)
    plug(Camera([{DEPTH: maps_of(0)[DEPTH]}] * 3, properties=OPENNI_LENS))
    with opened("openni2") as source, pytest.raises(SourceError, match=r"no frame for 0\.05 s"):
        next(source)


@pytest.mark.parametrize(
    "part",
    [
        {DEPTH: np.zeros((48, 64), np.uint8)},
        {COLOR: np.zeros((40, 64, 3), np.uint8)},
        {COLOR: np.zeros((48, 64), np.uint8)},
    ],
)
def test_what_is_no_frame(plug: Any, part: dict[int, Any]) -> None:
    plug(Camera([{**maps_of(0), **part}], properties=OPENNI_LENS))
    with opened("openni2") as source, pytest.raises(SourceError, match="OpenNI2: gave no usable frame"):
        next(source)
    assert INFRARED not in part


@pytest.mark.parametrize("name", ["openni2", "obsensor"])
def test_a_frame_is_as_old_as_its_older_part(plug: Any, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    ticks = itertools.count(100)
    monkeypatch.setattr(opencv, "since_boot_s", lambda: float(next(ticks)))
    depth, color = [maps_of(0), orbbec(0)][name == "obsensor"], [maps_of(1), orbbec(1)][name == "obsensor"]
    parts = [dict([each]) for maps in (depth, color) for each in list(maps.items())[:2]]
    plug(Camera(parts, properties={**OPENNI_LENS, **ORBBEC_LENS}))
    with opened(name) as source:
        captures = [next(source).capture for _ in range(2)]
    assert source.origin == name
    assert captures == [Capture(name, 100.0), Capture(name, 102.0)]
