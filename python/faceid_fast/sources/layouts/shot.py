"""One frame that can be read, and reading many of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from faceid_fast.errors import InvalidInputError, SourceError
from faceid_fast.frame import Frame

ON_DAMAGE: Final = ("raise", "skip")


@dataclass(frozen=True, slots=True)
class Shot:
    """One frame that can be read.

    Attributes
    ----------
    person : name of the folder, which in a data set is a person's.
    label : its name without what the layout adds.
    layout : its name, one of `recognized.LAYOUTS`.
    read : reads the frame; `SourceError` if a file is damaged.
    pose, expression : as `kinect_v2` counts them; None where the layout does not say.
    """

    person: str
    label: str
    layout: str
    read: Callable[[], Frame]
    pose: int | None = None
    expression: int | None = None


class Frames:
    """The frames of shots, read one by one as they are asked for.

    >>> frames = Frames(captures("faces"), on_damage="skip")  # doctest: +SKIP
    >>> for shot, frame in frames: ...  # doctest: +SKIP
    >>> len(frames.skipped)  # doctest: +SKIP

    Parameters
    ----------
    shots : what to read.
    on_damage : ``raise``, or ``skip`` what cannot be read.

    Attributes
    ----------
    skipped : list of SourceError
        What gave no frame in the last pass, each message naming its file.

    Raises
    ------
    InvalidInputError
        If ``on_damage`` is neither.
    SourceError
        While iterating: a file is damaged, and that is not to be skipped.
    """

    def __init__(self, shots: Sequence[Shot], *, on_damage: Literal["raise", "skip"] = "raise") -> None:
        if not isinstance(on_damage, str) or on_damage not in ON_DAMAGE:
            got = ascii(on_damage)[:40] if isinstance(on_damage, str) else type(on_damage).__name__
            message = f"on_damage: expected {' or '.join(ON_DAMAGE)}, got {got}"
            raise InvalidInputError(message)
        self._shots = shots
        self._skips = on_damage == "skip"
        self.skipped: list[SourceError] = []

    def __iter__(self) -> Iterator[tuple[Shot, Frame]]:
        """Yield each shot with its frame."""
        self.skipped = []
        for shot in self._shots:
            try:
                frame = shot.read()
            except SourceError as error:
                if not self._skips:
                    raise
                self.skipped.append(error)
            else:
                yield shot, frame
