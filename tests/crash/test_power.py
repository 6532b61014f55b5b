"""The power goes: of what was not synchronised, any sectors are lost or torn."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from disk import Medium, watched
from faceid_fast.errors import VaultError
from faceid_fast.vault import Vault, database
from story import KEY, Story, state_at

STEPS = 40


def campaign(place: Path, again: Path, states: int, seed: int) -> int:
    """Lose the power at so many moments; returns how often what was left was wrong."""
    story = Story(seed)
    medium = Medium()
    rng = random.Random(seed)
    moments: list[tuple[Medium, bytes | None, int, bool]] = []
    done = 0
    stepping = False

    def watch(action: str, path: str, detail: Any) -> None:
        medium.watch(action, path, detail)
        remember()

    def remember() -> None:
        epoch = place / "epoch"
        moments.append((medium.copy(), epoch.read_bytes() if epoch.exists() else None, done, stepping))

    with watched(watch), Vault.open(place, key=KEY, create=True) as vault:
        for number in range(STEPS):
            stepping = True
            story.step(number).apply(vault)
            done, stepping = number + 1, False
            remember()
    bad = 0
    for moment in rng.choices(moments, k=states):
        state, epoch, finished, in_between = moment
        again.mkdir(mode=0o700, exist_ok=True)
        for file in again.iterdir():
            file.unlink()
        for path, content in state.after_power_loss(rng).items():
            (again / Path(path).name).write_bytes(content)
        if epoch is not None:
            (again / "epoch").write_bytes(epoch)
            (again / "epoch").chmod(0o600)
        allowed = [story.state(finished)] + ([story.state(finished + 1)] if in_between else [])
        try:
            bad += state_at(again) not in allowed
        except VaultError:
            bad += 1
    return bad


def test_nothing_is_lost(tmp_path: Path, long: bool) -> None:
    rounds, each = (100, 1_000) if long else (5, 100)
    bad = 0
    for seed in range(rounds):
        bad += campaign(tmp_path / f"vault {seed}", tmp_path / "again", each, seed)
    print(f"\n{rounds * each} power losses: {bad} bad")
    assert bad == 0


def test_without_synchronising_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pragmas = tuple((n, "OFF" if n == "synchronous" else v) for n, v in database._PRAGMAS)
    monkeypatch.setattr(database, "_PRAGMAS", pragmas)
    assert campaign(tmp_path / "vault", tmp_path / "again", 100, 1) > 0
