"""Camera files: JSON beside frames that says how they were taken.

One rule for all layouts. The camera of a frame is in the first of these that is there:

1. ``LABEL_camera.json`` beside it, LABEL being the frame's name without what its layout adds;
2. ``camera.json`` in its folder, else in the nearest folder above, up to the set's; of a single person or
   frame, up to one further.

Keys: ``fx``, ``fy``, ``cx``, ``cy`` in pixels of the picture as it is read, and ``depth_unit_m``, the metres
of one unit of depth (0.001 for millimetres); if wanted, ``principal_deviation_px``, see `Intrinsics`. Only
`pairs` need one: the other layouts bring a camera along. Where there is one, they go by it; a Kinect v2's
files are then `pairs`.
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
    """Return the camera file of a frame by the rule above.

    Parameters
    ----------
    folder : of the frame.
    root : the last folder to look into: the same, or one above.
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
    """Read a camera file: intrinsics, and metres per unit of depth.

    Raises
    ------
    SourceError
        If the file is missing, not such JSON, or holds impossible values.
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
        return Intrinsics(**values), float(unit)  # type: ignore[arg-type]  # which checks them
    except (InvalidInputError, OverflowError) as error:
        message = f"{path}: {error}"
        raise SourceError(message) from error


def read_json(path: Path) -> dict[str, object]:
    """Read an object of JSON.

    Raises
    ------
    SourceError
        If the file is missing, too long, or holds something else.
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
