"""The page of ``faceid evaluate``: whole in itself, honest, safe against names that come from elsewhere."""

from __future__ import annotations

import base64
import importlib
import math
import re
import shutil
import sys
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jinja2 import UndefinedError
from typer.testing import CliRunner

from faceid_fast.calibration.binomial import upper_rate
from faceid_fast.cli import app
from faceid_fast.errors import InvalidInputError
from faceid_fast.evaluate.acquisition import Acquired
from faceid_fast.evaluate.breakdown import by_expression, by_person, by_pose, worst_pairs
from faceid_fast.evaluate.classes import pose_words
from faceid_fast.evaluate.protocols import Compared, compare, evaluate
from faceid_fast.evaluate.rates import table_of
from faceid_fast.evaluate.report import figures, maps
from faceid_fast.evaluate.report.crops import cut_out
from faceid_fast.evaluate.report.drawing import LONGEST_NAME, short
from faceid_fast.evaluate.report.maps import MOST_NAMED, draw_maps
from faceid_fast.evaluate.report.page import Cell, Figure, Paragraph, Section, Table, write
from faceid_fast.evaluate.report.projection import FEWEST, MOST, Projection, project
from faceid_fast.evaluate.report.report import STEPS, UNCLAIMED, Heading, write_page
from faceid_fast.frame import Frame
from faceid_fast.outcome import Outcome
from faceid_fast.sources.renders import bundled_renders
from stand_ins import StandInAligner, at_distance, crop_of, frame_of, no_face, unit

pytestmark = pytest.mark.slow

evaluate_verb = importlib.import_module("faceid_fast.cli.evaluate")

PNG = b"\x89PNG\r\n\x1a\n"
HOSTILE = (
    '<script>alert("1")</script>',
    "a & b",
    '"><img src=x onerror=y>',
    "$x^2$",
    "_hidden",
    "面具",
    "$title",
)


@dataclass(frozen=True)
class Shot:
    person: str
    number: int
    pose: int | None = None
    expression: int | None = None

    @property
    def label(self) -> str:
        return f"{self.number:02d}"

    def read(self) -> Frame:
        return frame_of(self.number)


