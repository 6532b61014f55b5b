"""Recordings: frames on disk, as they were, in a folder that other programs read too.

| file | what it holds |
|---|---|
| ``NNNNNN_depth.png`` | depth, 16 bit grey; where it is float32, ``NNNNNN_depth.npy`` |
| ``NNNNNN_color.png`` or ``NNNNNN_ir.png`` | the picture: RGB of 8 bit, or grey of 8 or 16 bit |
| ``camera.json``, ``NNNNNN_camera.json`` | intrinsics and the unit of depth, see `camera_file`; the latter for a frame with others |
| ``recording.json`` | ``format`` (1), ``source``, ``began_at`` (UTC) and ``seconds``, for each frame the time since the first |

That is the layout `pairs`. Every file appears whole or not at all, a frame's
depth last and the index last of all: what a crash or a full disk leaves can be played, without the times.

A recording shows people: its folder is closed to others, and nothing here deletes it again.
"""  # noqa: E501  # a table

from __future__ import annotations

import io
import json
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from faceid_fast.checks import checked_integer, checked_number, checked_path
from faceid_fast.errors import InvalidInputError, SourceError
from faceid_fast.frame import Frame
from faceid_fast.private_files import make_directory, write_whole
from faceid_fast.sources.cameras.base import Source
from faceid_fast.sources.files.bounded import read_bounded
from faceid_fast.sources.layouts.camera_file import CAMERA_NAME
from faceid_fast.sources.layouts.shot import Shot
from faceid_fast.sources.recognized import shots_at

MAX_RECORDED: Final = 1_000_000
"""Frames of a recording: as many as six digits count."""
INDEX: Final = "recording.json"
_FORMAT: Final = 1
_MAX_INDEX_BYTES: Final = 64 * 2**20
_PNG_LEVEL: Final = 1  # lossless at every one; this one keeps up


@dataclass(frozen=True, slots=True)
class Recording:
    """What was recorded.

    Attributes
    ----------
    directory : where it lies.
    frames : how many.
    seconds : from the first to the last.
    """

    directory: Path
    frames: int
    seconds: float


class Playback(Source):
    """Frames that lie in files, in the order of their names. None is lost, and none is waited for.

    Attributes
    ----------
    seconds : when a frame came, since the first of the recording, by its label; empty where nobody noted it.
    """

    live = False

    def __init__(self, name: str, shots: Iterable[Shot], seconds: Mapping[str, float] | None = None) -> None:
        self.name = name
        self.seconds = MappingProxyType(dict(seconds or {}))
        self._shots = iter(shots)

    def _read(self) -> Frame | None:
        shot = next(self._shots, None)
        return None if shot is None else shot.read()

    def _release(self) -> None:
        self._shots = iter(())


def record(
    source: Source,
    directory: str | Path,
    *,
    frames: int = MAX_RECORDED,
    seconds: float = math.inf,
    clock: Callable[[], float] = time.monotonic,
    told: Callable[[int], None] = lambda _: None,
) -> Recording:
    """Write frames of a source into a new folder, until there are enough or no more.

    What was recorded until then is kept when the source fails, or somebody interrupts.

    Parameters
    ----------
    source : is not closed.
    directory : made if it is missing, then closed to others; must be empty, and no link.
    frames : at most so many, 1 to `MAX_RECORDED`.
    seconds : at most for so long after the first.
    clock : tells seconds.
    told : is told how many there are, after each.

    Raises
    ------
    SourceError
        If the folder is not empty or cannot be written, or the source fails.
    InvalidInputError
        If an argument is not usable.
    """
    frames = checked_integer("frames", frames, 1, MAX_RECORDED)
    seconds = checked_number("seconds", seconds, 0.001, math.inf, "seconds")
    place = _emptied(checked_path("directory", directory))
    began_at = datetime.now(UTC)
    cameras: list[bytes] = []
    times: list[float] = []
    try:
        for frame in source:
            now = clock()
            if times and now - times[0] > seconds:
                break
            camera = _camera_of(frame)
            if not cameras:
                cameras.append(camera)
                _write(place / CAMERA_NAME, camera)
            _write_frame(place, _label(len(times)), frame, None if camera == cameras[0] else camera)
            times.append(now)
            told(len(times))
            if len(times) == frames:
                break
    finally:
        if times:
            index = {
                "format": _FORMAT,
                "source": source.name,
                "began_at": began_at.isoformat(timespec="milliseconds"),
                "seconds": [round(at - times[0], 6) for at in times],
            }
            _write(place / INDEX, json.dumps(index).encode())
    return Recording(place, len(times), times[-1] - times[0] if times else 0.0)


