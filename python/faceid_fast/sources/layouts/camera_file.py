"""Camera files: JSON beside frames, with the camera's intrinsics and the unit of depth.

For all layouts, the camera file of a frame is the first of these that exists:

1. ``LABEL_camera.json`` or ``camera_LABEL.json``, not both, beside the frame; LABEL is the frame's file name without the
   layout's endings;
2. ``camera.json`` in the frame's folder, else in the nearest folder above it, up to the folder of the data
   set; for a single person or frame, up to the folder above theirs.

Keys:

| what | keys |
|---|---|
| intrinsics, in pixels of the picture as it is read | ``fx``, ``fy``, ``cx``, ``cy``; or librealsense's ``ppx``, ``ppy`` for the last two; or Open3D's ``intrinsic_matrix``, nine numbers column by column, or three rows |
| unit of depth | ``depth_unit_m``, metres per unit (0.001 for millimetres); or ``depth_scale``: from 1 on units per metre, as Open3D has it (1000 for millimetres), below 1 metres per unit, as librealsense has it |
| size of the pictures | ``width`` and ``height``, which must be theirs; needed with a matrix only |
| a crop of unknown place | ``principal_deviation_px``, see `Intrinsics` |

Distortion is not corrected: such keys are ignored. Only `pairs` need a camera file: the other layouts have a
camera of their own, which a camera file replaces. Files of a Kinect v2 with a camera file are `pairs`.
"""  # noqa: E501  # a table

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any, Final

from faceid_fast.checks import checked_number, checked_path, is_number, shown, text_of
from faceid_fast.errors import InvalidInputError, SourceError
from faceid_fast.frame import DEPTH_UNIT_RANGE_M, Intrinsics
from faceid_fast.sources.files.bounded import entries_of, read_bounded

CAMERA_NAME: Final = "camera.json"
CAMERA_KEYS: Final = ("fx", "fy", "cx", "cy", "depth_unit_m")
UNCERTAINTY: Final = "principal_deviation_px"
MATRIX: Final = "intrinsic_matrix"
MAX_JSON_BYTES: Final = 2**20
_SCALE: Final = "depth_scale"
_REALSENSE: Final = {"cx": "ppx", "cy": "ppy"}
_FOREIGN: Final = ("K", "k", "P", "camera_matrix", "projection_matrix", "intrinsics", "CameraInfo")
"""Keys of ROS, OpenCV and others, whose matrices have an order of their own."""
_MAY_BE_CAMERA: Final = re.compile(r"(?i)(cam|calib|intrins|info).*\.(json|ya?ml|xml|txt|ini|toml)")
_TOLERANCE: Final = 1e-9


def camera_file_of(folder: Path, label: str, root: Path) -> Path | None:
    """Return the camera file of a frame, by the rule of this module; None if there is none.

    Parameters
    ----------
    folder : of the frame.
    label : of the frame.
    root : the topmost folder in which to look: `folder` or one above it.

    Raises
    ------
    SourceError
        If the frame has two camera files of its own.
    """
    own = [folder / name for name in (f"{label}_{CAMERA_NAME}", f"camera_{label}.json")]
    there = [file for file in own if file.is_file()]
    if len(there) > 1:
        names = " and ".join(f"{file.name!a:.80}" for file in there)
        message = f"{folder}: expected one camera file for frame {label!a:.80}, got {names}: take one away"
        raise SourceError(message)
    if there:
        return there[0]
    for place in (folder, *folder.parents):
        if (place / CAMERA_NAME).is_file():
            return place / CAMERA_NAME
        if place == root:
            break
    return None


def without_camera(folder: Path) -> str:
    """Say that a folder's frames have no camera file, and which other files there may be one."""
    message = (
        f"no camera file: expected a {CAMERA_NAME} with {', '.join(CAMERA_KEYS)}, there or in a folder above"
    )
    others = [entry.name for entry in entries_of(folder) if _MAY_BE_CAMERA.fullmatch(entry.name)]
    if others:
        message += f"; write one from {', '.join(f'{name!a:.80}' for name in others[:3])}, which is not read"
    return message


