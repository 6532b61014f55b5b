"""Recordings: frames on disk, without loss, in a folder that other programs can read too.

| file | content |
|---|---|
| ``NNNNNN_depth.png`` | uint16 depth, grey of 16 bit; for float32 depth ``NNNNNN_depth.npy`` |
| ``NNNNNN_color.png`` or ``NNNNNN_ir.png`` | the picture: RGB of 8 bit, or grey of 8 or 16 bit |
| ``camera.json``, ``NNNNNN_camera.json`` | intrinsics and the unit of depth, see `camera_file`; the latter for a frame that differs from the first |
| ``recording.json`` | the index: ``format`` (1), ``source``, ``began_at`` (UTC) and ``seconds``, for each frame the time since the first |

The layout is `pairs`. Every file appears whole or not at all, the depth of a frame after its picture, and the
index at the end. So a recording that was cut off, by a crash or a full disk, can be played, without the times.

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
from faceid_fast.private_files import make_directory, why, write_whole
from faceid_fast.sources.cameras.base import Source
from faceid_fast.sources.files.bounded import read_bounded
from faceid_fast.sources.layouts.camera_file import CAMERA_NAME
from faceid_fast.sources.layouts.shot import Shot
from faceid_fast.sources.recognized import shots_at

MAX_RECORDED: Final = 1_000_000
"""Most frames of a recording: their numbers have six digits."""
INDEX: Final = "recording.json"
_FORMAT: Final = 1
_MAX_INDEX_BYTES: Final = 64 * 2**20
_PNG_LEVEL: Final = 1  # every level is lossless; this one is fast enough for a camera


@dataclass(frozen=True, slots=True)
class Recording:
    """The result of `record`.

    Attributes
    ----------
    directory : the folder of the recording.
    frames : number of frames.
    seconds : time from the first frame to the last.
    """

    directory: Path
    frames: int
    seconds: float


class Playback(Source):
    """A source that reads frames from files, in the order of their names, without loss and without waiting.

    Attributes
    ----------
    seconds : time of each frame since the first of the recording, by its label; empty without an index.
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
    """Record the frames of a source into a new folder, until a limit is reached or the source ends.

    If the source fails, or the user interrupts, the frames recorded so far are kept.

    Parameters
    ----------
    source : the source; it is not closed.
    directory : an empty folder and no link; made, closed to others, if it is missing.
    frames : most frames to record, 1 to `MAX_RECORDED`.
    seconds : longest time after the first frame.
    clock : returns seconds.
    told : called after each frame with the number of frames so far.

    Raises
    ------
    SourceError
        If the folder is not empty or cannot be written, or the source fails.
    InvalidInputError
        If an argument is not usable, or the folder is a symbolic link.
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


def playback(directory: str | Path, *, picture: str | None = None, turn_deg: int = 0) -> Playback:
    """Play a recording, a folder of frames in any other layout that `recognized` knows, or one frame's file.

    Parameters
    ----------
    directory : the folder, or the file.
    picture, turn_deg : as for `faceid_fast.sources.recognized.read_frames`.

    Raises
    ------
    SourceError
        If there is no frame, or the index is damaged. For a damaged frame it is raised when that is read.
    """
    place = checked_path("directory", directory)
    shots = shots_at(place, picture=picture, turn_deg=turn_deg)
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
        message = f"{place}: expected a folder that can be made and listed, got: {why(error)}"
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
    import cv2  # noqa: PLC0415  # loaded only where a picture is written

    options = (cv2.IMWRITE_PNG_COMPRESSION, _PNG_LEVEL)
    encoded, content = cv2.imencode(".png", np.ascontiguousarray(picture), options)
    if not encoded:
        message = "recording: a picture could not be encoded"
        raise SourceError(message)
    return content.tobytes()


def _write(path: Path, content: bytes) -> None:
    """Write a whole file; only the index is made durable."""
    try:
        write_whole(path, content, durable=path.name == INDEX)  # frames come faster than a disk confirms
    except OSError as error:
        message = f"{path}: not writable ({why(error)})"
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
