"""``faceid vault``, ``faceid credential`` and ``faceid audit``: the vault itself."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.table import Table

from faceid_fast.calibration.evidence import described, read
from faceid_fast.checks import open_file, text_of
from faceid_fast.cli.help import Verb, VerbGroup
from faceid_fast.cli.output import JsonOption, busy, console, examples, plain, write_json
from faceid_fast.cli.people import (
    CredentialOption,
    VaultOption,
    authenticator,
    opened,
    shown_credential,
    when,
)
from faceid_fast.errors import InvalidInputError
from faceid_fast.storage.policy import VaultPolicy, read_setting, written
from faceid_fast.storage.store import state_of
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
    adopted, policy = found.pop("adopted"), found.pop("policy")
    rows = {
        **found,
        "thresholds adopted": tuple(each.summary() for each in adopted),
        "policy": tuple(str(policy).split(", ")),
    }
    for name, value in rows.items():
        table.add_row(name, plain("\n".join(value) or "none" if isinstance(value, tuple) else value))
    console(json_to).print(table)
    write_json(
        {
            **found,
            "models": list(found["models"]),
            "adopted": [described(each) for each in adopted],
            "policy": asdict(policy),
        },
        json_to,
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
    """Use a threshold measured on your own people in this vault, or stop using it.

    Asks for the credential, if one is set.
    A threshold that was not measured for this vault (`faceid calibrate --vault`) needs one.
    """
    if (file is None) == (forget is None):
        message = "expected a FILE or --forget MODALITY, got both or neither"
        raise InvalidInputError(message)
    measured = None if file is None else read(file)
    with opened(vault, create=measured is not None) as people:
        auth = authenticator(people)
        credential = shown_credential(people)
        if measured is not None:
            auth.adopt(measured, credential=credential)
            said = f"adopted: {measured.summary()}"
        else:
            had = auth.forget_adopted(str(forget), credential=credential)
            said = f"{forget}: " + ("the model's own threshold again" if had else "none was adopted")
    console(json_to).print(plain(said))
    write_json({"adopted": None if measured is None else described(measured), "forgotten": forget}, json_to)


@vault_app.command(
    cls=Verb,
    epilog=examples(
        "faceid vault policy",
        "faceid vault policy --door",
        "faceid vault policy diagnostics=true lockout=false",
    ),
)
def policy(
    changes: Annotated[
        list[str] | None, typer.Argument(help="What to change, as KEY=VALUE; by default nothing.")
    ] = None,
    *,
    door: Annotated[bool, typer.Option("--door", help="Begin with the policy for a lock.")] = False,
    credential: CredentialOption = False,
    vault: VaultOption = None,
    json_to: JsonOption = None,
) -> None:
    """Show the policy of the vault, or change it.

    It is the least that every program must ask which opens the vault.
    A change asks for the credential, if one is set, and the log notes it.
    """
    with opened(vault, create=bool(changes or door)) as people:
        auth = authenticator(people)
        wanted = VaultPolicy.for_doors() if door else auth.policy
        wanted = wanted.changed(dict(map(_setting, changes or ())))
        if changes or door:
            auth.set_policy(wanted, credential=shown_credential(people, asked=credential))
    table = Table("key", "value")
    for key, value in asdict(wanted).items():
        table.add_row(key, plain(written(value)))
    console(json_to).print(table)
    write_json({"policy": asdict(wanted), "changed": bool(changes or door)}, json_to)


def _setting(text: str) -> tuple[str, object]:
    """Read a setting of the policy, such as ``lockout=false``.

    Raises
    ------
    InvalidInputError
        If it is not written so.
    """
    key, equals, value = text.partition("=")
    if not equals:
        message = f"expected KEY=VALUE, got {text!a:.80}"
        raise InvalidInputError(message)
    return key, read_setting(key, value)


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
        auth = authenticator(people)
        current = read_credential("current credential") if state_of(people).credential else None
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
        table.add_row(when(event.at), event.kind, plain(event.identity or "-"), event.detail)
    console(json_to).print(table)
    rows = [
        {"at": when(event.at), "what": event.kind, "identity": event.identity, "detail": event.detail}
        for event in found
    ]
    write_json({"events": rows}, json_to)
