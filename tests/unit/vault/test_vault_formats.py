from __future__ import annotations

import shutil
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faceid_fast.storage.keys import Keys
from faceid_fast.storage.references import References
from faceid_fast.vault import Vault, restore
from golden import vault_format_1, vault_format_2
from golden.vault_format_1 import EVENT, KEY, LEDGER

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
FORMATS: dict[int, Any] = {1: vault_format_1, 2: vault_format_2}


def check_people(kept: dict[str, References], wanted_people: tuple[References, ...]) -> None:
    assert sorted(kept) == sorted(each.identity for each in wanted_people)
    for wanted in wanted_people:
        found = kept[wanted.identity]
        np.testing.assert_array_equal(found.vectors, wanted.vectors)
        check_keys(found.keys, wanted.keys)
        assert (found.poses, found.modalities, found.model_sha256, found.consent) == (
            wanted.poses,
            wanted.modalities,
            wanted.model_sha256,
            wanted.consent,
        )
        for ours, theirs in zip(found.adapted, wanted.adapted, strict=True):
            np.testing.assert_array_equal(ours.vector, theirs.vector)
            check_keys(ours.keys, theirs.keys)
            assert astuple(ours)[1:-1] == astuple(theirs)[1:-1]


def check_keys(found: Keys | None, wanted: Keys | None) -> None:
    if wanted is None:
        assert found is None
        return
    assert found is not None
    np.testing.assert_array_equal(found.shape, wanted.shape)
    np.testing.assert_array_equal(found.picture, wanted.picture)


@pytest.mark.parametrize("number", FORMATS)
def test_a_format_is_read(tmp_path: Path, number: int) -> None:
    place = tmp_path / "vault"
    place.mkdir(mode=0o700)
    for name in ("vault.db", "epoch"):
        shutil.copyfile(GOLDEN / f"vault-{number}" / name, place / name)
        (place / name).chmod(0o600)
    with Vault.open(place, key=KEY) as vault:
        vault.check()
        assert vault.info().format == number
        check_people(dict(vault.snapshot()), FORMATS[number].people())
        assert vault.amend(lambda ledger: (ledger, ())) == LEDGER
        last = vault.events()[-1 if number == 1 else -2]  # format 2 was backed up afterwards
        assert (last.kind, last.at, last.detail) == (EVENT.kind, EVENT.at, EVENT.detail)


@pytest.mark.parametrize("number", FORMATS)
def test_a_backup_of_before_is_restored(tmp_path: Path, number: int) -> None:
    backup = tmp_path / "backup"
    shutil.copyfile(GOLDEN / f"vault-{number}" / "backup", backup)
    backup.chmod(0o600)
    restore(backup, tmp_path / "vault", key=KEY)
    with Vault.open(tmp_path / "vault", key=KEY) as vault:
        vault.check()
        check_people(dict(vault.snapshot()), FORMATS[number].people())
