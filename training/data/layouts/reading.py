"""Read a set of real captures, whatever its layout.

    captures = Captures(Path("faces"), "pairs")
    for identity, name, frame in captures: ...
    print(captures.summary())

A file that gives no frame is skipped, named in `Captures.damaged`, and counted in the summary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from faceid_fast.errors import SourceError
from faceid_fast.frame import Frame
from faceid_fast.sources.layouts import kinect_v2
from training.data.layouts import npz, pairs, vap
from training.data.layouts.capture import Found, LabelledCapture


def _kinect_v2(root: Path) -> Iterator[Found]:
    for capture in kinect_v2.captures(root):
        try:
            yield LabelledCapture(capture.person, f"{capture.number:02}", capture.read())
        except SourceError as error:
            yield error


LAYOUTS: Final[dict[str, Callable[[Path], Iterator[Found]]]] = {
    "vap": vap.captures,
    "pairs": pairs.captures,
    "npz": npz.captures,
    "kinect_v2": _kinect_v2,
}

SHIPPED_PEOPLE: Final = (
    "the model that ships learned from these six people. A figure on one of them is a figure only of a "
    "network that never saw that person, not in the weights it began with either, and is to say so."
)


class Captures:
    """The captures of a set, read one by one as they are asked for.

    Parameters
    ----------
    root : the set's folder.
    layout : one of `LAYOUTS`.

    Attributes
    ----------
    damaged : list of SourceError
        What gave no frame in the last pass over the set, each message naming its file.
    read : int
        How many captures the last pass gave.

    Raises
    ------
    ValueError
        There is no such layout.
    SourceError
        While iterating: the folder cannot be listed, or holds no capture at all.
    """

    def __init__(self, root: Path, layout: str) -> None:
        if layout not in LAYOUTS:
            message = f"layout: expected one of {', '.join(LAYOUTS)}, got {layout!r}"
            raise ValueError(message)
        self.root = root
        self.layout = layout
        self.damaged: list[SourceError] = []
        self.read = 0

    def __iter__(self) -> Iterator[tuple[str, str, Frame]]:
        """Yield (identity, capture name, frame)."""
        self.damaged, self.read = [], 0
        for found in LAYOUTS[self.layout](self.root):
            if isinstance(found, SourceError):
                self.damaged.append(found)
            else:
                self.read += 1
                yield found.identity, found.name, found.frame
        if not self.read:
            message = f"{self.root}: expected captures in layout {self.layout!r}, got none"
            if self.damaged:
                message += f"; {len(self.damaged)} damaged, first {self.damaged[0]}"
            raise SourceError(message)

    def summary(self) -> str:
        """One line on the last pass: captures read, files skipped."""
        return f"{self.root}: {self.read} captures read, {len(self.damaged)} files skipped as damaged"


def note_on_figures(root: Path, layout: str) -> str | None:
    """Say what figures on a set are worth; None where there is nothing to say.

    The six people of the shared set may train, in whatever layout they are read: the layout is ``kinect_v2``,
    or the folder is that set, landmarks.csv beside p01 to p06.
    """
    people = {f"p{number:02}" for number in range(1, 7)}
    is_set = (root / "landmarks.csv").exists() and all((root / name).is_dir() for name in people)
    return f"{root}: {SHIPPED_PEOPLE}" if layout == "kinect_v2" or is_set else None
