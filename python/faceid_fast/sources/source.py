"""Open a source, which gives frames one after the other: a camera, a camera's file, or a recording.

>>> with open_source("realsense") as camera:  # doctest: +SKIP
...     for frame in camera:
...         print(frame)

A camera's library is imported when the camera is opened. Extras of this package install the libraries.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from faceid_fast.checks import checked_path
from faceid_fast.errors import InvalidInputError
from faceid_fast.sources.cameras.base import Source

CAMERAS: Final = MappingProxyType(
    {
        "realsense": "realsense.RealSense",
        "oak": "oak.Oak",
        "openni2": "opencv.OpenNI2",
        "obsensor": "opencv.Obsensor",
        "record3d": "record3d.Record3D",
    }
)
"""The names of cameras for `open_source`, each with its class in `faceid_fast.sources.cameras`."""
_REALSENSE_FILES: Final = (".bag", ".db3")


def open_source(source: str | Path, **options: Any) -> Source:
    """Open a camera by its name, or a file or folder by its path.

    Parameters
    ----------
    source : one of `CAMERAS`; a file of a RealSense (``.bag``, ``.db3``); or a folder or a frame's file, see
        `faceid_fast.sources.recording.playback`. For a folder that has a camera's name write ``./oak``.
    **options : arguments of the class that `CAMERAS` names.

    Raises
    ------
    SourceError
        If the camera's library is not installed (the message names the extra), or the source cannot be
        opened.
    InvalidInputError
        If there is no such name or path, or the source has no such option.
    """
    text = str(source)
    if text in CAMERAS:
        module, _, name = CAMERAS[text].partition(".")
        return _made(getattr(import_module(f"faceid_fast.sources.cameras.{module}"), name), text, options)
    checked_path("source", source)
    if text.lower().endswith(_REALSENSE_FILES):
        from faceid_fast.sources.cameras.realsense import RealSense  # noqa: PLC0415  # only where it is needed

        return _made(RealSense, text, options, file=source)
    if not Path(text).exists():
        message = f"source: expected {', '.join(CAMERAS)}, or an existing path, got {text!a:.200}"
        raise InvalidInputError(message)
    from faceid_fast.sources.recording import playback  # noqa: PLC0415  # loads OpenCV, only where needed

    return _made(playback, text, options, directory=source)


def _made(make: Callable[..., Source], name: str, options: dict[str, Any], **chosen: str | Path) -> Source:
    known = [each for each in inspect.signature(make).parameters if each not in chosen]
    for option in options:
        if option not in known:
            message = f"options of {name}: expected {', '.join(known) or 'none'}, got {option!a:.80}"
            raise InvalidInputError(message)
    return make(**options, **chosen)
