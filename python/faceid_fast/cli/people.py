"""``faceid enroll``, ``verify``, ``identify``, ``list`` and ``remove``: people in a vault."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.progress import track
from rich.table import Table

from faceid_fast.authenticator import Authenticator
from faceid_fast.cli.output import JsonOption, console, plain, printable, write_json
from faceid_fast.errors import FaceIDWarning
from faceid_fast.outcome import Outcome
from faceid_fast.sources.recognized import shots_at
from faceid_fast.vault import Vault, default_directory

if TYPE_CHECKING:
    from rich.console import Console

    from faceid_fast.frame import Frame
    from faceid_fast.policy import Decision

REJECTED: Final = 1
_JUDGED: Final = frozenset((Outcome.ACCEPTED, Outcome.NO_MATCH, Outcome.SPOOF))

NameArgument = Annotated[str, typer.Argument(help="Who.")]
SourceArgument = Annotated[
    Path,
    typer.Argument(help="A frame's file, or a folder of frames of one person. The layout is recognised."),
]
VaultOption = Annotated[
    Path | None,
    typer.Option("--vault", help="Directory of the vault.", show_default=str(default_directory())),
]


def enroll(
    name: NameArgument, source: SourceArgument, vault: VaultOption = None, json_to: JsonOption = None
) -> None:
    """Add references of a person; frames that show somebody else are left out, with a warning."""
    screen = console(json_to)
    frames = _read(source, screen)
    with _opened(vault) as people:
        auth = Authenticator(store=people)
        enrollment = auth.enroll(name, [frame for _, frame in frames], leave_out_strangers=True)
    screen.print(plain(f"{name}: {enrollment.accepted} of {len(frames)} frames taken"))
    screen.print(
        plain(f"references: {enrollment.references}; poses: {', '.join(enrollment.poses) or 'none'}")
    )
    for refused in enrollment.rejected:
        screen.print(plain(f"left out: {frames[refused.index][0]} ({'; '.join(refused.reasons)})"))
    for warning in enrollment.warnings:
        screen.print(plain(f"warning: {warning}"))
    write_json(
        {
            "identity": name,
            "accepted": enrollment.accepted,
            "references": enrollment.references,
            "poses": list(enrollment.poses),
            "missing": list(enrollment.missing),
            "rejected": [
                {"frame": frames[r.index][0], "outcome": r.outcome, "reasons": list(r.reasons)}
                for r in enrollment.rejected
            ],
            "warnings": list(enrollment.warnings),
        },
        json_to,
    )
    if not enrollment.accepted:
        raise typer.Exit(REJECTED)


def verify(
    name: NameArgument, source: SourceArgument, vault: VaultOption = None, json_to: JsonOption = None
) -> None:
    """Decide whether frames show a person (1:1): exit 0 if most of those that could be judged do."""
    _decide(source, vault, json_to, lambda auth, frame: auth.verify(frame, name))


def identify(source: SourceArgument, vault: VaultOption = None, json_to: JsonOption = None) -> None:
    """Decide whether frames show anybody enrolled, and whom (1:N): most of those that could be judged."""
    _decide(source, vault, json_to, lambda auth, frame: auth.identify(frame))


def list_people(vault: VaultOption = None, json_to: JsonOption = None) -> None:
    """List who is enrolled."""
    with _opened(vault) as people:
        kept = people.snapshot()
    table = Table("name", "references", "poses", "frames")
    rows = []
    for name in sorted(kept):
        references = kept[name]
        poses, modalities = sorted(set(references.poses)), sorted(set(references.modalities))
        count = len(references.vectors)
        table.add_row(plain(name), str(count), ", ".join(poses), ", ".join(modalities))
        rows.append({"identity": name, "references": count, "poses": poses, "modalities": modalities})
    screen = console(json_to)
    screen.print(table if rows else "nobody is enrolled")
    write_json({"people": rows}, json_to)


def remove(name: NameArgument, vault: VaultOption = None, json_to: JsonOption = None) -> None:
    """Forget a person; their key is erased too."""
    with _opened(vault) as people:
        people.remove(name)
    console(json_to).print(plain(f"{name}: removed"))
    write_json({"removed": name}, json_to)


@contextmanager
def _opened(directory: Path | None) -> Iterator[Vault]:
    """Open a vault; what it warns of takes a line on stderr."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", FaceIDWarning)
        vault = Vault.open(directory)
    for warning in caught:
        typer.echo(f"warning: {printable(str(warning.message))}", err=True)
    with vault:
        yield vault


def _read(source: Path, screen: Console) -> list[tuple[str, Frame]]:
    """Labels and frames at a path; a bar where there are many."""
    shots = shots_at(source)
    shown = track(shots, "reading", console=screen, transient=True, disable=len(shots) < 10)
    return [(shot.label, shot.read()) for shot in shown]


def _decide(
    source: Path,
    vault: Path | None,
    json_to: str | None,
    ask: Callable[[Authenticator, Frame], Decision],
) -> None:
    """Ask about every frame, and say what most of those that could be judged come to; exit 1 if to nobody."""
    screen = console(json_to)
    frames = _read(source, screen)
    with _opened(vault) as people:
        auth = Authenticator(store=people)
        decisions = [(label, ask(auth, frame)) for label, frame in frames]
    judged = [decision for _, decision in decisions if decision.outcome in _JUDGED]
    votes = Counter(decision.identity for decision in judged if decision.accepted)
    name = next((name for name, count in votes.items() if 2 * count > len(judged)), None)
    accepted = sum(decision.accepted for _, decision in decisions)
    if name is None:
        counts = Counter(str(decision.outcome) for _, decision in decisions)
        screen.print(f"rejected: {', '.join(f'{outcome} {count}' for outcome, count in counts.items())}")
        for reason in dict.fromkeys(reason for _, decision in decisions for reason in decision.reasons):
            screen.print(plain(f"  {reason}"))
    else:
        screen.print(plain(f"accepted: {name} ({accepted} of {len(decisions)} frames)"))
    shown: list[dict[str, Any]] = [
        {"frame": label, "outcome": decision.outcome, "reasons": list(decision.reasons)}
        for label, decision in decisions
    ]
    write_json({"accepted": name is not None, "identity": name, "frames": shown}, json_to)
    if name is None:
        raise typer.Exit(REJECTED)
