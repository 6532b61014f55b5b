"""A flat sheet before a real depth camera: never a live face."""

from __future__ import annotations

from pathlib import Path

from faceid_fast import FaceAligner, Frame, Intrinsics, NoFace
from faceid_fast.liveness import check
from faceid_fast.sources.png import read_png

CAMERA = Intrinsics(595.34, 595.34, 318.33, 239.96)
DEPTH_UNIT_M = 0.0001


def test_no_sheet_is_a_live_face(truedepth_flat: Path) -> None:
    aligner = FaceAligner.bundled()
    depths = sorted(truedepth_flat.glob("depth_*.png"))
    assert depths
    for depth in depths:
        color = depth.with_name(depth.name.replace("depth_", "rgb_"))
        frame = Frame(
            color=read_png(color), depth=read_png(depth), depth_unit_m=DEPTH_UNIT_M, intrinsics=CAMERA
        )
        look = aligner.align(frame)
        assert isinstance(look, NoFace) or not check(look).live
