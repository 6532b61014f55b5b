"""The demo's story: a lock, its owner, a stranger, a print of the owner, and a beard that grows.

Nothing is staged: every verdict is an `Authenticator`'s on a rendered frame, with the model's own
threshold and floor.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rich.text import Text

from faceid_fast.access.lockout import FREE_FAILURES
from faceid_fast.authenticator import Authenticator
from faceid_fast.calibration import impostor_tail
from faceid_fast.cli.output import plain
from faceid_fast.enrollment.poses import POSES
from faceid_fast.face.embedder import Embedder
from faceid_fast.matching.decision import accepts
from faceid_fast.matching.keys import KeyDistances, KeyLimits
from faceid_fast.outcome import Outcome
from faceid_fast.storage.memory import InMemoryStore
from faceid_fast.storage.policy import Mode
from faceid_fast.storage.store import get

if TYPE_CHECKING:
    from rich.console import Console

    from faceid_fast.face.aligner import FaceAligner
    from faceid_fast.matching.decision import Decision

    from .cast import Look

_ACCEPTED: Final = frozenset({Outcome.ACCEPTED})
_REFUSED: Final = frozenset({Outcome.NO_MATCH})
_SPOOF: Final = frozenset({Outcome.SPOOF})
_LOCKED: Final = frozenset({Outcome.LOCKED_OUT})


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """Somebody shows a face.

    Attributes
    ----------
    look : the frame.
    claim : who they say they are.
    decision : the verdict.
    lines : the verdict in two short lines.
    as_expected : whether the verdict is right.
    """

    look: Look
    claim: str
    decision: Decision
    lines: tuple[str, str]
    as_expected: bool

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "frame": self.look.label,
            "claim": self.claim,
            "outcome": str(self.decision.outcome),
            "distance": self.decision.distance,
            "as_expected": self.as_expected,
        }


def tell(looks: Sequence[Look], aligner: FaceAligner, screen: Console) -> list[Scene]:
    """Play the story, printing each step as it happens.

    Parameters
    ----------
    looks : frames of three people or more, with a print of one and a beard of another.
    """
    return list(_Stage(looks, aligner, screen).scenes())


class _Stage:
    """A lock with a credential, and who comes to it."""

    def __init__(self, looks: Sequence[Look], aligner: FaceAligner, screen: Console) -> None:
        self._looks = looks
        self._screen = screen
        self._store = InMemoryStore()
        self._lock = Authenticator(
            store=self._store, aligner=aligner, adaptation=Mode.CONFIRMED, diagnostics=True
        )
        self._pin = secrets.token_hex(4)
        self._lock.set_credential(self._pin)
        modality = looks[0].frame.modality
        contract = Embedder.bundled().contract
        tail, self._limits = contract.tails[modality], KeyLimits(**contract.key_limits[modality])
        self._floor = impostor_tail.floor(self._lock.thresholds[modality], tail)

    def scenes(self) -> Iterator[Scene]:
        """Everything, in order."""
        owner, bearded = (self._of(kind)[0].person for kind in ("print", "beard"))
        stranger = next(look.person for look in self._looks if look.person not in {owner, bearded})
        yield from self._an_evening(owner, stranger)
        yield from self._a_beard(bearded)
        for other in (owner, stranger):
            yield self._shown(f"{other} says to be {bearded}", self._of("probe", other)[0], bearded, _REFUSED)

    def _an_evening(self, owner: str, stranger: str) -> Iterator[Scene]:
        """The owner is accepted, others are refused until the lock locks; the credential unlocks it."""
        self._enrol(owner)
        mine, theirs = self._of("probe", owner), self._of("probe", stranger)
        yield self._shown(f"{owner} comes home", mine[0], owner, _ACCEPTED)
        yield self._shown(f"{stranger} says to be {owner}", theirs[0], owner, _REFUSED)
        yield self._shown(f"a print of {owner}", self._of("print")[0], owner, _SPOOF)
        for _ in range(FREE_FAILURES):
            decision = self._lock.verify(theirs[1].frame, owner)
            if decision.outcome is Outcome.LOCKED_OUT:
                break
        yield self._judged(f"{stranger} tries again, and again", theirs[1], owner, decision, _LOCKED)
        yield self._shown(f"{owner}, meanwhile", mine[1], owner, _LOCKED)
        self._lock.unlock(owner, credential=self._pin)
        yield self._shown(f"{owner}, after typing the PIN", mine[1], owner, _ACCEPTED)

    def _a_beard(self, person: str) -> Iterator[Scene]:
        """A beard grows until it is refused; after a near miss and the credential a picture of it is kept."""
        self._enrol(person)
        pin_shown = was_kept = was_refused = False
        for number, look in enumerate(self._of("beard", person), start=1):
            decision = self._lock.verify(look.frame, person)
            kept, distance = bool(get(self._store, person).adapted), decision.distance
            keys = KeyDistances(_number(decision.shape_distance), _number(decision.picture_distance))
            within = accepts(distance, self._floor) and keys.agree(self._limits)
            # What was kept must help, as far as adapted references may: up to the floor.
            wanted = _ACCEPTED if was_kept and within else _ACCEPTED | _REFUSED
            helped = decision.accepted and not accepts(distance, decision.threshold)
            note = "kept" if kept and not was_kept else "by what was kept" if helped else ""
            yield self._judged(f"{person}, beard {number}", look, person, decision, wanted, note=note)
            if decision.accepted:
                if helped:
                    self._say("by the picture that was kept")
            elif kept and not was_kept:
                self._say("this picture is kept beside the enrolment: for 50 uses, or 30 days")
            elif not within:
                self._say(f"{self._beyond(keys)} no picture that was kept helps: enrol the beard, too")
            elif not pin_shown:
                self._say(f"a near miss: {person} types the PIN, and looks again")
                self._lock.unlock(person, credential=self._pin)
                pin_shown = True
            was_kept, was_refused = kept, was_refused or not decision.accepted
        if not was_refused:
            self._say("the beard is never refused: there is nothing to keep")
        if not decision.accepted:
            self._say(f"{person} types the PIN instead")  # which clears the failures
            self._lock.unlock(person, credential=self._pin)

    def _beyond(self, keys: KeyDistances) -> str:
        """Say beyond what a face is that adapted references do not help."""
        return f"beyond {self._floor:.3f}" if keys.agree(self._limits) else "where a key does not agree"

    def _enrol(self, person: str) -> None:
        frames = [look.frame for look in self._of("enroll", person)]
        enrollment = self._lock.enroll(person, frames)
        self._screen.print(plain(f"{person} enrols, with {len(frames)} pictures of these poses:"))
        self._screen.print(ring(enrollment.poses))

    def _of(self, kind: str, person: str | None = None) -> list[Look]:
        return [look for look in self._looks if look.kind == kind and person in {None, look.person}]

    def _shown(self, words: str, look: Look, claim: str, wanted: frozenset[Outcome]) -> Scene:
        return self._judged(words, look, claim, self._lock.verify(look.frame, claim), wanted)

    def _judged(
        self,
        words: str,
        look: Look,
        claim: str,
        decision: Decision,
        wanted: frozenset[Outcome],
        *,
        note: str = "",
    ) -> Scene:
        as_expected = decision.outcome in wanted
        distance = decision.distance
        detail = "" if distance is None else f"distance {distance:.3f}, at most {decision.threshold:.3f}"
        self._screen.print(
            Text.assemble(
                ("  yes  ", "green") if decision.accepted else ("  no   ", "red"),
                plain(f"{words:<30} {decision.outcome:<11}{detail}".rstrip()),
                ("" if as_expected else "  NOT AS IT SHOULD BE", "red"),
            )
        )
        if distance is None and decision.reasons:
            self._say(decision.reasons[0])
        elif not decision.accepted and accepts(distance, decision.threshold):
            self._say("near enough, but a key does not agree: its shape, or its picture")
        return Scene(look, claim, decision, _lines(claim, decision, note), as_expected)

    def _say(self, words: str) -> None:
        self._screen.print(Text.assemble("       ", (plain(words).plain, "dim")))


def ring(covered: Sequence[str]) -> Text:
    """Draw which poses the references cover, each where the head turns to."""
    mark = {pose: f"{pose} {'(*)' if pose in covered else '( )'}" for pose in POSES}
    lines = (mark["up"], f"{mark['left']}   {mark['frontal']}   {mark['right']}", mark["down"])
    return Text("\n".join(f"       {line:^40}".rstrip() for line in lines))


def _number(distance: float | None) -> float:
    return math.inf if distance is None else distance


def _lines(claim: str, decision: Decision, note: str) -> tuple[str, str]:
    verdict = "accepted" if decision.accepted else "refused"
    if decision.distance is None:
        return f"as {claim}: {verdict}", str(decision.outcome).replace("_", " ")
    return f"as {claim}: {verdict}", f"{decision.distance:.2f}" + (f", {note}" if note else "")
