"""Layout ``pairs``: a folder a person with PNG pairs, as EURECOM, TUM and most others can be laid out.

For each capture ``STEM_depth.png`` (grey, 16 bit) and one of ``STEM_rgb.png``, ``STEM_color.png``,
``STEM_ir.png``, registered to it, at any depth of folders below the person's. The camera is
``STEM_camera.json``, or else the nearest ``camera.json`` from there up to the set's folder: fx, fy, cx, cy
in pixels, and depth_unit_m, the metres of one unit of depth (0.001 for millimetres, 0.0002 for TUM).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from faceid_fast.errors import SourceError
from faceid_fast.frame import Frame
from faceid_fast.sources.png import read_frame
from training.layouts.capture import Found, folders, found_or_error

_DEPTH_END = "_depth.png"
_PICTURE_ENDS = ("_rgb.png", "_color.png", "_ir.png")


def captures(root: Path) -> Iterator[Found]:
    """Yield every capture below a folder; a damaged file, or one without partner or camera, as an error.

    Raises
    ------
    SourceError
        The folder cannot be listed.
    """
    for person in folders(root):
        for depth in sorted(person.rglob(f"*{_DEPTH_END}")):
            name = depth.relative_to(person).as_posix().removesuffix(_DEPTH_END)
            yield from found_or_error(person.name, name, _read(depth, root))


def _read(depth: Path, root: Path) -> Iterator[Frame]:
    stem = depth.name.removesuffix(_DEPTH_END)
    pictures = [path for end in _PICTURE_ENDS if (path := depth.with_name(stem + end)).exists()]
    if len(pictures) != 1:
        names = " or ".join(stem + end for end in _PICTURE_ENDS)
        message = f"{depth}: expected one of {names} beside it, got {len(pictures)}"
        raise SourceError(message)
    yield read_frame(pictures[0], depth, _camera(depth, stem, root))


def _camera(depth: Path, stem: str, root: Path) -> Path:
    own = depth.with_name(f"{stem}_camera.json")
    if own.exists():
        return own
    for folder in depth.parents:
        if (folder / "camera.json").exists():
            return folder / "camera.json"
        if folder == root:
            break
    message = (
        f"{depth}: expected {own.name} beside it, or a camera.json there or above up to {root}, got none"
    )
    raise SourceError(message)
