"""How help looks: options and arguments as they are typed; lines are broken on a terminal only."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from typer.core import TyperCommand, TyperGroup

from faceid_fast.cli.output import console
from faceid_fast.errors import InvalidInputError

if TYPE_CHECKING:
    from rich.console import Console

_ARGUMENTS: Final = "Arguments"
_OPTIONS: Final = "Options"
_COMMANDS: Final = "Commands"
_WIDEST_CHOICES: Final = 20
"""Characters of choices beside an option; of more, the help text tells them."""


class Verb(TyperCommand):
    """A verb whose help shows ``NAME`` and ``--add``, not ``{name}`` and ``--add <bool>``."""

    def __init__(self, name: str | None, **attributes: Any) -> None:  # noqa: ANN401
        super().__init__(name, **attributes)
        for each in self.params:
            if each.param_type_name == "argument":
                each.metavar = each.metavar or str(each.name).upper()

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401
        """Read the words, and refuse an empty one, whatever it is for.

        As a path it would be the working directory, where a script with an unset variable never meant to go.

        Raises
        ------
        InvalidInputError
            If an argument, or the value of an option, is empty.
        """
        if "" in args or any(word.startswith("--") and word.endswith("=") for word in args):
            given, _, _ = self.make_parser(ctx).parse_args(args=list(args))
            for each in self.params:
                value = given.get(each.name)
                if value == "" or (isinstance(value, (list, tuple)) and "" in value):
                    name = each.opts[0] if each.param_type_name == "option" else _named(each)
                    message = f"{name}: expected a value, got an empty one: an unset variable?"
                    raise InvalidInputError(message)
        return list(super().parse_args(ctx, args))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002  # click's signature
        """Return the words of the usage line that follow the verb's name."""
        return ["[OPTIONS]", *(_placed(each) for each in self.params if each.param_type_name == "argument")]

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, ARG002  # click's signature
        """Print the help."""
        screen = console(None)
        _print_head(self, ctx, screen)
        _print_parameters(self.get_params(ctx), screen)
        _print_epilog(self, screen)


class VerbGroup(TyperGroup):
    """Verbs under one name, as ``faceid vault``, with help in the same form."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002
        """Return the words of the usage line that follow the group's name."""
        return ["[OPTIONS]", "COMMAND", "..."]

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, ARG002
        """Print the help."""
        screen = console(None)
        _print_head(self, ctx, screen)
        _print_parameters(self.get_params(ctx), screen)
        verbs = [each for each in self.commands.values() if not each.hidden]
        width = max((len(str(each.name)) for each in verbs), default=0)
        for panel, members in _by_panel(verbs, _COMMANDS):
            table = _table(screen)
            table.add_column(no_wrap=True, min_width=width, style="bold cyan")
            table.add_column()
            for each in members:
                first, _, _ = inspect.cleandoc(each.help or "").partition("\n\n")
                table.add_row(each.name, Text.from_markup(" ".join(first.split())))
            _print_panel(panel, table, screen)
        _print_epilog(self, screen)


def usage(ctx: Any) -> str:  # noqa: ANN401
    """Write the usage line of a verb."""
    return " ".join(["Usage:", ctx.command_path, *ctx.command.collect_usage_pieces(ctx)])


def _print_head(command: Any, ctx: Any, screen: Console) -> None:  # noqa: ANN401
    screen.print(Text(usage(ctx), style="bold"))
    screen.print()
    if command.help:
        screen.print(Text.from_markup(inspect.cleandoc(command.help)))
        screen.print()


def _print_epilog(command: Any, screen: Console) -> None:  # noqa: ANN401
    if command.epilog:
        screen.print()
        screen.print(Text.from_markup(command.epilog.replace("\n\n", "\n")))


def _print_parameters(parameters: Iterable[Any], screen: Console) -> None:
    shown = [each for each in parameters if not getattr(each, "hidden", False)]
    for kind, heading in (("argument", _ARGUMENTS), ("option", _OPTIONS)):
        for panel, members in _by_panel([each for each in shown if each.param_type_name == kind], heading):
            table = _table(screen)
            for style in ("red", "bold cyan", "bold green", "bold yellow"):
                table.add_column(no_wrap=True, style=style)
            table.add_column()
            for each in members:
                table.add_row(*_row(each))
            _print_panel(panel, table, screen)


def _row(parameter: Any) -> tuple[str | Text, ...]:  # noqa: ANN401
    """Return the cells of a parameter: whether it must be given, its names, its value, its help."""
    required = "*" if parameter.required else ""
    described = Text.from_markup(" ".join((parameter.help or "").split()))
    described.append(_remarks(parameter), style="dim")
    if parameter.param_type_name == "argument":
        return required, Text(_named(parameter)), "", "", described
    names = [*parameter.opts, *parameter.secondary_opts]
    long, short = ([name for name in names if name.startswith("--") == wanted] for wanted in (True, False))
    return required, Text(",".join(long)), Text(",".join(short)), Text(_value_of(parameter)), described


def _value_of(option: Any) -> str:  # noqa: ANN401
    """Return what is typed after an option; nothing for a flag."""
    if option.is_flag:
        return ""
    choices = "|".join(_choices(option))
    return choices if 0 < len(choices) <= _WIDEST_CHOICES else str(option.metavar or str(option.name).upper())


def _choices(parameter: Any) -> list[str]:  # noqa: ANN401
    """List the words that a parameter takes; empty if it takes others."""
    is_choice = parameter.metavar is None and isinstance(parameter.default, Enum)
    return [str(each.value) for each in type(parameter.default)] if is_choice else []


def _remarks(parameter: Any) -> str:  # noqa: ANN401
    """Write what follows a help text: whether it is required, its bounds, its default."""
    bounds = getattr(parameter, "type", parameter)  # of older typers
    remarks = ["required"] if parameter.required else []
    for bound, words in (
        (getattr(bounds, "min", None), "at least"),
        (getattr(bounds, "max", None), "at most"),
    ):
        if bound is not None:
            remarks.append(f"{words} {bound:,}")
    if len("|".join(choices := _choices(parameter))) > _WIDEST_CHOICES:
        remarks.append(f"one of {', '.join(choices)}")
    default = parameter.show_default if isinstance(parameter.show_default, str) else parameter.default
    if isinstance(default, Enum):
        default = default.value
    if default is not None and default is not False and default != math.inf:
        remarks.append(f"default: {default}")
    return f" [{'; '.join(remarks)}]" if remarks else ""


def _named(argument: Any) -> str:  # noqa: ANN401
    """Return the word that stands for an argument: ``NAME``."""
    word = str(argument.metavar or argument.name).upper()
    return word if argument.nargs == 1 else f"{word}..."


def _placed(argument: Any) -> str:  # noqa: ANN401
    """Return the word as a usage line has it: in brackets if the argument may be left out."""
    return _named(argument) if argument.required else f"[{_named(argument)}]"


def _by_panel(members: Iterable[Any], default: str) -> Iterator[tuple[str, list[Any]]]:
    """Group members by the panel that they name; those that name none come first."""
    panels: dict[str, list[Any]] = {default: []}
    for each in members:
        named = getattr(each, "rich_help_panel", None)
        panels.setdefault(named if isinstance(named, str) else default, []).append(each)
    return ((panel, found) for panel, found in panels.items() if found)


def _table(screen: Console) -> Table:
    return Table(box=None, show_header=False, pad_edge=False, padding=(0, 1), expand=screen.is_terminal)


def _print_panel(title: str, table: Table, screen: Console) -> None:
    screen.print(Panel(table, title=title, title_align="left", border_style="dim", expand=screen.is_terminal))
