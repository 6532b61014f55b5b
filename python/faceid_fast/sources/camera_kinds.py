"""The figures of a depth camera, what is expected of its kind, and what to do where the two differ.

The expectations say what such a camera can do in a room, a metre or so from what it sees; they are no limits
of this package. A camera that falls short of them is set up badly, or looks at something that no camera sees
well. The noise of a stereo camera is z^2 s / (f b): z is the distance, f the focal length in pixels, b the
baseline, and s the error of its disparities, about a tenth of a pixel. None was checked on a camera itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from faceid_fast.checks import checked_instance, checked_number, shown
from faceid_fast.errors import InvalidInputError

HOLE_BANDS_MM: Final = ((0.0, 5.0), (5.0, 10.0), (10.0, 20.0))
"""Diameters of round holes that are counted apart. A nostril is 8 mm wide, an eye 30 mm."""
ANY: Final = "any"
"""The kind of a camera that is not known: what this package needs."""
MAX_DISTANCE_M: Final = 1e6
"""Farther than any depth in uint16 of the coarsest unit is."""
_TOLERANCE: Final = 2.0
"""Scenes differ, and so do cameras of one kind: so many times the expected noise is still well."""
_LEAST_NOISE_MM: Final = 0.02
"""The liveness check takes smoother depth for computed, see `noise_mm` in models/liveness.json."""
_LEAST_DENSITY: Final = 0.5
_MOST_SINGLE: Final = 0.02
_MOST_ROUND: Final = 0.02
_MOST_OFFSET_PX: Final = 2.0
"""About 2 mm of a face at 0.7 m, the step of the grid on which faces are compared."""
_MEDIAN_M: Final = (0.2, 8.0)
"""A room, seen by a camera in it."""
_LEAST_RATE: Final = 0.8
_MOST_JITTER: Final = 0.5
_MOST_DROPPED: Final = 0.05


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


@dataclass(frozen=True, slots=True)
class Check:
    """One figure of a camera beside what is expected.

    Attributes
    ----------
    name : of the figure.
    measured, expected : in words.
    ok : whether it is as expected; None if it was not measured.
    advice : what to do if it is not, or to measure it.
    """

    name: str
    measured: str
    expected: str
    ok: bool | None
    advice: str = ""


def kind_of(source_name: str) -> str:
    """Return the kind, a key of `KINDS`, of a camera by the name of its `Source`.

    Raises
    ------
    InvalidInputError
        If the name is not a str.
    """
    checked_instance("source_name", source_name, str)
    return _OF_SOURCES.get(source_name.partition(" ")[0], ANY)


def checks_of(figures: CameraFigures, kind: str) -> tuple[Check, ...]:
    """Compare a camera's figures with what is expected of its kind.

    Parameters
    ----------
    figures : of `faceid_fast.sources.camera_figures.measure`.
    kind : a key of `KINDS`.

    Raises
    ------
    InvalidInputError
        If there is no such kind, or `figures` are none.
    """
    checked_instance("figures", figures, CameraFigures)
    if not isinstance(kind, str) or kind not in KINDS:
        message = f"kind: expected {', '.join(KINDS)}, got {shown(kind)}"
        raise InvalidInputError(message)
    expected = KINDS[kind]
    return (
        _unit(figures),
        *_density(figures, expected),
        *_holes(figures),
        *_noise(figures, expected),
        _registration(figures),
        *_rate(figures, expected),
    )


def _unit(figures: CameraFigures) -> Check:
    low, high = _MEDIAN_M
    median_m = figures.median_m
    return Check(
        "median distance",
        "no depth" if median_m is None else f"{median_m:.3g} m",
        f"{low:g} to {high:g} m, as a folding rule says",
        median_m is not None and low <= median_m <= high,
        f"is depth_unit_m = {figures.depth_unit_m:g} right? Of a camera of millimetres it is 0.001",
    )


def _density(figures: CameraFigures, kind: CameraKind) -> tuple[Check, Check]:
    advice = "less sun and glare, nearer things; clean the window; switch the projector on"
    return (
        Check(
            "pixels with depth",
            f"{figures.density:.0%}",
            f"{_LEAST_DENSITY:.0%} or more",
            figures.density >= _LEAST_DENSITY,
            advice,
        ),
        Check(
            "in the middle",
            f"{figures.density_middle:.0%}",
            f"{kind.density_middle:.0%} or more",
            figures.density_middle >= kind.density_middle,
            advice,
        ),
    )


def _holes(figures: CameraFigures) -> tuple[Check, Check]:
    single, round_ = figures.single_holes, figures.round_holes
    filled = "switch on the camera's filter that fills holes, or accept depth of lower confidence"
    bands = ("below 5 mm", "5 to 10 mm", "10 to 20 mm")
    return (
        Check(
            "single missing pixels",
            "-" if single is None else f"{single:.1%} of surfaces",
            f"{_MOST_SINGLE:.0%} or less",
            None if single is None else single <= _MOST_SINGLE,
            filled,
        ),
        Check(
            "round holes",
            "-"
            if round_ is None
            else ", ".join(f"{share:.1%} {band}" for share, band in zip(round_, bands, strict=True)),
            f"{_MOST_ROUND:.0%} or less together",
            None if round_ is None else sum(round_) <= _MOST_ROUND,
            filled,
        ),
    )


def _noise(figures: CameraFigures, kind: CameraKind) -> tuple[Check, Check]:
    at_m = figures.noise_at_m
    usual = None if at_m is None else kind.noise_at(min(at_m, MAX_DISTANCE_M))
    wanted = "-" if usual is None else f"about {usual:.2g} mm at {at_m:.2g} m"

    def check(name: str, noise_mm: float | None, how: str) -> Check:
        if noise_mm is None or usual is None:
            return Check(name, "-", wanted, None, how)
        if noise_mm < _LEAST_NOISE_MM:
            advice = (
                "depth that never changes counts as computed: switch filters off, show it a camera's frames"
            )
            return Check(name, f"{noise_mm:.2g} mm", wanted, ok=False, advice=advice)
        advice = "the camera's full resolution, its best preset, more light of its own; less sun"
        return Check(name, f"{noise_mm:.2g} mm", wanted, noise_mm <= _TOLERANCE * usual, advice)

    return (
        check("noise in time", figures.noise_temporal_mm, "let nothing move, for five frames or more"),
        check("noise in space", figures.noise_spatial_mm, "show it something smooth, such as a wall"),
    )


def _registration(figures: CameraFigures) -> Check:
    wanted = f"{_MOST_OFFSET_PX:g} px or less"
    if figures.offset_px is None:
        advice = "let somebody stand before something farther away, so that depth and picture have edges"
        return Check("picture beside depth", "-", wanted, None, advice)
    across, down = figures.offset_px
    return Check(
        "picture beside depth",
        f"{abs(across):.1f} px {'right' if across > 0 else 'left'}, "
        f"{abs(down):.1f} px {'down' if down > 0 else 'up'}",
        wanted,
        math.hypot(across, down) <= _MOST_OFFSET_PX,
        "register the depth to the picture, in the camera or by faceid_fast.sources.registration.register",
    )


def _rate(figures: CameraFigures, kind: CameraKind) -> tuple[Check, ...]:
    rate, jitter, dropped = figures.frames_per_s, figures.jitter_ms, figures.dropped
    wanted = f"about {kind.frames_per_s:.0f} frames/s"
    if rate is None or jitter is None or dropped is None:
        return (
            Check("rate", "-", wanted, None, "frames of files have no times; a camera or a recording has"),
        )
    advice = "USB 3 without a hub, a smaller picture, a free processor; in the dark exposure takes longer"
    interval_ms = 1e3 / rate
    return (
        Check("rate", f"{rate:.1f} frames/s", wanted, rate >= _LEAST_RATE * kind.frames_per_s, advice),
        Check(
            "jitter",
            f"{jitter:.1f} ms",
            f"{_MOST_JITTER * interval_ms:.0f} ms or less",
            jitter <= _MOST_JITTER * interval_ms,
            advice,
        ),
        Check(
            "frames dropped",
            f"{dropped} beside {figures.frames}",
            f"{_MOST_DROPPED:.0%} or less",
            dropped <= _MOST_DROPPED * figures.frames,
            advice,
        ),
    )
