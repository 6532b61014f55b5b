"""The ``faceid`` command and its exit codes: 0 accepted, 1 rejected, 2 error, 130 interrupted."""

from __future__ import annotations

import errno
import sys
import traceback
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, ClassVar, Final

import typer

import faceid_fast
from faceid_fast.cli.bench.command import bench
from faceid_fast.cli.calibrate import calibrate
from faceid_fast.cli.demo.command import demo
from faceid_fast.cli.doctor import doctor
from faceid_fast.cli.evaluate import evaluate
from faceid_fast.cli.help import Verb, VerbGroup, usage
from faceid_fast.cli.map import map_people
from faceid_fast.cli.output import Answer, examples, one_line
from faceid_fast.cli.pad import pad_report
from faceid_fast.cli.people import (
    REJECTED,
    enroll,
    export,
    identify,
    list_people,
    remove,
    unlock,
    verify,
)
from faceid_fast.cli.stream.command import stream
from faceid_fast.cli.stream.record import record
from faceid_fast.cli.vault import audit, credential_app, vault_app
from faceid_fast.errors import FaceIDError
from faceid_fast.printable import printable
from faceid_fast.private_files import why

ERROR: Final = 2
INTERRUPTED: Final = 130  # what shells expect of Ctrl-C

_EXIT_CODES: Final = "Exit codes: 0 accepted, or all well; 1 rejected; 2 error; 130 interrupted."
_FIRST, _PEOPLE, _CAMERAS = "First steps", "People", "Cameras"
_DOOR, _MEASURING = "Vault and credential", "Measuring"

_OF_OUTPUT: Final = frozenset((errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO))
"""Errors of writing output: a pipe whose other end is closed, a full disk."""
_WRONG_USAGE: Final[type[BaseException]] = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"
)
"""The base of errors of usage, of whichever click this typer brings."""


class ExitCodes(VerbGroup):
    """The group of all verbs; it ends with `ERROR` whatever goes wrong: 1 says that somebody was rejected.

    An error of this package takes one line on stderr; a bug leaves its traceback there.
    """

    rejected: ClassVar[bool] = False
    """Whether a verb has rejected somebody: only then is an exit code of 1 a rejection."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,  # noqa: ANN401  # typer may bring its own click
    ) -> Any:  # noqa: ANN401
        """Run a verb, and exit; an error of usage is printed in whole lines, not in typer's box."""
        run = partial(super().main, args, prog_name, complete_var, False, windows_expand_args, **extra)
        if not standalone_mode:
            return run()
        Answer.expect(sys.argv[1:] if args is None else args)
        try:
            code = run()
        except typer.Abort:
            _say("interrupted")
            code = INTERRUPTED
        except _WRONG_USAGE as error:
            if type(error).__name__ != "NoArgsIsHelpError":  # it has shown the help
                _say_usage(error)
            code = ERROR
        sys.exit(code if isinstance(code, int) else 0)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401  # typer may bring its own click
        """Read the options before the verb; if typer ends with 1 there, that is an error, not a rejection."""
        try:
            return super().parse_args(ctx, args)
        except typer.Exit as done:
            raise typer.Exit(done.exit_code and ERROR) from done

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401
        """Run the verb."""
        try:
            return super().invoke(ctx)
        except typer.Exit as done:
            ExitCodes.rejected = done.exit_code == REJECTED
            raise
        except _WRONG_USAGE:
            raise
        except (KeyboardInterrupt, typer.Abort) as error:
            _say("interrupted")
            raise typer.Exit(INTERRUPTED) from error
        except Exception as error:
            _refuse(error)
            raise typer.Exit(ERROR) from error


def _refuse(error: Exception) -> None:
    """Print an error, and write it as JSON where that was asked for."""
    message = one_line(error)
    if isinstance(error, FaceIDError):
        _say(f"error: {message}")
    elif isinstance(error, ImportError):
        message = f"{error.name or 'a library'} cannot be loaded ({error}): see `faceid doctor`"
        _say(f"error: {message}")
    elif isinstance(error, OSError) and error.errno in _OF_OUTPUT:
        _say(f"error: what was to be said could not be written: {why(error)}")
        return
    else:
        traceback.print_exception(error)
    Answer.fail(error, message)


def _say_usage(error: Any) -> None:  # noqa: ANN401  # typer may bring its own click
    """Print an error of usage, after the usage line."""
    if (ctx := getattr(error, "ctx", None)) is not None:
        _say(usage(ctx))
        _say(f"Try '{ctx.command_path} --help' for help.")
    message = " ".join(error.format_message().split())
    _say(f"error: {message}")
    Answer.fail(error, message)


def _say(line: str) -> None:
    typer.echo(printable(line), err=True)


app = typer.Typer(
    name="faceid",
    cls=ExitCodes,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,  # they would show locals: pictures of people
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"faceid-fast {faceid_fast.__version__}")
        raise typer.Exit


@app.callback(epilog=_EXIT_CODES)
def root(
    _version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Face unlock for any depth camera.

    New here? `faceid doctor` checks the installation, `faceid demo` shows what it does.
    """


_verb = partial(app.command, cls=Verb)
_verb(rich_help_panel=_FIRST, epilog=examples("faceid doctor", "faceid doctor --json -"))(doctor)
_verb(rich_help_panel=_FIRST, epilog=examples("faceid demo", "faceid demo --data captures/"))(demo)

_verb(
    rich_help_panel=_PEOPLE,
    epilog=examples(
        'faceid enroll ada frames/ada --consent "form 12"',
        "faceid enroll ada frames/glasses --add --strangers keep",
    ),
)(enroll)
_verb(
    rich_help_panel=_PEOPLE,
    epilog=examples("faceid verify ada frames/now", "faceid verify ada now_depth.png --policy door"),
)(verify)
_verb(rich_help_panel=_PEOPLE, epilog=examples("faceid identify frames/now --json -"))(identify)
_verb("list", rich_help_panel=_PEOPLE)(list_people)
_verb(rich_help_panel=_PEOPLE, epilog=examples("faceid export ada --json ada.json"))(export)
_verb(rich_help_panel=_PEOPLE)(remove)

_verb(
    rich_help_panel=_CAMERAS,
    epilog=examples(
        "faceid stream ada --source realsense --once", "faceid stream --identify --source oak --window"
    ),
)(stream)
_verb(rich_help_panel=_CAMERAS, epilog=examples("faceid record frames/ada --source realsense --seconds 5"))(
    record
)

_verb(
    rich_help_panel=_DOOR,
    epilog=examples("faceid unlock", "faceid unlock ada --credential --undo-adaptation"),
)(unlock)
app.add_typer(credential_app, name="credential", rich_help_panel=_DOOR)
app.add_typer(vault_app, name="vault", rich_help_panel=_DOOR)
_verb(rich_help_panel=_DOOR)(audit)

_verb(rich_help_panel=_MEASURING, epilog=examples("faceid evaluate captures/ --html report.html"))(evaluate)
_verb(rich_help_panel=_MEASURING, epilog=examples("faceid calibrate captures/ --target-far 1e-3"))(calibrate)
_verb(
    "pad-report",
    rich_help_panel=_MEASURING,
    epilog=examples("faceid pad-report presentations/ --picture cues.png"),
)(pad_report)
_verb("map", rich_help_panel=_MEASURING, epilog=examples("faceid map --out map.png --diagnostics"))(
    map_people
)
_verb(rich_help_panel=_MEASURING, epilog=examples("faceid bench --largest 10000"))(bench)
