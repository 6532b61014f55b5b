"""Every bit of a small vault, every length, every older state, every file of another vault.

In the short form every third bit.
"""

from __future__ import annotations

import shutil
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from faceid_fast.errors import VaultError, VaultRolledBackError
from faceid_fast.vault import Vault
from story import KEY, NAMES, State, Step, Story, state_at

FILES = ("vault.db", "epoch")
PARTS = 2


def fill(place: Path, people: int) -> None:
    with Vault.open(place, key=KEY, create=True) as vault:
        for i in range(people):
            Step(f"{NAMES[i % len(NAMES)]} {i}", 7 * i + 2).apply(vault)


def unnoticed(place: Path, name: str, part: int, step: int, original: State) -> tuple[int, int, int]:
    """Change bits, `step` apart; returns how many were tried, refused, and opened to something else."""
    file = place / name
    written = file.read_bytes()
    tried = refused = different = 0
    for bit in range(part, 8 * len(written), step):
        changed = bytearray(written)
        changed[bit // 8] ^= 1 << bit % 8
        file.write_bytes(changed)
        tried += 1
        try:
            different += state_at(place) != original
        except VaultError:
            refused += 1
    return tried, refused, different


@pytest.mark.parametrize("name", FILES)
def test_every_bit(tmp_path: Path, name: str, long: bool) -> None:
    places = [tmp_path / f"vault {part}" for part in range(PARTS)]
    fill(places[0], 50 if long else 3)
    for copy in places[1:]:
        shutil.copytree(places[0], copy)
    original = state_at(places[0])
    with ProcessPoolExecutor(PARTS) as pool:
        step = PARTS if long else 3 * PARTS
        parts = pool.map(unnoticed, places, [name] * PARTS, range(PARTS), [step] * PARTS, [original] * PARTS)
        counts = list(parts)
    tried, refused, different = map(sum, zip(*counts, strict=True))
    print(f"\n{name}: {tried} bits, {refused} refused, {tried - refused - different} without effect")
    assert different == 0
    assert refused > tried // 4


@pytest.mark.parametrize("name", FILES)
def test_every_length(tmp_path: Path, name: str) -> None:
    place = tmp_path / "vault"
    fill(place, 3)
    original = state_at(place)
    file = place / name
    written = file.read_bytes()
    step = 1 if len(written) < 1000 else 61
    for length in range(0, len(written), step):
        file.write_bytes(written[:length])
        try:
            found = state_at(place)
        except VaultError:
            continue
        assert found == original  # only free space was cut off


def test_every_older_state(tmp_path: Path, long: bool) -> None:
    place = tmp_path / "vault"
    story = Story(4)
    older: list[bytes] = []
    for number in range(200 if long else 40):
        with Vault.open(place, key=KEY, create=True) as vault:
            story.step(number).apply(vault)
        older.append((place / "vault.db").read_bytes())
    for content in older[:-1]:
        (place / "vault.db").write_bytes(content)
        with pytest.raises(VaultRolledBackError):
            state_at(place)
    (place / "vault.db").write_bytes(older[-1])
    assert state_at(place) == story.state(len(older))


def test_files_of_another_vault(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    fill(ours, 3)
    fill(theirs, 3)
    for name in FILES:
        kept = (ours / name).read_bytes()
        (ours / name).write_bytes((theirs / name).read_bytes())
        with pytest.raises(VaultError):
            state_at(ours)
        (ours / name).unlink()
        with pytest.raises(VaultError):
            state_at(ours)
        (ours / name).write_bytes(kept)
        (ours / name).chmod(0o600)
    state_at(ours)
