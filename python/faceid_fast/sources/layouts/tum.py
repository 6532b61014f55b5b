"""Layout ``tum``: a sequence of the TUM RGB-D benchmark, or one recorded in its format.

A folder with ``rgb.txt`` and ``depth.txt``, whose lines hold a time in seconds and the name of a file;
comments begin with ``#``; the encoding is UTF-8, or UTF-16 with a byte order mark. The two streams are not
synchronised: a picture and a depth map make a frame if each is the nearest in time to the other, and they are
at most 0.02 s apart. Depth is a PNG of 16 bit, 5,000 units per metre, registered to colour.

The camera is the benchmark's calibration of the colour camera that the folder's name contains (``freiburg1``
to ``freiburg3``), else the benchmark's default; distortion is not corrected. A camera file takes precedence,
see `camera_file`.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from functools import partial
from itertools import pairwise
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Final, TypeAlias

from faceid_fast.checks import checked_path, text_of
from faceid_fast.errors import SourceError
from faceid_fast.frame import Frame, Intrinsics
from faceid_fast.sources.files.bounded import is_hidden, read_bounded
from faceid_fast.sources.files.pictures import frame_of, read_picture

from .camera_file import camera_file_of, read_camera
from .shot import Listing, Shot, checked_picture

LAYOUT: Final = "tum"
MODALITY: Final = "color"
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
_MAX_TIME_S: Final = 1e11
"""Some 3,000 years: what is later was meant in milliseconds or less since 1970."""
_LINES: Final = re.compile(r"\r\n|\r|\n")
_COMMENT: Final = re.compile(r"(?:^|\s)#.*", re.DOTALL)

_Listed: TypeAlias = list[tuple[float, Path]]


def listing_in(folder: Path, root: Path, picture: str | None = None) -> Listing:
    """List the frames of a sequence, by time; none if the folder is no sequence.

    Raises
    ------
    SourceError
        If one of the two lists is damaged, or names a file outside of the folder.
    """
    return _listing(folder, root, picture, None)


def listing_of(file: Path, root: Path, picture: str | None = None) -> Listing:
    """List the frame that a file belongs to; none without a sequence. Else as `listing_in`."""
    return Listing() if is_hidden(file) else _listing(file.parent.parent, root, picture, file)


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
    *,
    picture: str | None = None,
) -> Frame:
    """Read one frame.

    Parameters
    ----------
    color, depth : the two files.
    camera : a camera file, see `camera_file`; None: `intrinsics` and 5,000 units per metre hold.
    intrinsics : used without a camera file.
    picture : ``infrared``: the picture, of three equal channels or one, is infrared; by default it is colour.

    Raises
    ------
    SourceError
        If a file is missing or damaged, or no frame can be made of the two.
    InvalidInputError
        If an argument is not usable.
    """
    channel = checked_picture(picture) or MODALITY
    color, depth = checked_path("color", color), checked_path("depth", depth)
    pixels, unit = read_picture(color), TUM_DEPTH_UNIT_M
    if camera is not None:
        intrinsics, unit = read_camera(camera, pixels.shape[:2])
    return frame_of(channel, pixels, read_picture(depth), unit, intrinsics, color, depth)


def _listing(folder: Path, root: Path, picture: str | None, only: Path | None) -> Listing:
    """List the frames of a sequence, or the one that a file belongs to."""
    lists = folder / COLOR_LIST, folder / DEPTH_LIST
    if not all(each.is_file() for each in lists):
        return Listing()
    colors, depths = map(_listed, lists)
    if only is not None and only not in {file for _, file in (*colors, *depths)}:
        return Listing()
    pairs = [pair for pair in associated(colors, depths) if only is None or only in pair]
    lone = len(colors) - len(pairs) if only is None else 1 - len(pairs)
    left_out = (_apart(lists[0], colors, depths, lone),) if lone else ()
    return Listing([_shot(folder, pair, root, picture) for pair in pairs], left_out)


def _apart(path: Path, colors: _Listed, depths: _Listed, lone: int) -> str:
    """Say how many pictures have no depth of their own, and how far in time the nearest depths are."""
    times = [time for time, _ in depths]
    nearest = [abs(times[near] - time) for time, _ in colors if (near := _nearest(times, time)) is not None]
    apart = f", within {MAX_APART_S:g} s" if nearest else ""
    far = [each for each in nearest if each > MAX_APART_S]
    message = f"{path}: {lone} of {len(colors)} pictures have no depth of their own{apart}"
    if far:
        message += f"; the nearest depths of the others are {min(far):g} to {max(far):g} s away"
        if min(far) >= 1.0:
            message += ": times must be seconds"
    return message


def _shot(folder: Path, pair: tuple[Path, Path], root: Path, picture: str | None) -> Shot:
    color, depth = pair
    intrinsics = next((known for name, known in CAMERAS.items() if name in folder.name), DEFAULT_CAMERA)
    camera = camera_file_of(folder, color.stem, root)
    read = partial(read_pair, color, depth, camera, intrinsics, picture=picture)
    return Shot(folder.name, color.stem, LAYOUT, read)


def _listed(path: Path) -> _Listed:
    """Read a list of times and files, sorted by time; a time that occurs twice counts as damage."""
    text = text_of(read_bounded(path, _MAX_LIST_BYTES))
    found: _Listed = []
    for number, line in enumerate(_LINES.split(text), 1):
        words = _COMMENT.sub("", line).split(maxsplit=1)
        if not words:
            continue
        try:
            time, name = _time(words[0]), _inside(path.parent, words[1].rstrip())
        except (ValueError, IndexError) as error:
            message = (
                f"{path}: line {number}: expected a time and the name of a file below, got something else"
            )
            raise SourceError(message) from error
        if abs(time) >= _MAX_TIME_S:
            message = (
                f"{path}: line {number}: times must be seconds, got {time:.0f}, which looks like "
                "milliseconds or less: divide them"
            )
            raise SourceError(message)
        found.append((time, name))
    found.sort()
    if any(one[0] == other[0] for one, other in pairwise(found)):
        message = f"{path}: expected every time once, got one twice"
        raise SourceError(message)
    return found


def _time(word: str) -> float:
    time = float(word)
    if not math.isfinite(time):
        raise ValueError
    return time


def _inside(folder: Path, name: str) -> Path:
    """Return the path of a file below a folder, by its relative name; ValueError if it leads elsewhere."""
    name.encode()  # raises for what could not be decoded
    relative = PurePosixPath(name.replace("\\", "/"))  # as programs on Windows write it
    if relative.is_absolute() or PureWindowsPath(name).drive or ".." in relative.parts:
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
