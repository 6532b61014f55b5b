"""Losses against loops over pairs, and their gradients where they could break."""

from __future__ import annotations

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="needs the training environment (Keras)")

from training.network.losses import (  # noqa: E402
    LossConfig,
    fine_tune_loss,
    info_nce,
    main_loss,
    margin_contrastive,
)


def _batch(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((12, 6)).astype(np.float32)
    rows[:6] = rows[0] + 0.5 * rows[:6]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows, np.repeat(np.arange(4, dtype=np.int32), 3)


def test_info_nce_against_a_loop() -> None:
    z, who = _batch()
    expected = []
    for i in range(len(z)):
        logits = z[i].astype(np.float64) @ z.T / 0.1
        others = [j for j in range(len(z)) if j != i]
        total = np.log(np.sum(np.exp(logits[others])))
        expected.append(np.mean([total - logits[j] for j in others if who[j] == who[i]]))
    assert float(info_nce(z, who, 0.1)) == pytest.approx(np.mean(expected), rel=1e-4)


@pytest.mark.parametrize("active_only", [False, True])
def test_margin_against_a_loop(*, active_only: bool) -> None:
    z, who = _batch()
    genuine, impostor = [], []
    for i in range(len(z)):
        for j in range(i):
            d = float(np.linalg.norm(z[i] - z[j]))
            if who[i] == who[j]:
                genuine.append(d * d)
            elif d < 1.0 or not active_only:
                impostor.append(max(0.0, 1.0 - d) ** 2)
    assert impostor
    expected = np.mean(genuine) + np.mean(impostor)
    loss = margin_contrastive(z, who, 1.0, active_only=active_only)
    assert float(loss) == pytest.approx(expected, rel=1e-4)


def test_anchors_without_a_partner_do_not_count() -> None:
    z, who = _batch()
    lone = np.concatenate([who[:9], [90, 91, 92]]).astype(np.int32)
    assert np.isfinite(float(info_nce(z, lone)))
    nobody = np.arange(12, dtype=np.int32)
    assert float(info_nce(z, nobody)) == 0.0


@pytest.mark.parametrize("name", ["infonce", "margin"])
def test_gradients_stay_finite_for_equal_rows(name: str) -> None:
    tf = pytest.importorskip("tensorflow", reason="needs the training environment (TensorFlow)")
    z, who = _batch()
    rows = tf.constant(np.repeat(z[:1], len(z), axis=0))
    for loss in (main_loss(LossConfig(name=name)), fine_tune_loss(LossConfig(name=name))):
        with tf.GradientTape() as tape:
            tape.watch(rows)
            value = loss(rows, tf.constant(who))
        assert np.isfinite(float(value))
        assert np.isfinite(tape.gradient(value, rows).numpy()).all()


def test_losses_fall_as_identities_part() -> None:
    who = np.repeat(np.arange(4, dtype=np.int32), 3)
    apart = np.repeat(np.eye(4, 6, dtype=np.float32), 3, axis=0)
    together = np.full_like(apart, 6.0**-0.5)
    for name in ("infonce", "margin"):
        for loss in (main_loss(LossConfig(name=name)), fine_tune_loss(LossConfig(name=name))):
            assert float(loss(apart, who)) < float(loss(together, who))


def test_unknown_loss_is_named() -> None:
    with pytest.raises(ValueError, match="cosface"):
        main_loss(LossConfig(name="cosface"))  # type: ignore[arg-type]
