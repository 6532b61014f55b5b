from __future__ import annotations

import re
from pathlib import Path

import pytest

from faceid_fast import api
from faceid_fast.cli.main import app

ROOT = Path(__file__).resolve().parents[3]
README, CONTRIBUTING, TRAINING = (
    (ROOT / name).read_text("utf-8") for name in ("README.md", "CONTRIBUTING.md", "training/README.md")
)


@pytest.mark.filterwarnings("ignore::faceid_fast.errors.VaultKeyBesideDataWarning")
def test_quickstart(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(api, "_authenticator", None)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    code = examples()[0]
    assert len([line for line in code.splitlines() if line.strip()]) <= 12
    exec(code, {})  # noqa: S102  # the reader would run it too
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "5 references; still missing: nothing"
    assert re.fullmatch(r"True accepted \d+\.\d ms", lines[1])
    assert lines[2] == "spoof ada"


def test_keeping_people(capsys: pytest.CaptureFixture[str]) -> None:
    exec(examples()[1], {})  # noqa: S102  # the reader would run it too
    assert capsys.readouterr().out.splitlines() == ["5 references kept", "True"]


def test_searching_many(capsys: pytest.CaptureFixture[str]) -> None:
    code = examples()[2]
    exec(code, {})  # noqa: S102  # the reader would run it too
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("'")[1] for line in lines[:3]] == ["person 0"] * 3
    assert lines[3] == "person 0"
    assert re.fullmatch(r"[\d.]+ 10 990", lines[4])


def examples() -> list[str]:
    """What the README shows in Python."""
    return re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def test_every_verb_is_described() -> None:
    groups = [(f"{group.name} ", group.typer_instance) for group in app.registered_groups]
    for prefix, each in [("", app), *groups]:
        assert each is not None
        for command in each.registered_commands:
            assert command.callback is not None
            name = command.name or command.callback.__name__
            assert f"faceid {prefix}{name}" in README


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
