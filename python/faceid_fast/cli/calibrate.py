"""``faceid calibrate``: a threshold chosen from captures of one's own people, with its evidence."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.table import Table

from faceid_fast.calibration.evidence import MAX_CHARS, MeasuredThreshold, described
from faceid_fast.cli.evaluate import CapturesArgument, Layout, LayoutOption, acquired, captures
from faceid_fast.cli.output import (
    JsonOption,
    busy,
    check_writable,
    console,
    plain,
    show_table,
    stepped,
    write_file,
    write_json,
)
from faceid_fast.cli.reading import Picture, PictureOption, Reading, SkipOption, Turn, TurnOption
from faceid_fast.evaluate.calibrate import check_enough, check_target, data_sha256, measure
from faceid_fast.evaluate.protocols import compare
from faceid_fast.evaluate.rates import of_how_many
from faceid_fast.printable import printable
from faceid_fast.face.embedder import Embedder

DEFAULT_FILE: Final = Path("calibration.json")


def _checked_out(out: Path) -> Path:
    check_writable("--out", out)
    return out


def calibrate(
    directory: CapturesArgument,
    target_far: Annotated[
        float,
        typer.Option(
            metavar="RATE",
            help="False match rate (FMR) that the people must show, at most; for instance 1e-3.",
            callback=check_target,
        ),
    ],
    layout: LayoutOption = Layout.AUTO,
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="Where to write the threshold and its evidence.", callback=_checked_out
        ),
    ] = DEFAULT_FILE,
    *,
    picture: PictureOption = Picture.AUTO,
    turn: TurnOption = Turn.NONE,
    skip_unreadable: SkipOption = False,
    json_to: JsonOption = None,
) -> None:
    """Choose a threshold from captures of your own people.

    It is chosen as if the two keys of a face refused nobody; the counts say what the product decides.
    Refuses a rate that too few people can show.
    `faceid vault adopt` makes a vault use the threshold.
    """
    reading = Reading(picture, turn, skip_unreadable)
    shots = captures(directory, layout, reading)
    people = len({shot.person for shot in shots})
    check_enough(target_far, people, people * (people - 1) // 2)  # before minutes of work
    screen = console(json_to)
    embedder = Embedder.bundled()
    read = acquired(shots, embedder, screen, reading)
    files = sum(path.is_file() for path in directory.rglob("*"))
    with stepped(screen, "reading every file", files) as step:
        digest = data_sha256(directory, step)
    with busy(screen, "scoring"):
        measured = measure(
            compare(read),
            embedder,
            target_far,
            data_sha256=digest,
            command=_command(directory, target_far, layout, reading),
        )
    write_file("--out", out, measured.to_json().encode())
    show_table(screen, _table(measured), f"threshold {measured.threshold:.4f} for {measured.modality} frames")
    screen.print(plain(f"{out}: written; faceid vault adopt {out} has a vault use it"))
    write_json(described(measured), json_to)


def _command(directory: Path, target_far: float, layout: Layout, reading: Reading) -> str:
    parts = ["faceid", "calibrate", str(directory), "--target-far", repr(target_far), "--layout", layout]
    parts += reading.words
    return printable(shlex.join(parts))[:MAX_CHARS]


def _table(measured: MeasuredThreshold) -> Table:
    table = Table(show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    share = measured.fnmr
    interval = measured.fnmr_interval
    between = "" if interval is None else f", {interval[0]:.2%} to {interval[1]:.2%}"
    for name, value in (
        ("FMR, at most", f"{measured.fmr_upper:.2%} (target {measured.target_far:g})"),
        ("FMR, measured", _counted(measured.fmr, measured.trials)),
        ("pairs of people that match", of_how_many(measured.matched_person_pairs, measured.person_pairs)),
        ("FNMR", "-" if share is None else f"{_counted(share, measured.genuine_trials)}{between}"),
        ("failure to acquire", _counted(measured.failure_to_acquire, measured.captures)),
        ("people, captures", f"{measured.people:,}, {measured.captures:,}"),
        ("model", measured.model_id),
        ("data, SHA-256", measured.data_sha256),
    ):
        table.add_row(name, plain(value))
    return table


def _counted(share: float, trials: int) -> str:
    """Write a share of a count, and how many of how many it is."""
    return f"{share:.3%} ({of_how_many(round(share * trials), trials)})"
