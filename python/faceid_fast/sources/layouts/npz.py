"""Layout ``npz``: one numpy archive for each frame, without pickles.

An archive holds ``depth`` (H, W) uint16 or float; either ``infrared`` (H, W) uint8 or uint16, or ``color``
(H, W, 3) uint8 RGB; and as single numbers ``depth_unit_m``, metres per unit of depth, and ``fx``, ``fy``,
``cx``, ``cy`` in pixels, optionally ``principal_deviation_px``. A camera file takes precedence over these
numbers, see `camera_file`.

>>> np.savez("0.npz", color=rgb, depth=mm, depth_unit_m=1e-3, fx=f, fy=f, cx=320, cy=240)  # doctest: +SKIP
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from functools import partial
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from faceid_fast.checks import checked_path
from faceid_fast.errors import InvalidInputError, SourceError
from faceid_fast.frame import Frame, Intrinsics
from faceid_fast.sources.files.arrays import read_array
from faceid_fast.sources.files.bounded import MAX_ARRAY_BYTES, entries_of, is_hidden, read_bounded
from faceid_fast.sources.files.pictures import asking_for, frame_of

from .camera_file import CAMERA_KEYS, UNCERTAINTY, camera_file_of, read_camera
from .shot import Listing, Shot, checked_picture

LAYOUT: Final = "npz"
ENDING: Final = ".npz"
_CHANNELS: Final = ("color", "infrared")
_MAX_ENTRIES: Final = 64
_ENTRY: Final = b"PK\x01\x02"
_BOUNDED: Final = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
"""Kinds of compression that numpy writes; for others, zipfile unpacks more than it is asked for."""


def listing_in(folder: Path, root: Path, picture: str | None = None) -> Listing:
    """List the archives of a folder by name. OSError if it cannot be listed."""
    return _listed(entries_of(folder), root, picture)


def listing_of(file: Path, root: Path, picture: str | None = None) -> Listing:
    """List the frame of an archive; none if the file's name does not end in ``.npz``."""
    return _listed([file], root, picture)


def _listed(files: list[Path], root: Path, picture: str | None) -> Listing:
    shots = []
    for file in files:
        if file.suffix.lower() == ENDING and not is_hidden(file) and file.is_file():
            camera = camera_file_of(file.parent, file.stem, root)
            read = partial(read_npz, file, camera, picture=picture)
            shots.append(Shot(file.parent.name, file.stem, LAYOUT, read))
    return Listing(shots)


def read_npz(path: str | Path, camera: str | Path | None = None, *, picture: str | None = None) -> Frame:
    """Read the frame of an archive.

    Parameters
    ----------
    path : of the archive.
    camera : a camera file, which takes precedence over the archive's numbers; see `camera_file`.
    picture : ``infrared`` or ``color``: the one to take. By default the archive must have one only.

    Raises
    ------
    SourceError
        If the file is missing, damaged, too large once unpacked, or lacks what a frame needs.
    InvalidInputError
        If an argument is not usable.
    """
    chosen = checked_picture(picture)
    path = checked_path("path", path)
    arrays = read_arrays(path, ("depth", *_CHANNELS, *CAMERA_KEYS, UNCERTAINTY))
    channels = [name for name in _CHANNELS if name in arrays and chosen in {None, name}]
    wanted = ("depth", *(CAMERA_KEYS if camera is None else ()))
    if len(channels) != 1 or not all(name in arrays for name in wanted):
        message = (
            f"{path}: expected {', '.join(wanted)} and {chosen or 'one of color and infrared'}, "
            f"got {', '.join(sorted(arrays)) or 'none of them'}"
        )
        if len(channels) > 1:
            message += f": choose one: {asking_for('infrared')}; or color"
        raise SourceError(message)
    if camera is None:
        intrinsics, unit = _camera_in(arrays, path)
    else:
        intrinsics, unit = read_camera(camera, arrays[channels[0]].shape[:2])
    return frame_of(channels[0], arrays[channels[0]], arrays["depth"], unit, intrinsics, path)


def read_arrays(path: Path, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """Read the arrays of an archive that have one of these names; others are ignored.

    Raises
    ------
    SourceError
        If the file is missing, damaged or too large once unpacked, or an array does not hold numbers.
    """
    content = read_bounded(path, MAX_ARRAY_BYTES)
    # Counted before zipfile makes an object of each entry: the whole file may be a list of entries.
    if content.count(_ENTRY) > _MAX_ENTRIES:
        message = f"{path}: expected at most {_MAX_ENTRIES} arrays, got more"
        raise SourceError(message)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _arrays_in(archive, path, names)
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        NotImplementedError,  # of another version
        RuntimeError,  # encrypted
        OSError,
        EOFError,
        ValueError,
    ) as error:
        if isinstance(error, SourceError):
            raise
        message = f"{path}: not a readable archive: {error!r:.100}"
        raise SourceError(message) from error


def _arrays_in(archive: zipfile.ZipFile, path: Path, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {}
    for entry in archive.infolist():
        name = entry.filename.removesuffix(".npy")
        if name not in names:
            continue
        if name in arrays or entry.compress_type not in _BOUNDED:
            message = f"{path}: {name}: expected it once, stored or deflated"
            raise SourceError(message)
        with archive.open(entry) as member:
            arrays[name] = read_array(member, f"{path}: {name}")
        if sum(array.nbytes for array in arrays.values()) > MAX_ARRAY_BYTES:
            message = f"{path}: expected at most {MAX_ARRAY_BYTES} bytes unpacked, got more"
            raise SourceError(message)
    return arrays


def _camera_in(arrays: dict[str, NDArray[Any]], path: Path) -> tuple[Intrinsics, float]:
    values = {}
    for name in (*CAMERA_KEYS, UNCERTAINTY):
        if name not in arrays:
            continue
        if arrays[name].size != 1:
            message = f"{path}: {name}: expected one number, got shape {arrays[name].shape}"
            raise SourceError(message)
        values[name] = arrays[name].item()
    unit = values.pop("depth_unit_m")
    try:
        return Intrinsics(**values), float(unit)
    except (InvalidInputError, OverflowError) as error:
        message = f"{path}: {error}"
        raise SourceError(message) from error
