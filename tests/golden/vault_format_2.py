"""What stands in ``tests/golden/vault-2``: written once, by this file run with a directory, and never again.

Whatever later versions write, they must still read this: records with keys, and one of before there were any.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from faceid_fast.storage.keys import Keys
from faceid_fast.storage.references import Adapted, References
from faceid_fast.vault import Vault
from golden import vault_format_1

KEY = vault_format_1.KEY


def keys(*axes: int) -> Keys:
    """Keys on the axes, and between two of them, which float16 rounds."""
    rows = np.zeros((len(axes), 64), np.float32)
    rows[np.arange(len(axes)), list(axes)] = 0.6
    rows[:, 63] = 0.8
    return Keys.of(rows, rows[:, ::-1].copy())


def people() -> tuple[References, ...]:
    ada, li = vault_format_1.people()
    (adapted,) = ada.adapted
    kept: Adapted = replace(adapted, keys=keys(9))
    return replace(ada, keys=keys(0, 1), adapted=(kept,)), li


if __name__ == "__main__":
    with Vault.open(Path(sys.argv[1]), key=KEY, create=True) as vault:
        vault.put_all(people())
        vault.amend(lambda _: (vault_format_1.LEDGER, (vault_format_1.EVENT,)))
        vault.backup(Path(sys.argv[1]) / "backup")
