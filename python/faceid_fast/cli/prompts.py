"""How the command line asks questions: on a terminal (credentials without an echo) or standard input."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from faceid_fast.errors import InvalidInputError

if TYPE_CHECKING:
    from faceid_fast.attempt import AskCredential


def read_credential(prompt: str) -> str:
    """Ask for a credential on the terminal, or take a line of standard input where there is none.

    Raises
    ------
    InvalidInputError
        If standard input has no line left.
    """
    if _is_terminal():
        return str(typer.prompt(prompt, hide_input=True, err=True))
    return _line(prompt)


def confirmed(question: str) -> bool:
    """Ask whether something is to be done, on the terminal, or take a line of standard input: y or n.

    Raises
    ------
    InvalidInputError
        If standard input has no line left.
    """
    if _is_terminal():
        return typer.confirm(question, err=True)
    return _line(question).strip().lower() in {"y", "yes"}


def ask_credential() -> AskCredential | None:
    """Return what asks for the credential on the terminal; None where there is no terminal."""
    if not _is_terminal():
        return None

    def ask(reason: str) -> str:
        typer.echo(reason, err=True)
        return read_credential("credential")

    return ask


def _is_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _line(asked: str) -> str:
    line = "" if sys.stdin is None else sys.stdin.readline()
    if not line:
        message = f"{asked}: expected a line on standard input, got none"
        raise InvalidInputError(message)
    return line.removeprefix("\ufeff").rstrip("\r\n")  # PowerShell pipes a byte order mark, too
