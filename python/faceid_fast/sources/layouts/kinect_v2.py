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
from faceid_fast.sources.files.images import read_png
from faceid_fast.sources.files.pictures import frame_of

from .camera_file import camera_file_of
from .shot import Shot

LAYOUT: Final = "kinect_v2"
FOCAL_PX: Final = 365.0
# The centre of a crop of 120 pixels, anywhere in a picture of 512 x 424, deviates from the principal point by
# 113 pixels across and 88 down (standard deviations). People sit in front of the camera: half of the latter.
PRINCIPAL_DEVIATION_PX: Final = 45.0
DEPTH_UNIT_M: Final = 0.001
MODALITY: Final = "infrared"
EXPRESSIONS: Final = 6
POSES: Final = 9

_DEPTH_NAME: Final = re.compile(r"(\d\d)_depth\.png")


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
        return frame_of("infrared", infrared, depth, DEPTH_UNIT_M, center, self.depth)


def captures(directory: str | Path) -> list[Capture]:
    """List the captures of everybody, by person and number; every subfolder is a person, whatever its name.

    Captures may be missing; one that lacks either of its two files is left out. Other files are ignored.

    Raises
    ------
    SourceError
        If the directory cannot be listed or holds no capture.
    """
    root = checked_path("directory", directory)
    try:
        folders = sorted(entry for entry in root.iterdir() if entry.is_dir())
    except OSError as error:
        message = f"{root}: not readable ({error.strerror})"
        raise SourceError(message) from error
    found = [capture for folder in folders for capture in captures_of(folder)]
    if not found:
        message = f"{root}: expected folders of NN_depth.png and NN_ir.png, got none"
        raise SourceError(message)
    return found


def captures_of(folder: Path) -> list[Capture]:
    """List the captures of one person, by number; see `captures`. SourceError if it cannot be listed."""
    folder = checked_path("folder", folder)
    try:
        files = sorted(folder.iterdir())
    except OSError as error:
        message = f"{folder}: not readable ({error.strerror})"
        raise SourceError(message) from error
    several = (capture_of(depth) for depth in files)
    return [capture for capture in several if capture is not None]


def capture_of(depth: Path) -> Capture | None:
    """Return the capture that a depth file belongs to; None if its name or its infrared file is wrong."""
    depth = checked_path("depth", depth)
    match = _DEPTH_NAME.fullmatch(depth.name)
    if match is None or int(match[1]) >= POSES * EXPRESSIONS:
        return None
    infrared = depth.with_name(f"{match[1]}_ir.png")
    if not infrared.is_file():
        return None
    return Capture(depth.parent.name, int(match[1]), infrared, depth)


def shots_in(folder: Path, root: Path) -> list[Shot]:
    """List the captures of a folder that have no camera file, by number. OSError if it cannot be listed."""
    depths = sorted(entry for entry in folder.iterdir() if _DEPTH_NAME.fullmatch(entry.name))
    return [shot for depth in depths if (shot := shot_of(depth, root)) is not None]


def shot_of(file: Path, root: Path) -> Shot | None:
    """Return the capture that either file belongs to; None if a camera file makes it one of `pairs`."""
    capture = capture_of(file.with_name(file.name.replace("_ir.png", "_depth.png")))
    if capture is None or camera_file_of(file.parent, capture.label, root) is not None:
        return None
    return Shot(capture.person, capture.label, LAYOUT, capture.read, capture.pose, capture.expression)
