"""The verbs about people in a vault: enrol, verify, identify, list, export, remove, unlock."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.table import Table

from faceid_fast.access.attempt_limiter import AttemptLimiter
from faceid_fast.authenticator import Authenticator
from faceid_fast.cli.output import (
    SHARED,
    JsonOption,
    busy,
    console,
    plain,
    printable,
    warnings_said,
    write_json,
)
from faceid_fast.cli.reading import Picture, PictureOption, Reading, SkipOption, Turn, TurnOption, modality_of
from faceid_fast.enrollment.result import NoteKind
from faceid_fast.enrollment.strangers import Strangers
from faceid_fast.errors import IdentityTakenError, InvalidInputError, PolicyError
from faceid_fast.storage.audit import Event, EventKind
from faceid_fast.storage.policy import Enrolling, Mode, Policy
from faceid_fast.storage.store import get, state_of
from faceid_fast.storage.store import remove as remove_from
from faceid_fast.vault import Vault, default_directory

from .prompts import ask_credential, read_credential

if TYPE_CHECKING:
    from rich.console import Console

    from faceid_fast.enrollment.result import Enrollment
    from faceid_fast.frame import Frame
    from faceid_fast.matching.decision import Decision
    from faceid_fast.storage.keys import Keys
    from faceid_fast.storage.references import References

REJECTED: Final = 1

NameArgument = Annotated[str, typer.Argument(help="The person's name.")]
SourceArgument = Annotated[
    Path,
    typer.Argument(help="A frame's file, or a folder of frames of one person. The layout is recognised."),
]
VaultOption = Annotated[
    Path | None,
    typer.Option(
        "--vault",
        metavar="DIR",
        help="Directory of the vault.",
        show_default=str(default_directory()),
        rich_help_panel=SHARED,
    ),
]
PolicyOption = Annotated[
    Policy | None,
    typer.Option(
        metavar="default|door",
        help="When to ask for the credential, too; door: after a restart, idle days, a new enrolment.",
        show_default="as the vault's policy says",
    ),
]
CredentialOption = Annotated[
    bool, typer.Option("--credential", help="Ask for the credential, which an administrator has.")
]
AdaptationOption = Annotated[
    Mode, typer.Option(help="Whether references may follow a look that changes; see the guide on enrolment.")
]


def enroll(
    name: NameArgument,
    source: SourceArgument,
    *,
    add: Annotated[bool, typer.Option("--add", help="Add to the references that the person has.")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace the references that the person has.")
    ] = False,
    strangers: Annotated[
        Strangers,
        typer.Option(
            help="What becomes of frames that seem to show somebody else; keep: if you know better."
        ),
    ] = Strangers.LEAVE_OUT,
    consent: Annotated[
        str | None, typer.Option(metavar="TEXT", help="How the person agreed; kept with the time.")
    ] = None,
    credential: CredentialOption = False,
    picture: PictureOption = Picture.AUTO,
    turn: TurnOption = Turn.NONE,
    skip_unreadable: SkipOption = False,
    vault: VaultOption = None,
    json_to: JsonOption = None,
) -> None:
    """Enrol a person from frames of a few poses.

    Five poses are best: straight ahead, left, right, up and down.
    Frames that seem to show somebody else are left out, and named; so are those enrolled before.
    Each enrolment compares faces, so that without the credential too many in a row slow down.
    Exit 1 if no frame could be used.
    """
    if add and replace:
        message = "expected --add or --replace, got both"
        raise InvalidInputError(message)
    screen = console(json_to)
    reading = Reading(picture, turn, skip_unreadable)
    frames = reading.frames_at(source, screen)
    labels = [label for label, _ in frames]
    with opened(vault, create=True) as people, busy(screen, "looking for the face in every frame"):
        try:
            auth = authenticator(people, turn)
            needed = credential or auth.policy.enrolling is Enrolling.CREDENTIAL
            enrollment = auth.enroll(
                name,
                [frame for _, frame in frames],
                new=not (add or replace),
                replace=replace,
                strangers=strangers,
                consent=consent,
                credential=shown_credential(people, asked=credential) if needed else None,
            )
        except IdentityTakenError:
            message = f"expected a new name, got {name!a}, who is enrolled: --add an appearance, or --replace"
            raise IdentityTakenError(message) from None
    _print_enrollment(screen, enrollment, labels)
    write_json(
        {
            "identity": name,
            "accepted": enrollment.accepted,
            "known": [labels[place] for place in enrollment.known],
            "references": enrollment.references,
            "poses": list(enrollment.poses),
            "missing": list(enrollment.missing),
            "rejected": [
                {"frame": labels[r.index], "outcome": r.outcome, "reasons": list(r.reasons)}
                for r in enrollment.rejected
            ],
            "alike": list(enrollment.alike),
            "warnings": list(enrollment.warnings),
            "notes": [
                {
                    "kind": note.kind,
                    "message": note.message,
                    "frames": [labels[place] for place in note.frames],
                }
                for note in enrollment.notes
            ],
            "modality": modality_of(frames),
            "left_out": reading.left_out,
        },
        json_to,
    )
    if not enrollment.accepted and not enrollment.known:
        raise typer.Exit(REJECTED)


def _print_enrollment(screen: Console, enrollment: Enrollment, labels: Sequence[str]) -> None:
    screen.print(plain(f"{enrollment.identity}: {enrollment.accepted} of {len(labels)} frames taken"))
    screen.print(
        plain(f"references: {enrollment.references}; poses: {', '.join(enrollment.poses) or 'none'}")
    )
    for refused in enrollment.rejected:
        screen.print(plain(f"left out: {labels[refused.index]} ({'; '.join(refused.reasons)})"))
    for note in enrollment.notes:
        # The frames that were left out are named above.
        named = note.frames if note.kind is NoteKind.KNOWN or len(note.frames) == 1 else ()
        which = f" ({', '.join(labels[place] for place in named)})" if named else ""
        screen.print(plain(f"warning: {note.message}{which}"))


def verify(
    name: NameArgument,
    source: SourceArgument,
    *,
    policy: PolicyOption = None,
    adaptation: AdaptationOption = Mode.NEVER,
    picture: PictureOption = Picture.AUTO,
    turn: TurnOption = Turn.NONE,
    skip_unreadable: SkipOption = False,
    vault: VaultOption = None,
    json_to: JsonOption = None,
) -> None:
    """Decide whether frames show a person (1:1); exit 1 if not.

    All frames together are one attempt: most of those that show a face must agree.
    """
    _decide(
        source,
        vault,
        json_to,
        lambda auth, frames: auth.verify(frames, name),
        Reading(picture, turn, skip_unreadable),
        policy=policy,
        adaptation=adaptation,
    )


def identify(
    source: SourceArgument,
    *,
    policy: PolicyOption = None,
    picture: PictureOption = Picture.AUTO,
    turn: TurnOption = Turn.NONE,
    skip_unreadable: SkipOption = False,
    vault: VaultOption = None,
    json_to: JsonOption = None,
) -> None:
    """Decide whether frames show anybody enrolled, and whom (1:N); exit 1 if nobody.

    All frames together are one attempt: most of those that show a face must agree.
    """
    reading = Reading(picture, turn, skip_unreadable)
    _decide(source, vault, json_to, lambda auth, frames: auth.identify(frames), reading, policy=policy)


def list_people(vault: VaultOption = None, json_to: JsonOption = None) -> None:
    """List who is enrolled, from which poses and with which consent."""
    with opened(vault) as people:
        kept = people.snapshot()
    table = Table("name", "references", "poses", "frames", "adapted", "consent")
    rows = []
    for name in sorted(kept):
        row = _described(kept[name])
        table.add_row(
            plain(name),
            str(row["references"]),
            ", ".join(sorted(set(row["poses"]))),
            ", ".join(sorted(set(row["modalities"]))),
            str(len(row["adapted"])),
            plain(row["consent"]["note"]) if row["consent"] else "-",
        )
        row.update(poses=sorted(set(row["poses"])), modalities=sorted(set(row["modalities"])))
        rows.append(row)
    screen = console(json_to)
    screen.print(table if rows else "nobody is enrolled")
    write_json({"people": rows}, json_to)


def export(
    name: NameArgument,
    *,
    templates: Annotated[
        bool, typer.Option("--templates", help="Include the vectors of the face; needs the credential.")
    ] = False,
    vault: VaultOption = None,
    json_to: JsonOption = "-",
) -> None:
    """Write everything that is kept about a person as JSON, for the person, who may ask for it."""
    with opened(vault) as people:
        kept = get(people, name)
        if templates:
            # Whoever has them can compare faces with them as often as they like.
            demand_credential(people)
        history = [event for event in people.events() if event.identity == name]
        people.alter(name, lambda before: (before, (Event.now(EventKind.EXPORTED, name),)))
    record = _described(kept)
    record["model_sha256"] = kept.model_sha256
    record["events"] = [
        {"what": event.kind, "at": when(event.at), "detail": event.detail} for event in history
    ]
    if templates:
        record["vectors"] = kept.vectors.tolist()
        record["adapted_vectors"] = [each.vector.tolist() for each in kept.adapted]
        record["keys"] = _keys(kept.keys)
        record["adapted_keys"] = [_keys(each.keys) for each in kept.adapted]
    write_json(record, json_to)


def remove(name: NameArgument, vault: VaultOption = None, json_to: JsonOption = None) -> None:
    """Remove a person, and erase the key of their record."""
    with opened(vault) as people:
        remove_from(people, name)
    console(json_to).print(plain(f"{name}: removed"))
    write_json({"removed": name}, json_to)


def unlock(
    name: Annotated[str | None, typer.Argument(help="Whose failed attempts; by default everybody's.")] = None,
    *,
    credential: Annotated[bool, typer.Option("--credential", help="Ask for the credential.")] = False,
    undo_adaptation: Annotated[
        bool, typer.Option("--undo-adaptation", help="Remove the person's adapted references, too.")
    ] = False,
    vault: VaultOption = None,
    json_to: JsonOption = None,
) -> None:
    """Clear failed attempts, which lock; asks for the credential, if one is set."""
    if undo_adaptation and name is None:
        message = "--undo-adaptation: expected a NAME, got none"
        raise InvalidInputError(message)
    with opened(vault) as people:
        auth = authenticator(people)
        auth.unlock(name, credential=shown_credential(people, asked=credential))
        undone = auth.undo_adaptation(name) if undo_adaptation and name is not None else 0
    console(json_to).print(plain(f"{'everybody' if name is None else name}: unlocked"))
    write_json({"unlocked": name, "adapted_undone": undone}, json_to)


@contextmanager
def opened(directory: Path | None, *, create: bool = False) -> Iterator[Vault]:
    """Open a vault; each of its warnings takes a line on stderr.

    Only verbs that store something make one (`create`): a mistyped directory must not become a new vault.
    """
    with warnings_said():
        vault = Vault.open(directory, create=create)
    if vault.is_new:
        typer.echo(printable(f"a new vault was made in {vault.directory}"), err=True)
    with vault:
        yield vault


def authenticator(people: Vault, turn: Turn = Turn.NONE, **options: Any) -> Authenticator:  # noqa: ANN401  # as its own
    """Make an authenticator on a vault, as strict as its policy.

    Parameters
    ----------
    people : the vault.
    turn : how frames are turned when they are read; else than by 0 somebody has said how they lie.
    **options : of the authenticator.
    """
    turns = state_of(people).policy.turns and turn is Turn.NONE
    return Authenticator(store=people, try_turns=turns, **options)


def shown_credential(people: Vault, *, asked: bool = False) -> str | None:
    """Ask for the credential, if one is set, or if that was asked for; else None."""
    return read_credential("credential") if asked or state_of(people).credential else None


def demand_credential(people: Vault) -> None:
    """Ask for the credential, if one is set, and check it; CredentialError if it is wrong."""
    AttemptLimiter(people).authorized(shown_credential(people))


def demand_leave(people: Vault) -> None:
    """Check that distances may be shown: the policy lets programs see them, or the credential is shown.

    Raises
    ------
    PolicyError
        If the policy does not, and no credential is set.
    CredentialError
        If one is set, and another is shown.
    """
    found = state_of(people)
    if found.policy.diagnostics:
        return
    if found.credential is None:
        message = (
            "--diagnostics: expected the leave of the vault, whose policy says diagnostics=false; got none: "
            "faceid vault policy diagnostics=true, or set a credential and show it"
        )
        raise PolicyError(message)
    demand_credential(people)


def when(seconds: float) -> str:
    """Write a time so that people and programs can read it: ISO 8601, UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _keys(keys: Keys | None) -> dict[str, Any] | None:
    """Return the vectors of keys as JSON."""
    return None if keys is None else {"shape": keys.shape.tolist(), "picture": keys.picture.tolist()}