def read_camera(
    path: str | Path, shape: tuple[int, ...] | None = None, *, matrix_unit_m: float | None = None
) -> tuple[Intrinsics, float]:
    """Read a camera file; return intrinsics, and metres per unit of depth.

    Parameters
    ----------
    path : of the file.
    shape : (height, width) of the pictures that it is to be the camera of, if they are known: a file that
        says another size is refused.
    matrix_unit_m : metres per unit of depth if the file has a matrix and no unit; by default it is needed.

    Raises
    ------
    SourceError
        If the file is missing, is not JSON with the keys of this module, has a value out of range, or is the
        camera of pictures of another size.
    InvalidInputError
        If an argument is not usable.
    """
    path = checked_path("path", path)
    if matrix_unit_m is not None:
        matrix_unit_m = checked_number("matrix_unit_m", matrix_unit_m, *DEPTH_UNIT_RANGE_M, "metres per unit")
    record = read_json(path)
    _check_size(record, shape, path)
    try:
        intrinsics = _from_matrix(record, path) if MATRIX in record else _from_keys(record, path)
        return intrinsics, _unit_of(record, path, matrix_unit_m if MATRIX in record else None)
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
        record = json.loads(text_of(content))
    except (ValueError, RecursionError) as error:
        message = f"{path}: expected JSON, got: {error!r:.100}"
        raise SourceError(message) from error
    if not isinstance(record, dict):
        message = f"{path}: expected an object of JSON, got {type(record).__name__}"
        raise SourceError(message)
    return record


def _check_size(record: dict[str, object], shape: tuple[int, ...] | None, path: Path) -> None:
    """Refuse the camera of pictures of another size: its focal length would be another one, too."""
    size = record.get("height"), record.get("width")
    if shape is None or (size == (None, None) and MATRIX not in record):
        return
    if size != shape:
        message = f"{path}: expected the camera of pictures of (height, width) = {shape}, got {size!s:.60}"
        raise SourceError(message)


def _from_keys(record: dict[str, object], path: Path) -> Intrinsics:
    values: dict[str, Any] = {}
    for key in CAMERA_KEYS[:4]:
        named = [name for name in (key, _REALSENSE.get(key)) if name is not None and name in record]
        if not named or len({repr(record[name]) for name in named}) > 1:
            got = f"no {key}" if not named else f"{' and '.join(named)}, which differ"
            message = f"{path}: expected JSON with {', '.join(CAMERA_KEYS)}, got {got}{_hint(record)}"
            raise SourceError(message)
        values[key] = record[named[0]]
    if UNCERTAINTY in record:
        values[UNCERTAINTY] = record[UNCERTAINTY]
    return Intrinsics(**values)


def _hint(record: dict[str, object]) -> str:
    found = [key for key in _FOREIGN if key in record]
    if not found:
        return ""
    return f": take fx, fy, cx, cy out of {found[0]} (its elements 11, 22, 13 and 23), and write them so"


def _from_matrix(record: dict[str, object], path: Path) -> Intrinsics:
    """Return the intrinsics of Open3D's matrix, in which nothing but the four numbers and a 1 may stand."""
    matrix = record[MATRIX]
    if isinstance(matrix, list) and len(matrix) == 3 and all(isinstance(row, list) for row in matrix):
        return Intrinsics.from_matrix(matrix)
    if not isinstance(matrix, list) or len(matrix) != 9:
        message = (
            f"{path}: expected JSON with width, height and an {MATRIX} of nine numbers, got something else"
        )
        raise SourceError(message)
    fx, fx2, fx3, skew, fy, fy3, cx, cy, one = matrix
    if any(each != 0 for each in (fx2, fx3, fy3)) or one != 1:  # null, too, is no zero
        wanted = "nine numbers column by column, fx, 0, 0, 0, fy, 0, cx, cy, 1"
        message = f"{path}: {MATRIX}: expected {wanted}, got others"
        if not any((fx2, skew, cx, cy)) and one == 1:
            message += ": they seem to be written row by row"
        raise SourceError(message)
    if skew != 0:
        message = f"{path}: expected a pinhole camera without skew, got one with"
        raise SourceError(message)
    return Intrinsics(fx, fy, cx, cy)


def _unit_of(record: dict[str, object], path: Path, otherwise: float | None) -> float:
    """Return metres per unit of depth; the range is checked with the frame."""
    found = {}
    for key in ("depth_unit_m", _SCALE):
        if key not in record:
            continue
        value = record[key]
        if not is_number(value) or (key == _SCALE and not value > 0):  # type: ignore[operator]
            message = (
                f"{path}: {key}: expected a number{' above 0' if key == _SCALE else ''}, got {shown(value)}"
            )
            raise SourceError(message)
        number = float(value)  # type: ignore[arg-type]
        if not math.isfinite(number):
            message = f"{path}: {key}: expected a finite number, got {shown(value)}"
            raise SourceError(message)
        found[key] = 1.0 / number if key == _SCALE and number >= 1.0 else number
    if not found:
        if otherwise is not None:
            return otherwise
        message = (
            f"{path}: expected JSON with {', '.join(CAMERA_KEYS)}, got no depth_unit_m: metres per unit of "
            "depth, 0.001 for millimetres"
        )
        raise SourceError(message)
    units = list(found.values())
    if not all(abs(unit - units[0]) <= _TOLERANCE * abs(units[0]) for unit in units):
        message = f"{path}: expected depth_unit_m and depth_scale to say the same, got two units of depth"
        raise SourceError(message)
    return units[0]
