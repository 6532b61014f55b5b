"""Mutated bytes of galleries, and every public operation on what loads: nothing but typed errors.

Whether the answers are right, the core's own fuzzer says (`make fuzz`).
"""

from __future__ import annotations

import random
import struct
import zlib
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from faceid_fast.errors import FaceIDError
from faceid_fast.matching.gallery import Gallery

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COUNT = 4000
DIM = 6
NUMBERS = (0, 1, -1, 2**31, 2**32, 2**53, 2**62 - 1, 2**62, 2**63 - 1, -(2**63))
VALUES = (float("nan"), float("inf"), 0.0, 1e-40, 1e30, 1.0)


def unit_vectors(count: int, seed: int) -> Any:
    drawn = np.random.default_rng(seed).normal(size=(count, DIM))
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


def mutated(rng: random.Random, data: bytes) -> bytes:
    """Bytes with a number, a value or some bits changed, or cut; the checksum mostly agrees with them."""
    changed = bytearray(data)
    for _ in range(rng.randrange(4)):
        match rng.randrange(6):
            case 0:
                struct.pack_into("<q", changed, rng.choice((16, 24, 32, 40, 48)), rng.choice(NUMBERS))
            case 1:
                struct.pack_into("<q", changed, rng.choice((40, 48)), rng.choice(NUMBERS[6:8]))
            case 2:
                at = rng.randrange(16, (len(changed) - 4) // 4) * 4
                struct.pack_into("<f", changed, at, rng.choice(VALUES))
            case 3:
                at = rng.randrange(64, len(changed) - 8)
                struct.pack_into("<q", changed, at, rng.choice(NUMBERS))
            case 4:
                changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
            case _ if rng.random() < 0.3:
                del changed[rng.randrange(len(changed)) :]
                changed += bytes(max(0, 80 - len(changed)))
    if rng.random() < 0.95:
        struct.pack_into("<I", changed, 56, zlib.crc32(changed[:56] + changed[60:]))
    return bytes(changed)


def operations(gallery: Gallery) -> list[Callable[[], object]]:
    """Searches, then changes, then searches of what these left."""
    queries = unit_vectors(3, 7)[:, : gallery.dim].copy()
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)

    def searches() -> list[Callable[[], object]]:
        return [
            lambda: gallery.nearest(queries, 40).names,
            lambda: gallery.within(queries, 1.3).names,
            lambda: gallery.best_identity(queries, 0.9).names,
            lambda: [gallery.distance_to(name, queries[0]) for name in gallery.identities],
            lambda: gallery.names_of(np.array([-1, 0, 2**63 - 1])),
            lambda: ("ada" in gallery, len(gallery), gallery.identities),
            lambda: (gallery.dim, gallery.nbytes, gallery.code_nbytes, gallery.backend),
            lambda: Gallery.from_bytes(gallery.to_bytes()),
        ]

    return [
        *searches(),
        lambda: gallery.add("ada", queries),
        lambda: gallery.add("somebody new", queries[0]),
        lambda: gallery.replace("bob", queries[:2]),
        lambda: gallery.remove("ada"),
        *searches(),
    ]


def test_mutated_bytes_end_in_typed_errors(tmp_path: Path) -> None:
    rng = random.Random(1)
    few = Gallery.from_arrays(unit_vectors(5, 1), ["ada", "bob", "ada", "李", "eve"])
    many = Gallery.from_arrays(unit_vectors(200, 2), [f"person {row % 9}" for row in range(199)] + ["bob"])
    many.remove("person 3")
    sources = [gallery.to_bytes() for gallery in (few, many)]
    ended: Counter[str] = Counter()
    untyped: list[str] = []

    def attempt(call: Callable[[], Any], *allowed: type[Exception]) -> Any:
        try:
            answer = call()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  # a panic is no Exception
            ended[type(error).__name__] += 1
            if not isinstance(error, (FaceIDError, *allowed)):
                untyped.append(f"{type(error).__name__}: {error}")
            return None
        ended["an answer"] += 1
        return answer

    path = tmp_path / "gallery.bin"
    for _ in range(COUNT):
        data = mutated(rng, rng.choices(sources, (9, 1))[0])
        path.write_bytes(data)
        loaded = attempt(lambda data=data: Gallery.from_bytes(data))
        mapped = attempt(lambda: Gallery.open(path), OSError)
        assert (loaded is None) == (mapped is None)
        for gallery in (loaded, mapped):
            if gallery is not None:
                for operation in operations(gallery):
                    attempt(operation)
    print(f"\n{COUNT} mutations: {dict(ended.most_common())}")
    assert not untyped, Counter(untyped).most_common(10)
    assert ended["an answer"] > COUNT
    assert ended["InvalidInputError"] > COUNT / 4
