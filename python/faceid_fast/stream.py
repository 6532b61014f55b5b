"""Frames as they come, decisions as they are due: one attempt each time that somebody shows their face.

An attempt is charged, and too many of them lock. So nobody is asked about before there is a face, several
frames of it are asked about at once, and whoever was answered is not asked about again until they have gone.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from .checks import checked_integer, checked_number
from .face.aligner import FaceAligner
from .face.crop import FaceCrop, NoFace
from .frame import MAX_FRAMES, Frame
from .matching.decision import Decision
from .outcome import Outcome

_ABSENT: Final = frozenset({Outcome.NO_FACE, Outcome.TOO_FAR})
"""What a frame says when nobody is there; with any other refusal somebody is, if not as they should be."""
LEAST_S: Final = 0.001
MOST_S: Final = 86_400.0
_RATE_FRAMES: Final = 30


@dataclass(frozen=True, slots=True)
class Rules:
    """When somebody is asked about.

    Parameters
    ----------
    votes : int
        Frames with a face, live or not, that make an attempt; more than half of them must agree.
    gather_s : float
        So long an attempt waits for them, then it is made with those there are; after a gap as long it
        begins anew.
    absence_s : float
        So long without anybody, and whoever comes next is asked about anew.

    Raises
    ------
    InvalidInputError
        If they are not usable.
    """

    votes: int = 5
    gather_s: float = 2.0
    absence_s: float = 1.0

    def __post_init__(self) -> None:
        """Check them."""
        checked_integer("votes", self.votes, 1, MAX_FRAMES)
        for name in ("gather_s", "absence_s"):
            checked_number(name, getattr(self, name), LEAST_S, MOST_S, "seconds")


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """What was seen with one frame, and what came of it.

    Attributes
    ----------
    frame : the frame.
    look : the face in it, or why there is none.
    gathered : frames that are going to vote.
    decision : on the attempt that this frame completed, if it did.
    standing : the decision on whoever is there, until they have gone.
    seconds : since the first frame.
    frames_per_s : looked at, lately; 0 before there are two.
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
    """Look at frames, and ask about whoever shows their face, once.

    Where frames end before there are enough of a face, those that there are vote.

    Parameters
    ----------
    frames : as they come; from a camera through `faceid_fast.sources.cameras.newest.Newest`.
    decide : is given the frames of an attempt: `Authenticator.identify`, or `verify` of somebody.
    rules : by default `Rules()`.
    aligner : says whether there is a face; by default the bundled one.
    clock : tells seconds.

    Yields
    ------
    Moment
        For every frame; where the last one leaves an attempt to be made, once more.

    Raises
    ------
    FaceIDError
        As `frames` and `decide` do.
    """
    given = Rules() if rules is None else rules
    located = FaceAligner.bundled() if aligner is None else aligner
    gathered: list[tuple[float, Frame]] = []
    looked_at: deque[float] = deque(maxlen=_RATE_FRAMES)
    standing: Decision | None = None
    moment: Moment | None = None
    began_s = present_s = 0.0
    for frame in frames:
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
            gathered.append((now, frame))
            if len(gathered) == given.votes or now - gathered[0][0] >= given.gather_s:
                standing = decision = decide([each for _, each in gathered])
                gathered.clear()
        moment = Moment(frame, look, len(gathered), decision, standing, now - began_s, _rate(looked_at))
        yield moment
    if moment is not None and gathered:
        decision = decide([each for _, each in gathered])
        yield replace(moment, gathered=0, decision=decision, standing=decision)


def _rate(times: Sequence[float]) -> float:
    """How many a second; 0 where that cannot be told."""
    span = times[-1] - times[0]
    return (len(times) - 1) / span if span > 0 else 0.0