class Page(HTMLParser):
    """What a browser would see of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.references: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "img":
            self.images.append(dict(attrs))
        self.references += [
            value or "" for name, value in attrs if name in {"src", "href", "srcset", "data", "action"}
        ]
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def measured(names: tuple[str, ...], *, posed: bool = False, captures: int = 8) -> Compared:
    """Captures of people whose vectors lie near an axis of their own."""
    random = np.random.default_rng(7)
    shots, vectors = [], []
    for axis, name in enumerate(names):
        for number in range(captures):
            shots.append(Shot(name, number, number % 9 if posed else None, number % 6 if posed else None))
            noisy = unit(axis) + random.normal(0.0, 0.03, 128)
            vectors.append((noisy / np.linalg.norm(noisy)).astype(np.float32))
    return compare(
        Acquired(shots, np.stack(vectors), {}, "infrared", [{"read": 1.0, "align": 2.0}] * len(shots))
    )


def page_of(compared: Compared, **options: Any) -> Page:
    heading = Heading("Error rates: <b>", ("1 < 2 & 3",))
    return Page(
        write_page(heading, compared, evaluate(compared, 0.5), options.pop("aligner", None), **options)
    )


@pytest.fixture(scope="module")
def hostile() -> Page:
    """A page about people whose names are none, of captures about which nothing is known."""
    return page_of(measured(HOSTILE))


def test_a_page_is_whole_in_itself() -> None:
    steps: list[None] = []
    page = page_of(measured(("ada", "ben", "cleo"), posed=True, captures=54), step=lambda: steps.append(None))
    assert len(page.images) >= 6
    for image in page.images:
        source = str(image["src"])
        assert source.startswith("data:image/png;base64,")
        assert base64.b64decode(source.partition(",")[2], validate=True).startswith(PNG)
        assert len(str(image["alt"])) > 20
    assert all(reference.startswith("data:") for reference in page.references)
    assert not {"script", "link", "iframe", "object", "a", "b"} & set(page.tags)
    assert page.tags.count("figcaption") == page.tags.count("figure") == len(page.images)
    assert "1 < 2 & 3" in page.text
    assert len(steps) == STEPS
    assert "nothing is told by" not in page.text


def test_names_are_escaped(hostile: Page) -> None:
    assert not {"script", "b"} & set(hostile.tags)
    assert not [image for image in hostile.images if image["src"] == "x"]
    assert [name for name in HOSTILE if name not in hostile.text] == []


@pytest.mark.parametrize("name", [*HOSTILE, "{{ title }}", "{% raw %}"])
def test_every_place_of_a_page_escapes(name: str) -> None:
    """Title, facts, headings, cells, and attributes, in which a quote would end them."""
    section = Section.of(
        name,
        Paragraph(name),
        Figure(PNG, f'x" onerror="{name}', f"caption {name}"),
        Table.of([name], [(name, [name, Cell(name, (f"below {name}",))])]),
    )
    text = write(name, [name], [section])
    page = Page(text)
    assert not {"script", "b"} & set(page.tags)
    (image,) = page.images
    assert image["alt"] == f'x" onerror="{name}'
    assert [tag for tag in page.tags if tag in {"img", "td", "th"}] == ["img", "th", "td", "td", "td"]
    assert page.text.count(" ".join(name.split())) == 11
    assert text.count("<!DOCTYPE html>") == text.count("</html>") == 1
    assert "{{" not in text.replace(name, "")


def test_what_a_template_lacks_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="title"):
        write("", [], [object()])  # type: ignore[list-item]


def test_poses_and_expressions_are_named_as_far_as_the_layout_does() -> None:
    page = page_of(measured(("ada", "ben", "cleo"), posed=True, captures=54))
    for words in (
        "pose 4: yaw 1 (straight), pitch 1 (level)",
        "pose 0: yaw 0 (turned), pitch 0 (tilted)",
        "expression 0 (mouth wide open)",
        "expression 3 (not described by the layout)",
        "expression 5 (eyes closed)",
    ):
        assert words in page.words
    assert "which way 0 and 2 are turned or tilted it does not say" in page.text
    assert "frontal, every pair of captures of pose 4: yaw 1 (straight), pitch 1 (level); yaw0, " in page.text
    assert pose_words(9) == "pose 9 (not described by the layout)"
    layout = " ".join(
        str(
            importlib.import_module("faceid_fast.sources.layouts.kinect_v2").Capture.expression.__doc__
        ).split()
    )
    assert layout == "0 (mouth wide open) to 5 (eyes closed)."  # where the words come from


def test_axes_name_what_they_number(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(figures, "png", lambda figure, **_: drawn.append(figure) or PNG)
    compared = measured(("ada", "ben"), posed=True, captures=54)
    figures.poses(by_pose(compared) or [], 0.5)
    figures.expressions(by_expression(compared) or [], 0.5)
    poses, expressions = drawn
    for axes in poses.axes:
        assert [label.get_text() for label in axes.get_xticklabels()][1] == "yaw 1\n(straight)"
        assert [label.get_text() for label in axes.get_yticklabels()][1] == "pitch 1\n(level)"
    names = [label.get_text() for label in expressions.axes[0].get_xticklabels()]
    assert (names[0], names[5]) == ("expression 0\n(mouth wide open)", "expression 5\n(eyes closed)")
    assert names[2] == "expression 2\n(not described\nby the layout)"


def test_a_rate_says_of_how_many_it_is() -> None:
    compared = measured(("ada", "ben", "cleo"), posed=True, captures=54)
    report = evaluate(compared, 0.5)
    rows = dict(table_of(report))
    page = page_of(compared)
    unlock = compared.protocols["unlock"]
    for label, errors, of in (
        ("FMR at threshold", int((unlock.impostor <= 0.5).sum()), len(unlock.impostor)),
        ("FNMR at threshold", int((unlock.genuine > 0.5).sum()), len(unlock.genuine)),
        ("failure to acquire", 0, 3 * 54),
    ):
        shown = rows[label][-1]
        assert shown.below[0] == f"{errors:,} of {of:,}"
        assert all(line in page.words for line in shown.below)
    everything = dict(zip(report.protocols, rows["FNMR at threshold"], strict=True))["all"]
    assert everything.below[0] == f"{int((compared.protocols['all'].genuine > 0.5).sum()):,} of 4,293"
    # What the equal error rate is the mean of.
    equal = report.counts["unlock"].equal_errors
    assert equal is not None
    assert rows["EER"][-1].below[:2] == (
        f"{equal.false_matches:,} of {len(unlock.impostor):,}",
        f"{equal.false_non_matches:,} of {len(unlock.genuine):,}",
    )
    assert report.protocols["unlock"].eer == equal.rate


def test_a_small_rate_is_not_written_as_none() -> None:
    compared = measured(HOSTILE, captures=60)
    threshold = float(np.sort(compared.protocols["all"].impostor)[1])
    rows = dict(table_of(evaluate(compared, threshold)))
    assert dict(zip(compared.protocols, rows["FMR at threshold"], strict=True))["all"].text == "0.0026%"
    assert (
        dict(zip(compared.protocols, rows["FMR at threshold"], strict=True))["all"].below[0] == "2 of 75,600"
    )


def test_only_pairs_of_people_bound_a_rate_without_errors() -> None:
    """Comparisons of one person are no independent trials: they have no bound, nor an interval of 0."""
    rows = dict(table_of(evaluate(measured(HOSTILE), 0.9)))
    assert math.ceil(1e4 * upper_rate(0, 21)) == 1330
    assert {shown.below[-1] for shown in rows["FMR at threshold"]} == {"< 13.30%"}
    assert all(len(shown.below) == 1 for shown in rows["FNMR at threshold"])  # the counts
    assert {
        shown.below for shown in dict(table_of(evaluate(measured(("ada",)), 0.9)))["FMR at threshold"]
    } == {()}


def test_rates_of_comparisons_are_called_so(hostile: Page) -> None:
    """FAR and FRR are those of whole attempts, which the page says once that it does not show."""
    assert hostile.text.count("FAR") == hostile.text.count("FRR") == 1
    assert "False accept and false reject rates (FAR, FRR) are those of whole attempts" in hostile.text
    assert [word for word in ("TAR", "FAR at", "stranger") if word in hostile.text] == []
    for row in ("EER", "TMR at FMR 1e-3", "FMR at threshold", "FNMR at threshold"):
        assert row in hostile.words


def test_what_is_not_known_is_said(hostile: Page) -> None:
    assert "nothing is told by pose" in hostile.text
    assert "nothing is told by expression" in hostile.text


def test_what_few_people_cannot_show_is_not_shown(hostile: Page) -> None:
    assert hostile.words.count(UNCLAIMED) == 5  # 1e-3 and 1e-4 of 1,344 and 168 pairs, 1e-2 of the latter
    assert "< 13.30%" in hostile.words


def test_faces_are_shown_only_where_asked(hostile: Page) -> None:
    shown = page_of(measured(HOSTILE), aligner=StandInAligner({3: no_face()}).as_aligner())
    assert len(shown.images) == len(hostile.images) + 2
    assert "shows no pictures of people" in hostile.text
    assert "shows no pictures of people" not in shown.text


def test_little_data_still_makes_a_page() -> None:
    one = np.stack([unit(0), np.full(128, np.nan, np.float32)])
    compared = compare(Acquired([Shot("ada", 0), Shot("ada", 1)], one, {1: Outcome.CUT_OFF}, "infrared"))
    page = page_of(compared)
    assert f"A map needs {FEWEST} faces; there are 1" in page.text
    assert "There are no such pairs" in page.text
    same = compare(Acquired([Shot("ada", n) for n in range(5)], np.stack([unit(0)] * 5), {}, "infrared"))
    assert page_of(same).images


def test_breakdowns_count_every_attempt_once() -> None:
    compared = measured(("ada", "ben", "cleo"), posed=True, captures=54)
    unlock = compared.protocols["unlock"]
    for groups in (by_pose(compared), by_expression(compared)):
        assert groups is not None
        assert sum(group.captures for group in groups) == 3 * 54
        assert sum(len(group.genuine) for group in groups) == len(unlock.genuine)
        assert sum(len(group.impostor) for group in groups) == len(unlock.impostor)
    people = by_person(compared)
    assert [group.name for group in people] == ["ada", "ben", "cleo"]
    assert sum(len(group.impostor) for group in people) == 2 * len(unlock.impostor)  # each has two people
    assert by_pose(measured(("ada", "ben"))) is None
    assert by_expression(measured(("ada", "ben"))) is None


def test_a_failed_capture_counts_for_its_person_and_pose() -> None:
    shots = [Shot("ada", n, n // 6, n % 6) for n in (2, 3, 27)] + [Shot("ben", 2, 0, 2), Shot("ben", 3, 0, 3)]
    vectors = np.stack([unit(0), unit(0), np.full(128, np.nan), unit(1), at_distance(0.3)]).astype(np.float32)
    compared = compare(Acquired(shots, vectors, {2: Outcome.SPOOF}, "infrared"))
    ada, ben = by_person(compared)
    assert (ada.captures, ada.failed, ada.refused(0.5)) == (3, 1, 0.5)
    assert (ben.refused(0.5), ben.accepted(0.5)) == (1.0, 1)  # far from ben's reference, near ada's
    straight = {group.name: group for group in by_pose(compared) or []}["4"]
    assert (straight.failure_to_acquire, straight.refused(0.5)) == (1.0, 1.0)


def test_worst_pairs_share_no_capture() -> None:
    vectors = np.stack([unit(0), unit(0), at_distance(0.9), at_distance(0.4), unit(5), unit(5)])
    shots = [Shot("ada", n) for n in range(4)] + [Shot("ben", n) for n in range(2)]
    found = worst_pairs(compare(Acquired(shots, vectors, {}, "infrared")), 3)
    assert [(pair.first, pair.second) for pair in found.genuine] == [(0, 2), (1, 3), (4, 5)]
    assert found.genuine[0].distance == pytest.approx(0.9, abs=1e-6)
    ends = [end for pair in found.impostor for end in pair[:2]]
    assert len(ends) == len(set(ends)) == 4
    assert worst_pairs(compare(Acquired(shots[:1], vectors[:1], {}, "infrared")), 3) == ([], [])


def test_projections_are_repeatable_and_keep_neighbours() -> None:
    random = np.random.default_rng(1)
    vectors = np.concatenate([unit(axis) + random.normal(0, 0.02, (30, 128)) for axis in range(3)])
    steps: list[None] = []
    found = project(vectors.astype(np.float32), lambda: steps.append(None))
    again = project(vectors.astype(np.float32))
    for ours, theirs in zip((found.pca, found.tsne), (again.pca, again.tsne), strict=True):
        np.testing.assert_array_equal(ours, theirs)
        groups = ours.reshape(3, 30, 2)
        inside = np.linalg.norm(groups - groups.mean(axis=1, keepdims=True), axis=2).max()
        centers = groups.mean(axis=1)
        assert np.linalg.norm(centers - np.roll(centers, 1, axis=0), axis=1).min() > inside
    assert 0.0 < found.explained[1] <= found.explained[0] <= 1.0
    assert len(steps) == 2


@pytest.mark.parametrize("count", [0, FEWEST - 1, MOST + 1])
def test_what_no_map_is_made_of(count: int) -> None:
    with pytest.raises(InvalidInputError, match=f"vectors: expected {FEWEST} to {MOST}"):
        project(np.zeros((count, 128), np.float32))


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The figures of maps, instead of their pictures."""
    kept: list[Any] = []
    monkeypatch.setattr(maps, "png", lambda figure, **_: kept.append(figure) or PNG)
    return kept


