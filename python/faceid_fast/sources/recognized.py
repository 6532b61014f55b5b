"""Frames of one person in a file or a folder; the layout is recognised by the names of the files.

| layout | files and folders |
|---|---|
| ``pairs`` | ``NAME_depth.png`` (or ``.npy``), ``NAME_color``, ``NAME_rgb`` or ``NAME_ir``, and a camera file, see `pairs` |
| ``kinect_v2`` | ``NN_depth.png`` and ``NN_ir.png`` without a camera file, see `kinect_v2` |
| ``vap`` | ``X_d.dat`` and ``X_c.bmp``, see `vap` |
| ``tum`` | ``rgb.txt`` and ``depth.txt`` beside the folders of the files that they list, see `tum` |
| ``open3d`` | ``color/``, ``depth/`` and ``camera_intrinsic.json`` or ``intrinsic.json``, see `open3d` |
| ``npz`` | ``NAME.npz``, see `npz` |

A folder with frames in several layouts is refused: it is not clear which ones are meant. Capitals in endings
do not matter, and names that begin with a dot are ignored, as are ``Thumbs.db`` and its like. A frame of
which a file is missing is left out, and named in a `SourceWarning`.
"""  # noqa: E501  # a table

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from faceid_fast.checks import checked_path
from faceid_fast.errors import SourceError
from faceid_fast.frame import Frame, within_budget
from faceid_fast.sources.files.bounded import below_named_folders, entries_of, folders_in, is_hidden, listing
from faceid_fast.sources.layouts.shot import (
    Frames,
    Listing,
    Shot,
    check_on_damage,
    checked_picture,
    checked_turn,
    turned,
    warn_of,
)

from .layouts import kinect_v2, npz, open3d, pairs, tum, vap

_KINDS_NAMED: Final = 4
_MAX_KIND_CHARS: Final = 12
_FOLDERS_NAMED: Final = 5
_FILES_NAMED: Final = 3
_REALSENSE: Final = (
    "a recording of a RealSense: faceid record FOLDER --source FILE makes a folder of frames of it"
)
_FILM: Final = "a film, which has no depth: frames with depth are needed"
_RECORDINGS: Final = {
    ".bag": _REALSENSE,
    ".db3": _REALSENSE,
    ".mkv": "a recording of an Azure Kinect? Open3D's azure_kinect_mkv_reader makes color/ and depth/ of it",
    ".mcap": "a recording that is not read: write its frames as NAME_depth.png and NAME_color.png",
    ".oni": "a recording of OpenNI, which is not read: write its frames as NAME_depth.png and NAME_color.png",
    ".r3d": "a recording of Record3D, which is not read: write its frames as NAME_depth.npy, NAME_color.png",
    **dict.fromkeys((".mp4", ".mov", ".avi", ".webm"), _FILM),
}
"""What to do with recordings that are no folders of frames, by their ending."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A layout of the frames of one person.

    Attributes
    ----------
    name : for options and messages.
    wanted : the files that it is recognised by, for messages.
    listing_in : lists the frames of a folder; none if the folder has another layout. The second argument is
        the topmost folder in which to look for a camera file, the third the kind of picture to take, None for
        whichever there is. OSError if the folder cannot be listed.
    listing_of : lists the frame that a file belongs to, with the same other arguments; none if there is none.
    """

    name: str
    wanted: str
    listing_in: Callable[[Path, Path, str | None], Listing]
    listing_of: Callable[[Path, Path, str | None], Listing]


LAYOUTS: Final = tuple(
    Layout(module.LAYOUT, wanted, module.listing_in, module.listing_of)
    for module, wanted in (
        (pairs, "NAME_depth.png, NAME_color.png or _ir.png, camera.json"),
        (kinect_v2, "NN_depth.png, NN_ir.png"),
        (vap, "X_d.dat, X_c.bmp"),
        (tum, "rgb.txt, depth.txt"),
        (open3d, "color/, depth/, camera_intrinsic.json"),
        (npz, "NAME.npz"),
    )
)


def read_frames(
    path: str | Path,
    *,
    picture: str | None = None,
    turn_deg: int = 0,
    on_damage: Literal["raise", "skip"] = "raise",
) -> list[Frame]:
    """Read the frames of a folder, or the frame that a file belongs to; the layout is recognised.

    All of them are in memory then, at most `faceid_fast.frame.MAX_CALL_BYTES`: as many as one call takes.
    `shots_at` lists them, to be read one by one.

    Parameters
    ----------
    path : a folder of frames of one person, or a file of a frame, such as ``ada/0_depth.png``. For the
        layouts see `faceid_fast.sources.recognized`.
    picture : ``infrared`` or ``color``, which picture to take; None: the one there is. Where there are both
        that is colour, and a warning says so.
    turn_deg : 0, 90, 180 or 270: clockwise rotation that makes heads upright. Picture, depth and intrinsics
        are turned.
    on_damage : ``raise`` an error for a frame that cannot be read, or ``skip`` it, with a warning that names
        it.

    Returns
    -------
    list of Frame, by name; at least one.

    Raises
    ------
    SourceError
        If there is no frame in a known layout, there are frames in several layouts, a file is damaged, or no
        frame can be read.
    InvalidInputError
        If an argument is not usable, or the frames are too much for one call.

    Warns
    -----
    SourceWarning
        If frames were left out, because a file of theirs is missing or cannot be read, or one of two pictures
        was taken.
    """
    check_on_damage(on_damage)
    found = listing_at(path, picture=picture, turn_deg=turn_deg)
    frames = Frames(found.shots, on_damage=on_damage)
    read = list(within_budget(frame for _, frame in frames))
    found = replace(found, left_out=(*found.left_out, *map(str, frames.skipped)))
    if not read:
        message = f"{path}: expected a frame that can be read, got none: {found.summary()}"
        raise SourceError(message)
    warn_of(found)
    return read


