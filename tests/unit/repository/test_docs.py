"""The pages below docs/: their code runs and prints what they say, and what they name exists."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import pytest

import faceid_fast
from docsite import cli_reference
from docsite.offline import check, loads_of
from docsite.wording import reworded
from faceid_fast import api
from faceid_fast.face.embedder import Embedder
from faceid_fast.outcome import Outcome

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
PAGES = {path.relative_to(DOCS).as_posix(): path.read_text("utf-8") for path in sorted(DOCS.rglob("*.md"))}
FENCE = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
NOT_RUN = re.compile(r' title="needs a (?:camera|model of your own)"')
"""What a block says that cannot be run here."""


def blocks(text: str) -> list[tuple[str, str, str]]:
    """Language, attributes and content of the fenced blocks of a page."""
    return FENCE.findall(text)


@pytest.mark.parametrize("page", [page for page, text in PAGES.items() if "```python" in text])
def test_code_runs(
    page: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A page's blocks run one after the other, as a reader would; text after a block is what it prints."""
    key = tmp_path / "key"
    key.write_text("5e" * 32)
    key.chmod(0o600)
    monkeypatch.setattr(api, "_authenticator", None)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("FACEID_KEY_FILE", str(key))
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    found = blocks(PAGES[page])
    for at, (language, attributes, content) in enumerate(found):
        if language != "python" or NOT_RUN.fullmatch(attributes):
            continue
        assert not attributes, attributes
        exec(content, names)  # noqa: S102  # the reader would run it too
        printed = capsys.readouterr().out
        after = found[at + 1] if at + 1 < len(found) else ("", "", "")
        if after[0] == "text":
            assert printed == after[2]
        else:
            assert printed == "", "what it prints is not on the page"


def test_few_blocks_are_not_run() -> None:
    found = [
        attributes
        for text in PAGES.values()
        for language, attributes, _ in blocks(text)
        if language == "python"
    ]
    assert len(found) >= 20
    assert sum(bool(attributes) for attributes in found) <= 3


def test_commands_exist() -> None:
    verbs = {
        name: {option for each in verb.params for option in each.opts} for name, verb in cli_reference.verbs()
    }
    makefile = (ROOT / "Makefile").read_text("utf-8")
    text = "\n".join(PAGES.values())
    commands = re.findall(r"(?:^|`)(faceid [a-z][^`\n#]*)", text, flags=re.MULTILINE)
    assert len(commands) > 20
    for command in commands:
        words = command.split()[1:]
        verb = next((" ".join(words[:n]) for n in (2, 1) if " ".join(words[:n]) in verbs), None)
        assert verb is not None, command
        assert {word for word in words if word.startswith("--")} <= verbs[verb] | {"--help"}, command
    for target in re.findall(r"(?:^|`)make ([\w-]+)", text, flags=re.MULTILINE):
        assert f"\n{target}: " in makefile, target
    for module in re.findall(r"-m ((?:training|tests|docsite|examples|benchmarks)[\w.]*\w)", text):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), module


def test_links_lead_to_files() -> None:
    for page, text in PAGES.items():
        for target in re.findall(r"\]\(([^)#\s:]+)[)#]", text):
            assert (DOCS / page).parent.joinpath(target).exists(), (page, target)


def test_the_command_line_page_is_current() -> None:
    assert PAGES["reference/cli.md"] == cli_reference.page(), "run: python -m docsite.cli_reference"


def test_every_public_name_is_described() -> None:
    targets = [
        target
        for page, text in PAGES.items()
        if page.startswith("reference/api/")
        for target in re.findall(r"^::: ([\w.]+)$", text, flags=re.MULTILINE)
    ]
    assert len(targets) == len(set(targets))
    described: list[object] = []
    for target in targets:
        home, _, name = target.rpartition(".")
        try:
            described.extend(vars(importlib.import_module(target)).values())
        except ModuleNotFoundError:
            described.append(getattr(importlib.import_module(home), name))
    for name in faceid_fast.__all__:
        if name != "__version__":
            assert any(getattr(faceid_fast, name) is each for each in described), name