def playback(directory: str | Path) -> Playback:
    """Play a recording; or frames in any other layout that `recognized` knows, or one frame's file.

    Raises
    ------
    SourceError
        If there is no frame, or the index is damaged. A damaged frame says so when it is reached.
    """
    place = checked_path("directory", directory)
    shots = shots_at(place)
    index = place / INDEX
    times = _read_index(index) if index.is_file() else ()
    return Playback(
        place.name or str(place), shots, dict(zip(map(_label, range(len(times))), times, strict=True))
    )


def _label(number: int) -> str:
    return f"{number:06d}"


def _emptied(place: Path) -> Path:
    if place.is_symlink():
        message = (
            f"directory: expected a folder, new or empty, got a symbolic link: {place}: name what it leads to"
        )
        raise InvalidInputError(message)
    try:
        make_directory(place)
        occupied = next(place.iterdir(), None)
    except OSError as error:
        message = f"{place}: expected a folder that can be made and listed, got: {error.strerror}"
        raise SourceError(message) from error
    if occupied is not None:
        message = f"{place}: expected an empty folder, got one with {occupied.name!a:.80}: choose another"
        raise SourceError(message)
    return place


def _camera_of(frame: Frame) -> bytes:
    camera = asdict(frame.intrinsics) | {"depth_unit_m": frame.depth_unit_m}
    return json.dumps(camera, indent=2).encode() + b"\n"


def _write_frame(place: Path, label: str, frame: Frame, camera: bytes | None) -> None:
    if camera is not None:
        _write(place / f"{label}_{CAMERA_NAME}", camera)
    if frame.color is None:
        _write(place / f"{label}_ir.png", _png(frame.picture))
    else:
        _write(place / f"{label}_color.png", _png(frame.picture[..., ::-1]))  # OpenCV's BGR
    if frame.depth.dtype == np.uint16:
        _write(place / f"{label}_depth.png", _png(frame.depth))
    else:
        content = io.BytesIO()
        np.save(content, frame.depth, allow_pickle=False)
        _write(place / f"{label}_depth.npy", content.getvalue())


def _png(picture: NDArray[Any]) -> bytes:
    import cv2  # noqa: PLC0415  # not for those who only list what can be recorded

    options = (cv2.IMWRITE_PNG_COMPRESSION, _PNG_LEVEL)
    encoded, content = cv2.imencode(".png", np.ascontiguousarray(picture), options)
    if not encoded:
        message = "recording: a picture could not be encoded"
        raise SourceError(message)
    return content.tobytes()


def _write(path: Path, content: bytes) -> None:
    """Make a file appear with its content, or not at all."""
    try:
        write_whole(path, content, durable=path.name == INDEX)  # frames come faster than a disk confirms
    except OSError as error:
        message = f"{path}: not writable ({error.strerror})"
        raise SourceError(message) from error


def _read_index(path: Path) -> tuple[float, ...]:
    try:
        index = json.loads(read_bounded(path, _MAX_INDEX_BYTES))
        version, seconds = index["format"], [float(each) for each in index["seconds"]]
    except (ValueError, RecursionError, TypeError, KeyError, OverflowError) as error:
        message = f"{path}: expected JSON with format and seconds, got: {error!r:.100}"
        raise SourceError(message) from error
    if version != _FORMAT:
        message = f"{path}: expected format {_FORMAT}, got {version!r:.40}: written by a newer version?"
        raise SourceError(message)
    if not all(before <= after < math.inf for before, after in pairwise([0.0, *seconds])):
        message = f"{path}: expected seconds that never decrease, got others"
        raise SourceError(message)
    return tuple(seconds)
