"""What the verbs print: tables for people, JSON for programs."""

from __future__ import annotations

import errno
import itertools
import json
import os
import select
import sys
import warnings
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
from faceid_fast.errors import FaceIDWarning, InvalidInputError
from faceid_fast.printable import printable

SHARED: Final = "Vault and output"
"""Heading of the options that verbs share."""
_NO_EDGE: Final = 10_000
"""Width of a console that has no edge."""


def examples(*commands: str) -> str:
    """Write commands as the examples below a verb's help."""
    return "\n\n".join(f"[dim]$[/] {escape(command)}" for command in commands)


def check_writable(option: str, path: Path, *, folders: bool = False) -> None:
    """Check before minutes of work that a file can be written, without writing it.

    Parameters
    ----------
    option : of the command line, that names the file.
    path : of the file.
    folders : whether folders that are missing will be made.

    Raises
    ------
    InvalidInputError
        If it cannot; the message names the option.
    """
    with _naming(option, path):
        private_files.check_writable(path, folders=folders)


def write_file(option: str, path: Path, content: bytes) -> None:
    """Write a file that an option asked for: closed to others, whole or not at all, never through a link.

    Raises
    ------
    InvalidInputError
        If it cannot be written; the message names the option.
    """
    with _naming(option, path):
        private_files.write_private(path, content)


def make_folder_of(option: str, path: Path) -> None:
    """Make the folder of a file that an option asks for, closed to others, where it is missing.

    Raises
    ------
    InvalidInputError
        If it cannot be made; the message names the option.
    """
    with _naming(option, path):
        private_files.make_directory(path.absolute().parent)


@contextmanager
def _naming(option: str, path: Path) -> Iterator[None]:
    """Turn an OSError into an error that names the option."""
    try:
        yield
    except OSError as error:
        message = f"{option}: {path}: not writable ({private_files.why(error)})"
        raise InvalidInputError(message) from error


class Answer:
    """Where the JSON of this run was asked for, if anywhere."""

    to: ClassVar[str | None] = None

    @classmethod
    def expect(cls, words: Sequence[str]) -> None:
        """Find ``--json`` on a command line, even on one that is wrong."""
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
        """Write an error where JSON was asked for, once.

        It takes one line, so that it can follow lines that were written before. If it cannot be written,
        nothing more is said: standard error has the error.
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
    """Return the JSON that stands for an error."""
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
    """Make a console for text; on stderr if standard output carries the JSON.

    Lines are broken at the edge of a terminal; in a pipe or a file they are not broken at all.
    """
    screen = _Console(stderr=json_to == "-")
    if not screen.is_terminal:
        screen.width = _NO_EDGE
    return screen


def show_table(screen: Console, table: Table, title: str, caption: str = "") -> None:
    """Print a table with a title and a caption, which rich would break at the table's width."""
    screen.print(Text(title, style="italic"))
    screen.print(table)
    if caption:
        screen.print(Text(caption, style="dim"))


@contextmanager
def busy(screen: Console, what: str) -> Iterator[None]:
    """Show that something is going on, until it ends; on a terminal only."""
    if not screen.is_terminal:
        yield
        return
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=screen, transient=True) as progress:
        progress.add_task(what, total=None)
        yield


@contextmanager
def counted(screen: Console, what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show how much of something is done, until it ends; on a terminal only.

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
    """Show the same; the callable takes no count, and is called each time that one more is done."""
    with counted(screen, what, total) as progress:
        count = itertools.count(1)
        yield lambda: progress(next(count))


@contextmanager
def warnings_said() -> Iterator[None]:
    """Say each of this package's warnings in a line on standard error, when it ends."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", FaceIDWarning)
        yield
    for warning in caught:
        typer.echo(f"warning: {printable(str(warning.message))}", err=True)


def plain(text: object) -> Text:
    """Show a name, a path or a message literally: no markup, no control characters."""
    return Text(printable(str(text)))


def one_line(error: BaseException) -> str:
    """Return the message of an error as one line."""
    return " ".join(str(error).split())


@contextmanager
def json_lines(json_to: str | None) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Open what `JsonOption` asked for, if anything; yields a callable that writes a record as a line.

    If an error ends it, the error is the file's last line.

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


def _json_of(record: dict[str, Any], indent: int | None = None) -> str:
    """Write a record as JSON that any program reads.

    Bytes of names that are not UTF-8 become escapes in the text: names that differ stay different.
    """
    return json.dumps(_encodable(record), indent=indent, allow_nan=False) + "\n"


def _encodable(value: Any) -> Any:  # noqa: ANN401  # whatever JSON may hold
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode() if not value.isascii() else value
    if isinstance(value, dict):
        return {_encodable(key): _encodable(each) for key, each in value.items()}
    return [_encodable(each) for each in value] if isinstance(value, (list, tuple)) else value


def _write_line(record: dict[str, Any], file: TextIO) -> None:
    file.write(_json_of(record))
    file.flush()


def check_heard() -> None:
    """Check that somebody still reads standard output, for verbs that may print nothing for long.

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
    text = _json_of(record, indent=2)
    if json_to == "-":
        sys.stdout.write(text)
        return
    write_file("--json", Path(json_to), text.encode())
