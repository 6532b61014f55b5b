"""Layout ``npz``: numpy archives of one or several captures, without pickles.

In each file: ``depth`` (H, W) or (N, H, W) uint16 or float; ``infrared`` of the same shape, uint8 or
uint16, or ``color`` with a last axis of 3, uint8 RGB; ``intrinsics`` (4,) fx, fy, cx, cy in pixels;
``depth_unit_m``, one number; and, if wanted, ``identity``, one string. Without it the person is the
folder that the file is in, or the file's own name where that folder is the set's.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceid_fast.errors import InvalidInputError, SourceError
from faceid_fast.frame import Frame, Intrinsics
from faceid_fast.sources.files.bounded import read_bounded
from training.data.layouts.capture import MAX_FILE_BYTES, Found, folders, found_or_error

_WANTED = ("depth", "intrinsics", "depth_unit_m")


def captures(root: Path) -> Iterator[Found]:
    """Yield every capture below a folder; damaged files as errors.

    Raises
    ------
    SourceError
        The folder cannot be listed.
    """
    folders(root)  # it can be listed
    for path in sorted(root.rglob("*.npz")):
        above = path.parent.relative_to(root).parts
        try:
            arrays = _read(path)
        except SourceError as error:
            yield error
            continue
        identity = str(arrays["identity"]) if "identity" in arrays else above[0] if above else path.stem
        name = path.relative_to(root).with_suffix("").as_posix()
        yield from found_or_error(identity, name, _frames(path, arrays))


def _read(path: Path) -> dict[str, NDArray[Any]]:
    content = read_bounded(path, MAX_FILE_BYTES)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            # Read only where it fits into memory: a few kilobytes can unpack to gigabytes.
            arrays = {name: file[name] for name in file.files} if unpacked <= MAX_FILE_BYTES else {}
    except Exception as error:  # whatever zip, zlib and numpy's header parser raise for damaged files
        message = f"{path}: not a readable .npz: {error or type(error).__name__!s:.100}"
        raise SourceError(message) from error
    if unpacked > MAX_FILE_BYTES:
        message = f"{path}: expected at most {MAX_FILE_BYTES} bytes unpacked, got {unpacked}"
        raise SourceError(message)
    missing = [name for name in _WANTED if name not in arrays]
    if missing or ("infrared" in arrays) == ("color" in arrays):
        message = (
            f"{path}: expected depth, intrinsics, depth_unit_m and one of infrared and color, "
            f"got {', '.join(sorted(arrays)) or 'nothing'}"
        )
        raise SourceError(message)
    if "identity" in arrays and (arrays["identity"].shape or arrays["identity"].dtype.kind not in "Uiu"):
        given = arrays["identity"]
        message = f"{path}: identity: expected one string, got {given.shape} of {given.dtype}"
        raise SourceError(message)
    return arrays


def _frames(path: Path, arrays: dict[str, NDArray[Any]]) -> Iterator[Frame]:
    channel = "color" if "color" in arrays else "infrared"
    depth, pictures = arrays["depth"], arrays[channel]
    if depth.ndim == 2:
        depth, pictures = depth[None], pictures[None]
    if depth.ndim != 3 or pictures.ndim < 3 or len(depth) != len(pictures):
        message = (
            f"{path}: expected depth (H, W) or (N, H, W) and as many {channel} pictures, "
            f"got {arrays['depth'].shape} and {arrays[channel].shape}"
        )
        raise SourceError(message)
    try:
        fx, fy, cx, cy = np.asarray(arrays["intrinsics"], np.float64).ravel().tolist()
        unit = float(np.asarray(arrays["depth_unit_m"], np.float64).reshape(()))
        camera = Intrinsics(fx, fy, cx, cy)
        if not math.isfinite(unit):
            message = f"depth_unit_m: expected metres per unit, got {unit}"
            raise InvalidInputError(message)
        for samples, picture in zip(depth, pictures, strict=True):
            yield Frame(depth=samples, depth_unit_m=unit, intrinsics=camera, **{channel: picture})
    except (ValueError, TypeError) as error:
        message = f"{path}: {error}"
        raise SourceError(message) from error
