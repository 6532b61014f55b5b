"""Rates and thresholds against brute force."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from training.batches import TensorSet
from training.evaluate import (
    THRESHOLD_CAP,
    Pairs,
    all_pairs,
    choose_threshold,
    equal_error_rate,
    measure,
    tar_at_far,
    threshold_at_far,
)


@pytest.mark.parametrize("decimals", [1, 2, 6])  # few decimals: many ties
def test_threshold_is_the_largest_that_keeps_the_rate(decimals: int) -> None:
    impostor = np.round(np.random.default_rng(1).uniform(0, 2, 2000), decimals).astype(np.float32)
    for far in (1e-1, 1e-2, 1e-3):
        threshold = threshold_at_far(impostor, far)
        assert threshold is not None
        assert np.mean(impostor <= threshold) <= far
        above = impostor[impostor > threshold].min()
        assert np.mean(impostor <= above) > far


def test_too_few_pairs_support_no_rate() -> None:
    assert threshold_at_far(np.linspace(0.5, 1, 999, dtype=np.float32), 1e-3) is None
    assert tar_at_far(np.ones(5, np.float32), np.ones(99, np.float32), 1e-2) is None


def test_equal_error_rate_of_separated_and_of_mixed_pairs() -> None:
    rng = np.random.default_rng(2)
    near, far = rng.uniform(0, 1, 500).astype(np.float32), rng.uniform(1.1, 2, 700).astype(np.float32)
    assert equal_error_rate(near, far) == 0.0
    assert equal_error_rate(near, near) == pytest.approx(0.5, abs=0.01)


def test_pairs_are_counted_once_and_sorted_into_kinds(strangers: TensorSet) -> None:
    rows = np.random.default_rng(3).standard_normal((len(strangers), 8)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    pairs = all_pairs(rows, strangers)
    assert len(pairs.genuine) == 24 * 15
    assert len(pairs.genuine) + len(pairs.impostor) == 144 * 143 // 2
    assert len(pairs.hard) == 6 * 6 * 36  # 6 clusters, 6 pairs of identities, 6 x 6 images
    assert pairs.genuine[0] == pytest.approx(np.linalg.norm(rows[0] - rows[1]), abs=1e-5)
    assert measure(pairs).n_hard == len(pairs.hard)


def test_pairs_of_two_modalities_are_not_counted(strangers: TensorSet) -> None:
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((len(strangers), 8)).astype(np.float32)
    half = replace(strangers, modalities=(np.arange(len(strangers)) % 2).astype(np.int32))
    count = len(strangers) // 2
    pairs = all_pairs(rows / np.linalg.norm(rows, axis=1, keepdims=True), half)
    assert len(pairs.genuine) + len(pairs.impostor) == count * (count - 1)


def test_threshold_rule_uses_look_alikes_and_is_capped() -> None:
    rng = np.random.default_rng(4)
    genuine, impostor = rng.uniform(0, 0.4, 500), rng.uniform(1, 2, 20_000)
    hard = np.concatenate([np.full(21, 0.35), rng.uniform(0.45, 1.5, 1979)])

    def rule(*kinds: np.ndarray) -> float:
        return choose_threshold(Pairs(*(np.asarray(kind, np.float32) for kind in kinds)))

    assert 0.34 < rule(genuine, impostor, hard) < 0.35
    assert rule(genuine, impostor, np.empty(0)) == THRESHOLD_CAP
    near = np.concatenate([np.full(3, 0.3), impostor])
    assert 0.29 < rule(genuine, near, hard) < 0.3
    few = rule(genuine, np.linspace(0.3, 1, 50), np.empty(0))
    assert 0 < few < 0.3