@pytest.mark.parametrize("people", [2, 15, 125])
def test_maps_of_any_number_of_people(drawn: list[Any], people: int) -> None:
    places = np.random.default_rng(0).normal(size=(people + 1, 2))
    names = [*(f"_person {number:03d}" for number in range(people)), "now.png"]
    draw_maps(Projection(places, (0.5, 0.3), places), names, [*[False] * people, True])
    left, right = drawn[0].axes
    assert (left.get_xlabel(), left.get_ylabel()) == (
        "first component (50% of the variance)",
        "second component (30% of the variance)",
    )
    assert (right.get_xlabel(), right.get_ylabel()) == (
        "first dimension (no unit)",
        "second dimension (no unit)",
    )
    texts = [text.get_text().strip() for text in drawn[0].legends[0].get_texts()]
    named = names[: min(people, MOST_NAMED)]
    others = [f"and {people - MOST_NAMED} others"] if people > MOST_NAMED else []
    assert texts == [*named, *others, "frames given (1)"]
    # Nobody looks like somebody else, as long as there are markers.
    looks = {
        (tuple(points.get_facecolor()[0]), points.get_paths()[0].vertices.tobytes())
        for points in left.collections[: min(people, 100)]
    }
    assert len(looks) == min(people, 100)
    assert [note.get_text() for note in left.texts] == ["now.png"]


