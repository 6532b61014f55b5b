"""Whoever walks from their own face towards somebody else's: no adaptation ever lets in what lies beyond the
floor, or what a key of the enrolled references refuses.

The attacker knows everything: the references, the distances, the rules; in every other sequence even the
credential, and often the person's own pictures, as one who shares a flat would. Each sequence is a mixture
of steps: their own face, faces between, faces just inside or outside of every limit, days that pass; shape
and picture walk each on its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from faceid_fast.adaptation import rules
from faceid_fast.adaptation.rules import DAY_S, Limits, Mode
from faceid_fast.face.embedding import Embedding
from faceid_fast.matching.keys import Distances, KeyDistances, key_distances
from faceid_fast.storage import references
from faceid_fast.storage.keys import Keys
from faceid_fast.storage.references import Adapted
from stand_ins import KEY_LIMITS

KEYS = ("shape", "picture")
LIMITS = Limits(0.45, 0.55, KEY_LIMITS)
DIM = 32
STEPS = 24
Vector = NDArray[np.float32]


def unit_vectors(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    vectors = rng.standard_normal((count, DIM))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def between(a: NDArray[np.float64], b: NDArray[np.float64], distance: float) -> Vector:
    """On the way from one unit vector to another, at a Euclidean distance from the first."""
    across = b - (a @ b) * a
    angle = 2.0 * math.asin(min(distance, 2.0) / 2.0)
    return (math.cos(angle) * a + math.sin(angle) * across / np.linalg.norm(across)).astype(np.float32)


def nearest(query: Vector, references: NDArray[Any]) -> float:
    return float(np.linalg.norm(references.astype(np.float64) - query.astype(np.float64), axis=1).min())


def key_of(
    rng: np.random.Generator, name: str, enrolled: Keys, adapted: tuple[Adapted, ...], attacker: NDArray[Any]
) -> Vector:
    """A key of a probe: near its limit, from what is enrolled or from where they have got to."""
    held = [each.keys for each in adapted if each.keys is not None and rng.random() < 0.5]
    starts = getattr(held[0] if held else enrolled, name).astype(np.float64)
    start = starts[int(rng.integers(len(starts)))]
    reach = 0.0 if rng.random() < 0.3 else getattr(LIMITS.keys, name) * rng.uniform(0.9, 1.02)
    return between(start / np.linalg.norm(start), attacker, reach)


def sequence(
    rng: np.random.Generator, mode: Mode, judge: Callable[..., rules.Verdict]
) -> tuple[int, int, float]:
    """One attacker; returns attempts, accepts beyond the floor or a key, and the farthest accepted one."""
    enrolled = unit_vectors(rng, 1 + int(rng.integers(9))).astype(np.float32)
    keys = Keys.of(*(unit_vectors(rng, len(enrolled)).astype(np.float32) for _ in KEYS))
    attacker = unit_vectors(rng, 1)[0]
    knows_credential = rng.random() < 0.5
    adapted: tuple[Adapted, ...] = ()
    now, beyond, farthest = 1e9, 0, 0.0
    best = LIMITS.threshold
    for _ in range(STEPS):
        start = enrolled[int(rng.integers(len(enrolled)))].astype(np.float64)
        if adapted and rng.random() < 0.5:  # from where they have got to
            start = adapted[int(rng.integers(len(adapted)))].vector.astype(np.float64)
        choice = rng.random()
        reach = (
            best * rng.uniform(0.9, 1.2) if choice < 0.4
            else LIMITS.floor * rng.uniform(0.98, 1.02) if choice < 0.7
            else rng.uniform(0.0, 2.0)
        )  # fmt: skip
        query = Embedding(
            between(start / np.linalg.norm(start), attacker, reach),
            *(key_of(rng, name, keys, adapted, attacker) for name in KEYS),
        )
        distance = nearest(query.joined, enrolled)
        of_keys = key_distances(keys, query)
        verdict = judge(
            query, "infrared", Distances(distance, of_keys), adapted,
            limits=LIMITS, mode=mode, now=now, confirmed=knows_credential and rng.random() < 0.8,
        )  # fmt: skip
        adapted = verdict.adapted
        if verdict.accepted:
            farthest = max(farthest, distance)
            best = max(best, min(reach, 1.5))
            beyond += distance > LIMITS.floor or not of_keys.agree(LIMITS.keys)
        now += float(rng.choice([0.0, 30.0, DAY_S, 5 * DAY_S, -DAY_S]))
    return STEPS, beyond, farthest


def campaign(
    sequences: int, mode: Mode, judge: Callable[..., rules.Verdict] = rules.judge
) -> tuple[int, float]:
    rng = np.random.default_rng(71)
    beyond, farthest = 0, 0.0
    for _ in range(sequences):
        _, more, far = sequence(rng, mode, judge)
        beyond += more
        farthest = max(farthest, far)
    return beyond, farthest


@pytest.mark.parametrize("mode", Mode)
def test_nobody_gets_beyond_the_floor(mode: Mode, long: bool) -> None:
    sequences = (1_000_000 if long else 21_000) // len(Mode)
    beyond, farthest = campaign(sequences, mode)
    print(f"\n{mode}: {sequences} sequences, {beyond} accepts beyond the floor, farthest {farthest:.4f}")
    assert beyond == 0
    if mode is Mode.NEVER:
        assert farthest <= LIMITS.threshold
    else:
        assert LIMITS.threshold < farthest <= LIMITS.floor  # the attack does find what adaptation allows


def moving_average(
    query: Embedding, modality: str, distances: Distances, adapted: tuple[Adapted, ...], **options: Any
) -> rules.Verdict:
    """What many do: a reference that moves towards what it accepts."""
    at = adapted[0].vector if adapted else query.joined
    accepted = (nearest(query.joined, at[None]) if adapted else distances.joined) <= LIMITS.threshold
    if not accepted:
        return rules.Verdict(accepted=False, near_miss=False, adapted=adapted)
    moved = 0.8 * at + 0.2 * query.joined
    moved = (moved / np.linalg.norm(moved)).astype(np.float32)
    reference = Adapted(moved, modality, references.Origin.SUCCESS, options["now"], 9)
    return rules.Verdict(accepted=True, near_miss=False, adapted=(reference,))


def without_the_floor(*arguments: Any, limits: Limits, **options: Any) -> rules.Verdict:
    return rules.judge(*arguments, limits=Limits(limits.threshold, 1.99, limits.keys), **options)


def keys_that_move(
    query: Embedding, modality: str, distances: Distances, adapted: tuple[Adapted, ...], **options: Any
) -> rules.Verdict:
    """The keys of adapted references count as the enrolled ones do."""
    every = [distances.keys, *(key_distances(each.keys, query) for each in adapted)]
    nearer = KeyDistances(min(each.shape for each in every), min(each.picture for each in every))
    return rules.judge(query, modality, distances._replace(keys=nearer), adapted, **options)


def test_keys_that_move_let_the_attacker_in() -> None:
    beyond, farthest = campaign(300, Mode.CONFIRMED, keys_that_move)
    assert beyond > 0
    assert farthest <= LIMITS.floor


@pytest.mark.parametrize("judge", [moving_average, without_the_floor])
def test_other_ways_to_adapt_let_the_attacker_in(judge: Callable[..., rules.Verdict]) -> None:
    beyond, farthest = campaign(300, Mode.CONFIRMED, judge)
    assert beyond > 0
    assert farthest > LIMITS.floor + 0.1
