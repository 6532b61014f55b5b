from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from faceid_fast import InvalidInputError
from faceid_fast.sources.camera_checks import Check, checks_of
from faceid_fast.sources.camera_kinds import ANY, KINDS, CameraFigures, kind_of

GOOD = CameraFigures(
    frames=30,
    shape=(480, 640),
    modality="color",
    depth_unit_m=0.001,
    median_m=1.4,
    density=0.9,
    density_middle=0.97,
    single_holes=0.001,
    round_holes=(0.001, 0.0, 0.0),
    noise_at_m=1.0,
    noise_spatial_mm=1.2,
    noise_temporal_mm=1.4,
    offset_px=(0.4, -0.3),
    frames_per_s=29.9,
    jitter_ms=2.0,
    dropped=0,
)


def wrong(kind: str = ANY, **changes: Any) -> list[Check]:
    return [check for check in checks_of(replace(GOOD, **changes), kind) if not check.ok]


def test_a_good_camera_is_as_expected_of_every_kind() -> None:
    for kind in KINDS:
        assert wrong(kind) == []


@pytest.mark.parametrize(
    ("changes", "name", "advice"),
    [
        ({"median_m": 3200.0, "depth_unit_m": 1.0}, "median distance", "is depth_unit_m = 1 right"),
        ({"median_m": 0.0007}, "median distance", "depth_unit_m"),
        ({"median_m": None}, "median distance", "depth_unit_m"),
        ({"density": 0.3}, "pixels with depth", "glare"),
        ({"density_middle": 0.6}, "in the middle", "glare"),
        ({"single_holes": 0.05}, "single missing pixels", "filter"),
        ({"round_holes": (0.01, 0.01, 0.01)}, "round holes", "filter"),
        ({"noise_temporal_mm": 20.0}, "noise in time", "resolution"),
        ({"noise_temporal_mm": 0.0}, "noise in time", "counts as computed"),
        ({"noise_spatial_mm": 20.0}, "noise in space", "resolution"),
        ({"offset_px": (2.5, 2.5)}, "picture beside depth", "register"),
        ({"frames_per_s": 5.0}, "rate", "USB 3"),
        ({"jitter_ms": 30.0}, "jitter", "USB 3"),
        ({"dropped": 4}, "frames dropped", "USB 3"),
    ],
)
def test_what_is_not_as_expected_is_said_with_what_to_do(
    changes: dict[str, Any], name: str, advice: str
) -> None:
    (check,) = wrong(**changes)
    assert (check.name, check.ok) == (name, False)
    assert advice in check.advice


def test_what_was_not_measured_is_neither_well_nor_wrong() -> None:
    for name, changes in (
        ("noise in time", {"noise_temporal_mm": None}),
        ("noise in space", {"noise_spatial_mm": None}),
        ("picture beside depth", {"offset_px": None}),
        ("rate", {"frames_per_s": None}),
        ("single missing pixels", {"single_holes": None}),
        ("round holes", {"round_holes": None}),
    ):
        (check,) = wrong(**changes)
        assert (check.name, check.ok, check.measured) == (name, None, "-")


def test_noise_is_expected_by_kind_and_distance() -> None:
    """4 mm at 1 m are much for a time-of-flight camera, and little for a stereo camera."""
    assert [check.name for check in wrong("kinect_v2", noise_temporal_mm=4.0)] == ["noise in time"]
    assert wrong("realsense", noise_temporal_mm=4.0) == []
    assert wrong("kinect_v1", noise_temporal_mm=35.0, noise_spatial_mm=35.0, noise_at_m=5.0) == []
    assert KINDS["kinect_v1"].noise_at(5.0) == pytest.approx(35.0)


def test_which_kind_a_camera_is() -> None:
    assert [kind_of(name) for name in ("RealSense", "RealSense recording a.db3", "OAK", "Record3D")] == [
        "realsense",
        "realsense",
        "oak",
        "truedepth",
    ]
    assert [kind_of(name) for name in ("OpenNI2", "Orbbec", "ada", "")] == ["kinect_v1", ANY, ANY, ANY]
    for kind in ("kinect", None, ["any"]):
        with pytest.raises(InvalidInputError, match="kind: expected any, kinect_v1"):
            checks_of(GOOD, kind)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="figures: expected CameraFigures, got dict"):
        checks_of({}, ANY)  # type: ignore[arg-type]
    assert all(kind.source for kind in KINDS.values())
