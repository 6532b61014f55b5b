"""Read pictures and depth maps by the ending of their file name, and make frames of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from faceid_fast.checks import checked_path
from faceid_fast.errors import InvalidInputError, SourceError
from faceid_fast.frame import Frame, Intrinsics

from .arrays import read_npy
from .images import read_bmp, read_jpeg, read_png

LOSSLESS: Final = (".png", ".npy")
"""Endings of files that may hold depth."""
_READERS: Final = {
    ".png": read_png,
    ".npy": read_npy,
    ".jpg": read_jpeg,
    ".jpeg": read_jpeg,
    ".bmp": read_bmp,
}
ENDINGS: Final = tuple(_READERS)
"""Endings of files that may hold a picture."""


def read_picture(path: str | Path) -> NDArray[Any]:
    """Read a whole picture: (H, W), or (H, W, 3) RGB.

    Raises
    ------
    SourceError
        If the file is missing, truncated, damaged, too large, or of another format than its name says.
    """
    path = checked_path("path", path)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        message = f"{path}: expected a name that ends in {', '.join(ENDINGS)}, got another"
        raise SourceError(message)
    return reader(path)


def frame_of(
    channel: str,
    picture: NDArray[Any],
    depth: NDArray[Any],
    depth_unit_m: float,
    intrinsics: Intrinsics,
    *files: Path,
) -> Frame:
    """Make a frame from arrays that were read from files; the arguments are those of `Frame`.

    Parameters
    ----------
    channel : ``color`` or ``infrared``, the kind of picture, as the file's name or the caller says. Neither
        is guessed from the picture: an infrared picture that is taken for colour would be compared with
        colour, or the reverse.
    picture : (H, W), or (H, W, 3); an infrared one may have three channels if they are equal, as programs
        write it that know colour only.
    files : the files, for the message.

    Raises
    ------
    SourceError
        If no frame can be made of them; see `Frame`.
    """
    named = ", ".join(map(str, files))
    if channel == "color" and picture.ndim == 2:
        message = (
            f"{named}: color: expected an array (H, W, 3), got one channel, {picture.shape}: if it is "
            f"infrared, name it so (_ir), or ask for it: {asking_for('infrared')}"
        )
        raise SourceError(message)
    if channel == "infrared" and picture.ndim == 3 and _is_grey(picture):
        picture = picture[..., 0]
    elif channel == "infrared" and picture.ndim == 3:
        message = (
            f"{named}: infrared: expected an array (H, W), or (H, W, 3) of three equal channels, got "
            f"{picture.shape} of other channels, as colour has: name it so (_color), or ask for colour"
        )
        raise SourceError(message)
    try:
        return Frame(depth=depth, depth_unit_m=depth_unit_m, intrinsics=intrinsics, **{channel: picture})
    except InvalidInputError as error:
        message = f"{named}: {error}"
        raise SourceError(message) from error


def asking_for(kind: str) -> str:
    """Say how a kind of picture is asked for, ``infrared`` or ``color``."""
    return f"--picture {kind} (of pad-report: --modality {kind}), picture={kind!r}"


def _is_grey(picture: NDArray[Any]) -> bool:
    return picture.shape[2] == 3 and all(
        np.array_equal(picture[..., 0], picture[..., other]) for other in (1, 2)
    )
