"""Error rates of presentation attack detection (ISO/IEC 30107-3).

- APCER, the attack presentation classification error rate: of the acquired presentations of one attack
  species, the share that is taken for bona fide. Each species has its own, since an attacker uses the
  one that works.
- BPCER, the bona fide presentation classification error rate: of the acquired presentations of live
  people, the share that is taken for an attack.

One presentation is one frame. A presentation that is not acquired (no face found, too far, turned away)
is a non-response and counts in neither rate. What takes several frames to see, `face.sequence`, is not
measured.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from faceid_fast.calibration.binomial import Interval, clopper_pearson
from faceid_fast.errors import SourceError
from faceid_fast.face.aligner import FaceAligner
from faceid_fast.face.crop import FaceCrop, NoFace
from faceid_fast.face.liveness import LivenessCheck
from faceid_fast.face.turned import in_best_turn, may_be_turned
from faceid_fast.frame import Frame
from faceid_fast.outcome import Outcome


class Presentation(Protocol):
    """One frame and what it really is; `sources.presentations.Presentation` is one."""

    @property
    def species(self) -> str | None:
        """Of the attack; None if it is bona fide."""

    def read(self) -> Frame:
        """Read the frame."""


class Response(StrEnum):
    """How a presentation was classified."""

    BONA_FIDE = "bona_fide"
    ATTACK = "attack"
    NONE = "none"
    """Not classified: no face was acquired."""


@dataclass(frozen=True, slots=True)
class Classified:
    """A presentation, and how it was classified.

    Attributes
    ----------
    species : of the attack; None if it is bona fide.
    response : how it was classified.
    reasons : why it was taken for an attack, in words; or the outcome that says why it was not acquired.
    measured : by name of `liveness.FIGURES`; None where no face was cut out, as of what is plainly flat.
    """

    species: str | None
    response: Response
    reasons: tuple[str, ...] = ()
    measured: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """How presentations of one kind were classified.

    Attributes
    ----------
    bona_fide, attack, not_acquired : number of presentations that were classified so, or not at all.
    reasons : how often each reason was given for an attack; several may be given for one presentation.
    failures : how often each outcome was given for one that was not acquired.
    """

    bona_fide: int
    attack: int
    not_acquired: int
    reasons: dict[str, int]
    failures: dict[str, int]

    @property
    def presentations(self) -> int:
        """Number of all presentations."""
        return self.bona_fide + self.attack + self.not_acquired

    @property
    def acquired(self) -> int:
        """Number of presentations that rates are shares of."""
        return self.bona_fide + self.attack


@dataclass(frozen=True, slots=True)
class ErrorRate:
    """An error rate among the presentations that were acquired.

    Attributes
    ----------
    errors, acquired : counts.
    rate : 0 to 1; None if nothing was acquired.
    interval : exact, at `binomial.LEVEL`, as if presentations were independent; None if nothing was acquired.
    """

    errors: int
    acquired: int
    rate: float | None
    interval: Interval | None

    @classmethod
    def of(cls, errors: int, acquired: int) -> ErrorRate:
        """Work out the rate and its interval."""
        if not acquired:
            return cls(errors, acquired, None, None)
        return cls(errors, acquired, errors / acquired, clopper_pearson(errors, acquired))


@dataclass(frozen=True, slots=True)
class PadReport:
    """Tallies of attacks by species, and of live people.

    Attributes
    ----------
    species : by name.
    bona_fide : of live people; empty if there were none.
    """

    species: dict[str, Tally]
    bona_fide: Tally

    def apcer(self, species: str) -> ErrorRate:
        """APCER of a species."""
        tally = self.species[species]
        return ErrorRate.of(tally.bona_fide, tally.acquired)

    def bpcer(self) -> ErrorRate:
        """BPCER."""
        return ErrorRate.of(self.bona_fide.attack, self.bona_fide.acquired)

    def worst_species(self) -> str | None:
        """Species of the highest APCER, of several the one with the highest bound; None without any."""
        ranked = []
        for name in sorted(self.species):
            found = self.apcer(name)
            if found.rate is not None and found.interval is not None:
                ranked.append((found.rate, found.interval[1], name))
        return max(ranked, key=lambda entry: entry[:2])[2] if ranked else None

    def record(self) -> dict[str, Any]:
        """Return every figure as JSON; a rate of nothing is None."""
        return {
            "species": {
                name: _record(tally, "accepted", "apcer", self.apcer(name))
                for name, tally in self.species.items()
            },
            "bona_fide": _record(self.bona_fide, "rejected", "bpcer", self.bpcer()),
            "worst_species": self.worst_species(),
        }


def classify(
    presentations: Sequence[Presentation],
    aligner: FaceAligner,
    liveness: LivenessCheck,
    progress: Callable[[int], None] = lambda _done: None,
    *,
    unreadable: Callable[[SourceError], None] | None = None,
    try_turns: bool = True,
) -> list[Classified]:
    """Read, align and check every presentation, as `Authenticator` does with a frame.

    Parameters
    ----------
    progress : called with the number of presentations done so far.
    unreadable : called with the error of each presentation whose files cannot be read, which then counts in
        no rate; by default the error is raised.
    try_turns : whether what shows no live face upright is tried in other turns, as `Authenticator` does by
        default: an attack that is live in one of them is taken for bona fide.

    Raises
    ------
    SourceError
        If a presentation's files cannot be read, and `unreadable` is None; or none can be read.
    """
    found: list[Classified] = []
    for done, presentation in enumerate(presentations, 1):
        try:
            frame = presentation.read()
        except SourceError as error:
            if unreadable is None:
                raise
            unreadable(error)
        else:
            found.append(_classified(presentation.species, frame, aligner, liveness, try_turns=try_turns))
        progress(done)
    if presentations and not found:
        message = f"presentations: expected one or more that can be read, got none of {len(presentations)}"
        raise SourceError(message)
    return found


def count(classified: Sequence[Classified]) -> PadReport:
    """Count the presentations, by species in the order of their names."""
    names = sorted({each.species for each in classified if each.species is not None})
    return PadReport(
        species={name: _tally([each for each in classified if each.species == name]) for name in names},
        bona_fide=_tally([each for each in classified if each.species is None]),
    )


def _classified(
    species: str | None, frame: Frame, aligner: FaceAligner, liveness: LivenessCheck, *, try_turns: bool
) -> Classified:
    found = aligner.align(frame)
    upright = _judged(species, found, liveness)
    if not try_turns or upright.response is Response.BONA_FIDE or not may_be_turned(found):
        return upright
    # As `Pipeline.look` has it: one turn is judged, and a spoof that is one upright, too, stays what it is.
    crops = in_best_turn({0: frame}, {0: found}, aligner)
    turned = _judged(species, crops[0], liveness) if crops else upright
    return upright if upright.response is turned.response else turned


def _judged(species: str | None, found: FaceCrop | NoFace, liveness: LivenessCheck) -> Classified:
    if isinstance(found, NoFace):
        if found.outcome is Outcome.SPOOF:
            return Classified(species, Response.ATTACK, found.reasons)
        return Classified(species, Response.NONE, (str(found.outcome),))
    verdict = liveness.check(found)
    measured = {name: float(value) for name, value in verdict.measured.items()}
    response = Response.BONA_FIDE if verdict.live else Response.ATTACK
    return Classified(species, response, verdict.reasons, measured)


def _tally(classified: Sequence[Classified]) -> Tally:
    responses = Counter(each.response for each in classified)

    def why(response: Response) -> dict[str, int]:
        reasons = Counter(why for each in classified if each.response is response for why in each.reasons)
        return dict(reasons.most_common())

    return Tally(
        bona_fide=responses[Response.BONA_FIDE],
        attack=responses[Response.ATTACK],
        not_acquired=responses[Response.NONE],
        reasons=why(Response.ATTACK),
        failures=why(Response.NONE),
    )


def _record(tally: Tally, wrong: str, name: str, found: ErrorRate) -> dict[str, Any]:
    return {
        "presentations": tally.presentations,
        wrong: found.errors,
        "not_acquired": tally.not_acquired,
        name: found.rate,
        "interval": None if found.interval is None else list(found.interval),
        "reasons": tally.reasons,
        "failures": tally.failures,
    }
