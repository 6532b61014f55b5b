"""``faceid demo``: a few people enrol; then they, strangers and a flat print try to unlock."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.table import Table
from rich.text import Text

from faceid_fast.authenticator import Authenticator
from faceid_fast.cli.output import (
    JsonOption,
    busy,
    check_writable,
    console,
    plain,
    show_table,
    write_json,
)
from faceid_fast.enrollment.strangers import Strangers
from faceid_fast.errors import SourceError
from faceid_fast.face.aligner import FaceAligner
from faceid_fast.face.embedder import Embedder
from faceid_fast.outcome import Outcome

from .attempts import Attempt, Rates
from .cast import Look, captured, rendered
from .story import Scene, tell

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from faceid_fast.enrollment.result import Enrollment
    from faceid_fast.matching.decision import Decision

    from .picture import Row

UNEXPECTED: Final = 2
_TRYING: Final = frozenset({"probe", "print"})


def _checked_out(out: Path) -> Path:
    check_writable("--out", out, folders=True)
    return out


def demo(
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Captures of real people instead: a folder in the kinect_v2 layout; no story."
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="Where to write the picture (PNG).", callback=_checked_out)
    ] = Path("demo/unlock.png"),
    json_to: JsonOption = None,
) -> None:
    """Enrol and unlock with rendered people, as a story; exit 2 if a verdict is not as it should be.

    Somebody enrols and is accepted; a stranger and a print are refused; a beard grows.
    Then everybody is compared with everybody, and a picture of it all is written.
    With --data it counts how many genuine and impostor attempts are accepted, and exits 0 however many.
    """
    screen = console(json_to)
    looks = rendered() if data is None else captured(data)
    aligner = FaceAligner.bundled()
    story = tell(looks, aligner, screen) if data is None else []
    people = sorted({look.person for look in looks})
    with busy(screen, "comparing everybody with everybody"):
        auth = Authenticator(aligner=aligner, lockout=False, diagnostics=True)
        enrollments = {
            person: auth.enroll(
                person,
                [look.frame for look in looks if look.person == person and look.kind == "enroll"],
                strangers=Strangers.KEEP,  # whose captures they are is known
            )
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
            if look.kind in _TRYING
        ]
    if not known:
        message = f"{data}: expected captures of which somebody can be enrolled, got none with a usable face"
        raise SourceError(message)
    # All are of one camera, among as many people.
    threshold, claimed = attempts[0].identified.threshold, attempts[0].claims[known[0]].threshold
    assert threshold is not None and claimed is not None  # noqa: PT018, S101  # diagnostics are on
    limits = dict(Embedder.bundled().contract.key_limits[looks[0].frame.modality])
    if not story:
        show_table(screen, _enrollment_table(enrollments), "enrolled")
    show_table(
        screen,
        _attempt_table(attempts, known),
        f"unlocking: distance to each person, accepted up to {claimed:.3f} as who is claimed (1:1), "
        f"up to {threshold:.3f} as the nearest of {len(known)} (1:N), if both keys agree, too: shape up to "
        f"{limits['shape']:.3f}, picture up to {limits['picture']:.3f}",
    )
    rows = [_row(enrollments[person], looks, attempts, story, aligner) for person in people]
    _draw((claimed, threshold, len(known)), out, rows)
    if data is not None:
        for line in (*Rates.of(attempts).lines(), *_not_enrolled(people, known)):
            screen.print(plain(line))
    _summary(screen, attempts, story, out)
    record = _record(enrollments, attempts, story)
    write_json({"threshold": threshold, "key_limits": limits, **record, "picture": str(out)}, json_to)
    # Of renders it is known what must come of them; of other people only what did.
    if data is None and (not record["all_as_expected"] or len(known) < len(people)):
        raise typer.Exit(UNEXPECTED)


def _not_enrolled(people: Sequence[str], known: Sequence[str]) -> Iterator[str]:
    """Name the people of whom no capture could be enrolled; their probes are those of strangers."""
    if missing := [person for person in people if person not in known]:
        yield f"not enrolled, since no face was found in their captures: {', '.join(missing)}"


def _enrollment_table(enrollments: dict[str, Enrollment]) -> Table:
    table = Table("person", "references", "poses", "refused frames")
    for person, result in enrollments.items():
        refused = ", ".join(f"{entry.index} {entry.outcome}" for entry in result.rejected)
        table.add_row(plain(person), str(result.references), ", ".join(result.poses), refused or "-")
    return table


def _attempt_table(attempts: list[Attempt], known: list[str]) -> Table:
    table = Table("frame")
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


def _summary(screen: Console, attempts: list[Attempt], story: list[Scene], out: Path) -> None:
    totals = sorted(attempt.identified.timings_ms["total"] for attempt in attempts)
    parts = []
    if story:
        parts.append(f"{sum(a.as_expected for a in attempts)} of {len(attempts)} as expected")
        parts.append(f"{sum(scene.as_expected for scene in story)} of {len(story)} in the story")
    parts.append(f"median {totals[len(totals) // 2]:.1f} ms an identification")
    screen.print(plain(f"{'; '.join(parts)}; picture: {out}"))


def _row(
    enrollment: Enrollment,
    looks: Sequence[Look],
    attempts: Sequence[Attempt],
    story: Sequence[Scene],
    aligner: FaceAligner,
) -> Row:
    """Make a person's row of the picture."""
    from .picture import Row, tile_of  # noqa: PLC0415  # OpenCV, which may not load

    person = enrollment.identity
    enrolled = [(look, (), None) for look in looks if look.person == person and look.kind == "enroll"]
    tried = [
        (attempt.look, _lines(attempt), attempt.identified.accepted)
        for attempt in attempts
        if attempt.look.person == person
    ]
    tried += [
        (scene.look, scene.lines, scene.decision.accepted)
        for scene in story
        if scene.look.person == person and (scene.claim != person or scene.look.kind == "beard")
    ]
    tiles = [
        [tile_of(look.frame, aligner.align(look.frame), text, accepted=seen) for look, text, seen in part]
        for part in (enrolled, tried)
    ]
    return Row(person, enrollment.poses, *tiles)


