"""``faceid record``: frames of a camera, written without loss."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from faceid_fast.cli.output import JsonOption, console, counted, plain, write_json
from faceid_fast.sources.cameras.reopening import Reopening
from faceid_fast.sources.recording import MAX_RECORDED
from faceid_fast.sources.recording import record as record_from

from .camera import CameraOption, SettingsOption, opened_source, until


def record(
    out: Annotated[Path, typer.Argument(help="Folder, new or empty; only you will be able to read it.")],
    *,
    source: CameraOption,
    frames: Annotated[
        int, typer.Option(metavar="N", min=1, max=MAX_RECORDED, help="Frames to record, at most.")
    ] = 300,
    seconds: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.001, help="Seconds to record, at most.")
    ] = math.inf,
    option: SettingsOption = None,
    json_to: JsonOption = None,
) -> None:
    """Record frames of a camera, losslessly.

    They are pictures of people: delete them when they are no longer needed.
    A camera that drops out is opened again until it answers; the times of the frames show the gap.
    """
    screen = console(json_to)
    kept_open = Reopening(
        lambda: opened_source(source, option),
        told=lambda line: screen.print(plain(line)),
        goes_on=until(seconds),
    )
    with kept_open as camera, counted(screen, "recording", frames) as progress:
        done = record_from(camera, out, frames=frames, seconds=seconds, told=progress)
    screen.print(plain(f"{done.directory}: {done.frames} frames in {done.seconds:.1f} s"))
    screen.print("they show people: keep them where only you can look, and delete them when they have served")
    write_json(
        {
            "directory": str(done.directory),
            "source": camera.name,
            "frames": done.frames,
            "seconds": done.seconds,
        },
        json_to,
    )
