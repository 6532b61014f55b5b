"""Layout ``kinect_v2``, of a Kinect v2 collection: in each person's folder `CC_depth.png` and `CC_ir.png`.

`CC` = pose * 6 + expression: 9 poses (yaw = pose % 3, pitch = pose // 3) x 6 expressions. The files are
crops around the head, infrared and depth (millimetres), registered pixel to pixel. The place of a crop in the
sensor's picture is not recorded: the principal point is assumed at the crop's centre, with a deviation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from faceid_fast.checks import checked_path
from faceid_fast.errors import SourceError
from faceid_fast.frame import Frame, Intrinsics
from faceid_fast.sources.files.bounded import entries_of, folders_in, listing
from faceid_fast.sources.files.images import read_png
from faceid_fast.sources.files.pictures import frame_of

from .camera_file import camera_file_of
from .shot import Listing, Shot, warn_of

LAYOUT: Final = "kinect_v2"
FOCAL_PX: Final = 365.0
# The centre of a crop of 120 pixels, anywhere in a picture of 512 x 424, deviates from the principal point by
# 113 pixels across and 88 down (standard deviations). People sit in front of the camera: half of the latter.
PRINCIPAL_DEVIATION_PX: Final = 45.0
DEPTH_UNIT_M: Final = 0.001
MODALITY: Final = "infrared"
EXPRESSIONS: Final = 6
POSES: Final = 9

_NAME: Final = re.compile(r"(?i)(\d\d)_(depth|ir)\.png")


@dataclass(frozen=True, slots=True)
class Capture:
    """One capture of one person.

    Attributes
    ----------
    person : name of the person's folder.
    number : CC, 0 to 53.
    infrared, depth : the two files.
    """

    person: str
    number: int
    infrared: Path
    depth: Path

    @property
    def label(self) -> str:
        """CC, two digits, as in the names of the files."""
        return f"{self.number:02d}"

    @property
    def pose(self) -> int:
        """0 to 8; 4 is frontal and level."""
        return self.number // EXPRESSIONS

    @property
    def expression(self) -> int:
        """0 (mouth wide open) to 5 (eyes closed)."""
        return self.number % EXPRESSIONS

    @property
    def yaw(self) -> int:
        """0 to 2; 1 looks straight."""
        return self.pose % 3

    @property
    def pitch(self) -> int:
        """0 to 2; 1 is level."""
        return self.pose // 3

    def read(self) -> Frame:
        """Read the frame.

        Raises
        ------
        SourceError
            If a file is damaged, or no frame can be made of the two.
        """
        infrared, depth = read_png(self.infrared), read_png(self.depth)
        height, width = infrared.shape[:2]
        center = Intrinsics(FOCAL_PX, FOCAL_PX, (width - 1) / 2, (height - 1) / 2, PRINCIPAL_DEVIATION_PX)
        return frame_of(MODALITY, infrared, depth, DEPTH_UNIT_M, center, self.infrared, self.depth)


def captures(directory: str | Path) -> list[Capture]:
    """List the captures of everybody, by person and number; every subfolder is a person, whatever its name.

    Captures may be missing; one that lacks either of its two files is left out. Other files are ignored, and
    names that begin with a dot.

    Raises
    ------
    SourceError
        If the directory cannot be listed or holds no capture.

    Warns
    -----
    SourceWarning
        If captures were left out.
    """
    root = checked_path("directory", directory)
    with listing(root):
        files = [file for folder in folders_in(root) for file in entries_of(folder)]
        found = [capture for file in files if (capture := capture_of(file)) is not None]
        left_out = tuple(alone for file in files if (alone := _alone(file)) is not None)
    if not found:
        message = f"{root}: expected folders of NN_depth.png and NN_ir.png, got none"
        raise SourceError(message)
    warn_of(Listing((), left_out))
    return found


def captures_of(folder: Path) -> list[Capture]:
    """List the captures of one person, by number; see `captures`. SourceError if it cannot be listed."""
    folder = checked_path("folder", folder)
    with listing(folder):
        several = [capture_of(depth) for depth in entries_of(folder)]
    return [capture for capture in several if capture is not None]


def capture_of(depth: Path) -> Capture | None:
    """Return the capture that a depth file belongs to; None if its name or its infrared file is wrong."""
    depth = checked_path("depth", depth)
    match = _matched(depth)
    if match is None or match[2].lower() != "depth":
        return None
    infrared = _partner(depth, match)
    return None if infrared is None else Capture(depth.parent.name, int(match[1]), infrared, depth)


def listing_in(folder: Path, root: Path, picture: str | None = None) -> Listing:
    """List the captures of a folder that have no camera file, by number. OSError if it cannot be listed."""
    return _listed(entries_of(folder), root, picture)


def listing_of(file: Path, root: Path, picture: str | None = None) -> Listing:
    """List the capture that either file belongs to; none if a camera file makes it one of `pairs`."""
    match = _matched(file)
    partner = None if match is None else _partner(file, match)
    return _listed([file] if partner is None else sorted((file, partner)), root, picture)


def _listed(files: list[Path], root: Path, picture: str | None) -> Listing:
    shots, left_out = [], []
    for file in files:
        match = _matched(file)
        if match is None or camera_file_of(file.parent, match[1], root) is not None:
            continue
        capture = capture_of(file)
        if capture is not None and picture in {None, MODALITY}:
            shots.append(
                Shot(capture.person, capture.label, LAYOUT, capture.read, capture.pose, capture.expression)
            )
        elif capture is not None:
            left_out.append(f"{file}: no {picture} picture: the layout {LAYOUT} has infrared only")
        elif (alone := _alone(file)) is not None:
            left_out.append(alone)
    return Listing(shots, tuple(left_out))


def _alone(file: Path) -> str | None:
    """Say that a file of a capture lacks the other one; None if it does not, or is no such file."""
    match = _matched(file)
    if match is None or _partner(file, match) is not None:
        return None
    return f"{file}: no {'infrared' if match[2].lower() == 'depth' else 'depth'} beside it"


def _matched(file: Path) -> re.Match[str] | None:
    match = _NAME.fullmatch(file.name)
    return None if match is None or int(match[1]) >= POSES * EXPRESSIONS else match


def _partner(file: Path, match: re.Match[str]) -> Path | None:
    """Return the other file of a capture; None if there is none."""
    other = "ir" if match[2].lower() == "depth" else "depth"
    names = (f"{match[1]}_{other}.png", f"{match[1]}_{other}.PNG", f"{match[1]}_{other.upper()}.PNG")
    return next((file.with_name(name) for name in names if file.with_name(name).is_file()), None)
