from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
README, CONTRIBUTING, TRAINING = (
    (ROOT / name).read_text("utf-8") for name in ("README.md", "CONTRIBUTING.md", "training/README.md")
)


def test_python_prints_what_it_says(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    (code, printed), *others = re.findall(
        r"```python\n(.*?)```\n\n```text\n(.*?)```", README, flags=re.DOTALL
    )
    assert not others
    for _ in range(2):  # and says it again, for nobody was left anywhere
        exec(code, {})  # noqa: S102  # the reader would run it too
        assert capsys.readouterr().out == printed
    assert not any(tmp_path.iterdir())


def test_it_is_short_and_says_first_for_whom_and_how_good() -> None:
    lines = README.splitlines()
    assert len(lines) <= 130
    first = "\n".join(lines[:40])
    for said in ("door locks", "%", "masks", "pip install .", "make demo", "make test"):
        assert said in first


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    named = re.findall(r"(?:^|`)make ([\w-]+)", README + CONTRIBUTING + TRAINING, flags=re.MULTILINE)
    assert {"demo", "test", "lint", "train-smoke"} <= set(named)
    for target in named:
        assert f"\n{target}: " in makefile


def test_modules_exist() -> None:
    named = re.findall(r"-m ((?:training|tests)\.[\w.]+\w)", README + CONTRIBUTING + TRAINING)
    assert len(set(named)) >= 9
    for module in named:
        assert (ROOT / f"{module.replace('.', '/')}.py").is_file(), module


def test_the_training_map_is_whole() -> None:
    (listing,) = re.findall(r"```\n(provenance/.*?)```", TRAINING, flags=re.DOTALL)
    named, folder = set(), ""
    for line in listing.splitlines():
        head = re.match(r"([\w/]+/)  ", line)
        folder = head[1] if head else "" if line[0] != " " else folder
        named |= {folder + name for name in re.findall(r"\w+\.py", line)}
    training = ROOT / "training"
    modules = {path.relative_to(training).as_posix() for path in training.rglob("*.py")}
    assert named == {name for name in modules if not name.endswith("__init__.py")}


def test_the_needed_rust_is_the_workspace_s() -> None:
    (version,) = re.findall(r'rust-version = "([\d.]+)"', (ROOT / "Cargo.toml").read_text("utf-8"))
    for text in (README, CONTRIBUTING):
        assert f"Rust {version} or newer" in text


def test_nothing_names_one_machine() -> None:
    for text in (README, CONTRIBUTING, TRAINING, (ROOT / "CHANGELOG.md").read_text("utf-8")):
        assert not re.search(r"(?<![\w.])/(?:work|home|root|tmp|Users)/", text)
