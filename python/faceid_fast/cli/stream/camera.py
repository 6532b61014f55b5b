"""The options that name a camera and set it up."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from faceid_fast.cli.output import check_heard, warnings_said
from faceid_fast.errors import InvalidInputError
from faceid_fast.sources.cameras.base import Source
from faceid_fast.sources.source import CAMERAS, open_source

CameraOption = Annotated[
    str,
    typer.Option(
        "--source",
        metavar="SOURCE",
        help=f"{', '.join(CAMERAS)}; or a folder of frames, or a recording of a RealSense.",
    ),
]
SettingsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        metavar="KEY=VALUE",
        help="Setting of the camera, for instance infrared=true; may be repeated.",
    ),
]


def opened_source(source: str, settings: Sequence[str] | None) -> Source:
    """Open a source with settings such as ``fps=60`` or ``emitter=off``.

    Raises
    ------
    InvalidInputError
        If a setting is not written so, or not one of the source's.
    SourceError
        If it cannot be opened.
    """
    options: dict[str, Any] = {}
    for setting in settings or ():
        key, equals, value = setting.partition("=")
        if not equals or not key.isidentifier():
            message = f"--option: expected KEY=VALUE, got {setting!a:.80}"
            raise InvalidInputError(message)
        try:
            options[key] = json.loads(value)
        except ValueError:
            options[key] = value
    with warnings_said():
        return open_source(source, **options)


def until(seconds: float | None) -> Callable[[], bool]:
    """Say whether to go on waiting for a camera: until time is over, or nobody reads the output."""
    end = math.inf if seconds is None else time.monotonic() + seconds

    def goes_on() -> bool:
        check_heard()
        return time.monotonic() < end

    return goes_on
