"""``faceid vault``, ``faceid credential`` and ``faceid audit``: the vault itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer
from rich.table import Table
from rich.text import Text

from faceid_fast.authenticator import Authenticator
from faceid_fast.calibration.evidence import described, read
from faceid_fast.checks import open_file, text_of
from faceid_fast.cli.help import Verb, VerbGroup
from faceid_fast.cli.output import JsonOption, busy, console, examples, plain, write_json
from faceid_fast.cli.people import VaultOption, opened, when
from faceid_fast.errors import InvalidInputError
from faceid_fast.vault import default_directory
from faceid_fast.vault import erase as erase_vault
from faceid_fast.vault import restore as restore_vault

from .prompts import confirmed, read_credential

vault_app = typer.Typer(
    cls=VerbGroup, no_args_is_help=True, help="Look after the vault: what is in it, its key, its backups."
)
credential_app = typer.Typer(
    cls=VerbGroup, no_args_is_help=True, help="The PIN or phrase for when a face is not enough."
)

_MAX_KEY_BYTES: Final = 4096

FileArgument = Annotated[Path, typer.Argument(help="The backup.")]


@vault_app.command(cls=Verb)
def info(vault: VaultOption = None, json_to: JsonOption = None) -> None:
    """Show how much is in the vault, where its key is and which models made the references; no names."""
    with opened(vault) as people:
        found = people.info()._asdict()
    table = Table(show_header=False)
    adopted = found.pop("adopted")
    rows = {**found, "thresholds adopted": tuple(each.summary() for each in adopted)}
    for name, value in rows.items():
        lines = value or ("none",) if isinstance(value, tuple) else (value,)
        table.add_row(name, Text("\n").join(map(plain, lines)))
    console(json_to).print(table)
    write_json(
        {**found, "models": list(found["models"]), "adopted": [described(each) for each in adopted]}, json_to
    )


@vault_app.command(cls=Verb)
def verify(vault: VaultOption = None, json_to: JsonOption = None) -> None:
    """Read everything, and check that nothing was damaged or changed."""
    screen = console(json_to)
    with opened(vault) as people, busy(screen, "reading everything"):
        people.check()
        found = people.info()
        entries = len(people.events())
    screen.print(
        f"as it was written: {found.people} people, {found.references} references, {entries} log entries"
    )
    write_json({"intact": True, "people": found.people, "entries": entries}, json_to)


@vault_app.command(
    cls=Verb, epilog=examples("faceid vault adopt calibration.json", "faceid vault adopt --forget infrared")
)
def adopt(
    file: Annotated[Path | None, typer.Argument(help="What `faceid calibrate` wrote.")] = None,
    forget: Annotated[
        str | None,
        typer.Option(metavar="MODALITY", help="Go back to the model's own threshold: infrared or color."),
    ] = None,
    vault: VaultOption = None,
    json_to: JsonOption = None,
) -> None:
    """Use a threshold measured on your own people in this vault, or stop using it."""
    if (file is None) == (forget is None):
        message = "expected a FILE or --forget MODALITY, got both or neither"
        raise InvalidInputError(message)
    measured = None if file is None else read(file)
    with opened(vault, create=measured is not None) as people:
        auth = Authenticator(store=people)
        if measured is not None:
            auth.adopt(measured)
            said = f"adopted: {measured.summary()}"
        else:
            had = auth.forget_adopted(str(forget))
            said = f"{forget}: " + ("the model's own threshold again" if had else "none was adopted")
    console(json_to).print(plain(said))
    write_json({"adopted": None if measured is None else described(measured), "forgotten": forget}, json_to)


@vault_app.command("rotate-key", cls=Verb, epilog=examples("faceid vault rotate-key"))
def rotate_key(
    new_key_file: Annotated[
        Path | None,
        typer.Option(
            metavar="KEYFILE", help="File of the new key, 64 hexadecimal digits; by default it is random."
        ),
    ] = None,
    vault: VaultOption = None,
    json_to: JsonOption = None,
) -> None:
    """Encrypt everything with another key; backups made before need the old one."""
    new = None
    if new_key_file is not None:
        try:
            with open_file(new_key_file) as file:
                new = bytes.fromhex(text_of(file.read(_MAX_KEY_BYTES)).strip())
        except (OSError, ValueError):
            message = f"--new-key-file: expected a file of 64 hexadecimal digits, got another: {new_key_file}"
            raise InvalidInputError(message) from None
    screen = console(json_to)
    with opened(vault) as people, busy(screen, "sealing everything anew"):
        people.rotate_key(new)
    screen.print("the key was changed: make backups anew, those of before need the old key")
    write_json({"rotated": True}, json_to)


@vault_app.command(cls=Verb, epilog=examples("faceid vault backup people.backup"))
def backup(file: FileArgument, vault: VaultOption = None, json_to: JsonOption = None) -> None:
    """Write the vault, encrypted as it is, into one file; the key is not in it."""
    screen = console(json_to)
    with opened(vault) as people, busy(screen, "writing the backup"):
        people.backup(file)
    screen.print(plain(f"{file}: written; the key is not in it"))
    write_json({"backup": str(file)}, json_to)


@vault_app.command(cls=Verb, epilog=examples("faceid vault restore people.backup --vault new"))
def restore(file: FileArgument, vault: VaultOption = None, json_to: JsonOption = None) -> None:
    """Make a vault from a backup, where there is none; people removed since are in it again."""
    screen = console(json_to)
    with busy(screen, "reading the backup"):
        restore_vault(file, vault)
    with opened(vault) as people:
        found = people.info()
    screen.print(f"restored: {found.people} people")
    write_json({"restored": True, "people": found.people}, json_to)


@vault_app.command(cls=Verb)
def erase(
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    vault: VaultOption = None,
    json_to: JsonOption = None,
) -> None:
    """Destroy the vault and everybody in it; asks first."""
    place = default_directory() if vault is None else vault
    question = f"Destroy everything in {place}, and the key that its backups need?"
    if not yes and not confirmed(question):
        message = "vault: left as it is; answer y, or give --yes"
        raise InvalidInputError(message)
    erase_vault(place)
    console(json_to).print(plain(f"{place}: erased"))
    write_json({"erased": str(place)}, json_to)


@credential_app.command("set", cls=Verb, epilog=examples("faceid credential set"))
def set_credential(vault: VaultOption = None, json_to: JsonOption = None) -> None:
    """Set the credential; asks for the current one first, if there is one.

    It is typed without an echo, twice, or read as lines of standard input.
    """
    with opened(vault, create=True) as people:
        auth = Authenticator(store=people)
        current = read_credential("current credential") if people.info().credential else None
        new = read_credential("new credential")
        if new != read_credential("once more"):
            message = "credential: expected the same twice, got two"
            raise InvalidInputError(message)
        auth.set_credential(new, current)
    console(json_to).print("the credential was set")
    write_json({"credential": True}, json_to)


def audit(vault: VaultOption = None, json_to: JsonOption = None) -> None:
    """List what happened: enrolments, removals, locks, keys; the last 4,096 entries."""
    with opened(vault) as people:
        found = people.events()
    table = Table("when (UTC)", "what", "whom", "detail")
    for event in found:
        table.add_row(when(event.at), event.kind, plain(event.identity or "-"), plain(event.detail))
    console(json_to).print(table)
    rows = [
        {"at": when(event.at), "what": event.kind, "identity": event.identity, "detail": event.detail}
        for event in found
    ]
    write_json({"events": rows}, json_to)
