"""The attempts of the demo, and how many of them were accepted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from faceid_fast.outcome import Outcome

from .cast import Look

if TYPE_CHECKING:
    from faceid_fast.matching.decision import Decision


@dataclass(frozen=True, slots=True, eq=False)
class Attempt:
    """A probe, with the decision on each claim (1:1), and on no claim at all (1:N)."""

    look: Look
    claims: dict[str, Decision]
    identified: Decision

    @property
    def as_expected(self) -> bool:
        """Whether only the right person was accepted, and a print was refused as a spoof."""
        decisions = [*self.claims.values(), self.identified]
        if self.look.kind == "print":
            return all(decision.outcome is Outcome.SPOOF for decision in decisions)
        return (
            all(d.accepted == (claim == self.look.person) for claim, d in self.claims.items())
            and self.identified.accepted
            and self.identified.identity == self.look.person
        )


class Counted(NamedTuple):
    """How many attempts of how many were accepted."""

    accepted: int
    attempts: int

    def __str__(self) -> str:
        """Write it as part of a sentence."""
        share = f" ({self.accepted / self.attempts:.1%})" if self.attempts else ""
        return f"{self.accepted:,} of {self.attempts:,}{share}"


@dataclass(frozen=True, slots=True)
class Rates:
    """How many attempts of live people were accepted.

    Attributes
    ----------
    genuine : verifications (1:1) in which people claim to be themselves.
    impostor : verifications in which people claim to be somebody else.
    identified : identifications (1:N) that named the right person.
    misidentified : identifications that named another one.
    """

    genuine: Counted
    impostor: Counted
    identified: Counted
    misidentified: Counted

    @classmethod
    def of(cls, attempts: Sequence[Attempt]) -> Rates:
        """Count the attempts."""
        live = [each for each in attempts if each.look.kind == "probe"]
        claims = [
            (claim == each.look.person, decision.accepted)
            for each in live
            for claim, decision in each.claims.items()
        ]
        named = [each.identified.identity == each.look.person for each in live if each.identified.accepted]

        def counted(*, genuine: bool) -> Counted:
            of_kind = [accepted for own, accepted in claims if own == genuine]
            return Counted(sum(of_kind), len(of_kind))

        return cls(
            genuine=counted(genuine=True),
            impostor=counted(genuine=False),
            identified=Counted(sum(named), len(live)),
            misidentified=Counted(len(named) - sum(named), len(live)),
        )

    def lines(self) -> list[str]:
        """Write them as lines of text."""
        return [
            f"verification: genuine accepted {self.genuine}, impostors accepted {self.impostor}",
            f"identification: named rightly {self.identified}, named somebody else {self.misidentified}",
        ]

    def record(self) -> dict[str, dict[str, int]]:
        """Return them as JSON."""
        return {
            "genuine": self.genuine._asdict(),
            "impostor": self.impostor._asdict(),
            "identified": self.identified._asdict(),
            "misidentified": self.misidentified._asdict(),
        }
