"""``faceid map``: a map of the references in a vault, with frames placed among them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import numpy as np
import typer
from numpy.typing import NDArray

from faceid_fast.access.attempt_limiter import AttemptLimiter
from faceid_fast.access.lockout import SEARCH
from faceid_fast.cli.output import (
    JsonOption,
    busy,
    check_writable,
    console,
    plain,
    stepped,
    write_file,
    write_json,
)
from faceid_fast.cli.people import VaultOption, demand_leave, opened
from faceid_fast.cli.reading import Picture, PictureOption, Reading, SkipOption, Turn, TurnOption
from faceid_fast.errors import InvalidInputError, LockedOutError
from faceid_fast.evaluate.report.drawing import check_installed
from faceid_fast.evaluate.report.maps import draw_maps
from faceid_fast.evaluate.report.projection import FEWEST, MOST, project
from faceid_fast.face.crop import NoFace
from faceid_fast.face.pipeline import Pipeline
from faceid_fast.face.stopwatch import Stopwatch
from faceid_fast.storage.audit import Event, EventKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from faceid_fast.face.crop import FaceCrop
    from faceid_fast.storage.references import References


class _Point(NamedTuple):
    """A vector to be placed, with the name of the person or of the frame that it is of."""

    name: str
    is_probe: bool
    vector: NDArray[np.float32]


def _checked_out(out: Path) -> Path:
    check_writable("--out", out)
    check_installed("matplotlib", "sklearn")
    return out


def map_people(
    sources: Annotated[
        list[Path] | None,
        typer.Argument(help="Frames to place beside the references: files, or folders of frames."),
    ] = None,
    *,
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="Picture of the maps (PNG; needs the extra report).", callback=_checked_out
        ),
    ],
    diagnostics: Annotated[
        bool,
        typer.Option(
            "--diagnostics", help="Needed: yes, show how near people's references are to each other."
        ),
    ] = False,
    modality: Annotated[
        str | None,
        typer.Option(
            metavar="MODALITY", help="Which references, where the vault holds both: infrared or color."
        ),
    ] = None,
    picture: PictureOption = Picture.AUTO,
    turn: TurnOption = Turn.NONE,
    skip_unreadable: SkipOption = False,
    vault: VaultOption = None,
    json_to: JsonOption = None,
) -> None:
    """Draw PCA and t-SNE maps of the references in the vault, a colour per person; the log notes it.

    Placed are the joined vectors; the two keys of a face are not drawn.
    """
    if not diagnostics:
        message = (
            "--diagnostics: expected it, since a map shows who is near whom and where a forgery would have "
            "to lie, which helps whoever wants to be taken for somebody; got no such flag"
        )
        raise InvalidInputError(message)
    screen = console(json_to)
    reading = Reading(picture, turn, skip_unreadable)
    pipeline = Pipeline(None, None, None, diagnostics=False)
    seen = [each for source in sources or () for each in _seen(pipeline, reading, source, screen)]
    with opened(vault) as people:
        demand_leave(people)
        if placed := sum(not isinstance(look, NoFace) for _, _, look in seen):
            # Each is compared with everybody, and the map tells how near it is.
            refused = AttemptLimiter(people).charge_comparison((SEARCH,), failures=placed)
            if refused is not None:
                message = f"map: expected to compare {placed} frames with everybody, but {refused.reason}"
                raise LockedOutError(message)
        kept = people.snapshot().values()
        ours = [each for each in kept if each.model_sha256 == pipeline.model_sha256]
        chosen = _modality(ours, modality)
        points = [_Point(each.identity, False, vector) for each in ours for vector in each.of(chosen)]
        for label, of, look in seen:
            if isinstance(look, NoFace) or of != chosen:
                why = look.outcome if isinstance(look, NoFace) else of
                screen.print(plain(f"left out: {label} ({why})"))
            else:
                points.append(_Point(label, True, pipeline.embed([look]).joined[0]))
        if not FEWEST <= len(points) <= MOST:
            message = (
                f"vault: expected {FEWEST} to {MOST} {chosen} references and frames to make a map of, "
                f"got {len(points)}"
            )
            raise InvalidInputError(message)
        # Before anything is shown.
        noted = Event.now(EventKind.MAPPED, None, f"{len(ours)} people, {len(seen)} frames")
        people.amend(lambda ledger: (ledger, (noted,)))
    if left_out := len(kept) - len(ours):
        screen.print(f"left out: {left_out} people whose references were made with another model")
    _draw(points, out, screen, json_to, chosen, left_out=reading.left_out)


def _seen(
    pipeline: Pipeline, reading: Reading, source: Path, screen: Console
) -> list[tuple[str, str, FaceCrop | NoFace]]:
    """Look for the face in the frames of one source; returns label and modality of each, not the frame.

    Frames are read and looked at one by one: there may be more than fit into memory.
    """
    shots, found = reading.shots_at(source), []
    with stepped(screen, "looking for the face in every frame", len(shots)) as step:
        for shot, frame in reading.each(shots):
            found.append((shot.label, frame.modality, pipeline.look([frame], Stopwatch())[0]))
            step()
    return found


def _modality(people: Iterable[References], wanted: str | None) -> str:
    """Return the modality that is asked for, or the only one there is."""
    found = Counter(modality for each in people for modality in each.modalities)
    if not found:
        message = "vault: expected references of this model to make a map of, got none"
        raise InvalidInputError(message)
    if wanted is None and len(found) == 1:
        return next(iter(found))
    if wanted not in found:
        given = "none" if wanted is None else f"{wanted!a:.80}"
        message = f"--modality: expected {' or '.join(sorted(found))}, which the vault holds, got {given}"
        raise InvalidInputError(message)
    return str(wanted)


def _draw(
    points: list[_Point],
    out: Path,
    screen: Console,
    json_to: str | None,
    modality: str,
    *,
    left_out: list[str],
) -> None:
    names = [point.name for point in points]
    with busy(screen, "drawing the maps"):
        projection = project(np.stack([point.vector for point in points]))
        picture = draw_maps(projection, names, [point.is_probe for point in points])
    write_file("--out", out, picture)
    screen.print(plain(f"{out}: {len(points)} {modality} references and frames"))
    write_json(
        {
            "modality": modality,
            "explained": list(projection.explained),
            "left_out": left_out,
            "points": [
                {
                    "identity": None if point.is_probe else point.name,
                    "frame": point.name if point.is_probe else None,
                    "pca": [float(value) for value in pca],
                    "tsne": [float(value) for value in tsne],
                }
                for point, pca, tsne in zip(points, projection.pca, projection.tsne, strict=True)
            ],
        },
        json_to,
    )
