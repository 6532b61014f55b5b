"""What stands in ``tests/golden/vault-1``: written once, by this file run with a directory, and never again.

Whatever later versions write, they must still read this.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from faceid_fast.access.lockout import DEVICE
from faceid_fast.storage.audit import Event, EventKind
from faceid_fast.storage.references import Adapted, Consent, Origin, References
from faceid_fast.storage.security_state import Presence, SecurityState, Tally
from faceid_fast.vault import Vault

KEY = bytes(range(32))
LEDGER = SecurityState(
    {"ada": Tally(3, "boot", 12.5), DEVICE: Tally(6, "boot", 13.0, told=True)},
    Presence("boot", 1.0, 2.0),
    "$argon2id$v=19$m=65536,t=3,p=4$MTExMTExMTExMTExMTExMQ$pZFMlWIJK13Xzt5nfplyxQ5VLiRCLu3jeaSxYJ34JMY",
)
EVENT = Event(EventKind.LOCKED, "ada", 1.7e9, "the device")


def unit(axis: int) -> np.ndarray:
    vector = np.zeros(128, np.float32)
    vector[axis] = 1.0
    return vector


def people() -> tuple[References, ...]:
    adapted = Adapted(unit(9), "infrared", Origin.CONFIRMED, 1.7e9, 41, 2)
    ada = References(
        "Ada Lovelace",
        np.stack([unit(0), unit(1)]),
        ("frontal", "left"),
        ("infrared", "color"),
        "5e" * 32,
        Consent("form 7", 1.7e9),
        (adapted,),
    )
    return ada, References("李", unit(2)[None], ("up",), ("color",), "00" * 32)


if __name__ == "__main__":
    with Vault.open(Path(sys.argv[1]), key=KEY, create=True) as vault:
        vault.put_all(people())
        vault.amend(lambda _: (LEDGER, (EVENT,)))
