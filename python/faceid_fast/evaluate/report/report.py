"""The page about error rates: plots and tables, with what to read from them and what they do not show.

The page is one file. It loads nothing and runs nothing; whatever comes from the data (names of folders, of
files) is escaped. It shows faces only where that is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from faceid_fast.calibration.binomial import CONFIDENCE, LEVEL
from faceid_fast.evaluate.breakdown import (
    Pair,
    by_expression,
    by_person,
    by_pose,
    worst_pairs,
)
from faceid_fast.evaluate.claims import INDEPENDENT_TRIALS, Support
from faceid_fast.evaluate.classes import NUMBERED, PROTOCOLS, expression_words, pose_words
from faceid_fast.evaluate.intervals import RESAMPLES
from faceid_fast.evaluate.rates import Shown, of_how_many, table_of

from . import figures
from .crops import cut_out
from .drawing import check_installed
from .maps import MOST_NAMED, draw_maps
from .page import UNCLAIMED, Block, Cell, Figure, Paragraph, Section, Table, write
from .projection import FEWEST, MOST, SEED, project

if TYPE_CHECKING:
    from faceid_fast.evaluate.breakdown import Group
    from faceid_fast.evaluate.protocols import Compared, Report
    from faceid_fast.face.aligner import FaceAligner

PACKAGES: Final = ("matplotlib", "sklearn", "jinja2")
"""Optional packages that it needs, see `drawing.check_installed`."""
STEPS: Final = 9
"""Number of calls of `step` by `write_page`."""
WORST_PAIRS: Final = 6
MOST_PEOPLE_LISTED: Final = 50


class Heading(NamedTuple):
    """What a page says about itself, in plain text.

    Attributes
    ----------
    title : its name.
    facts : what was measured, with what, when; a sentence each.
    """

    title: str
    facts: tuple[str, ...]


def write_page(
    heading: Heading,
    compared: Compared,
    report: Report,
    aligner: FaceAligner | None,
    step: Callable[[], None] = lambda: None,
) -> str:
    """Draw everything and write the page.

    Parameters
    ----------
    heading : what stands above.
    compared, report : what was measured.
    aligner : cuts the faces of the worst pairs out of their frames; None: they are named, not shown.
    step : called `STEPS` times, when a part is done.

    Returns
    -------
    HTML.

    Raises
    ------
    InvalidInputError
        If matplotlib, scikit-learn or jinja2 is missing.
    SourceError
        If a file of a worst pair can no longer be read.
    """
    check_installed(*PACKAGES)
    threshold = report.threshold
    parts: tuple[Callable[[], Section], ...] = (
        lambda: _rates(report),
        lambda: _distances(compared, threshold),
        lambda: _trade_off(compared, threshold),
        lambda: _acquisition(report),
        lambda: _poses(compared, threshold),
        lambda: _people(compared, threshold),
        lambda: _worst(compared, threshold, aligner),
        lambda: _maps(compared),
        lambda: _timings(compared),
    )
    sections = []
    for part in parts:
        sections.append(part())
        step()
    return write(heading.title, heading.facts, sections)


def _rates(report: Report) -> Section:
    rows = [(label, [_cell(shown) for shown in cells]) for label, cells in table_of(report)]
    terms = (
        "A comparison is genuine if both captures are of one person, impostor if they are of two. FMR, the "
        "false match rate, is the share of impostor comparisons within the threshold; FNMR, the false "
        "non-match rate, the share of genuine ones beyond it; TMR, the true match rate, is 1 - FNMR; EER is "
        "where FMR and FNMR are equal. At the threshold in use both keys of a face, its shape and its "
        "picture, must agree as well, as in the product; all other rates, and all curves, are of the "
        "distance alone. A capture without a usable live face matches nobody: its comparisons "
        "count as beyond every threshold. All are rates of "
        "comparisons. False accept and false reject rates (FAR, FRR) are those of whole attempts, with "
        "several frames, presentation attacks and the lockout: they are not measured here."
    )
    reading = (
        "Below each rate stands of how many comparisons it is (EER: impostor ones, then genuine ones), and "
        f"its {LEVEL:.0%} interval: {RESAMPLES:,} resamples of the people, not of their captures, since "
        "captures of one person resemble each other. "
        f"What {UNCLAIMED}: fewer than {INDEPENDENT_TRIALS} / FMR impostor comparisons stand behind it "
        "(the rule of three). ~: enough comparisons, but of fewer than "
        f"{INDEPENDENT_TRIALS} / FMR pairs of people, so the figure is true of these people alone. Where "
        "no impostor comparison matched, the rate itself is not zero: below it stands the exact one-sided "
        f"{CONFIDENCE:.0%} bound of as many independent trials as there are pairs of people."
    )
    compared = "; ".join(f"{name}, {PROTOCOLS[name]}" for name in report.protocols)
    return Section.of(
        "Error rates",
        Paragraph(f"Each column is a protocol, which says what is compared: {compared}."),
        Paragraph(terms),
        Table.of(["", *report.protocols], rows),
        Paragraph(reading),
    )


def _distances(compared: Compared, threshold: float) -> Section:
    return Section.of(
        "Distances",
        Figure(
            figures.histograms(compared.protocols, threshold),
            "Histograms of the distances of genuine and of impostor comparisons, one panel a protocol, with "
            "the threshold and the figures of 2018 as vertical lines",
            "How far captures of one person (genuine, blue) and of two people (impostor, red) are from each "
            "other. The less the two overlap, the better. Blue right of the black line is a false "
            "non-match, red left of it a false match, unless a key refuses it. "
            "Grey lines: the notebook of 2018 reported about "
            f"{figures.NOTEBOOK_GENUINE:.2f} for genuine comparisons, about {figures.NOTEBOOK_IMPOSTOR:.1f} "
            f"for impostor ones and a threshold of {figures.NOTEBOOK_THRESHOLD:.1f}, on other captures and "
            "with another network: something to read the scale by, not a comparison of the two.",
        ),
    )


def _trade_off(compared: Compared, threshold: float) -> Section:
    begins = "Curves begin at a single error: rarer ones were not seen."
    return Section.of(
        "One error against the other",
        Figure(
            figures.roc(compared.protocols),
            "Receiver operating characteristic: true match rate against false match rate, one curve a "
            "protocol",
            "ROC: the share of genuine comparisons that match (up) where so large a share of impostor "
            "comparisons does (right, logarithmic). The nearer the upper left corner, the better. "
            f"{begins} Left of the dotted line ({INDEPENDENT_TRIALS} / pairs of people) the curves are true "
            "of these people alone.",
        ),
        Figure(
            figures.det(compared.protocols),
            "Detection error trade-off: false non-match rate against false match rate, both logarithmic",
            "DET: both error rates on logarithmic axes: the lower and the further left, the better; a "
            f"curve meets the grey diagonal at its EER. {begins}",
        ),
        Figure(
            figures.rates_by_threshold(compared.protocols, threshold),
            "False match rate and false non-match rate against the threshold, one pair of curves a protocol",
            "What another threshold would do: solid, the share of impostor comparisons that match (FMR); "
            "dashed, the share of genuine ones that do not (FNMR). A lower threshold lets fewer impostors "
            "in, and refuses more genuine people.",
        ),
    )


def _acquisition(report: Report) -> Section:
    failed = sum(report.failures.values())
    return Section.of(
        "Failure to acquire",
        Figure(
            figures.failures(report.failures, report.captures),
            f"Bars of how many of {report.captures} captures gave a face, and why the others did not",
            f"{failed} of {report.captures} captures gave no usable live face; above, their comparisons "
            "count as no match. spoof: taken for a presentation attack. The other outcomes say what the "
            "aligner missed: a face, its whole outline, its depth, or a pose that it knows.",
        ),
    )


def _poses(compared: Compared, threshold: float) -> Section:
    of_pose, of_expression = by_pose(compared), by_expression(compared)
    parts: list[Block] = []
    if of_pose is None:
        parts.append(Paragraph("The poses of these captures are not known, so nothing is told by pose."))
    else:
        parts += [
            Figure(
                figures.poses(of_pose, threshold),
                "Two maps of nine poses, yaw by pitch: false non-match rate, share of failures to acquire",
                f"By pose of the probe, in the protocol unlock. {NUMBERED} A dark field away from the centre "
                "says that turned heads are refused: enrol such poses, or ask people to look straight.",
            ),
            _grouped("pose", of_pose, pose_words, threshold),
        ]
    if of_expression is None:
        parts.append(Paragraph("Their expressions are not known, so nothing is told by expression."))
    else:
        parts += [
            Figure(
                figures.expressions(of_expression, threshold),
                "Bars of false non-match rates and of failures to acquire, by expression",
                "By expression of the probe, in the protocol unlock; -: all captures of that expression "
                "are references. A tall bar is an expression that people show and the references do not.",
            ),
            _grouped("expression", of_expression, expression_words, threshold),
        ]
    return Section.of("By pose and by expression", *parts)


def _grouped(kind: str, groups: Sequence[Group], words: Callable[[int], str], threshold: float) -> Table:
    """Make a table of the errors of groups of captures."""
    head = (kind, "captures", "failure to acquire", "false non-matches")
    return Table.of(
        head,
        [
            (
                words(int(group.name)),
                [
                    f"{group.captures:,}",
                    of_how_many(group.failed, group.captures),
                    of_how_many(group.refusals(threshold), len(group.genuine)) if len(group.genuine) else "-",
                ],
            )
            for group in groups
        ],
    )


def _people(compared: Compared, threshold: float) -> Section:
    groups = figures.hardest(by_person(compared), threshold)
    rows = [
        (
            group.name,
            [
                f"{group.captures}",
                of_how_many(group.failed, group.captures),
                of_how_many(group.refusals(threshold), len(group.genuine)),
                of_how_many(group.accepted(threshold), len(group.impostor)),
                _nearest(group),
            ],
        )
        for group in groups[:MOST_PEOPLE_LISTED]
    ]
    head = [
        "person",
        "captures",
        "failure to acquire",
        "false non-matches",
        "false matches",
        "nearest impostor",
    ]
    more = len(groups) - len(rows)
    left_out = f" {more} people with fewer errors are not listed." if more else ""
    return Section.of(
        "By person",
        Figure(
            figures.people(groups, threshold),
            "Distances of each person's genuine comparisons, and of impostor comparisons with others, as "
            "ranges, with the threshold",
            "Who is hardest to recognise, the highest FNMR first, in the protocol unlock. Blue: genuine "
            "comparisons; red: impostor ones, in which others claim to be this person, or this person to be "
            "somebody else. Point: median; bar: middle half; line: middle 90 %; cross: the nearest impostor. "
            "Blue right of the black line is a false non-match; a red cross left of it is a false match, "
            "unless a key refuses it, as the table below counts. At most "
            f"{figures.MOST_PEOPLE} people are drawn.",
        ),
        Table.of(head, rows),
        Paragraph(f"The same in numbers.{left_out}"),
    )


def _worst(compared: Compared, threshold: float, aligner: FaceAligner | None) -> Section:
    found = worst_pairs(compared, WORST_PAIRS)
    parts: list[Block] = []
    for pairs, what, meaning in (
        (found.genuine, "the same person, far apart", "refused if beyond"),
        (found.impostor, "two people, near each other", "accepted if both keys agree and it is within"),
    ):
        caption = (
            f"{what[0].upper()}{what[1:]}: of all pairs of captures the worst, each capture at most once; "
            f"with it its distance, {meaning} {threshold:.3f}. Look for what they share: glasses, "
            "hair, holes in the depth, a turned head, a wrong name on a folder."
        )
        if not pairs:
            parts.append(Paragraph(f"There are no such pairs here: {what}."))
        elif aligner is None:
            rows = [
                (
                    _label(compared, pair.first),
                    [_label(compared, pair.second), f"{pair.distance:.3f}"],
                )
                for pair in pairs
            ]
            parts += [Table.of(["first", "second", "distance"], rows), Paragraph(caption)]
        else:
            pictures = [_pictured(compared, pair, aligner) for pair in pairs]
            parts.append(Figure(figures.pairs(pictures), f"Crops of pairs of captures of {what}", caption))
    if aligner is None:
        parts.append(
            Paragraph(
                "This page shows no pictures of people. `faceid evaluate --crops` puts those of these "
                "pairs here."
            )
        )
    return Section.of("The worst pairs", *parts)


def _maps(compared: Compared) -> Section:
    usable = np.flatnonzero(np.isfinite(compared.acquired.vectors).all(axis=1))
    if len(usable) < FEWEST:
        return Section.of(
            "Maps of the embedding", Paragraph(f"A map needs {FEWEST} faces; there are {len(usable)}.")
        )
    chosen = usable
    if len(usable) > MOST:
        chosen = np.sort(np.random.default_rng(SEED).choice(usable, MOST, replace=False))
    projection = project(compared.acquired.vectors[chosen])
    drawn = "" if len(chosen) == len(usable) else f" Drawn: {len(chosen):,} of {len(usable):,} faces, by lot."
    names = len(compared.names)
    many = f" The legend names {MOST_NAMED}; colours repeat with other markers." if names > MOST_NAMED else ""
    return Section.of(
        "Maps of the embedding",
        Figure(
            draw_maps(projection, [compared.names[compared.who[row]] for row in chosen]),
            "Two maps of all faces, principal components and t-SNE, a colour and a marker per person",
            "Each point is a face, each colour and marker a person. Left, the two directions in which all "
            "faces differ most: what overlaps here may still be apart in the other directions. Right, t-SNE "
            "keeps neighbours together: an island of one colour is a person told apart well, a point "
            "inside another's island is worth a look; sizes of islands and distances between them mean "
            f"nothing.{drawn}{many}",
        ),
    )


def _timings(compared: Compared) -> Section:
    laps = compared.acquired.timings_ms
    stages = {
        stage: np.array([lap[stage] for lap in laps if stage in lap])
        for stage in ("read", "align", "liveness", "embed")
    }
    stages = {stage: values for stage, values in stages.items() if values.size}
    if not stages:
        return Section.of("Timings", Paragraph("Nothing was timed."))
    medians = ", ".join(f"{stage} {np.median(values):.2f} ms" for stage, values in stages.items())
    return Section.of(
        "Timings",
        Figure(
            figures.timings(stages),
            "Milliseconds of each stage: median, quartiles and the middle 90 %",
            f"Medians on this machine, one thread, one capture at a time: {medians}. Point: median; bar: "
            "middle half; line: middle 90 %. Reading includes decoding the files; comparing takes "
            "microseconds and is not drawn.",
        ),
    )


def _pictured(compared: Compared, pair: Pair, aligner: FaceAligner) -> figures.PairPicture:
    """Read the two frames again, and cut the faces out."""
    crops = []
    for index in (pair.first, pair.second):
        frame = compared.acquired.shots[index].read()
        crops.append(cut_out(frame, aligner.align(frame)))
    labels = _label(compared, pair.first), _label(compared, pair.second)
    return figures.PairPicture(crops[0], crops[1], labels, pair.distance)


def _label(compared: Compared, index: int) -> str:
    shot = compared.acquired.shots[index]
    return f"{shot.person} {shot.label}"


def _nearest(group: Group) -> str:
    finite = group.impostor[np.isfinite(group.impostor)]
    return f"{finite.min():.3f}" if finite.size else "-"


def _cell(shown: Shown) -> Cell:
    if shown.support is Support.NONE:
        return Cell.unclaimed()
    mark = "" if shown.support is Support.FULL else " ~"
    return Cell(f"{shown.text}{mark}", shown.below)
