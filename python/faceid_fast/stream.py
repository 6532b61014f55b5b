"""Decide on a stream of frames: one attempt each time that somebody shows their face.

Every attempt is charged, and too many failures lock. So no attempt is made before there is a face, several
frames make one attempt, and after its decision no other is made until the person has gone.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from .checks import checked_integer, checked_number
from .face.aligner import FaceAligner
from .face.crop import FaceCrop, NoFace
from .face.turned import hint_of, in_best_turn, may_be_turned
from .frame import MAX_CALL_BYTES, MAX_FRAMES, Frame, held_bytes
from .matching.decision import Decision
from .outcome import Outcome
from .sources.cameras.base import Source

_ABSENT: Final = frozenset({Outcome.NO_FACE, Outcome.TOO_FAR})
"""Outcomes of a frame that shows nobody; after any other outcome somebody is in front of the camera."""
LEAST_S: Final = 0.001
MOST_S: Final = 86_400.0
_RATE_FRAMES: Final = 30
_TURNS_TRIED_S: Final = 2.0
"""Time between two frames that are tried in other turns, while nobody is seen."""


@dataclass(frozen=True, slots=True)
class Rules:
    """When an attempt is made.

    Parameters
    ----------
    votes : int
        Number of frames with a face, live or not, that make an attempt; more than half of them must match.
        1 to `MAX_FRAMES`.
    gather_s : float
        Seconds to wait for these frames; then the attempt is made with those gathered so far. After a gap of
        this length between two frames with a face, gathering starts again.
    absence_s : float
        After so many seconds without a person, the next one to appear gets an attempt.

    Raises
    ------
    InvalidInputError
        If a value is out of range; seconds are 0.001 to 86,400.
    """

    votes: int = 5
    gather_s: float = 2.0
    absence_s: float = 1.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        checked_integer("votes", self.votes, 1, MAX_FRAMES)
        for name in ("gather_s", "absence_s"):
            checked_number(name, getattr(self, name), LEAST_S, MOST_S, "seconds")


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """One frame of a stream, what it shows, and the decision if it completed an attempt.

    Attributes
    ----------
    frame : the frame.
    look : the face in it, or why there is none; of a camera on its side, also that it is turned.
    gathered : number of frames gathered for the next attempt.
    decision : the decision on the attempt that this frame completed; None if it completed none.
    standing : the decision on the person who is there now, until they have gone; None without one.
    seconds : time since the first frame.
    frames_per_s : rate of the last 30 frames; 0 for the first frame.
    """

    frame: Frame
    look: FaceCrop | NoFace
    gathered: int
    decision: Decision | None
    standing: Decision | None
    seconds: float
    frames_per_s: float


def watch(
    frames: Iterable[Frame],
    decide: Callable[[Sequence[Frame]], Decision],
    *,
    rules: Rules | None = None,
    aligner: FaceAligner | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Moment]:
    """Look at every frame of a stream, and make one attempt each time that somebody shows their face.

    If the stream ends while frames are gathered, the attempt is made with these, unless they are too old.
    After a camera was away (`Source.interruptions`), frames from before are not gathered with those after it,
    and the decision on whoever stood there no longer holds, because somebody else may have come.

    Parameters
    ----------
    frames : the stream; of a camera, through `faceid_fast.sources.cameras.newest.Newest`, and
        `faceid_fast.sources.cameras.reopening.Reopening` if it is to be opened again when it drops out.
    decide : decides on the frames of an attempt: `Authenticator.identify`, or `verify` for one identity.
    rules : by default `Rules()`.
    aligner : finds the face of a frame; by default the bundled one.
    clock : returns seconds.

    Yields
    ------
    Moment
        One for every frame; one more if an attempt is made after the last frame.

    Raises
    ------
    FaceIDError
        If `frames` or `decide` raises one.
    """
    given = Rules() if rules is None else rules
    located = FaceAligner.bundled() if aligner is None else aligner
    gathered: list[tuple[float, Frame]] = []
    looked_at: deque[float] = deque(maxlen=_RATE_FRAMES)
    standing: Decision | None = None
    moment: Moment | None = None
    began_s = present_s = 0.0
    before = _interruptions(frames)
    hints = _TurnHints(located)
    for frame in frames:
        if (interruptions := _interruptions(frames)) != before:
            gathered.clear()
            standing, before = None, interruptions
        look = located.align(frame)
        now = clock()
        began_s = now if moment is None else began_s
        looked_at.append(now)
        if not isinstance(look, NoFace) or look.outcome not in _ABSENT:
            present_s = now
        elif now - present_s >= given.absence_s:
            standing = None
        if gathered and now - gathered[-1][0] >= given.gather_s:
            gathered.clear()
        decision = None
        if standing is None and (isinstance(look, FaceCrop) or look.outcome is Outcome.SPOOF):
            if held_bytes([*(each for _, each in gathered), frame]) > MAX_CALL_BYTES:
                gathered.clear()  # of a folder, whose next frame is larger than was to be expected
            gathered.append((now, frame))
            is_full = held_bytes([*(each for _, each in gathered), frame]) > MAX_CALL_BYTES  # with one more
            if len(gathered) == given.votes or now - gathered[0][0] >= given.gather_s or is_full:
                standing = decision = decide([each for _, each in gathered])
                gathered.clear()
        seen = hints.told(frame, look, now)
        moment = Moment(frame, seen, len(gathered), decision, standing, now - began_s, _rate(looked_at))
        yield moment
    fresh = bool(gathered) and clock() - gathered[-1][0] < given.gather_s
    if moment is not None and fresh:
        decision = decide([each for _, each in gathered])
        yield replace(moment, gathered=0, decision=decision, standing=decision)


class _TurnHints:
    """Tells of a camera on its side, whose faces are never upright, that it is turned; decides nothing.

    To try a frame in its other turns takes three times as long as to look at it, so it is done now and then.
    """

    def __init__(self, aligner: FaceAligner) -> None:
        self._aligner = aligner
        self._turned_deg = 0
        self._next_s = -math.inf

    def told(self, frame: Frame, look: FaceCrop | NoFace, now: float) -> FaceCrop | NoFace:
        """Return what a frame shows, with the hint as its first reason if the camera is turned."""
        if isinstance(look, FaceCrop) or not may_be_turned(look):
            self._turned_deg = 0
            return look
        if now >= self._next_s:
            self._next_s = now + _TURNS_TRIED_S
            crops = in_best_turn({0: frame}, {0: look}, self._aligner)
            self._turned_deg = crops[0].turned_deg if crops else 0
        if not self._turned_deg:
            return look
        return replace(look, reasons=(hint_of(self._turned_deg), *look.reasons), turned_deg=self._turned_deg)


def _interruptions(frames: Iterable[Frame]) -> int:
    """Return how often the camera was away so far; 0 for frames of another origin."""
    return frames.interruptions if isinstance(frames, Source) else 0


def _rate(times: Sequence[float]) -> float:
    """Frames per second, from their times in seconds; 0 if all times are the same."""
    span = times[-1] - times[0]
    return (len(times) - 1) / span if span > 0 else 0.0
