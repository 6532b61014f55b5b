from __future__ import annotations

import shutil
from dataclasses import astuple
from pathlib import Path

import numpy as np

from faceid_fast.vault import Vault, restore
from golden.vault_format_1 import EVENT, KEY, LEDGER, people

GOLDEN = Path(__file__).resolve().parents[2] / "golden"


def test_format_1_is_read(tmp_path: Path) -> None:
    place = tmp_path / "vault"
    place.mkdir(mode=0o700)
    for name in ("vault.db", "epoch"):
        shutil.copyfile(GOLDEN / "vault-1" / name, place / name)
        (place / name).chmod(0o600)
    with Vault.open(place, key=KEY) as vault:
        vault.check()
        kept = vault.snapshot()
        assert sorted(kept) == sorted(each.identity for each in people())
        for wanted in people():
            found = kept[wanted.identity]
            np.testing.assert_array_equal(found.vectors, wanted.vectors)
            assert (found.poses, found.modalities, found.model_sha256, found.consent) == (
                wanted.poses,
                wanted.modalities,
                wanted.model_sha256,
                wanted.consent,
            )
            for ours, theirs in zip(found.adapted, wanted.adapted, strict=True):
                np.testing.assert_array_equal(ours.vector, theirs.vector)
                assert astuple(ours)[1:] == astuple(theirs)[1:]
        assert vault.amend(lambda ledger: (ledger, ())) == LEDGER
        *_, last = vault.events()
        assert (last.kind, last.at, last.detail) == (EVENT.kind, EVENT.at, EVENT.detail)


def test_a_backup_of_before_is_restored(tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    shutil.copyfile(GOLDEN / "vault-1" / "backup", backup)
    backup.chmod(0o600)
    restore(backup, tmp_path / "vault", key=KEY)
    with Vault.open(tmp_path / "vault", key=KEY) as vault:
        vault.check()
        assert sorted(vault.snapshot()) == sorted(each.identity for each in people())
