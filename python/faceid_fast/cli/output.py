"""What the verbs print: tables for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from faceid_fast.errors import InvalidInputError

JsonOption = Annotated[
    str | None,
    typer.Option("--json", metavar="FILE", help="Write the result as JSON; - for standard output."),
]


def console(json_to: str | None) -> Console:
    """Console for tables; on stderr where standard output carries the JSON."""
    return Console(stderr=json_to == "-")


def write_json(record: dict[str, Any], json_to: str | None) -> None:
    """Write a record where `JsonOption` asked for it, if anywhere.

    Raises
    ------
    InvalidInputError
        If the file cannot be written.
    """
    if json_to is None:
        return
    text = json.dumps(record, indent=2, allow_nan=False) + "\n"
    if json_to == "-":
        sys.stdout.write(text)
        return
    try:
        Path(json_to).write_text(text, encoding="utf-8")
    except OSError as error:
        message = f"--json: {json_to}: not writable ({error.strerror})"
        raise InvalidInputError(message) from error
