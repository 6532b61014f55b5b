"""``faceid evaluate``: error rates on a folder of captures, as a table and as a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.table import Table

import faceid_fast
from faceid_fast.calibration.binomial import CONFIDENCE, LEVEL
from faceid_fast.cli.output import (
    JsonOption,
    busy,
    check_writable,
    console,
    counted,
    plain,
    show_table,
    stepped,
    write_file,
    write_json,
)
from faceid_fast.cli.reading import Picture, PictureOption, Reading, SkipOption, Turn, TurnOption
from faceid_fast.errors import InvalidInputError
from faceid_fast.evaluate.acquisition import Acquired, Shot, acquire
from faceid_fast.evaluate.claims import INDEPENDENT_TRIALS, Support
from faceid_fast.evaluate.intervals import RESAMPLES, SEED
from faceid_fast.evaluate.protocols import Compared, Report, compare
from faceid_fast.evaluate.protocols import evaluate as score_protocols
from faceid_fast.evaluate.rates import Shown, support_of, table_of, without_false_match
from faceid_fast.evaluate.report.drawing import check_installed
from faceid_fast.evaluate.report.report import PACKAGES, STEPS, Heading, write_page
from faceid_fast.evaluate.scores import REPORTED_FARS
from faceid_fast.face.aligner import FaceAligner
from faceid_fast.face.embedder import Embedder
from faceid_fast.face.head_model import PREPROCESSING_ID
from faceid_fast.face.liveness import LivenessCheck
from faceid_fast.matching.decision import check_threshold
from faceid_fast.sources.datasets import listing_of
from faceid_fast.sources.layouts import kinect_v2, npz, open3d, pairs, tum, vap

if TYPE_CHECKING:
    from rich.console import Console


class Layout(StrEnum):
    """How a folder of captures is laid out: recognised (`AUTO`), or one of `recognized.LAYOUTS`."""

    AUTO = "auto"
    PAIRS = pairs.LAYOUT
    KINECT_V2 = kinect_v2.LAYOUT
    VAP = vap.LAYOUT
    TUM = tum.LAYOUT
    OPEN3D = open3d.LAYOUT
    NPZ = npz.LAYOUT


CapturesArgument = Annotated[
    Path, typer.Argument(help="Folder of captures: a folder for each person, in it their frames.")
]
LayoutOption = Annotated[Layout, typer.Option(help="How the folder is laid out; auto: it is recognised.")]


def captures(directory: Path, layout: Layout, reading: Reading) -> Sequence[Shot]:
    """List the captures of a folder."""
    only = None if layout is Layout.AUTO else str(layout)
    return reading.note(
        listing_of(directory, only, picture=reading.picture.chosen, turn_deg=reading.turn.deg)
    )


def acquired(shots: Sequence[Shot], embedder: Embedder, out: Console, reading: Reading) -> Acquired:
    """Read and embed captures, showing a progress bar."""
    with counted(out, "captures", len(shots)) as progress:
        return acquire(
            shots,
            FaceAligner.bundled(),
            embedder,
            LivenessCheck.bundled(),
            progress=progress,
            unreadable=reading.unreadable,
        )


def _checked_html(html: Path | None) -> Path | None:
    if html is not None:
        check_writable("--html", html)
        check_installed(*PACKAGES)
    return html


def evaluate(
    directory: CapturesArgument,
    layout: LayoutOption = Layout.AUTO,
    threshold: Annotated[
        float | None,
        typer.Option(
            metavar="DISTANCE",
            help="Used instead of the model's own: Euclidean distance, 0 to 2. The limits of the keys stay.",
        ),
    ] = None,
    *,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write a page with figures (one file; needs the extra report).",
            callback=_checked_html,
        ),
    ] = None,
    crops: Annotated[
        bool,
        typer.Option(
            "--crops", help="Put the faces of the worst pairs on the page; they are pictures of people."
        ),
    ] = False,
    picture: PictureOption = Picture.AUTO,
    turn: TurnOption = Turn.NONE,
    skip_unreadable: SkipOption = False,
    json_to: JsonOption = None,
) -> None:
    """Measure the error rates of comparisons (FMR, FNMR) on captures of your own.

    Compares every pair of captures, and every probe with a few references of each person.
    Rates at the threshold are what the product decides: shape and picture must agree, too.
    Every rate has its counts and its 95 % interval, and a mark where too few people stand behind it.
    """
    if crops and html is None:
        message = "--crops: expected --html FILE, the page that they stand on, got none"
        raise InvalidInputError(message)
    if threshold is not None:
        check_threshold(threshold)
    reading = Reading(picture, turn, skip_unreadable)
    shots = captures(directory, layout, reading)
    out = console(json_to)
    embedder = Embedder.bundled()
    read = acquired(shots, embedder, out, reading)
    limit = check_threshold(embedder.contract.thresholds[read.modality] if threshold is None else threshold)
    with busy(out, "scoring"):
        compared = compare(read)
        report = score_protocols(compared, limit)
    if html is not None:
        _write_page(html, _heading(directory, report, read, embedder), compared, report, out, crops=crops)
    show_table(
        out,
        _table(report),
        f"{report.people} people, {report.captures} captures, threshold {report.threshold:.3f}",
        f"below each rate of how many comparisons it is (EER: impostor, then genuine), and its {LEVEL:.0%} "
        "interval: bootstrap over people",
    )
    for note in (*_asked(report), *_notes(report)):
        out.print(note)
    for outcome, count in report.failures.items():
        out.print(f"not acquired, {outcome}: {count} of {report.captures}")
    if html is not None:
        out.print(plain(f"{html}: written"))
    write_json(
        {
            "protocols": {
                name: {**asdict(scores), **_how_sure(report, name)}
                for name, scores in report.protocols.items()
            },
            "intervals": {"over": "people", "level": LEVEL, "resamples": RESAMPLES, "seed": SEED},
            "threshold": report.threshold,
            "key_limits": report.key_limits,
            "modality": read.modality,
            "model": {
                "id": embedder.contract.model_id,
                "training_commit": embedder.contract.training_commit,
            },
            "people": report.people,
            "captures": report.captures,
            "failures": report.failures,
            "left_out": reading.left_out,
        },
        json_to,
    )


def _heading(directory: Path, report: Report, read: Acquired, embedder: Embedder) -> Heading:
    model = embedder.contract
    return Heading(
        f"Error rates: {directory.resolve().name}",
        (
            f"{report.people} people, {report.captures} {read.modality} captures.",
            f"Threshold: {report.threshold:.3f}. Both keys must agree, too: {_limits(report)}.",
            f"Model {model.model_id}, SHA-256 {embedder.sha256}, preprocessing {PREPROCESSING_ID}.",
            f"faceid-fast {faceid_fast.__version__}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC.",
        ),
    )


def _write_page(
    html: Path, heading: Heading, compared: Compared, report: Report, out: Console, *, crops: bool
) -> None:
    with stepped(out, "writing the page", STEPS) as step:
        text = write_page(heading, compared, report, FaceAligner.bundled() if crops else None, step=step)
    write_file("--html", html, text.encode())


def _how_sure(report: Report, protocol: str) -> dict[str, object]:
    """Return the intervals of a protocol's figures, and what its comparisons can support, as JSON."""
    found = asdict(report.intervals[protocol])
    pairs = found.pop("person_pairs")
    return {
        "intervals": found,
        "refused_by": {
            "genuine": report.counts[protocol].genuine_refused,
            "impostor": report.counts[protocol].impostor_refused,
        },
        "n_person_pairs": pairs,
        "support": {key: support_of(report, protocol, inverse) for key, inverse in REPORTED_FARS.items()},
    }


