"""Write docs/reference/cli.md: every verb of ``faceid``, from the text that ``--help`` shows.

``python -m docsite.cli_reference`` writes it anew; a test fails where it is not what the command says.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import typer

from faceid_fast.cli import app
from faceid_fast.vault import default_directory

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "reference" / "cli.md"
HEAD: Final = """\
# Command line

Written by `python -m docsite.cli_reference` from what `faceid VERB --help` shows. What the exit codes mean:
[Outcomes and exit codes](outcomes.md).
"""
HOME: Final = "~/.local/share/faceid"


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(_section(name, verb) for name, verb in verbs())])


def verbs() -> Iterator[tuple[str, Any]]:
    """Each verb by its full name, as ``vault info``, with the command that typer made of it."""
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        nested = getattr(command, "commands", None)
        if nested is None:
            yield name, command
        else:
            yield from ((f"{name} {inner}", verb) for inner, verb in nested.items())


def _section(name: str, verb: Any) -> str:
    """Heading, help, usage and a table of what the verb takes."""
    arguments = [each for each in verb.params if each.param_type_name == "argument"]
    options = [each for each in verb.params if each.param_type_name == "option"]
    words = [each.name.upper() if each.required else f"[{each.name.upper()}]" for each in arguments]
    usage = " ".join(["faceid", name, *words, *(["[OPTIONS]"] if options else [])])
    rows = [_row(each.name.upper(), each) for each in arguments]
    rows += [_row(", ".join([*each.opts, *each.secondary_opts]), each) for each in options]
    lines = [f"## faceid {name}", "", verb.help.strip(), "", "```text", usage, "```", ""]
    if rows:
        lines += ["| takes | what it is | default |", "|---|---|---|", *rows, ""]
    return "\n".join(lines)


def _row(shown: str, parameter: Any) -> str:
    """One row of the table."""
    text = (parameter.help or "").strip().replace("|", "\\|")
    default = parameter.default
    if isinstance(default, StrEnum):
        text = f"{text} One of {', '.join(f'`{each}`' for each in type(default))}."
    if isinstance(parameter.show_default, str):  # the vault's directory, which is somebody's home here
        default = parameter.show_default.replace(str(default_directory()), HOME)
    required = parameter.required and parameter.param_type_name == "argument"
    known = "needed" if required else "" if default in {None, False} else f"`{default}`"
    return f"| `{shown}` | {text} | {known} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