def test_every_outcome_and_error_is_explained() -> None:
    page = PAGES["reference/outcomes.md"]
    assert re.findall(r"^\| `([A-Z_]+)` \|", page, flags=re.MULTILINE) == [
        Outcome.ACCEPTED.name,
        Outcome.NO_MATCH.name,
        Outcome.SPOOF.name,
        *(each.name for each in Outcome if each.name not in {"ACCEPTED", "NO_MATCH", "SPOOF"}),
    ]
    for name in faceid_fast.__all__:
        if name.endswith(("Error", "Warning")):
            assert f"`{name}`" in page, name


def test_the_thresholds_are_those_of_what_ships() -> None:
    limits = {kind: round(limit, 4) for kind, limit in Embedder.bundled().contract.thresholds.items()}
    assert f"infrared {limits['infrared']}, colour {limits['color']}" in PAGES["guides/door.md"]


def test_the_figures_of_scale_are_measured() -> None:
    row = r"^\| ([\d,]+) \| ([\w. ]+) \| ([\d.e+]+) \| ([\d.e+]+) \((\w+)\) \|$"
    rows = re.findall(row, PAGES["guides/scale.md"], re.MULTILINE)
    assert len(rows) == 3
    for references, asked, ours, best, peer in rows:
        assert (
            f"| faces | 128 | {references} | {asked} | 1 | 1 | 1 | {ours} | {peer} | {best} |"
            in PAGES["MATCHING.md"]
        )


def test_the_notebook_holds_no_pictures() -> None:
    notebook = json.loads((ROOT / "examples" / "tour.ipynb").read_text("utf-8"))
    for cell in notebook["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
        assert not cell.get("attachments")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.html", '<script src="https://cdn.example/x.js"></script>'),
        ("a.html", '<link rel="stylesheet" href="//fonts.example/x.css">'),
        ("a.html", '<link rel="preconnect" href="https://fonts.example" crossorigin>'),
        ("a.html", '<img srcset="a.png 1x, https://images.example/b.png 2x">'),
        ("a.html", '<p style="background: url(http://images.example/a.png)">'),
        ("a.html", "<style>@import 'https://fonts.example/x.css';</style>"),
        ("a.html", '<pre class="mermaid">graph</pre>'),
        ("a.css", "@font-face { src: url('https://fonts.example/x.woff2') }"),
        ("a.svg", "<svg><style>@import url(https://fonts.example/x.css)</style></svg>"),
    ],
)
def test_what_is_loaded_from_elsewhere_is_found(name: str, text: str, tmp_path: Path) -> None:
    assert loads_of(name, text)
    (tmp_path / "index.html").write_text("<p>text</p>")
    assert not list(check(tmp_path))
    (tmp_path / name).write_text(text)
    assert list(check(tmp_path))


def test_links_and_files_of_the_site_are_no_loads() -> None:
    page = (
        '<a href="https://doi.org/10.1000/1">a paper</a><link rel="canonical" href="https://example.org/">'
        '<script src="assets/x.js"></script><img src="../figures/a.svg"><link rel="icon" href="a.png">'
    )
    assert loads_of("a.html", page) == []
    assert loads_of("a.css", "a { background: url(../a.svg) }") == []


def test_an_empty_site_is_not_fine(tmp_path: Path) -> None:
    assert list(check(tmp_path))


def test_docstrings_are_reworded() -> None:
    head = "Parameters\n----------\n"
    text = f"See :mod:`a.b`.\n\n{head}n, m : how many, in\n    all.\nx : (N,) float32\n    The points."
    assert reworded(text) == (
        f"See `a.b`.\n\n{head}n, m\n    how many, in\n    all.\nx : (N,) float32\n    The points."
    )
    for kept in ("a : how many", f"{head}live : bool\nn : int"):  # no parameter, no words
        assert reworded(kept) == kept