def _limits(report: Report) -> str:
    """Say how far the keys may be apart."""
    return ", ".join(f"{key} up to {limit:.3f}" for key, limit in report.key_limits.items())


def _asked(report: Report) -> list[str]:
    """Say what the rates at the threshold stand for, and what each question refuses as a device asks it."""
    counts, scores = report.counts["unlock"], report.protocols["unlock"]
    notes = [f"at the threshold both keys must agree, too: {_limits(report)}"]
    for kind, refused, total in (
        ("genuine", counts.genuine_refused, scores.n_genuine),
        ("impostor", counts.impostor_refused, scores.n_impostor),
    ):
        each = ", ".join(f"the {question} {count:,}" for question, count in refused.items())
        notes.append(f"of {total:,} {kind} comparisons of unlock are refused by {each}; some by several")
    return notes


_MARKS: Final = {Support.FULL: "", Support.COMPARISONS_ONLY: " ~", Support.NONE: " ?"}


def _table(report: Report) -> Table:
    # A column a protocol: four fit a terminal of 80 characters, eleven figures side by side do not.
    table = Table(show_lines=True, show_edge=False, pad_edge=False)
    table.add_column("", no_wrap=True)
    for name in report.protocols:
        table.add_column(name, justify="right")
    for label, cells in table_of(report):
        table.add_row(label, *map(_cell, cells))
    return table


def _cell(shown: Shown) -> str:
    mark = "" if shown.text == "-" else _MARKS[shown.support]
    return "\n".join((f"{shown.text}{mark}", *shown.below))


def _notes(report: Report) -> list[str]:
    """Explain the marks that stand in the table."""
    marks = {
        support_of(report, name, inverse)
        for name, scores in report.protocols.items()
        for key, inverse in REPORTED_FARS.items()
        if scores.tar_at_far[key] is not None
    }
    notes = []
    if Support.NONE in marks:
        notes.append(f"?  nothing can be claimed: fewer than {INDEPENDENT_TRIALS} / FMR impostor pairs")
    if Support.COMPARISONS_ONLY in marks:
        notes.append(
            f"~  of these people only: fewer than {INDEPENDENT_TRIALS} / FMR pairs of people, and pairs of "
            "captures of the same two are not independent"
        )
    if without_false_match(report):
        notes.append(
            f"<  no false match was seen: the exact {CONFIDENCE:.0%} bound of as many independent trials as "
            "there are pairs of people"
        )
    return notes