def shots_at(path: str | Path, *, picture: str | None = None, turn_deg: int = 0) -> list[Shot]:
    """List the frames of a folder by name, or the frame that a file belongs to; at least one.

    Parameters, errors and warnings are those of `read_frames`; frames are read by ``Shot.read``.
    """
    found = listing_at(path, picture=picture, turn_deg=turn_deg)
    warn_of(found)
    return list(found.shots)


def listing_at(path: str | Path, *, picture: str | None = None, turn_deg: int = 0) -> Listing:
    """List the same as `shots_at`, and without a warning what was left out."""
    place = checked_path("path", path)
    chosen, turn = checked_picture(picture), checked_turn(turn_deg)
    with listing(place):
        place = below_named_folders(place)
        if place.is_dir():
            found = listing_in(place, place.parent, picture=chosen)
        elif place.exists():
            found = _listing_of(place, chosen)
        else:
            message = f"{place}: expected a file or a folder, got none"
            raise SourceError(message)
        if not found.shots:
            message = f"{place}: expected {wanted_by(LAYOUTS)}; got {contents_of(place)}{_hint(place, found)}"
            raise SourceError(message)
    return replace(found, shots=[turned(shot, turn) for shot in found.shots])


def listing_in(
    folder: Path, root: Path, layouts: tuple[Layout, ...] = LAYOUTS, *, picture: str | None = None
) -> Listing:
    """List the frames of a folder by name; there may be none. OSError if it cannot be listed.

    Parameters
    ----------
    folder : the folder.
    root : the topmost folder in which to look for a camera file: `folder` or one above it.
    layouts : the layouts to look for.
    picture : the kind of picture to take; None: whichever there is.

    Raises
    ------
    SourceError
        If there are frames in several layouts.
    """
    every = [layout.listing_in(folder, root, picture) for layout in layouts]
    found = [each for each in every if each.shots]
    if len(found) > 1:
        counts = ", ".join(f"{each.shots[0].layout} ({len(each.shots)})" for each in found)
        advice = "put them into folders of their own"
        if {each.shots[0].layout for each in found} == {pairs.LAYOUT, kinect_v2.LAYOUT}:
            advice = f"some have a camera file and some have none: give all of them one, or {advice}"
        message = f"{folder}: expected frames in one layout, got {counts}; {advice}"
        raise SourceError(message)
    return _with_lone_pairs(found[0], every) if found else _fullest(every)


def _with_lone_pairs(found: Listing, every: list[Listing]) -> Listing:
    """Add to the frames of a layout what is named as a pair beside them and lacks a file.

    Only files of a pair say by their names what they are; of a Kinect v2's files that lack a camera pairs say
    so, which is as it should be.
    """
    if found.shots[0].layout in {pairs.LAYOUT, kinect_v2.LAYOUT}:
        return found
    lone = next(each for layout, each in zip(LAYOUTS, every, strict=False) if layout.name == pairs.LAYOUT)
    return replace(found, left_out=(*found.left_out, *lone.left_out))


def _listing_of(file: Path, picture: str | None) -> Listing:
    every = [layout.listing_of(file, file.parent.parent, picture) for layout in LAYOUTS]
    return next((each for each in every if each.shots), _fullest(every))


def _fullest(without_shots: list[Listing]) -> Listing:
    """Of listings without a frame, return that which left out most: the layout that was meant, it seems."""
    return max(without_shots, key=lambda each: len(each.left_out), default=Listing())


def _hint(place: Path, found: Listing) -> str:
    """Say what there is instead of frames: frames that lack something, recordings, frames further below."""
    if found.left_out:
        return f". Frames that lack something: {found.first_left_out(_FILES_NAMED)}"
    files = [each for each in entries_of(place) if each.is_file()] if place.is_dir() else [place]
    for file in files:
        if (what := _RECORDINGS.get(file.suffix.lower())) is not None:
            return f". {file.name!a:.80} is {what}"
    below = list(_frames_below(place))
    if below:
        named = ", ".join(below[:_FOLDERS_NAMED]) + (" and others" if len(below) > _FOLDERS_NAMED else "")
        return f". There are frames in folders below, {named}: name one of them"
    return ""


def _frames_below(place: Path) -> Iterator[str]:
    """Describe the folders just below one that hold frames."""
    for folder in folders_in(place) if place.is_dir() else ():
        try:
            count = len(listing_in(folder, place.parent).shots)
        except (SourceError, OSError):  # of no use as a hint
            continue
        if count:
            yield f"{folder.name!a:.80} ({count} frames)"


def wanted_by(layouts: tuple[Layout, ...]) -> str:
    """Describe the layouts that were looked for, in a message."""
    return "frames as " + "; ".join(f"{layout.name} ({layout.wanted})" for layout in layouts)


def contents_of(place: Path) -> str:
    """Describe the content of a folder in a message: kinds of files and their numbers."""
    if not place.is_dir():
        return "a file of the system" if is_hidden(place) else "another file"
    kinds: Counter[str] = Counter()
    for entry in entries_of(place):
        ending = ascii(entry.suffix)[1:-1][:_MAX_KIND_CHARS] or "without an ending"
        kinds["folders" if entry.is_dir() else ending] += 1
    named = [f"{kind}: {count}" for kind, count in kinds.most_common(_KINDS_NAMED)]
    if len(kinds) > _KINDS_NAMED:
        named.append("others")
    return ", ".join(named) or "an empty folder"
