"""Compare the figures of a camera with what is expected of its kind, and say what to do where they differ."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from faceid_fast.checks import checked_instance, shown
from faceid_fast.errors import InvalidInputError

from .camera_kinds import KINDS, MAX_DISTANCE_M, CameraFigures, CameraKind

_TOLERANCE: Final = 2.0
"""Scenes differ, and so do cameras of one kind: so many times the expected noise is still well."""
_LEAST_NOISE_MM: Final = 0.02
"""The liveness check takes smoother depth for computed, see `noise_mm` in models/liveness.json."""
_LEAST_DENSITY: Final = 0.5
_MOST_SINGLE: Final = 0.02
_MOST_ROUND: Final = 0.02
_MOST_OFFSET_PX: Final = 3.0
"""About 3 mm of a face at 0.7 m. Of rendered rooms, which are registered, 2 px are measured at most."""
_MEDIAN_M: Final = (0.2, 8.0)
"""A room, seen by a camera in it."""
_LEAST_RATE: Final = 0.8
_MOST_JITTER: Final = 0.5
_MOST_DROPPED: Final = 0.05


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
