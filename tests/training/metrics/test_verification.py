"""Rates and thresholds against brute force."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from faceid_fast.calibration.impostor_tail import is_tail
from faceid_fast.evaluate.scores import score
from training.data.batches import TensorSet
from training.metrics.verification import (
    THRESHOLD_CAP,
    UNMEASURED_CAP,
    Pairs,
    all_pairs,
    choose_threshold,
    choose_thresholds,
    measure,
    tail_of,
)


def test_figures_are_those_of_the_package() -> None:
    """One definition of every rate: `faceid_fast.evaluate.scores`."""
    rng = np.random.default_rng(2)
    genuine, impostor, hard = (
        np.round(rng.uniform(low, 2, count), 2).astype(np.float32)  # two decimals: many ties
        for low, count in ((0, 500), (0.5, 2000), (0.3, 1500))
    )
    figures = measure(Pairs(genuine, impostor, hard))
    easy = score(genuine, impostor, threshold=1.0, failure_to_acquire=None)
    alike = score(genuine, hard, threshold=1.0, failure_to_acquire=None)
    assert (figures.eer, figures.hard_eer) == (easy.eer, alike.eer)
    assert figures.tar_at_far_1e_2 == easy.tar_at_far["1e-2"]
    assert figures.tar_at_far_1e_3 == easy.tar_at_far["1e-3"]
    assert figures.hard_tar_at_far_1e_2 == alike.tar_at_far["1e-2"]
    assert figures.hard_tar_at_far_1e_3 == alike.tar_at_far["1e-3"]


def test_a_tail_accepts_no_more_than_it_says() -> None:
    rng = np.random.default_rng(5)
    impostor = rng.uniform(0.2, 1.9, 40_000).astype(np.float32)
    nothing = np.empty(0, np.float32)
    tail = tail_of(Pairs(nothing, impostor, nothing))
    assert is_tail(tail)
    assert 1e-5 < tail[0][0] < 1e-4  # fewer than one of so many pairs says nothing
    assert tail[-1][0] == 0.01
    for share, distance in tail:
        assert np.mean(impostor <= distance) <= share
        assert np.mean(impostor <= distance + 2e-4) > share - 1e-4
    assert tail_of(Pairs(nothing, impostor[:50], nothing)) == ()


def test_too_few_pairs_support_no_rate() -> None:
    few = measure(Pairs(np.ones(5, np.float32), np.ones(99, np.float32), np.empty(0, np.float32)))
    assert (few.tar_at_far_1e_2, few.tar_at_far_1e_3) == (None, None)
    assert (few.hard_eer, few.hard_tar_at_far_1e_2, few.hard_mean) == (None, None, None)
    with pytest.raises(ValueError, match="pairs of both kinds"):
        measure(Pairs(np.ones(5, np.float32), np.empty(0, np.float32), np.empty(0, np.float32)))


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


def test_every_modality_gets_the_threshold_of_its_own_pairs(strangers: TensorSet) -> None:
    rng = np.random.default_rng(5)
    rows = rng.standard_normal((len(strangers), 8)).astype(np.float32)
    color = np.arange(len(strangers)) % 2 == 1
    rows[color, 1:] *= 0.1  # colours lie closer together
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    both = replace(strangers, modalities=color.astype(np.int32))
    thresholds = choose_thresholds(rows, both)
    assert thresholds["color"] < thresholds["infrared"]
    for name, chosen in (("infrared", ~color), ("color", color)):
        alone = choose_threshold(all_pairs(rows[chosen], strangers.subset(chosen)))
        assert thresholds[name] == alone


def test_threshold_rule_uses_look_alikes_and_is_capped() -> None:
    rng = np.random.default_rng(4)
    genuine, impostor = rng.uniform(0, 0.4, 500), rng.uniform(1, 2, 20_000)
    hard = np.concatenate([np.full(21, 0.35), rng.uniform(0.45, 1.5, 1979)])

    def rule(*kinds: np.ndarray) -> float:
        return choose_threshold(Pairs(*(np.asarray(kind, np.float32) for kind in kinds)))

    assert 0.34 < rule(genuine, impostor, hard) < 0.35
    assert rule(genuine, impostor, np.empty(0)) == THRESHOLD_CAP
    near = np.concatenate([np.full(3, 0.3), impostor])
    assert 0.29 < rule(genuine, near, hard) < float(np.float32(0.3))
    few = rule(genuine, np.linspace(0.3, 1, 50), np.empty(0))
    assert 0 < few < 0.3
    assert rule(genuine, np.linspace(0.9, 1, 50), np.empty(0)) == UNMEASURED_CAP
