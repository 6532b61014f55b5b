"""Layout ``tum``: a sequence of the TUM RGB-D benchmark, or one recorded in its format.

A folder with ``rgb.txt`` and ``depth.txt``, whose lines hold a time in seconds and the name of a file;
comments begin with ``#``. The two streams are not synchronised: a picture and a depth map make a frame if
each is the nearest in time to the other, and they are at most 0.02 s apart. Depth is a PNG of 16 bit, 5,000
units per metre, registered to colour.

The camera is the benchmark's calibration of the colour camera that the folder's name contains (``freiburg1``
to ``freiburg3``), else the benchmark's default; distortion is not corrected. A camera file takes precedence,
see `camera_file`.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import partial
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Final, TypeAlias

from faceid_fast.checks import checked_path
from faceid_fast.errors import SourceError
from faceid_fast.frame import Frame, Intrinsics
from faceid_fast.sources.files.bounded import read_bounded
from faceid_fast.sources.files.pictures import frame_of, read_picture

from .camera_file import camera_file_of, read_camera
from .shot import Shot

LAYOUT: Final = "tum"
COLOR_LIST: Final = "rgb.txt"
DEPTH_LIST: Final = "depth.txt"
TUM_DEPTH_UNIT_M: Final = 1 / 5000
MAX_APART_S: Final = 0.02
"""The limit of the benchmark's own tool."""
CAMERAS: Final = {
    "freiburg1": Intrinsics(517.3, 516.5, 318.6, 255.3),
    "freiburg2": Intrinsics(520.9, 521.0, 325.1, 249.7),
    "freiburg3": Intrinsics(535.4, 539.2, 320.1, 247.6),
}
"""Calibrations of the colour cameras, from the benchmark's page on file formats."""
DEFAULT_CAMERA: Final = Intrinsics(525.0, 525.0, 319.5, 239.5)

_MAX_LIST_BYTES: Final = 4 * 2**20

_Listed: TypeAlias = list[tuple[float, Path]]


def shots_in(folder: Path, root: Path) -> list[Shot]:
    """List the frames of a sequence, by time; none if the folder is no sequence.

    Raises
    ------
    SourceError
        If one of the two lists is damaged, or names a file outside of the folder.
    """
    return [_shot(folder, color, depth, root) for color, depth in _pairs(folder)]


def shot_of(file: Path, root: Path) -> Shot | None:
    """Return the frame that a file belongs to; None without a sequence, or a partner near in time."""
    folder = file.parent.parent
    return next((_shot(folder, *pair, root) for pair in _pairs(folder) if file in pair), None)


def associated(colors: _Listed, depths: _Listed) -> list[tuple[Path, Path]]:
    """Pair each picture with the depth map nearest in time, if the picture is also the nearest to that.

    No file is used twice. Of two that are equally near, the earlier one counts.
    """
    color_times, depth_times = ([time for time, _ in listed] for listed in (colors, depths))
    pairs = []
    for number, (time, color) in enumerate(colors):
        near = _nearest(depth_times, time)
        if near is None or abs(depth_times[near] - time) > MAX_APART_S:
            continue
        if _nearest(color_times, depth_times[near]) == number:
            pairs.append((color, depths[near][1]))
    return pairs


def read_pair(
    color: str | Path,
    depth: str | Path,
    camera: str | Path | None = None,
    intrinsics: Intrinsics = DEFAULT_CAMERA,
) -> Frame:
    """Read one frame.

    Parameters
    ----------
    color, depth : the two files.
    camera : a camera file, see `camera_file`; None: `intrinsics` and 5,000 units per metre hold.
    intrinsics : used without a camera file.

    Raises
    ------
    SourceError
        If a file is missing or damaged, or no frame can be made of the two.
    """
    color, depth = checked_path("color", color), checked_path("depth", depth)
    unit = TUM_DEPTH_UNIT_M
    if camera is not None:
        intrinsics, unit = read_camera(camera)
    return frame_of("color", read_picture(color), read_picture(depth), unit, intrinsics, color, depth)


def _pairs(folder: Path) -> list[tuple[Path, Path]]:
    if not ((folder / COLOR_LIST).is_file() and (folder / DEPTH_LIST).is_file()):
        return []
    return associated(_listed(folder / COLOR_LIST), _listed(folder / DEPTH_LIST))


def _shot(folder: Path, color: Path, depth: Path, root: Path) -> Shot:
    intrinsics = next((known for name, known in CAMERAS.items() if name in folder.name), DEFAULT_CAMERA)
    read = partial(read_pair, color, depth, camera_file_of(folder, color.stem, root), intrinsics)
    return Shot(folder.name, color.stem, LAYOUT, read)


def _listed(path: Path) -> _Listed:
    """Read a list of times and files, sorted by time; a time that occurs twice counts as damage."""
    content = read_bounded(path, _MAX_LIST_BYTES)
    found: _Listed = []
    for number, line in enumerate(content.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith(b"#"):
            continue
        try:
            time, name = words
            found.append((_time(time), _inside(path.parent, name.decode())))
        except ValueError as error:
            message = (
                f"{path}: line {number}: expected a time and the name of a file below, got something else"
            )
            raise SourceError(message) from error
    found.sort()
    if any(one[0] == other[0] for one, other in pairwise(found)):
        message = f"{path}: expected every time once, got one twice"
        raise SourceError(message)
    return found


def _time(word: bytes) -> float:
    time = float(word)
    if not abs(time) < 1e12:  # written so that NaN is refused
        raise ValueError
    return time


def _inside(folder: Path, name: str) -> Path:
    """Return the path of a file below a folder, by its relative name; ValueError if it leads elsewhere."""
    relative = PurePosixPath(name)
    if relative.is_absolute() or ".." in relative.parts:
        raise ValueError
    return checked_path("name", folder / relative)


def _nearest(times: list[float], time: float) -> int | None:
    if not times:
        return None
    after = bisect_left(times, time)
    return min(
        (index for index in (after - 1, after) if 0 <= index < len(times)),
        key=lambda index: abs(times[index] - time),
    )
