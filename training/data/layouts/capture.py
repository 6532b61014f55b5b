"""What every layout yields: frames with the name of a person, or an error for a file that gave none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from faceid_fast.errors import SourceError
from faceid_fast.frame import Frame

MAX_FILE_BYTES = 512 * 2**20


@dataclass(frozen=True, slots=True, eq=False)
class LabelledCapture:
    """A frame and the person on it.

    Attributes
    ----------
    identity : the same for all captures of a person, and for nobody else's of the set.
    name : of the capture; with the identity, unique in the set.
    frame : depth registered to colour or infrared, whole: nothing is cropped here. The aligner
        cuts both at one place, because it gets them as one frame. (The notebook of 2018 cropped the
        colour of a pair's second image 20 pixels off its depth: whether two images belonged
        together could be told from the crop.)
    """

    identity: str
    name: str
    frame: Frame


Found = LabelledCapture | SourceError
"""A capture, or why a file gave none. Layouts yield the latter instead of raising: one damaged file
costs one capture."""


def folders(root: Path) -> list[Path]:
    """Sorted subfolders of a folder, one for each person.

    Raises
    ------
    SourceError
        The folder cannot be listed.
    """
    try:
        return sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        message = f"{root}: not readable ({error.strerror})"
        raise SourceError(message) from error


def found_or_error(identity: str, name: str, frames: Iterator[Frame]) -> Iterator[Found]:
    """Yield frames with their labels; a `SourceError` that ends them is yielded last, not raised."""
    try:
        for number, frame in enumerate(frames):
            yield LabelledCapture(identity, f"{name}[{number}]" if number else name, frame)
    except SourceError as error:
        yield error
