"""The ``faceid`` command and its exit codes: 0 accepted, 1 rejected, 2 error."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

import faceid_fast
from faceid_fast.cli.bench import bench
from faceid_fast.cli.demo import demo
from faceid_fast.cli.doctor import doctor
from faceid_fast.cli.evaluate import evaluate
from faceid_fast.errors import FaceIDError

ERROR: Final = 2


class OneLineErrors(TyperGroup):
    """Ends with one line on stderr where this package refuses something; bugs keep their traceback."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401  # typer may bring its own click
        """Run the verb."""
        try:
            return super().invoke(ctx)
        except FaceIDError as error:
            typer.echo(f"error: {' '.join(str(error).split())}", err=True)
            raise typer.Exit(ERROR) from error


app = typer.Typer(
    name="faceid",
    cls=OneLineErrors,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # locals are pictures of people
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


for verb in (demo, evaluate, doctor, bench):
    app.command()(verb)
