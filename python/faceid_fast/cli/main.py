"""The ``faceid`` command and its exit codes: 0 accepted, 1 rejected, 2 error."""

from __future__ import annotations

import traceback
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

import faceid_fast
from faceid_fast.cli.bench import bench
from faceid_fast.cli.calibrate import calibrate
from faceid_fast.cli.demo import demo
from faceid_fast.cli.doctor import doctor
from faceid_fast.cli.evaluate import evaluate
from faceid_fast.cli.map import map_people
from faceid_fast.cli.output import printable
from faceid_fast.cli.pad import pad_report
from faceid_fast.cli.people import enroll, export, identify, list_people, remove, unlock, verify
from faceid_fast.cli.record import record
from faceid_fast.cli.stream import stream
from faceid_fast.cli.vault import audit, credential_app, vault_app
from faceid_fast.errors import FaceIDError

ERROR: Final = 2
INTERRUPTED: Final = 130  # what shells expect of Ctrl-C


_BY_TYPER: Final[tuple[type[BaseException], ...]] = (
    typer.Exit,
    typer.Abort,
    # Of whichever click this typer brings.
    next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"),
)


class ExitCodes(TyperGroup):
    """Whatever goes wrong ends with `ERROR`: 1 would tell a script that somebody was rejected.

    What this package refuses takes one line on stderr; a bug leaves its traceback there.
    """

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401  # typer may bring its own click
        """Run the verb."""
        try:
            return super().invoke(ctx)
        except FaceIDError as error:
            typer.echo(f"error: {printable(' '.join(str(error).split()))}", err=True)
            raise typer.Exit(ERROR) from error
        except _BY_TYPER:
            raise
        except Exception as error:
            traceback.print_exc()
            raise typer.Exit(ERROR) from error
        except KeyboardInterrupt as error:
            raise typer.Exit(INTERRUPTED) from error


app = typer.Typer(
    name="faceid",
    cls=ExitCodes,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they would show locals: pictures of people
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"faceid-fast {faceid_fast.__version__}")
        raise typer.Exit


@app.callback()
def root(
    _version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Face unlock for any depth camera."""


app.command()(demo)
app.command()(enroll)
app.command()(verify)
app.command()(identify)
app.command()(stream)
app.command("list")(list_people)
app.command()(export)
app.command()(remove)
app.command()(unlock)
app.add_typer(credential_app, name="credential")
app.add_typer(vault_app, name="vault")
app.command()(audit)
app.command("map")(map_people)
app.command()(record)
app.command()(evaluate)
app.command()(calibrate)
app.command("pad-report")(pad_report)
app.command()(doctor)
app.command()(bench)
