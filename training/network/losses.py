"""Losses over a batch of embeddings: every pair of rows is a Siamese pair.

A batch of P identities x K images gives P*K*(K-1)/2 genuine pairs and all the others as impostor
pairs from one pass of the shared network, where the classic two-tower form gives one pair for two
passes. All functions take unit rows and return a scalar.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from keras import KerasTensor as Tensor
from keras import ops

LossName = Literal["infonce", "margin"]
Loss = Callable[[Tensor, Tensor], Tensor]

MASKED = -1e9  # added to a logit, it removes the pair from a softmax without producing NaN
SMALLEST_SQUARED = 1e-8  # the gradient of a square root is infinite at zero


@dataclass(frozen=True)
class LossConfig:
    """Which loss trains the network, and how it ends.

    Attributes
    ----------
    name : "infonce" (supervised contrastive, many negatives for each anchor) or "margin" (the pair
        loss of the 2018 notebook, over all pairs of the batch).
    temperature : of the InfoNCE softmax.
    margin : Euclidean distance beyond which an impostor pair costs nothing.
    fine_tune_share : last share of the steps, trained with `fine_tune`: it pulls genuine distances
        below the threshold. Started earlier it hurts, so it stays at the end. 0 turns it off.
    fine_tune_infonce : weight of the InfoNCE term kept during the fine-tune.
    """

    name: LossName = "infonce"
    temperature: float = 0.1
    margin: float = 1.0
    fine_tune_share: float = 0.2
    fine_tune_infonce: float = 0.1


def info_nce(embeddings: Tensor, identities: Tensor, temperature: float = 0.1) -> Tensor:
    """Supervised contrastive loss [Khosla et al. 2020, arXiv:2004.11362, L_out].

    Each anchor must tell each of its genuine partners from everything else in the batch.

    Parameters
    ----------
    embeddings : (N, D) float32 unit rows.
    identities : (N,) int32.
    temperature : divides the cosines.
    """
    genuine, impostor = _pair_masks(identities)
    logits = ops.matmul(embeddings, ops.transpose(embeddings)) / temperature
    log_total = ops.logsumexp(logits + MASKED * (1.0 - genuine - impostor), axis=1, keepdims=True)
    partners = ops.sum(genuine, axis=1)
    each = -ops.sum(genuine * (logits - log_total), axis=1) / ops.maximum(partners, 1.0)
    anchors = ops.cast(partners > 0, "float32")
    return ops.sum(each * anchors) / ops.maximum(ops.sum(anchors), 1.0)


def margin_contrastive(
    embeddings: Tensor, identities: Tensor, margin: float = 1.0, *, active_only: bool = False
) -> Tensor:
    """Mean of d^2 over genuine pairs plus mean of max(0, margin - d)^2 over impostor pairs.

    The form of the 2018 notebook [Hadsell et al. 2006], balanced between the two kinds.

    Parameters
    ----------
    embeddings : (N, D) float32 unit rows.
    identities : (N,) int32.
    margin : Euclidean distance, below 2.
    active_only : average impostor pairs over those within the margin only. Over all of them, a
        trained network's few dangerous pairs drown among thousands that cost nothing.
    """
    genuine, impostor = _pair_masks(identities)
    cosines = ops.matmul(embeddings, ops.transpose(embeddings))
    squared = ops.maximum(2.0 - 2.0 * cosines, SMALLEST_SQUARED)
    shortfall = ops.maximum(margin - ops.sqrt(squared), 0.0)
    counted = impostor * ops.cast(shortfall > 0, "float32") if active_only else impostor
    return _mean_over(squared, genuine) + _mean_over(ops.square(shortfall), counted)


def main_loss(config: LossConfig) -> Loss:
    """Choose the loss of the first part of the training."""
    if config.name == "infonce":
        return lambda z, y: info_nce(z, y, config.temperature)
    if config.name == "margin":
        return lambda z, y: margin_contrastive(z, y, config.margin)
    message = f"loss: expected 'infonce' or 'margin', got {config.name!r}"
    raise ValueError(message)


def fine_tune_loss(config: LossConfig) -> Loss:
    """Choose the loss of the last part of the training: active margin pairs, and some InfoNCE for spread."""
    return lambda z, y: (
        margin_contrastive(z, y, config.margin, active_only=True)
        + config.fine_tune_infonce * info_nce(z, y, config.temperature)
    )


def _pair_masks(identities: Tensor) -> tuple[Tensor, Tensor]:
    """Float (N, N) masks of genuine pairs (without the diagonal) and of impostor pairs."""
    same = ops.cast(identities[:, None] == identities[None, :], "float32")
    return same - ops.eye(ops.shape(identities)[0], dtype="float32"), 1.0 - same


def _mean_over(values: Tensor, mask: Tensor) -> Tensor:
    return ops.sum(values * mask) / ops.maximum(ops.sum(mask), 1.0)
