"""The part of ``faceid doctor`` that looks at a camera."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any, Final

import typer
from rich.table import Table
from rich.text import Text

from faceid_fast.cli.output import plain
from faceid_fast.cli.stream.camera import opened_source
from faceid_fast.errors import InvalidInputError, SourceError
from faceid_fast.face.aligner import FaceAligner
from faceid_fast.face.crop import FaceCrop
from faceid_fast.face.turned import hint_of, in_best_turn
from faceid_fast.frame import MAX_CALL_BYTES, MAX_FRAMES, Frame, held_bytes
from faceid_fast.sources.camera_checks import checks_of
from faceid_fast.sources.camera_kinds import KINDS, kind_of
from faceid_fast.sources.cameras.base import Source
from faceid_fast.sources.recording import Playback
from faceid_fast.sources.source import CAMERAS

_WARM_UP: Final = 5
"""Frames of a camera that are passed over first: exposure and depth settle meanwhile."""
_MOST_BYTES: Final = MAX_CALL_BYTES // 4
"""Most bytes of pictures and depth that are measured: to measure takes about six times as many."""
_LOOKED_AT: Final = 5
"""Frames in which a face is looked for."""
_WELL, _NOT_WELL, _UNKNOWN = ("ok", "green"), ("warn", "yellow"), ("-", "dim")

SourceOption = Annotated[
    str | None,
    typer.Option(
        "--source",
        metavar="SOURCE",
        help=f"Also check a camera: {', '.join(CAMERAS)}; or a folder of frames, or a recording.",
    ),
]
KindOption = Annotated[
    str | None,
    typer.Option(
        "--kind",
        metavar="KIND",
        help=f"What the camera is: {', '.join(KINDS)}; by default what its driver says.",
    ),
]
FramesOption = Annotated[
    int, typer.Option(metavar="N", min=1, max=MAX_FRAMES, help="Frames of the camera to measure, at most.")
]


def check_kind(kind: str | None) -> None:
    """Refuse a kind of camera that is not known, before anything is opened."""
    if kind is not None and kind not in KINDS:
        message = f"--kind: expected {', '.join(KINDS)}, got {kind!a:.80}"
        raise InvalidInputError(message)


def examined_camera(
    source: str, settings: Sequence[str] | None, kind: str | None, frames: int
) -> dict[str, Any]:
    """Measure a source, and compare it with what is expected; what it shows is not kept.

    Raises
    ------
    SourceError
        If it cannot be opened, or gives no frame.
    InvalidInputError
        If there is no such source, or it has no such setting.
    """
    from faceid_fast.sources.camera_figures import measure  # noqa: PLC0415  # OpenCV may not load

    with opened_source(source, settings) as camera:
        taken, seconds = _taken(camera, frames)
        name = camera.name
    first = taken[0]
    alike = [
        (frame.shape, frame.depth_unit_m, frame.modality) == (first.shape, first.depth_unit_m, first.modality)
        for frame in taken
    ]
    used = [frame for frame, is_alike in zip(taken, alike, strict=True) if is_alike]
    figures = measure(used, seconds if all(alike) else None)
    known = kind_of(name) if kind is None else kind
    return {
        "source": name,
        "kind": known,
        "expected_by": KINDS[known].source,
        "frames_left_out": len(taken) - len(used),
        "figures": asdict(figures),
        "checks": [asdict(check) for check in checks_of(figures, known)],
        "face": _face_in(used[:_LOOKED_AT]),
    }


def _taken(camera: Source, count: int) -> tuple[list[Frame], list[float] | None]:
    """Take frames, as many as asked for and as `_MOST_BYTES` allow, and the time of each if it is known."""
    frames: list[Frame] = []
    seconds: list[float] = []
    left = _WARM_UP if camera.live else 0
    for frame in camera:
        if left:
            left -= 1
            continue
        frames.append(frame)
        seconds.append(time.monotonic())
        if len(frames) == count or held_bytes([*frames, frame]) > _MOST_BYTES:  # with one more
            break
    if not frames:
        message = f"{camera.name}: gave no frame to measure"
        raise SourceError(message)
    if camera.live:
        return frames, seconds
    recorded = list(camera.seconds.values()) if isinstance(camera, Playback) else []
    return frames, recorded[: len(frames)] if len(recorded) >= len(frames) else None


def _face_in(frames: Sequence[Frame]) -> dict[str, Any]:
    """Say whether somebody is seen, how far away, and whether the camera is turned; nothing of who it is."""
    aligner = FaceAligner.bundled()
    found = {number: aligner.align(frame) for number, frame in enumerate(frames)}
    upright = [look for look in found.values() if isinstance(look, FaceCrop)]
    turned = in_best_turn(dict(enumerate(frames)), found, aligner)
    if turned:
        turned_deg = next(iter(turned.values())).turned_deg
        return {
            "frames": len(turned),
            "of": len(frames),
            "turned_deg": turned_deg,
            "said": hint_of(turned_deg),
        }
    distances = sorted(crop.distance_mm / 1e3 for crop in upright)
    said = f"at {distances[len(distances) // 2]:.1f} m" if distances else "none: stand before the camera"
    return {"frames": len(upright), "of": len(frames), "turned_deg": 0, "said": said}


def camera_title(camera: dict[str, Any]) -> str:
    """Name the camera, what it is taken for, and the frames that were measured."""
    figures = camera["figures"]
    height, width = figures["shape"]
    left_out = f", {camera['frames_left_out']} of another size left out" if camera["frames_left_out"] else ""
    count = f"{figures['frames']} frame{'s' * (figures['frames'] != 1)}"
    kind = KINDS[camera["kind"]].title
    return f"{camera['source']}, as {kind}: {count} of {width} x {height}, {figures['modality']}{left_out}"


def camera_table(camera: dict[str, Any]) -> Table:
    """Draw the figures beside what is expected, with what to do about those that are not so."""
    table = Table("figure", "measured", "expected", "", "what to do")
    for check in camera["checks"]:
        mark = _UNKNOWN if check["ok"] is None else _WELL if check["ok"] else _NOT_WELL
        advice = "" if check["ok"] else check["advice"]
        row = (check["name"], check["measured"], check["expected"])
        table.add_row(*map(plain, row), Text(*mark), plain(advice))
    face = camera["face"]
    seen = f"in {face['frames']} of {face['of']} frames"
    if face["frames"] and not face["turned_deg"]:
        table.add_row("a face", plain(f"{seen}, {face['said']}"), "upright", Text(*_WELL), "")
    else:
        mark = _NOT_WELL if face["turned_deg"] else _UNKNOWN
        table.add_row("a face", plain(seen), "upright", Text(*mark), plain(face["said"]))
    return table


def warnings_of(camera: dict[str, Any] | None) -> int:
    """Count what is not as expected of a camera."""
    if camera is None:
        return 0
    turned = camera["face"]["turned_deg"] != 0
    return int(turned) + sum(check["ok"] is False for check in camera["checks"])
