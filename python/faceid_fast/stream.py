"""Decide on a stream of frames: one attempt each time that somebody shows their face.

Every attempt is charged, and too many failures lock. So no attempt is made before there is a face, several
frames make one attempt, and after its decision no other is made until the person has gone.

The head is followed from frame to frame, and two things end at different times:

- The verdict holds for the head that it was given for, while that is seen. It ends at once with a frame whose
  face lies farther from the last one than a head can move, with a frame of several faces, and when the head
  was not seen for `LOST_S`: whoever is there then may be somebody else. Only a face that can be fitted is the
  head; one that is turned away, cut off or flat is not.
- The next attempt needs more: that nobody was there for `Rules.absence_s`, or that it is another head, by its
  place or because there were several. So who looks aside loses the verdict, and is not charged again for it.

The frames of an attempt are of one head and of one camera, in the order in which they were captured, and none
of them is older than `faceid_fast.frame.MAX_AGE_S`. Frames of files have no age.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final

import numpy as np

from .checks import checked_integer, checked_number
from .face.aligner import FaceAligner
from .face.crop import FaceCrop, Floats, NoFace
from .face.turned import hint_of, in_best_turn, may_be_turned
from .frame import MAX_AGE_S, MAX_CALL_BYTES, MAX_FRAMES, Capture, Frame, held_bytes
from .matching.decision import Decision
from .outcome import Outcome
from .sources.cameras.base import Source
from .timing import since_boot_s

_ABSENT: Final = frozenset({Outcome.NO_FACE, Outcome.TOO_FAR})
"""Outcomes of a frame that shows nobody; after any other outcome somebody is in front of the camera."""
LEAST_S: Final = 0.001
MOST_S: Final = 86_400.0
LOST_S: Final = 0.3
"""A head that was not seen for so long is lost: too short for one person to step away and another to take
their place, long enough for a frame or two in which a head is not found."""
_LOST_FRAMES: Final = 2.5
"""Where frames come slowly, a head that was missed in one of them, not in two, is not lost yet."""
_STIR_MM: Final = 60.0
"""How far apart two fits of a head that stays may lie: they scatter by some millimetres, and a turn of 30
degrees moves the point between the eyes, 100 mm before the neck, by 50."""
_SPEED_MM_S: Final = 1500.0
"""Speed of a head: that of brisk walking."""
_MOVING_S: Final = 0.2
"""Longest time that a head is given to move: 360 mm together, less than from one head to the next of people
who stand shoulder to shoulder, about 450. Frames of files do not say how much time lies between them, and get
all of it."""
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
        Seconds to wait for these frames; then the attempt is made with those gathered so far that are not
        older than `faceid_fast.frame.MAX_AGE_S`. After a gap of this length between two frames with a face,
        gathering starts again.
    absence_s : float
        After so many seconds without a person, the next one to appear gets an attempt. Frames that come more
        slowly than that are never of one head.

    Raises
    ------
    InvalidInputError
        If a value is out of range; seconds are 0.001 to 86,400.
    """

    votes: int = 5
    gather_s: float = 1.5
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
    standing : the decision on the head that is there now, while it is followed; None without one.
    seconds : time since the first frame.
    frames_per_s : rate of the last 30 frames; 0 for the first frame.
    attempted : whether whoever is there has had their attempt; the next one is made when they have gone, or
        of another head. It outlasts `standing` for who looks aside.
    """

    frame: Frame
    look: FaceCrop | NoFace
    gathered: int
    decision: Decision | None
    standing: Decision | None
    seconds: float
    frames_per_s: float
    attempted: bool = False


def watch(
    frames: Iterable[Frame],
    decide: Callable[[Sequence[Frame]], Decision],
    *,
    rules: Rules | None = None,
    aligner: FaceAligner | None = None,
    clock: Callable[[], float] = since_boot_s,
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
    clock : returns seconds; the ages of frames are measured by it.

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
    gathered, head = _Gathered(given), _Head(given.absence_s)
    looked_at: deque[float] = deque(maxlen=_RATE_FRAMES)
    standing: Decision | None = None
    moment: Moment | None = None
    attempted, began_s = False, 0.0
    before = _interruptions(frames)
    hints = _TurnHints(located)
    for frame in frames:
        if (interruptions := _interruptions(frames)) != before:
            gathered.clear()
            head, standing, attempted, before = _Head(given.absence_s), None, False, interruptions
        look = located.align(frame)
        now = clock()
        began_s = now if moment is None else began_s
        looked_at.append(now)
        change = head.follow(frame, look, now, _rate(looked_at))
        if change is not _Change.NONE:
            gathered.clear()
        if change is not _Change.NONE or not head.is_followed:
            standing = None
        attempted = attempted and change is not _Change.OTHER
        decision, asked = None, [] if attempted else gathered.joined_by(frame, look, now)
        if asked:
            standing = decision = decide(asked)
            attempted = True
            gathered.clear()
            head.decided(now, clock())
        seen = hints.told(frame, look, now)
        rate = _rate(looked_at)
        moment = Moment(frame, seen, len(gathered), decision, standing, now - began_s, rate, attempted)
        yield moment
    if moment is not None and len(gathered) and (left := gathered.left(clock())):
        decision = decide(left)
        yield replace(moment, gathered=0, decision=decision, standing=decision, attempted=True)


class _Change(Enum):
    """What a frame says of the head that was followed."""

    NONE = auto()
    """It is still there; or nobody was followed."""
    LOST = auto()
    """It is not known any more whether it is there."""
    OTHER = auto()
    """It has gone, or this is another one."""


class _Head:
    """Follows the head that is before a camera, from frame to frame."""

    def __init__(self, absence_s: float) -> None:
        self._absence_s = absence_s
        self._unwatched_s = 0.0
        self._place: Floats | None = None
        self._seen_s = self._present_s = -math.inf
        self._captures: list[Capture | None] = []
        """Of the last frame; empty before the first."""

    @property
    def is_followed(self) -> bool:
        """Whether there is a head whose place is known."""
        return self._place is not None

    def follow(self, frame: Frame, look: FaceCrop | NoFace, now: float, frames_per_s: float) -> _Change:
        """Take the next frame, which was looked at now; return what became of the head."""
        at_s = now if frame.capture is None else frame.capture.at_s
        is_new = _is_fresh(frame, now) and all(_is_after(frame.capture, each) for each in self._captures)
        if any(_source_of(frame.capture) != _source_of(each) for each in self._captures):
            change = _Change.OTHER
        elif not is_new:
            change = _Change.LOST  # it shows what was, which says nothing about now
        elif self._has_gone(look, now):
            change = _Change.OTHER
        elif self.is_followed and at_s - self._seen_s > self._longest_s(frames_per_s):
            change = _Change.LOST
        elif self._is_another(look, _MOVING_S if frame.capture is None else at_s - self._seen_s):
            change = _Change.OTHER
        else:
            change = _Change.NONE
        if change is not _Change.NONE:
            self._place = None
        if is_new and isinstance(look, FaceCrop):
            self._place, self._seen_s = look.eye_midpoint_mm, at_s
        self._captures, self._unwatched_s = [frame.capture], 0.0
        return change

    def decided(self, began_s: float, ended_s: float) -> None:
        """Excuse a head that was not seen because a decision was made, and no frame looked at."""
        self._unwatched_s, self._present_s = ended_s - began_s, ended_s

    def _has_gone(self, look: FaceCrop | NoFace, now: float) -> bool:
        """Whether nobody, not even somebody whose face cannot be used, was there for `absence_s`."""
        if isinstance(look, FaceCrop) or look.outcome not in _ABSENT:
            self._present_s = now
        return now - self._present_s >= self._absence_s

    def _longest_s(self, frames_per_s: float) -> float:
        """Return for how long the head may be missed without being lost."""
        missed_s = _LOST_FRAMES / frames_per_s if frames_per_s > 0 else 0.0
        return min(max(LOST_S, missed_s) + self._unwatched_s, self._absence_s)

    def _is_another(self, look: FaceCrop | NoFace, elapsed_s: float) -> bool:
        """Whether a frame shows several heads, or one where that which is followed cannot be."""
        if isinstance(look, NoFace):
            return look.outcome is Outcome.SEVERAL_FACES
        if self._place is None:
            return False
        moved_mm = float(np.linalg.norm(look.eye_midpoint_mm - self._place))
        reach_mm = _STIR_MM + _SPEED_MM_S * min(elapsed_s, _MOVING_S)
        return not moved_mm <= reach_mm  # written so that NaN is another one


class _Gathered:
    """The frames that are gathered for the next attempt, each with the time at which it was looked at."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._frames: list[tuple[float, Frame]] = []
        self._began_s = 0.0

    def __len__(self) -> int:
        return len(self._frames)

    def clear(self) -> None:
        """Drop all."""
        self._frames.clear()

    def joined_by(self, frame: Frame, look: FaceCrop | NoFace, now: float) -> list[Frame]:
        """Take the next frame, if it shows a face; return those of the attempt that is due, or none."""
        self._drop_old(now)
        shows_a_face = isinstance(look, FaceCrop) or look.outcome is Outcome.SPOOF
        if not shows_a_face or not _is_fresh(frame, now):
            return []
        if self._is_too_much_with(frame):
            self.clear()  # of a folder, whose next frame is larger than was to be expected
        self._began_s = self._began_s if self._frames else now
        self._frames.append((now, frame))
        is_full = len(self) == self._rules.votes or self._is_too_much_with(frame)  # with one more
        is_due = is_full or now - self._began_s >= self._rules.gather_s
        return [each for _, each in self._frames] if is_due else []

    def left(self, now: float) -> list[Frame]:
        """Return those that an attempt can be made of after the last frame."""
        self._drop_old(now)
        return [each for _, each in self._frames]

    def _drop_old(self, now: float) -> None:
        if self._frames and now - self._frames[-1][0] >= self._rules.gather_s:
            self.clear()
        self._frames = [(at_s, each) for at_s, each in self._frames if _is_fresh(each, now)]

    def _is_too_much_with(self, frame: Frame) -> bool:
        return held_bytes([*(each for _, each in self._frames), frame]) > MAX_CALL_BYTES


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


def _is_fresh(frame: Frame, now: float) -> bool:
    """Whether a frame may be part of an attempt now; one of files has no age."""
    return frame.capture is None or 0.0 <= now - frame.capture.at_s < MAX_AGE_S


def _is_after(capture: Capture | None, other: Capture | None) -> bool:
    """Whether a frame was captured after another one; of those of files it is taken for granted."""
    return capture is None or other is None or capture.at_s > other.at_s


def _source_of(capture: Capture | None) -> str | None:
    return None if capture is None else capture.source


def _rate(times: Sequence[float]) -> float:
    """Frames per second, from their times in seconds; 0 if all times are the same."""
    span = times[-1] - times[0]
    return (len(times) - 1) / span if span > 0 else 0.0
