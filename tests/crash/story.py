"""What happens to a vault, and what must be in it after so many steps: the same for every campaign."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from faceid_fast.storage.keys import Keys
from faceid_fast.storage.references import References
from faceid_fast.storage.store import ReferenceStore, put, remove
from faceid_fast.vault import Vault

KEY = bytes(range(32))
NAMES = tuple(f"person {i}" for i in range(8))

State = dict[str, str]
"""Names, and a digest of everything kept under each."""


@dataclass(frozen=True)
class Step:
    """Put references of somebody, or (without a seed) remove them."""

    name: str
    seed: int | None

    def apply(self, store: ReferenceStore) -> None:
        if self.seed is None:
            remove(store, self.name)
        else:
            put(store, person(self.name, self.seed))

    def after(self, state: State) -> State:
        others = {name: digest for name, digest in state.items() if name != self.name}
        return others if self.seed is None else others | {self.name: digest_of(person(self.name, self.seed))}


class Story:
    """Additions, replacements and removals in an order that a seed decides."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._steps: list[Step] = []
        self._states: list[State] = [{}]
        self._rng = random.Random(seed)

    def step(self, number: int) -> Step:
        while len(self._steps) <= number:
            state = self._states[-1]
            name = self._rng.choice(NAMES)
            removes = name in state and self._rng.random() < 0.4
            step = Step(name, None if removes else self._seed * 100_000 + len(self._steps))
            self._steps.append(step)
            self._states.append(step.after(state))
        return self._steps[number]

    def state(self, done: int) -> State:
        if done:
            self.step(done - 1)
        return self._states[done]


def person(name: str, seed: int) -> References:
    rng = np.random.default_rng(seed)
    count = 1 + seed % 9
    vectors = rng.standard_normal((count, 128))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    keys = []
    for size in (64, 32):
        key = rng.standard_normal((count, size))
        keys.append((key / np.linalg.norm(key, axis=1, keepdims=True)).astype(np.float32))
    return References(
        name,
        vectors.astype(np.float32),
        ("frontal",) * count,
        ("infrared",) * count,
        "5e" * 32,
        keys=Keys.of(*keys),
    )


def digest_of(references: References) -> str:
    parts = (references.identity, references.poses, references.modalities, references.model_sha256)
    keys = references.keys
    values = [references.vectors, *(() if keys is None else (keys.shape, keys.picture))]
    content = b"".join(each.tobytes() for each in values)
    return hashlib.sha256(repr(parts).encode() + content).hexdigest()


def state_of(store: ReferenceStore) -> State:
    return {name: digest_of(kept) for name, kept in store.snapshot().items()}


def state_at(place: Path, key: bytes = KEY) -> State:
    """What a vault opens to; one whose making was cut off is made now, and empty."""
    with Vault.open(place, key=key, create=True) as vault:
        return state_of(vault)
