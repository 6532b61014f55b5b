from __future__ import annotations

from pathlib import Path

from faceid_fast import _core
from training.provenance.aligner import aligner_digest, core_digest

MODULE = Path(_core.__file__).read_bytes()
RECORD = _core.MODEL_FILES
NOTE = b"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0"


def test_a_network_that_ships_does_not_change_the_name_of_the_aligner() -> None:
    other = RECORD.translate(str.maketrans("0123456789", "9876543210"))
    assert other != RECORD
    assert MODULE.count(RECORD.encode()) == 1
    rebuilt = MODULE.replace(RECORD.encode(), other.encode())
    assert core_digest(rebuilt, other) == core_digest(MODULE, RECORD)
    assert core_digest(MODULE, RECORD)[:16] in aligner_digest()


def test_nor_does_the_linkers_hash_of_it() -> None:
    first, second = (b"code" + NOTE + bytes([fill]) * 20 + b"more" for fill in (10, 200))
    assert core_digest(first, RECORD) == core_digest(second, RECORD)


def test_other_code_does() -> None:
    at = len(MODULE) // 2
    changed = MODULE[:at] + bytes([MODULE[at] ^ 1]) + MODULE[at + 1 :]
    assert core_digest(changed, RECORD) != core_digest(MODULE, RECORD)
