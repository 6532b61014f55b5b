"""The figures of a depth camera, and those that are expected of its kind.

The expectations say what such a camera can do in a room, a metre or so from what it sees; they are no limits
of this package. A camera that falls short of them is set up badly, or looks at something that no camera sees
well. The noise of a stereo camera is z^2 s / (f b): z is the distance, f the focal length in pixels, b the
baseline, and s the error of its disparities, about a tenth of a pixel. None was checked on a camera itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from faceid_fast.checks import checked_instance, checked_number

HOLE_BANDS_MM: Final = ((0.0, 5.0), (5.0, 10.0), (10.0, 20.0))
"""Diameters of round holes that are counted apart. A nostril is 8 mm wide, an eye 30 mm."""
ANY: Final = "any"
"""The kind of a camera that is not known: what this package needs."""
MAX_DISTANCE_M: Final = 1e6
"""Farther than any depth in uint16 of the coarsest unit is."""


@dataclass(frozen=True, slots=True)
class CameraFigures:
    """Figures of a few frames of one camera.

    Attributes
    ----------
    frames : number of frames.
    shape : (height, width) in pixels.
    modality : of the picture.
    depth_unit_m : metres per unit of depth.
    median_m : median distance; None where no pixel has depth, as all that follows from depth.
    density : share of the pixels that have depth, 0 to 1.
    density_middle : the same in the middle half of the height and width.
    single_holes : share of single missing pixels among the pixels inside surfaces.
    round_holes : for each of `HOLE_BANDS_MM`, the share of the pixels inside surfaces that are missing in
        round holes of that diameter; single pixels are not among them.
    noise_at_m : median distance of the pixels that noise was measured on.
    noise_spatial_mm : standard deviation from pixel to pixel on smooth surfaces. Of a stereo camera, whose
        neighbouring pixels err alike, it is too small.
    noise_temporal_mm : standard deviation from frame to frame where nothing moves; None if nearly all moves,
        or of fewer than five frames.
    offset_px : (x, y) by which edges of the picture are off those of the depth, to the right and down; None
        if there are too few edges, or they fit nowhere.
    frames_per_s : mean rate; None without times.
    jitter_ms : standard deviation of the time between two frames.
    dropped : number of frames that are missing between others, judged by their times.
    """

    frames: int
    shape: tuple[int, int]
    modality: str
    depth_unit_m: float
    median_m: float | None
    density: float
    density_middle: float
    single_holes: float | None
    round_holes: tuple[float, ...] | None
    noise_at_m: float | None
    noise_spatial_mm: float | None
    noise_temporal_mm: float | None
    offset_px: tuple[float, float] | None
    frames_per_s: float | None
    jitter_ms: float | None
    dropped: int | None


@dataclass(frozen=True, slots=True)
class CameraKind:
    """What a kind of camera gives.

    Attributes
    ----------
    title : its name in words.
    noise_mm : standard deviation of its depth at 1 m.
    noise_power : by which power of the distance the noise grows: 2 where depth is triangulated.
    density_middle : share of the pixels in the middle of the picture that have depth, at least.
    frames_per_s : its usual rate.
    source : where the figures come from.
    """

    title: str
    noise_mm: float
    noise_power: int
    density_middle: float
    frames_per_s: float
    source: str

    def noise_at(self, distance_m: float) -> float:
        """Return the expected noise in millimetres.

        Parameters
        ----------
        distance_m : metres, 0 to `MAX_DISTANCE_M`.

        Raises
        ------
        InvalidInputError
            If the distance is not a number in that range.
        """
        distance = checked_number("distance_m", distance_m, 0.0, MAX_DISTANCE_M, "metres")
        return self.noise_mm * distance**self.noise_power


KINDS: Final[Mapping[str, CameraKind]] = MappingProxyType(
    {
        ANY: CameraKind(
            "any depth camera", 3.0, 2, 0.85, 10.0, "what faceid_fast needs: the renders it was trained on"
        ),
        "kinect_v1": CameraKind(
            "Kinect v1, Xtion, Astra",
            1.4,
            2,
            0.85,
            30.0,
            "Khoshelham and Elberink, Sensors 12 (2012) 1437: 1.4 mm at 1 m, 40 mm at 5 m",
        ),
        "kinect_v2": CameraKind(
            "Kinect v2",
            1.5,
            1,
            0.95,
            30.0,
            "Wasenmueller and Stricker, ACCV Workshops 2016; the 324 captures this package was measured on",
        ),
        "realsense": CameraKind(
            "RealSense D400",
            4.2,
            2,
            0.95,
            30.0,
            "Intel, Tuning depth cameras for best performance: a D435 at 640 x 480, 50 mm, 385 px, 0.08 px",
        ),
        "oak": CameraKind(
            "OAK-D",
            3.0,
            2,
            0.8,
            30.0,
            "Luxonis, Configuring Stereo Depth: 75 mm, 441 px, 0.1 px where steps are an eighth of a pixel",
        ),
        "truedepth": CameraKind(
            "TrueDepth (Record3D)",
            2.0,
            2,
            0.9,
            30.0,
            "Breitbarth et al., SPIE 11144 (2019) 1114407: accuracies in the millimetre range",
        ),
    }
)
_OF_SOURCES: Final = {
    "RealSense": "realsense",
    "OAK": "oak",
    "Record3D": "truedepth",
    "OpenNI2": "kinect_v1",
}
"""The kind of each camera's driver, by the first word of its name; an Orbbec may be of any kind."""


def kind_of(source_name: str) -> str:
    """Return the kind, a key of `KINDS`, of a camera by the name of its `Source`.

    Raises
    ------
    InvalidInputError
        If the name is not a str.
    """
    checked_instance("source_name", source_name, str)
    return _OF_SOURCES.get(source_name.partition(" ")[0], ANY)