def _draw(thresholds: tuple[float, float, int], out: Path, rows: Sequence[Row]) -> None:
    from .picture import Thresholds, draw_demo, write_picture  # noqa: PLC0415

    write_picture(draw_demo(rows, Thresholds(*thresholds)), out)


def _lines(attempt: Attempt) -> tuple[str, str]:
    """Write what stands below a probe: who was named, and the distances to own and others' references."""
    found = attempt.identified
    if found.outcome not in {Outcome.ACCEPTED, Outcome.NO_MATCH}:
        return "who? refused", str(found.outcome).replace("_", " ")
    distances = {name: claim.distance for name, claim in attempt.claims.items() if claim.distance is not None}
    own = distances.pop(attempt.look.person, None)
    parts = [] if own is None else [f"own {own:.2f}"]
    parts += [f"others {min(distances.values()):.2f}"] if distances else []
    return f"who? {found.identity if found.accepted else 'nobody'}", ", ".join(parts)


def _record(
    enrollments: dict[str, Enrollment], attempts: Sequence[Attempt], story: Sequence[Scene]
) -> dict[str, Any]:
    verdicts: list[Attempt | Scene] = [*attempts, *story]
    return {
        "enrolled": {
            person: {**asdict(result), "warnings": list(result.warnings)}
            for person, result in enrollments.items()
        },
        "story": [scene.record() for scene in story],
        "attempts": [
            {
                "frame": attempt.look.label,
                "person": attempt.look.person,
                "kind": attempt.look.kind,
                "outcome": str(attempt.identified.outcome),
                "identity": attempt.identified.identity,
                "distances": {person: d.distance for person, d in attempt.claims.items()},
                "key_distances": {
                    person: {"shape": d.shape_distance, "picture": d.picture_distance}
                    for person, d in attempt.claims.items()
                },
                "timings_ms": dict(attempt.identified.timings_ms),
                "as_expected": attempt.as_expected,
            }
            for attempt in attempts
        ],
        "rates": Rates.of(attempts).record(),
        "all_as_expected": all(verdict.as_expected for verdict in verdicts),
    }
