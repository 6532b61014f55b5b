"""Layout ``pairs``: a picture and the depth registered to it, with the same name, and a camera file.

``NAME_depth.png`` (grey, 16 bit) or ``NAME_depth.npy``; the first that exists of ``NAME_color``,
``NAME_rgb`` and ``NAME_ir``, a ``.png``, ``.npy``, ``.jpg``, ``.jpeg`` or ``.bmp``; and a camera file, see
`camera_file`. Most data sets of colour and depth, EURECOM's among them, can be brought into this layout.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final

from faceid_fast.checks import checked_path
from faceid_fast.frame import Frame
from faceid_fast.sources.files.pictures import ENDINGS, LOSSLESS, frame_of, read_picture

from .camera_file import camera_file_of, read_camera
from .shot import Shot

LAYOUT: Final = "pairs"
DEPTH_ENDINGS: Final = tuple(f"_depth{ending}" for ending in LOSSLESS)
IMAGE_ENDINGS: Final = tuple(f"_{kind}{ending}" for kind in ("color", "rgb", "ir") for ending in ENDINGS)


def shots_in(folder: Path, root: Path) -> list[Shot]:
    """List the pairs of a folder that have a camera file, by name. OSError if it cannot be listed."""
    depths = sorted(entry for entry in folder.iterdir() if entry.name.endswith(DEPTH_ENDINGS))
    return [shot for depth in depths if (shot := shot_of(depth, root)) is not None]


def shot_of(file: Path, root: Path) -> Shot | None:
    """Return the pair that a file belongs to; None if its name does not fit or another file is missing."""
    label = label_of(file)
    if label is None:
        return None
    depth, image = depth_of(file.parent, label), image_of(file.parent, label)
    camera = camera_file_of(file.parent, label, root)
    if depth is None or image is None or camera is None:
        return None
    return Shot(file.parent.name, label, LAYOUT, partial(read_frame, image, depth, camera))


def label_of(file: Path) -> str | None:
    """Return the label of the pair that a file belongs to by its name; None if the name does not fit."""
    endings = (ending for ending in (*DEPTH_ENDINGS, *IMAGE_ENDINGS) if file.name.endswith(ending))
    ending = next(endings, None)
    return None if ending is None else file.name.removesuffix(ending)


def depth_of(folder: Path, label: str) -> Path | None:
    """Return the depth file of a pair; None if there is none."""
    return _first(folder, label, DEPTH_ENDINGS)


def image_of(folder: Path, label: str) -> Path | None:
    """Return the picture file of a pair, the colour picture if there are two; None if there is none."""
    return _first(folder, label, IMAGE_ENDINGS)


def read_frame(image: str | Path, depth: str | Path, camera: str | Path) -> Frame:
    """Read one frame from a picture, its depth and a camera file.

    Parameters
    ----------
    image : picture file, grey (infrared, 8 or 16 bit) or RGB (8 bit); see `read_picture`
    depth : PNG, grey, 16 bit; or .npy, (H, W) uint16 or float
    camera : JSON, see `camera_file`

    Raises
    ------
    SourceError
        If a file is missing, damaged or of another kind, or picture and depth differ in size.
    """
    intrinsics, unit = read_camera(camera)
    image, depth = checked_path("image", image), checked_path("depth", depth)
    picture = read_picture(image)
    channel = "infrared" if picture.ndim == 2 else "color"
    return frame_of(channel, picture, read_picture(depth), unit, intrinsics, image, depth)


def _first(folder: Path, label: str, endings: tuple[str, ...]) -> Path | None:
    files = (folder / f"{label}{ending}" for ending in endings)
    return next((file for file in files if file.is_file()), None)
