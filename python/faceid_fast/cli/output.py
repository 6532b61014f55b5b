"""What the verbs print: tables for people, JSON for programs."""

from __future__ import annotations

import errno
import itertools
import json
import os
import select
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, TextIO

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from faceid_fast import private_files
from faceid_fast.errors import InvalidInputError

SHARED: Final = "Vault and output"
"""Panel of the options that verbs share."""
_NO_EDGE: Final = 10_000
"""Characters in a line, where nothing limits them."""


def examples(*commands: str) -> str:
    """What stands below a verb's help."""
    return "\n\n".join(f"[dim]$[/] {escape(command)}" for command in commands)


def check_writable(option: str, path: Path, *, folders: bool = False) -> None:
    """Find out now, not after minutes of work, whether a file can be written; leaves no trace.

    Parameters
    ----------
    option : that names it.
    path : of the file.
    folders : whether those that it needs will be made.

    Raises
    ------
    InvalidInputError
        Naming the option, if it cannot.
    """
    with _naming(option, path):
        private_files.check_writable(path, folders=folders)


def write_file(option: str, path: Path, content: bytes) -> None:
    """Write a file that an option asked for: closed to others, whole or not at all, never through a link.

    Raises
    ------
    InvalidInputError
        Naming the option, if it cannot be written.
    """
    with _naming(option, path):
        private_files.write_private(path, content)


def make_folder_of(option: str, path: Path) -> None:
    """Make the folder of a file that an option asks for, closed to others, where it is missing.

    Raises
    ------
    InvalidInputError
        Naming the option, if it cannot be made.
    """
    with _naming(option, path):
        private_files.make_directory(path.absolute().parent)


@contextmanager
def _naming(option: str, path: Path) -> Iterator[None]:
    """Say which option's file could not be written, and why."""
    try:
        yield
    except OSError as error:
        message = f"{option}: {path}: not writable ({error.strerror})"
        raise InvalidInputError(message) from error


class Answer:
    """Where a program asked for the JSON of this run."""

    to: ClassVar[str | None] = None

    @classmethod
    def expect(cls, words: Sequence[str]) -> None:
        """Find ``--json`` among the words of a call: also of one that cannot be understood."""
        cls.to = None
        for word, after in itertools.pairwise([*words, None]):
            if word in {"--", None}:
                break
            if word == "--json":
                cls.to = after
            elif word.startswith("--json="):
                cls.to = word.removeprefix("--json=")

    @classmethod
    def fail(cls, error: BaseException, message: str) -> None:
        """Answer with an error, if JSON was asked for: once, and as far as it can be written.

        It is one line, so that it may follow others. That it cannot be written is not said: the error was,
        on standard error.
        """
        to, cls.to = cls.to, None
        if to is None:
            return
        line = json.dumps(error_record(error, message)) + "\n"
        with suppress(OSError, ValueError):
            if to == "-":
                sys.stdout.write(line)
            else:
                private_files.write_private(Path(to), line.encode())


def error_record(error: BaseException, message: str) -> dict[str, Any]:
    """What a program is told instead of a result."""
    return {"error": {"kind": type(error).__name__, "message": printable(message)}}


def _checked_json(json_to: str | None) -> str | None:
    if json_to not in {None, "-"}:
        check_writable("--json", Path(str(json_to)))
    Answer.to = json_to
    return json_to


JsonOption = Annotated[
    str | None,
    typer.Option(
        "--json",
        metavar="FILE",
        help="Write the result, or the error, as JSON; - for standard output.",
        callback=_checked_json,
        rich_help_panel=SHARED,
    ),
]


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to whoever ends the program: rich would end it with 1, as a rejection does."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def console(json_to: str | None) -> Console:
    """Console for tables; on stderr where standard output carries the JSON.

    Only a terminal has an edge: in a pipe or a file no line is broken.
    """
    screen = _Console(stderr=json_to == "-")
    if not screen.is_terminal:
        screen.width = _NO_EDGE
    return screen


def show_table(screen: Console, table: Table, title: str, caption: str = "") -> None:
    """Show a table between its title and what is said about it, which are not broken at the table's width."""
    screen.print(Text(title, style="italic"))
    screen.print(table)
    if caption:
        screen.print(Text(caption, style="dim"))


@contextmanager
def busy(screen: Console, what: str) -> Iterator[None]:
    """Show that something takes its time, until it has ended; on a terminal only."""
    if not screen.is_terminal:
        yield
        return
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=screen, transient=True) as progress:
        progress.add_task(what, total=None)
        yield


@contextmanager
def counted(screen: Console, what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show how much of something is done, until it has ended; on a terminal only.

    Yields
    ------
    callable
        Is told how many are done.
    """
    if not screen.is_terminal:
        yield lambda _done: None
        return
    with Progress(console=screen, transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.update(task, completed=done)


@contextmanager
def stepped(screen: Console, what: str, total: int) -> Iterator[Callable[[], None]]:
    """Show the same where there is nothing to tell but that one more is done."""
    with counted(screen, what, total) as progress:
        count = itertools.count(1)
        yield lambda: progress(next(count))


def plain(text: object) -> Text:
    """Show a name, a path or a message as it is: not as markup, and without control characters."""
    return Text(printable(str(text)))


def one_line(error: BaseException) -> str:
    """What an error says, in one line."""
    return " ".join(str(error).split())


def printable(text: str) -> str:
    """Replace what a terminal would obey or could not encode."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


@contextmanager
def json_lines(json_to: str | None) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Give what writes a record as a line where `JsonOption` asked for it, if anywhere, at once.

    An error that ends it is the file's last line.

    Raises
    ------
    InvalidInputError
        If the file cannot be written.
    """
    if json_to in {None, "-"}:
        yield lambda record: None if json_to is None else _write_line(record, sys.stdout)
        return
    path = Path(str(json_to))
    with _naming("--json", path):
        file = private_files.open_private(path)

    def write(record: dict[str, Any]) -> None:
        with _naming("--json", path):
            _write_line(record, file)

    try:
        yield write
    except Exception as error:
        Answer.to = None  # which would write the file anew
        with suppress(InvalidInputError):
            write(error_record(error, one_line(error)))
        raise
    finally:
        with _naming("--json", path):
            file.close()  # what could not be written is tried once more


def _write_line(record: dict[str, Any], file: TextIO) -> None:
    file.write(json.dumps(record, allow_nan=False) + "\n")
    file.flush()


def check_heard() -> None:
    """Find out whether standard output still goes anywhere, for who may have nothing to say for long.

    Raises
    ------
    BrokenPipeError
        If it is a pipe whose other end is closed.
    """
    try:
        number = sys.stdout.fileno()
        asked = select.poll()
    except (OSError, ValueError, AttributeError):  # not a file, or a system that cannot be asked
        return
    asked.register(number, 0)
    if any(found & (select.POLLERR | select.POLLHUP) for _, found in asked.poll(0)):
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


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
    write_file("--json", Path(json_to), text.encode())
