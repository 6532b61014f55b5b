"""Layout ``open3d``: recordings of a RealSense or an Azure Kinect by Open3D's recorders.

``color/NAME.jpg`` or ``.png`` and ``depth/NAME.png`` (16 bit), registered to each other, and beside the two
folders ``camera_intrinsic.json``, ``intrinsic.json`` or ``camera_primesense.json`` with ``width``, ``height``
and ``intrinsic_matrix``, nine numbers column by column. Depth is in millimetres, unless ``depth_scale`` in
that file says how many units a metre has. A camera file takes precedence over it, see `camera_file`. Two
files of Open3D that say different things are refused.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final

from faceid_fast.checks import checked_path
from faceid_fast.errors import SourceError
from faceid_fast.frame import Frame
from faceid_fast.sources.files.bounded import entries_of, is_hidden
from faceid_fast.sources.files.pictures import frame_of, read_picture

from .camera_file import camera_file_of, read_camera, without_camera
from .shot import Listing, Shot, checked_picture

LAYOUT: Final = "open3d"
COLOR: Final = "color"
DEPTH: Final = "depth"
INTRINSICS_NAMES: Final = ("camera_intrinsic.json", "intrinsic.json", "camera_primesense.json")
MODALITY: Final = "color"
DEPTH_UNIT_M: Final = 0.001
_COLOR_ENDINGS: Final = (".jpg", ".jpeg", ".png")
_DEPTH_ENDING: Final = ".png"


def listing_in(folder: Path, root: Path, picture: str | None = None) -> Listing:
    """List the frames of a recording by name. OSError if it cannot be listed."""
    if not ((folder / COLOR).is_dir() and (folder / DEPTH).is_dir()):
        return Listing()
    colors, depths = _by_stem(folder / COLOR, _COLOR_ENDINGS), _by_stem(folder / DEPTH, (_DEPTH_ENDING,))
    return _listed(folder, colors, depths, root, picture)


def listing_of(file: Path, root: Path, picture: str | None = None) -> Listing:
    """List the frame that a file belongs to; none if it is in neither folder."""
    folder = file.parent.parent
    is_either = file.parent.name in {COLOR, DEPTH} and not is_hidden(file)
    if not is_either or not ((folder / COLOR).is_dir() and (folder / DEPTH).is_dir()):
        return Listing()
    colors, depths = _by_stem(folder / COLOR, _COLOR_ENDINGS), _by_stem(folder / DEPTH, (_DEPTH_ENDING,))
    if file not in {*colors.values(), *depths.values()}:
        return Listing()
    only = {file.stem}
    return _listed(
        folder,
        {stem: colors[stem] for stem in only & colors.keys()},
        {stem: depths[stem] for stem in only & depths.keys()},
        root,
        picture,
    )


def read_pair(
    color: str | Path, depth: str | Path, camera: str | Path, *, picture: str | None = None
) -> Frame:
    """Read one frame.

    Parameters
    ----------
    color, depth : the two files.
    camera : a camera file, see `camera_file`, or one of `INTRINSICS_NAMES`.
    picture : ``infrared``: the picture, of three equal channels or one, is infrared; by default it is colour.

    Raises
    ------
    SourceError
        If a file is missing or damaged, or no frame can be made of them.
    InvalidInputError
        If an argument is not usable.
    """
    channel = checked_picture(picture) or MODALITY
    color, depth = checked_path("color", color), checked_path("depth", depth)
    camera = checked_path("camera", camera)
    pixels = read_picture(color)
    intrinsics, unit = read_camera(camera, pixels.shape[:2], matrix_unit_m=DEPTH_UNIT_M)
    return frame_of(channel, pixels, read_picture(depth), unit, intrinsics, color, depth)


def _by_stem(folder: Path, endings: tuple[str, ...]) -> dict[str, Path]:
    """Return the files of a folder by their stem; SourceError if two differ in their ending only."""
    found: dict[str, Path] = {}
    for file in entries_of(folder):
        if file.suffix.lower() in endings and file.is_file():
            if file.stem in found:
                message = (
                    f"{folder}: expected one file for frame {file.stem!a:.80}, "
                    f"got {found[file.stem].name!a:.80} and {file.name!a:.80}: take one away"
                )
                raise SourceError(message)
            found[file.stem] = file
    return found


def _listed(
    folder: Path, colors: dict[str, Path], depths: dict[str, Path], root: Path, picture: str | None
) -> Listing:
    shots, left_out = [], []
    own = _camera_of(folder) if colors.keys() & depths.keys() else None
    for stem in sorted({*colors, *depths}):
        camera = camera_file_of(folder, stem, root) or own
        if stem not in depths:
            left_out.append(f"{colors[stem]}: no depth of that name")
        elif stem not in colors:
            left_out.append(f"{depths[stem]}: no picture of that name")
        elif camera is None:
            left_out.append(f"{depths[stem]}: {without_camera(folder)}, or {INTRINSICS_NAMES[0]} by Open3D")
        else:
            read = partial(read_pair, colors[stem], depths[stem], camera, picture=picture)
            shots.append(Shot(folder.name, stem, LAYOUT, read))
    return Listing(shots, tuple(left_out))


def _camera_of(folder: Path) -> Path | None:
    """Return Open3D's own file; SourceError if there are several that say different things."""
    files = [folder / name for name in INTRINSICS_NAMES if (folder / name).is_file()]
    if len(files) > 1:
        said = {str(read_camera(file, matrix_unit_m=DEPTH_UNIT_M)) for file in files}
        if len(said) > 1:
            names = " and ".join(file.name for file in files)
            message = f"{folder}: expected one camera, got {names}, which differ: take away the wrong one"
            raise SourceError(message)
    return files[0] if files else None
