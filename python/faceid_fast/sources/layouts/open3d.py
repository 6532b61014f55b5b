"""Layout ``open3d``: recordings of a RealSense or an Azure Kinect by Open3D's recorders.

``color/NAME.jpg`` or ``.png`` and ``depth/NAME.png`` (16 bit, millimetres), registered to each other, and
beside the two folders ``camera_intrinsic.json`` or ``intrinsic.json`` with ``width``, ``height`` and
``intrinsic_matrix``, nine numbers column by column. A camera file takes precedence over it, for instance for
another unit of depth; see `camera_file`.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final

from faceid_fast.checks import checked_path
from faceid_fast.errors import InvalidInputError, SourceError
from faceid_fast.frame import Frame, Intrinsics
from faceid_fast.sources.files.pictures import frame_of, read_picture

from .camera_file import camera_file_of, read_camera, read_json
from .shot import Shot

LAYOUT: Final = "open3d"
COLOR: Final = "color"
DEPTH: Final = "depth"
INTRINSICS_NAMES: Final = ("camera_intrinsic.json", "intrinsic.json")
DEPTH_UNIT_M: Final = 0.001
_COLOR_ENDINGS: Final = (".jpg", ".png")
_DEPTH_ENDING: Final = ".png"


def shots_in(folder: Path, root: Path) -> list[Shot]:
    """List the frames of a recording by name; see `shot_of`. OSError if it cannot be listed."""
    if not ((folder / COLOR).is_dir() and (folder / DEPTH).is_dir()):
        return []
    depths = sorted(entry for entry in (folder / DEPTH).iterdir() if entry.suffix == _DEPTH_ENDING)
    return [shot for depth in depths if (shot := shot_of(depth, root)) is not None]


def shot_of(file: Path, root: Path) -> Shot | None:
    """Return the frame that a file belongs to; None if the frame's other files are missing."""
    if file.parent.name not in {COLOR, DEPTH}:
        return None
    folder = file.parent.parent
    depth = folder / DEPTH / f"{file.stem}{_DEPTH_ENDING}"
    colors = (folder / COLOR / f"{file.stem}{ending}" for ending in _COLOR_ENDINGS)
    color = next((color for color in colors if color.is_file()), None)
    cameras = (
        camera_file_of(folder, file.stem, root),
        *(folder / name for name in INTRINSICS_NAMES if (folder / name).is_file()),
    )
    camera = next((camera for camera in cameras if camera is not None), None)
    if color is None or camera is None or not depth.is_file():
        return None
    return Shot(folder.name, file.stem, LAYOUT, partial(read_pair, color, depth, camera))


def read_pair(color: str | Path, depth: str | Path, camera: str | Path) -> Frame:
    """Read one frame; ``camera`` is a camera file or one of `INTRINSICS_NAMES`.

    Raises
    ------
    SourceError
        If a file is missing or damaged, or no frame can be made of them.
    """
    color, depth = checked_path("color", color), checked_path("depth", depth)
    camera = checked_path("camera", camera)
    picture = read_picture(color)
    if camera.name in INTRINSICS_NAMES:
        intrinsics, unit = _read_intrinsics(camera, picture.shape[:2]), DEPTH_UNIT_M
    else:
        intrinsics, unit = read_camera(camera)
    return frame_of("color", picture, read_picture(depth), unit, intrinsics, color, depth)


def _read_intrinsics(path: Path, shape: tuple[int, ...]) -> Intrinsics:
    """Read intrinsics in Open3D's format, for pictures of a (height, width)."""
    record = read_json(path)
    matrix = record.get("intrinsic_matrix")
    size = (record.get("height"), record.get("width"))
    if not isinstance(matrix, list) or len(matrix) != 9:
        message = f"{path}: expected JSON with width, height and an intrinsic_matrix of nine numbers, got something else"  # noqa: E501
        raise SourceError(message)
    if size != shape:
        message = f"{path}: expected the camera of pictures of (height, width) = {shape}, got {size!s:.60}"
        raise SourceError(message)
    fx, _, _, skew, fy, _, cx, cy, _ = matrix
    if skew != 0:
        message = f"{path}: expected a pinhole camera without skew, got one with"
        raise SourceError(message)
    try:
        return Intrinsics(fx, fy, cx, cy)
    except InvalidInputError as error:
        message = f"{path}: {error}"
        raise SourceError(message) from error
