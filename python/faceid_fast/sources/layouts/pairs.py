"""Layout ``pairs``: a picture and the depth registered to it, with the same name, and a camera file.

| file | name |
|---|---|
| depth | ``NAME_depth`` or ``depth_NAME``, a ``.png`` (grey, 16 bit) or ``.npy`` |
| colour picture | ``NAME_color`` or ``color_NAME``, or with ``rgb`` in its place: RGB of 8 bit, a ``.png``, ``.npy``, ``.jpg``, ``.jpeg`` or ``.bmp`` |
| infrared picture | the same with ``ir`` or ``infrared``: grey, 8 or 16 bit; or three equal channels |
| camera | see `camera_file` |

Capitals do not matter, but in NAME. Of a frame with both pictures colour is taken, and a note says so, unless
one is asked for. Most data sets of colour and depth, EURECOM's among them, can be brought into this layout.
"""  # noqa: E501  # a table

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from faceid_fast.checks import checked_path
from faceid_fast.errors import SourceError
from faceid_fast.frame import Frame
from faceid_fast.sources.files.bounded import entries_of, is_hidden
from faceid_fast.sources.files.pictures import ENDINGS, LOSSLESS, asking_for, frame_of, read_picture

from .camera_file import camera_file_of, read_camera, without_camera
from .shot import Listing, Shot, checked_picture

LAYOUT: Final = "pairs"
DEPTH_ENDINGS: Final = tuple(f"_depth{ending}" for ending in LOSSLESS)
IMAGE_ENDINGS: Final = tuple(
    f"_{kind}{ending}" for kind in ("color", "rgb", "ir", "infrared") for ending in ENDINGS
)
_KINDS: Final = {"depth": "depth", "color": "color", "rgb": "color", "ir": "infrared", "infrared": "infrared"}
_KIND: Final = f"(?P<kind>{'|'.join(_KINDS)})"
_NAMES: Final = tuple(
    re.compile(rf"(?is){pattern}(?P<ending>\.[a-z]+)")
    for pattern in (rf"(?P<label>.+)_{_KIND}", rf"{_KIND}_(?P<label>.+)", rf"(?P<label>){_KIND}")
)
"""The kind behind the label, before it, and without one, which is no pair's."""


@dataclass(frozen=True, slots=True)
class PairFiles:
    """The files of a frame, by their names.

    Attributes
    ----------
    label : the part of the names that they share.
    depth, color, infrared : files of a kind, at most one of each in a frame that can be read.
    """

    label: str
    depth: list[Path] = field(default_factory=list)
    color: list[Path] = field(default_factory=list)
    infrared: list[Path] = field(default_factory=list)


def files_in(entries: Iterable[Path]) -> list[PairFiles]:
    """Sort files into frames by their names, in the order of their depth files; others are left out."""
    found: dict[str, PairFiles] = {}
    for entry in entries:
        named = _named(entry)
        if named is not None and named[0] and entry.is_file():
            label, kind = named
            getattr(found.setdefault(label, PairFiles(label)), kind).append(entry)
    return sorted(found.values(), key=lambda each: (each.depth or each.color or each.infrared)[0])


def listing_in(folder: Path, root: Path, picture: str | None = None) -> Listing:
    """List the pairs of a folder that have a camera file, by name; what lacks a file is left out.

    Parameters
    ----------
    folder : the folder.
    root : the topmost folder in which to look for a camera file.
    picture : the kind of picture to take; None: whichever there is, colour if there are both.

    Raises
    ------
    SourceError
        If a frame has two files of one kind.
    OSError
        If the folder cannot be listed.
    """
    return _listed(files_in(entries_of(folder)), folder, root, picture)


def listing_of(file: Path, root: Path, picture: str | None = None) -> Listing:
    """List the pair that a file belongs to; none if its name does not fit. Else as `listing_in`."""
    label = label_of(file)
    if label is None:
        return Listing()
    several = files_in(entries_of(file.parent))
    return _listed([each for each in several if each.label == label], file.parent, root, picture)


def taken_of(files: PairFiles, picture: str | None) -> list[Path]:
    """Return the pictures of the kind to take; more than one is ambiguous.

    Where infrared is asked for and no file is named so, it may be in a file that is named as colour: reading
    it will tell.
    """
    if picture == "infrared":
        return files.infrared or files.color
    return files.color if picture == "color" else files.color or files.infrared


def label_of(file: Path) -> str | None:
    """Return the label of the pair that a file belongs to by its name; None if the name does not fit."""
    named = _named(file)
    return None if named is None else named[0] or None


