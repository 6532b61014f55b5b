"""DepthAI itself, where it is installed: it has every name that an OAK is driven by."""

from __future__ import annotations

from typing import Any

import pytest

from fakes.oak import Device

dai: Any = pytest.importorskip("depthai", exc_type=ImportError)

NODES = {
    "Camera": "build requestOutput",
    "StereoDepth": "setExtendedDisparity setSubpixel setLeftRightCheck left right depth inputAlignTo",
    "ImageAlign": "input inputAlignTo outputAligned",
    "Sync": "setSyncThreshold inputs out",
}


def test_every_name_is_there() -> None:
    assert dai.__version__.startswith("3.")
    for name in set(vars(Device().module())) - set(vars(type(dai)("empty"))):
        assert hasattr(dai, name), name
    for kind, names in (
        *((getattr(dai.node, node), names) for node, names in NODES.items()),
        (dai.CameraBoardSocket, "CAM_A CAM_B CAM_C"),
        (dai.Platform, "RVC4"),
        (dai.ImgFrame, "getTransformation getCvFrame getFrame getTimestamp"),
        (dai.ImgFrame.Type, "BGR888i"),
        (dai.ImgTransformation, "getIntrinsicMatrix"),
        (dai.MessageGroup, "__getitem__"),
        (dai.MessageQueue, "tryGet"),
        (dai.Node.Output, "link createOutputQueue"),
        (dai.Pipeline, "create start stop isRunning"),
        (dai.Device, "getPlatform getDeviceId close"),
        (dai.Clock, "now"),
    ):
        for name in names.split():
            assert hasattr(kind, name), (kind, name)


def test_its_clock_goes_on_in_seconds() -> None:
    first = dai.Clock.now()
    assert 0.0 <= (dai.Clock.now() - first).total_seconds() < 60.0


def test_intrinsics_are_three_rows_at_the_size_of_the_picture() -> None:
    seen = dai.ImgTransformation(1280, 960, [[1000.0, 0, 640], [0, 1001.0, 480], [0, 0, 1]])
    (fx, _, cx), (_, fy, cy), _ = seen.addScale(0.5, 0.5).getIntrinsicMatrix()
    assert (fx, fy, cx, cy) == (500.0, 500.5, 320.0, 240.0)
