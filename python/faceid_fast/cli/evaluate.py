"""``faceid evaluate``: error rates on a folder of captures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.progress import Progress
from rich.table import Table

from faceid_fast.cli.output import JsonOption, console, write_json
from faceid_fast.embed import Embedder
from faceid_fast.evaluate.protocols import Report, acquire
from faceid_fast.evaluate.protocols import evaluate as score_protocols
from faceid_fast.evaluate.scores import REPORTED_FARS
from faceid_fast.face import FaceAligner
from faceid_fast.policy import check_threshold
from faceid_fast.sources import kinect_v2


class Layout(StrEnum):
    """How captures lie in a folder."""

    KINECT_V2 = "kinect_v2"


_SOURCES: Final = {Layout.KINECT_V2: kinect_v2.captures}


def evaluate(
    directory: Annotated[Path, typer.Argument(help="Folder of captures, one subfolder a person.")],
    layout: Annotated[Layout, typer.Option(help="How the captures lie in it.")] = Layout.KINECT_V2,
    threshold: Annotated[
        float | None, typer.Option(help="Instead of the model's own: Euclidean distance, 0 to 2.")
    ] = None,
    json_to: JsonOption = None,
) -> None:
    """Score every pair of captures, and unlocking with nine references a person."""
    embedder = Embedder.bundled()
    limit = check_threshold(embedder.contract.threshold if threshold is None else threshold)
    shots = _SOURCES[layout](directory)
    out = console(json_to)
    with Progress(console=out, transient=True) as progress:
        task = progress.add_task("captures", total=len(shots))
        acquired = acquire(
            shots,
            FaceAligner.bundled(),
            embedder,
            progress=lambda done: progress.update(task, completed=done),
        )
    report = score_protocols(acquired, limit)
    out.print(_table(report))
    for outcome, count in report.failures.items():
        out.print(f"not acquired, {outcome}: {count} of {report.captures}")
    write_json(
        {
            "protocols": {name: asdict(scores) for name, scores in report.protocols.items()},
            "threshold": report.threshold,
            "model": {
                "id": embedder.contract.model_id,
                "training_commit": embedder.contract.training_commit,
            },
            "people": report.people,
            "captures": report.captures,
            "failures": report.failures,
        },
        json_to,
    )


def _table(report: Report) -> Table:
    table = Table(
        title=f"{report.people} people, {report.captures} captures, threshold {report.threshold:.3f}"
    )
    # A column a protocol: four fit a terminal of 80 characters, eleven figures side by side do not.
    table.add_column("")
    for name in report.protocols:
        table.add_column(name, justify="right")
    protocols = list(report.protocols.values())

    def row(label: str, values: Iterable[str]) -> None:
        table.add_row(label, *values)

    row("EER", (_percent(scores.eer) for scores in protocols))
    for key in REPORTED_FARS:
        row(f"TAR at FAR {key}", (_percent(scores.tar_at_far[key]) for scores in protocols))
    row("FAR at the threshold", (_percent(scores.far_at_threshold) for scores in protocols))
    row("FRR at the threshold", (_percent(scores.frr_at_threshold) for scores in protocols))
    row("genuine, mean distance", (_number(scores.genuine_mean) for scores in protocols))
    row("impostor, mean distance", (_number(scores.impostor_mean) for scores in protocols))
    row("failure to acquire", (_percent(scores.failure_to_acquire) for scores in protocols))
    row("genuine pairs", (str(scores.n_genuine) for scores in protocols))
    row("impostor pairs", (str(scores.n_impostor) for scores in protocols))
    return table


def _number(mean: float | None) -> str:
    return "-" if mean is None else f"{mean:.3f}"


def _percent(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.2%}"
