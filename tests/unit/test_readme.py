from __future__ import annotations

import re
from pathlib import Path

import pytest

from faceid_fast import authenticator
from faceid_fast.cli.main import app

README = (Path(__file__).resolve().parents[2] / "README.md").read_text("utf-8")


def test_quickstart(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authenticator, "_default", None)
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 12
    exec(code, {})  # noqa: S102  # the reader would run it too
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "5 references; still missing: nothing"
    assert re.fullmatch(r"True accepted \d+\.\d ms", lines[1])
    assert lines[2] == "spoof ada"


def test_every_verb_is_described() -> None:
    for command in app.registered_commands:
        assert command.callback is not None
        assert f"faceid {command.callback.__name__}" in README


def test_make_targets_exist() -> None:
    makefile = (Path(__file__).resolve().parents[2] / "Makefile").read_text("utf-8")
    for target in re.findall(r"^make (\w+)", README, flags=re.MULTILINE):
        assert f"\n{target}: " in makefile
