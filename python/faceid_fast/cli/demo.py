"""``faceid demo``: enrol a few people, then let them, others and a flat print try to unlock."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.table import Table
from rich.text import Text

from faceid_fast.authenticator import Authenticator
from faceid_fast.cli.output import JsonOption, check_writable, console, plain, why_not, write_json
from faceid_fast.cli.picture import Tile, draw_demo, tile_of, write_picture
from faceid_fast.errors import InvalidInputError, SourceError
from faceid_fast.evaluate.protocols import ENROLLED_EXPRESSION
from faceid_fast.face import FaceAligner
from faceid_fast.outcome import Outcome
from faceid_fast.sources import kinect_v2
from faceid_fast.sources.renders import bundled_renders

if TYPE_CHECKING:
    from rich.console import Console

    from faceid_fast.enrollment import Enrollment
    from faceid_fast.frame import Frame
    from faceid_fast.policy import Decision

REJECTED: Final = 1
PROBED_POSE: Final = 4  # frontal and level: how one looks at a device


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """A frame of the demo: who it shows, and whether it is for enrolling, a probe, or a print."""

    person: str
    kind: str
    label: str
    frame: Frame


@dataclass(frozen=True, slots=True, eq=False)
class Attempt:
    """A probe, with the decision for each person it claimed to be and for nobody in particular."""

    look: Look
    claims: dict[str, Decision]
    identified: Decision

    @property
    def as_expected(self) -> bool:
        """Whether the right person was let in, nobody else was, and a print was seen through."""
        decisions = [*self.claims.values(), self.identified]
        if self.look.kind == "print":
            return all(decision.outcome is Outcome.SPOOF for decision in decisions)
        return (
            all(d.accepted == (claim == self.look.person) for claim, d in self.claims.items())
            and self.identified.accepted
            and self.identified.identity == self.look.person
        )


def _checked_out(out: Path) -> Path:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInputError(why_not("--out", out, error)) from error
    check_writable("--out", out)
    return out


def demo(
    data: Annotated[
        Path | None, typer.Option(help="Real people instead of renders: a folder in the kinect_v2 layout.")
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Where to write the picture (PNG).", callback=_checked_out)
    ] = Path("demo/unlock.png"),
    json_to: JsonOption = None,
) -> None:
    """Enrol and unlock; exit 0 if every verdict is as it should be, else 1."""
    looks = _renders() if data is None else _captures(data)
    if not any(look.kind != "enroll" for look in looks):
        message = (
            f"{data}: expected captures to enrol (expression {ENROLLED_EXPRESSION}) "
            f"and others of pose {PROBED_POSE}, got none"
        )
        raise SourceError(message)
    aligner = FaceAligner.bundled()
    auth = Authenticator(aligner=aligner, lockout=False, diagnostics=True)
    people = sorted({look.person for look in looks})
    enrollments = {
        person: auth.enroll(person, [x.frame for x in looks if x.person == person and x.kind == "enroll"])
        for person in people
    }
    known = [person for person in people if enrollments[person].enrolled]
    attempts = [
        Attempt(
            look,
            {person: auth.verify(look.frame, person) for person in known},
            auth.identify(look.frame),
        )
        for look in looks
        if look.kind != "enroll"
    ]
    threshold = attempts[0].identified.threshold  # all of one camera, among as many people
    failed = [attempt for attempt in attempts if not attempt.as_expected]
    screen = console(json_to)
    screen.print(_enrollment_table(enrollments))
    screen.print(_attempt_table(attempts, known, threshold))
    rows = [
        (
            person,
            [_tile(aligner, x, "", None) for x in looks if x.person == person and x.kind == "enroll"],
            [_attempt_tile(aligner, a) for a in attempts if a.look.person == person],
        )
        for person in people
    ]
    write_picture(draw_demo(rows, threshold), out)
    _summary(screen, attempts, failed, out)
    write_json(_record(enrollments, attempts, threshold, out), json_to)
    if failed or len(known) < len(people):
        raise typer.Exit(REJECTED)


def _renders() -> list[Look]:
    return [
        Look(render.person, render.kind, f"{render.person} {render.kind} {render.number}", render.read())
        for render in bundled_renders()
    ]


def _captures(directory: Path) -> list[Look]:
    """Enrol one capture a pose, probe with the other expressions of the frontal pose."""
    looks = []
    for capture in kinect_v2.captures(directory):
        label = f"{capture.person} {capture.number:02d}"
        if capture.expression == ENROLLED_EXPRESSION:
            looks.append(Look(capture.person, "enroll", label, capture.read()))
        elif capture.pose == PROBED_POSE:
            looks.append(Look(capture.person, "probe", label, capture.read()))
    enrolled = {look.person for look in looks if look.kind == "enroll"}
    return [look for look in looks if look.person in enrolled]


def _enrollment_table(enrollments: dict[str, Enrollment]) -> Table:
    table = Table("person", "references", "poses", "refused frames", title="enrolled")
    for person, result in enrollments.items():
        refused = ", ".join(f"{entry.index} {entry.outcome}" for entry in result.rejected)
        table.add_row(plain(person), str(result.references), ", ".join(result.poses), refused or "-")
    return table


def _attempt_table(attempts: list[Attempt], known: list[str], threshold: float) -> Table:
    table = Table(title=f"unlocking: distance to each person, accepted up to {threshold:.3f}")
    table.add_column("frame")
    for person in known:
        table.add_column(plain(person), justify="right")
    for heading in ("verdict", "as expected"):
        table.add_column(heading)
    for attempt in attempts:
        table.add_row(
            plain(attempt.look.label),
            *(_cell(attempt.claims[person]) for person in known),
            _verdict(attempt.identified),
            "[green]yes[/]" if attempt.as_expected else "[red]NO[/]",
        )
    return table


def _cell(decision: Decision) -> Text:
    return _painted("-" if decision.distance is None else f"{decision.distance:.3f}", decision)


def _verdict(decision: Decision) -> Text:
    identity = f": {decision.identity}" if decision.accepted else ""
    return _painted(f"{decision.outcome}{identity}", decision)


def _painted(text: str, decision: Decision) -> Text:
    painted = plain(text)
    painted.stylize("green" if decision.accepted else "red")
    return painted


def _summary(screen: Console, attempts: list[Attempt], failed: list[Attempt], out: Path) -> None:
    totals = sorted(attempt.identified.timings_ms["total"] for attempt in attempts)
    screen.print(
        plain(
            f"{len(attempts) - len(failed)} of {len(attempts)} as expected; "
            f"median {totals[len(totals) // 2]:.1f} ms an identification; picture: {out}"
        )
    )


def _attempt_tile(aligner: FaceAligner, attempt: Attempt) -> Tile:
    own = attempt.claims.get(attempt.look.person)
    others = [
        d.distance for p, d in attempt.claims.items() if p != attempt.look.person and d.distance is not None
    ]
    if own is None or own.distance is None:
        caption = str(attempt.identified.outcome)
    else:
        caption = f"{own.distance:.2f}" + (f" / {min(others):.2f}" if others else "")
    return _tile(aligner, attempt.look, caption, attempt.identified.accepted)


def _tile(aligner: FaceAligner, look: Look, caption: str, accepted: bool | None) -> Tile:
    return tile_of(look.frame, aligner.align(look.frame), caption, accepted=accepted)


def _record(
    enrollments: dict[str, Enrollment], attempts: list[Attempt], threshold: float, out: Path
) -> dict[str, Any]:
    return {
        "threshold": threshold,
        "enrolled": {person: asdict(result) for person, result in enrollments.items()},
        "attempts": [
            {
                "frame": attempt.look.label,
                "person": attempt.look.person,
                "kind": attempt.look.kind,
                "outcome": str(attempt.identified.outcome),
                "identity": attempt.identified.identity,
                "distances": {person: d.distance for person, d in attempt.claims.items()},
                "timings_ms": dict(attempt.identified.timings_ms),
                "as_expected": attempt.as_expected,
            }
            for attempt in attempts
        ],
        "all_as_expected": all(attempt.as_expected for attempt in attempts),
        "picture": str(out),
    }