def test_many_probes_are_not_named(drawn: list[Any]) -> None:
    places = np.zeros((20, 2))
    draw_maps(Projection(places, (0.0, 0.0), places), ["ada"] + ["now"] * 19, [False] + [True] * 19)
    assert not drawn[0].axes[0].texts


def test_short_names_can_be_drawn() -> None:
    assert short("ada") == "ada"
    assert short("a\x07\udcffb").isprintable()
    assert len(short("x" * 500)) == LONGEST_NAME


def test_a_face_is_cut_out_of_its_frame() -> None:
    frame = frame_of(100)
    whole = cut_out(frame, no_face())
    assert (whole.shape, whole.dtype) == ((64, 64, 3), np.uint8)
    colored = cut_out(frame_of(9, "color"), crop_of(9))
    assert colored.shape == (64, 64, 3)
    assert (colored == 9).all()


def faceid(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of captures, one person with a name that is no name."""
    root = tmp_path / "data"
    for render in bundled_renders():
        number = {"enroll": render.number * 6 + 2, "probe": 24 + 3 * render.number}.get(render.kind)
        if number is not None:
            person = root / ("<i>cleo" if render.person == "cleo" else render.person)
            person.mkdir(parents=True, exist_ok=True)
            shutil.copy(render.infrared, person / f"{number:02d}_ir.png")
            shutil.copy(render.depth, person / f"{number:02d}_depth.png")
    return root


@pytest.mark.parametrize("crops", [(), ("--crops",)])
def test_evaluate_writes_the_page(data: Path, tmp_path: Path, crops: tuple[str, ...]) -> None:
    html = tmp_path / "report.html"
    result = faceid("evaluate", data, "--html", html, *crops)
    assert result.exit_code == 0, result.output
    assert "TMR at FMR 1e-4" in result.output
    assert not re.search(r"\b(FAR|FRR|TAR)\b", result.output)
    page = Page(html.read_text("utf-8"))
    assert len(page.images) >= 6
    assert "<i>cleo" in page.text
    assert ("shows no pictures of people" in page.text) == (not crops)
    assert str(tmp_path) not in page.text


def test_a_page_that_cannot_be_written_is_found_before_the_work(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(*_: object, **__: object) -> None:
        pytest.fail("worked before looking where the result goes")

    monkeypatch.setattr(evaluate_verb, "acquire", work)
    html = tmp_path / "report.html"
    failing = [
        (("--html", tmp_path), "--html: "),
        (("--html", tmp_path / "no" / "a"), "--html: "),
        (("--crops",), "--crops: "),
    ]
    for options, wanted in failing:
        result = faceid("evaluate", data, *options)
        assert (result.exit_code, wanted in result.stderr) == (2, True), result.output
    for module in ("matplotlib.figure", "sklearn.manifold", "jinja2"):
        with monkeypatch.context() as missing:
            missing.setitem(sys.modules, module, None)
            result = faceid("evaluate", data, "--html", html)
            assert result.exit_code == 2
            assert "install faceid-fast[report]" in result.stderr
            assert result.stderr.count("\n") == 1
    assert not html.exists()