def kind_of(file: Path) -> str | None:
    """Return what a file holds by its name: ``depth``, ``color``, ``infrared``; None if it does not say."""
    named = _named(file)
    return None if named is None else named[1]


def depth_of(folder: Path, label: str) -> Path | None:
    """Return the depth file of a pair; None if there is none."""
    return _first(folder, label, DEPTH_ENDINGS)


def image_of(folder: Path, label: str) -> Path | None:
    """Return the picture file of a pair, the colour picture if there are two; None if there is none."""
    return _first(folder, label, IMAGE_ENDINGS)


def read_frame(
    image: str | Path, depth: str | Path, camera: str | Path, *, picture: str | None = None
) -> Frame:
    """Read one frame from a picture, its depth and a camera file.

    Parameters
    ----------
    image : picture file, infrared (one channel, 8 or 16 bit; or three equal ones) or RGB (8 bit); see
        `read_picture`. The kind is the one that its name says, by the rules of this module; of another name
        one channel is infrared, and three are colour.
    depth : PNG, grey, 16 bit; or .npy, (H, W) uint16 or float
    camera : JSON, see `camera_file`
    picture : ``infrared`` or ``color``: the kind, whatever the name says.

    Raises
    ------
    SourceError
        If a file is missing, damaged or of another kind, picture and depth differ in size, or the camera is
        one of pictures of another size.
    InvalidInputError
        If an argument is not usable.
    """
    chosen = checked_picture(picture)
    image, depth = checked_path("image", image), checked_path("depth", depth)
    camera = checked_path("camera", camera)
    pixels = read_picture(image)
    channel = chosen or kind_of(image)
    if channel not in {"color", "infrared"}:
        channel = "infrared" if pixels.ndim == 2 else "color"
    samples = read_picture(depth)
    intrinsics, unit = read_camera(camera, pixels.shape[:2])
    return frame_of(channel, pixels, samples, unit, intrinsics, image, depth)


def _named(file: Path) -> tuple[str, str] | None:
    """Return label and kind of a file by its name, the label empty for ``depth.png``; None for another."""
    if is_hidden(file):
        return None
    for pattern in _NAMES:
        if (match := pattern.fullmatch(file.name)) is not None:
            kind = _KINDS[match["kind"].lower()]
            fits = match["ending"].lower() in (LOSSLESS if kind == "depth" else ENDINGS)
            return (match["label"], kind) if fits else None
    return None


def _listed(several: Iterable[PairFiles], folder: Path, root: Path, picture: str | None) -> Listing:
    shots: list[Shot] = []
    left_out: list[str] = []
    no_camera = ""
    both = 0
    for files in several:
        lacking = _lacking(files, picture)
        camera = camera_file_of(folder, files.label, root)
        if lacking is None and camera is None:
            no_camera = no_camera or without_camera(folder)
            lacking = no_camera
        if lacking is not None:
            left_out.append(f"{(files.depth or files.color or files.infrared)[0]}: {lacking}")
            continue
        assert camera is not None  # noqa: S101  # else it is lacking
        image, depth = (_only(files.label, kind) for kind in (taken_of(files, picture), files.depth))
        both += picture is None and bool(files.color and files.infrared)
        read = partial(read_frame, image, depth, camera, picture=picture)
        shots.append(Shot(folder.name, files.label, LAYOUT, read))
    notes = (_note(folder, both, len(shots)),) if both else ()
    return Listing(shots, tuple(left_out), notes)


def _lacking(files: PairFiles, picture: str | None) -> str | None:
    """Say which file a frame lacks; None if it lacks none."""
    if not files.depth:
        return "no depth beside it"
    if not taken_of(files, picture):
        return f"no {'colour ' if picture == 'color' else ''}picture beside it"
    return None


def _only(label: str, files: list[Path]) -> Path:
    if len(files) > 1:
        names = ", ".join(f"{file.name!a:.80}" for file in files)
        message = (
            f"{files[0].parent}: expected one file of a kind for frame {label!a:.80}, got {names}: "
            "take one away"
        )
        raise SourceError(message)
    return files[0]


def _note(folder: Path, both: int, shots: int) -> str:
    return (
        f"{folder}: {both} of {shots} frames have a colour and an infrared picture: colour is taken; "
        f"{asking_for('infrared')}, takes the other"
    )


def _first(folder: Path, label: str, endings: tuple[str, ...]) -> Path | None:
    files = (
        folder / f"{name}{written}"
        for kind, dot, ending in (each.rpartition(".") for each in endings)
        for name in (f"{label}{kind}", f"{kind[1:]}_{label}")  # as `_NAMES` has it
        for written in (dot + ending, dot + ending.upper())
    )
    return next((file for file in files if file.is_file()), None)
