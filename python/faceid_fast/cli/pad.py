"""``faceid pad-report``: how well presentation attacks are detected, on captures of one's own."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from faceid_fast.calibration.binomial import LEVEL
from faceid_fast.cli.output import (
    JsonOption,
    check_writable,
    console,
    counted,
    plain,
    show_table,
    write_file,
    write_json,
)
from faceid_fast.cli.reading import READING, Picture, Reading, SkipOption, Turn, TurnOption
from faceid_fast.errors import InvalidInputError
from faceid_fast.evaluate.pad import ErrorRate, PadReport, Tally, classify, count
from faceid_fast.evaluate.rates import of_how_many
from faceid_fast.evaluate.report.drawing import check_installed
from faceid_fast.evaluate.report.pad_picture import draw_measured
from faceid_fast.face.aligner import FaceAligner
from faceid_fast.face.liveness import LivenessCheck
from faceid_fast.sources.presentations import (
    BONA_FIDE,
    is_by_species,
    listing_by_species,
    listing_of_live_people,
    presentations_of,
)

if TYPE_CHECKING:
    from rich.console import Console


class Layout(StrEnum):
    """How a folder of presentations is laid out."""

    AUTO = "auto"
    SPECIES = "species"
    PLAIN = "plain"


def _checked_picture(picture: Path | None) -> Path | None:
    if picture is not None:
        if str(picture) in set(Picture):  # what other verbs call --picture is --modality here
            message = f"--picture: expected a file to draw, got {picture}: choose a picture by --modality"
            raise InvalidInputError(message)
        check_writable("--picture", picture)
        check_installed("matplotlib")
    return picture


def pad_report(
    directory: Annotated[
        Path,
        typer.Argument(
            help=f"Presentations: a folder {BONA_FIDE} and one for each species of attack, with pairs of "
            "pictures and a camera.json; or any frames of live people."
        ),
    ],
    layout: Annotated[
        Layout,
        typer.Option(
            help="species: folders as above; plain: everything is bona fide; auto: species if there is a "
            f"folder {BONA_FIDE}, else plain."
        ),
    ] = Layout.AUTO,
    json_to: JsonOption = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Draw histograms of what was measured (PNG; needs the extra report).",
            callback=_checked_picture,
        ),
    ] = None,
    *,
    modality: Annotated[
        Picture,
        typer.Option(
            help="Picture to take where a frame has two; auto: colour. What a file is, its name says.",
            rich_help_panel=READING,
        ),
    ] = Picture.AUTO,
    turn: TurnOption = Turn.NONE,
    skip_unreadable: SkipOption = False,
) -> None:
    """Measure presentation attack detection on captures of your own (ISO/IEC 30107-3).

    APCER: the share of the presentations of an attack species that are taken for live people.
    BPCER: the share of the presentations of live people that are taken for attacks.
    Each has its exact 95 % interval.
    """
    liveness = LivenessCheck.bundled()
    if layout is Layout.AUTO:
        layout = Layout.SPECIES if is_by_species(directory) else Layout.PLAIN
    reading = Reading(modality, turn, skip_unreadable)
    found = (listing_by_species if layout is Layout.SPECIES else listing_of_live_people)(
        directory, picture=modality.chosen, turn_deg=turn.deg
    )
    presentations = presentations_of(reading.note(found))
    out = console(json_to)
    with counted(out, "presentations", len(presentations)) as progress:
        classified = classify(
            presentations,
            FaceAligner.bundled(),
            liveness,
            progress=progress,
            unreadable=reading.unreadable,
            try_turns=turn is Turn.NONE,  # as `verify` and `identify` do
        )
    report = count(classified)
    _print(out, report, layout)
    limits = liveness.limits
    if picture is not None:
        write_file("--picture", picture, draw_measured(classified, limits.least))
    write_json(
        {
            **report.record(),
            "layout": layout,
            "left_out": reading.left_out,
            "level": LEVEL,
            "model": {"id": limits.limits_id, "training_commit": limits.training_commit},
        },
        json_to,
    )


def _print(out: Console, report: PadReport, layout: Layout) -> None:
    show_table(
        out,
        _table(report),
        "presentation attack detection, one frame a presentation",
        f"below each rate its exact {LEVEL:.0%} interval (Clopper-Pearson)",
    )
    if layout is Layout.PLAIN:
        out.print("layout plain: everything was taken for bona fide; attacks need --layout species")
    worst = report.worst_species()
    if worst is not None:
        found = report.apcer(worst)
        counted = of_how_many(found.errors, found.acquired)
        out.print(plain(f"worst species: {worst}, APCER {_words(found, f' ({counted}), ')}"))
    for note in _notes(report):
        out.print(note)


def _table(report: PadReport) -> Table:
    table = Table()
    table.add_column("species", overflow="fold")
    attacks, live = ("accepted", "APCER"), ("rejected", "BPCER")
    for heading in ("presentations", "not acquired", *(attacks if report.species else live)):
        table.add_column(heading, justify="right")
    for name, tally in report.species.items():
        table.add_row(plain(name), *_cells(tally, report.apcer(name)))
    if report.bona_fide.presentations:
        if report.species:
            table.add_section()
            table.add_row("", "", "", *live)
        table.add_row("bona fide", *_cells(report.bona_fide, report.bpcer()))
    return table


def _notes(report: PadReport) -> list[str]:
    """Say what the figures do not show, where that applies."""
    apcers = [report.apcer(name) for name in report.species]
    notes = []
    if none := [found for found in apcers if found.rate == 0.0 and found.interval is not None]:
        fewest = min(none, key=lambda found: found.acquired)
        notes.append(
            f"0 accepted of {fewest.acquired} only shows a rate below the upper bound, {_bound(fewest)}: "
            "not that no attack passes"
        )
    if any(found.rate is None for found in apcers):
        notes.append("-  nothing was acquired: no rate, which is not a rate of 0")
    notes.append(
        "intervals take presentations for independent; frames of one attack instrument or one person are not"
    )
    return notes


def _bound(found: ErrorRate) -> str:
    return "-" if found.interval is None else f"{found.interval[1]:.2%}"


def _cells(tally: Tally, found: ErrorRate) -> tuple[str, ...]:
    return (
        str(tally.presentations),
        str(tally.not_acquired),
        of_how_many(found.errors, found.acquired),
        _words(found, "\n"),
    )


def _words(found: ErrorRate, between: str = ", ") -> str:
    if found.rate is None or found.interval is None:
        return "-"
    low, high = (100.0 * end for end in found.interval)
    return f"{found.rate:.2%}{between}{low:.2f}-{high:.2f}"
