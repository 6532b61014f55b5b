"""Layout ``vap``: the VAP RGB-D face database, the set of the 2018 notebook; see `sources.layouts.vap`.

A capture without its colour is named as damaged here, not passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from faceid_fast.frame import Frame
from faceid_fast.sources.layouts.camera_file import camera_file_of
from faceid_fast.sources.layouts.vap import COLOR_ENDING, DEPTH_ENDING, read_capture
from training.data.layouts.capture import Found, folders, found_or_error


def captures(root: Path) -> Iterator[Found]:
    """Yield every capture below a folder; a file that is damaged or lacks its partner as an error.

    Raises
    ------
    SourceError
        The folder cannot be listed.
    """
    for folder in folders(root):
        for depth in sorted(folder.glob(f"*{DEPTH_ENDING}")):
            stem = depth.name.removesuffix(DEPTH_ENDING)
            label = stem.rstrip("_")
            color, camera = folder / f"{stem}{COLOR_ENDING}", camera_file_of(folder, label, root)
            yield from found_or_error(folder.name, label, _read(depth, color, camera))


def _read(depth: Path, color: Path, camera: Path | None) -> Iterator[Frame]:
    yield read_capture(depth, color, camera)
