"""Layout ``pairs``: a folder a person with pairs at any depth below it, see `sources.layouts.pairs`.

A depth without its picture or without a camera is named as damaged here, not passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from faceid_fast.errors import SourceError
from faceid_fast.frame import Frame
from faceid_fast.sources.files.bounded import is_hidden
from faceid_fast.sources.layouts.camera_file import CAMERA_NAME, camera_file_of
from faceid_fast.sources.layouts.pairs import DEPTH_ENDINGS, image_of, label_of, read_frame
from training.data.layouts.capture import Found, folders, found_or_error


def captures(root: Path) -> Iterator[Found]:
    """Yield every capture below a folder; a damaged file, or one without partner or camera, as an error.

    Raises
    ------
    SourceError
        The folder cannot be listed.
    """
    for person in folders(root):
        depths = (path for ending in DEPTH_ENDINGS for path in person.rglob(f"*{ending}"))
        for depth in sorted(depths):
            if is_hidden(depth):
                continue
            label = label_of(depth)
            assert label is not None  # it was listed by its name
            name = depth.with_name(label).relative_to(person).as_posix()
            yield from found_or_error(person.name, name, _read(depth, label, root))


def _read(depth: Path, label: str, root: Path) -> Iterator[Frame]:
    image, camera = image_of(depth.parent, label), camera_file_of(depth.parent, label, root)
    if image is None:
        message = (
            f"{depth}: expected {label}_rgb.png, {label}_color.png or {label}_ir.png beside it, got none"
        )
        raise SourceError(message)
    if camera is None:
        message = (
            f"{depth}: expected {label}_{CAMERA_NAME} beside it, or a {CAMERA_NAME} there or above up to "
            f"{root}, got none"
        )
        raise SourceError(message)
    yield read_frame(image, depth, camera)
