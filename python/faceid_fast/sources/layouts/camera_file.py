"""Camera files: JSON beside frames, with the camera's intrinsics and the unit of depth.

For all layouts, the camera file of a frame is the first of these that exists:

1. ``LABEL_camera.json`` beside the frame; LABEL is the frame's file name without the layout's endings;
2. ``camera.json`` in the frame's folder, else in the nearest folder above it, up to the folder of the data
   set; for a single person or frame, up to the folder above theirs.

Keys: ``fx``, ``fy``, ``cx``, ``cy`` in pixels of the picture as it is read, and ``depth_unit_m``, metres per
unit of depth (0.001 for millimetres); optionally ``principal_deviation_px``, see `Intrinsics`. Only `pairs`
need a camera file: the other layouts have a camera of their own, which a camera file replaces. Files of a
Kinect v2 with a camera file are `pairs`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from faceid_fast.checks import checked_path
from faceid_fast.errors import InvalidInputError, SourceError
from faceid_fast.frame import Intrinsics
from faceid_fast.sources.files.bounded import read_bounded

CAMERA_NAME: Final = "camera.json"
CAMERA_KEYS: Final = ("fx", "fy", "cx", "cy", "depth_unit_m")
UNCERTAINTY: Final = "principal_deviation_px"
MAX_JSON_BYTES: Final = 2**20


def camera_file_of(folder: Path, label: str, root: Path) -> Path | None:
    """Return the camera file of a frame, by the rule of this module; None if there is none.

    Parameters
    ----------
    folder : of the frame.
    label : of the frame.
    root : the topmost folder in which to look: `folder` or one above it.
    """
    own = folder / f"{label}_{CAMERA_NAME}"
    if own.is_file():
        return own
    for place in (folder, *folder.parents):
        if (place / CAMERA_NAME).is_file():
            return place / CAMERA_NAME
        if place == root:
            break
    return None


def read_camera(path: str | Path) -> tuple[Intrinsics, float]:
    """Read a camera file; return intrinsics, and metres per unit of depth.

    Raises
    ------
    SourceError
        If the file is missing, is not JSON with these keys, or has a value out of range.
    """
    path = checked_path("path", path)
    record = read_json(path)
    try:
        values = {key: record[key] for key in CAMERA_KEYS}
    except KeyError as error:
        message = f"{path}: expected JSON with {', '.join(CAMERA_KEYS)}, got: {error!r:.100}"
        raise SourceError(message) from error
    if UNCERTAINTY in record:
        values[UNCERTAINTY] = record[UNCERTAINTY]
    unit = values.pop("depth_unit_m")
    if not isinstance(unit, (int, float)) or isinstance(unit, bool):
        message = f"{path}: depth_unit_m: expected a number, got {unit!r:.40}"
        raise SourceError(message)
    try:
        return Intrinsics(**values), float(unit)  # type: ignore[arg-type]  # Intrinsics checks its values
    except (InvalidInputError, OverflowError) as error:
        message = f"{path}: {error}"
        raise SourceError(message) from error


def read_json(path: Path) -> dict[str, object]:
    """Read a file that holds a JSON object.

    Raises
    ------
    SourceError
        If the file is missing, too long, or holds anything else.
    """
    content = read_bounded(path, MAX_JSON_BYTES)
    try:
        record = json.loads(content)
    except (ValueError, RecursionError) as error:
        message = f"{path}: expected JSON, got: {error!r:.100}"
        raise SourceError(message) from error
    if not isinstance(record, dict):
        message = f"{path}: expected an object of JSON, got {type(record).__name__}"
        raise SourceError(message)
    return record