def _described(kept: References) -> dict[str, Any]:
    """Describe what is kept of a person, without the vectors."""
    consent = kept.consent
    return {
        "identity": kept.identity,
        "references": len(kept.vectors),
        "poses": list(kept.poses),
        "modalities": list(kept.modalities),
        "consent": None if consent is None else {"note": consent.note, "at": when(consent.at)},
        "adapted": [
            {"origin": each.origin, "made_at": when(each.made_at), "uses_left": each.uses_left}
            for each in kept.adapted
        ],
    }


def _decide(
    source: Path,
    vault: Path | None,
    json_to: str | None,
    ask: Callable[[Authenticator, list[Frame]], Decision],
    reading: Reading,
    *,
    policy: Policy | None,
    adaptation: Mode = Mode.NEVER,
) -> None:
    """Decide on frames and print the decision; exit 1 if nobody is accepted."""
    screen = console(json_to)
    frames = reading.frames_at(source, screen)
    with opened(vault) as people:
        auth = authenticator(
            people,
            reading.turn,
            policy=policy,
            adaptation=adaptation,
            ask_credential=ask_credential(),
        )
        decision = ask(auth, [frame for _, frame in frames])
    if decision.accepted:
        screen.print(plain(f"accepted: {decision.identity}"))
    else:
        screen.print(f"rejected: {decision.outcome}")
    for reason in decision.reasons:
        screen.print(plain(f"  {reason}"))
    outcomes = [str(outcome) for outcome in decision.frames]
    write_json(
        {
            "accepted": decision.accepted,
            "identity": decision.identity if decision.accepted else None,
            "outcome": decision.outcome,
            "reasons": list(decision.reasons),
            "frames": [
                {"frame": label, "outcome": outcome}
                for (label, _), outcome in zip(frames, outcomes, strict=bool(outcomes))
            ],
            "modality": modality_of(frames),
            "left_out": reading.left_out,
        },
        json_to,
    )
    if not decision.accepted:
        raise typer.Exit(REJECTED)
