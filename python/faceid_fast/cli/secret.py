"""How the command line asks for what must not be seen: typed without an echo, or a line of standard input."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from faceid_fast.errors import InvalidInputError

if TYPE_CHECKING:
    from faceid_fast.authenticator import AskCredential


def read_credential(prompt: str) -> str:
    """Ask for a credential on the terminal, or take a line of standard input where there is none.

    Raises
    ------
    InvalidInputError
        If standard input has no line left.
    """
    if sys.stdin.isatty():
        return str(typer.prompt(prompt, hide_input=True, err=True))
    line = sys.stdin.readline()
    if not line:
        message = f"{prompt}: expected a line on standard input, got none"
        raise InvalidInputError(message)
    return line.rstrip("\r\n")


def ask_credential() -> AskCredential | None:
    """What asks whoever stands at the terminal; None where nobody does: then nothing is asked."""
    if not sys.stdin.isatty():
        return None

    def ask(reason: str) -> str:
        typer.echo(reason, err=True)
        return read_credential("credential")

    return ask
