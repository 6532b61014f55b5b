"""How long a vault takes: opened with many people, changed, and asked before and after a face is scored.

``python -m benchmarks.vault [--people 10000]`` prints medians with their quartiles. Nothing is measured
against a peer here: no library keeps templates in this way.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceid_fast.access.attempt_limiter import AttemptLimiter
from faceid_fast.access.lockout import DEVICE
from faceid_fast.matching.index import GalleryIndex
from faceid_fast.storage.keys import Keys
from faceid_fast.storage.references import References
from faceid_fast.storage.store import put
from faceid_fast.vault import Vault

KEY = bytes(range(32))
MODEL = "5e" * 32
KEY_SIZES = (64, 64)
"""Values per shape vector and per picture vector, as the bundled model's."""
POSES = ("frontal", "left", "right", "up", "down")


def person(number: int) -> References:
    """Somebody with five references."""
    rng = np.random.default_rng(number)
    joined, shape, picture = (_unit_vectors(rng, size) for size in (128, *KEY_SIZES))
    modalities = ("infrared",) * len(POSES)
    return References(f"person {number}", joined, POSES, modalities, MODEL, keys=Keys.of(shape, picture))


def _unit_vectors(rng: np.random.Generator, size: int) -> NDArray[np.float32]:
    vectors = rng.standard_normal((len(POSES), size))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def report(what: str, work: Callable[[], object], rounds: int) -> None:
    """Print the median and the quartiles of one call."""
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        seconds.append(1e3 * (time.perf_counter() - began))
    low, middle, high = statistics.quantiles(seconds, n=4)
    print(f"{what}: {middle:.2f} ms ({low:.2f} to {high:.2f})")


def main() -> None:
    """Fill a vault, and time it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "vault")
        with Vault.open(place, key=KEY, create=True) as vault:
            vault.put_all(person(number) for number in range(given.people))
        report(f"open {given.people}", lambda: Vault.open(place, key=KEY).close(), given.rounds)
        with Vault.open(place, key=KEY) as vault:
            report(
                "  and have them ready to be searched",
                lambda: GalleryIndex(vault, 128, KEY_SIZES, MODEL).refresh(),
                given.rounds,
            )
            report("replace one of them", lambda: put(vault, person(7)), given.rounds)
            guard, keys = AttemptLimiter(vault), ("person 7", DEVICE)
            report("look whether a guess is free", lambda: guard.refusal(keys), 200)

            def verify() -> None:
                guard.refusal(keys)
                guard.charge(keys)
                guard.accepted(keys, "person 7")

            report("all that a verification costs", verify, 200)


if __name__ == "__main__":
    main()
