"""BatchNorm statistics: check that those used at inference match what batches show.

The moving averages trail the weights. Where they trail too far, the exported network is not the
one that was trained: distances shrink, and a threshold means something else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray

TOLERATED_DRIFT = 0.1


@dataclass(frozen=True)
class Statistics:
    """Mean and variance of one layer, each (C,) float64."""

    mean: NDArray[np.float64]
    variance: NDArray[np.float64]


def check_batch_norm(
    network: keras.Model, draw: Callable[[int], NDArray[np.float32]], batches: int = 24
) -> float:
    """Compare the moving statistics with those of fresh batches; correct them if they differ.

    Parameters
    ----------
    network : changed in place, and only where the drift is above `TOLERATED_DRIFT`.
    draw : gives batch number i, (N, 4, 72, 64) float32.
    batches : number of batches averaged.

    Returns
    -------
    float
        Drift before any correction: the root mean square, over the channels of the worst layer, of
        the mean's shift in standard deviations and of half the log ratio of the variances.
    """
    moving = _read(network)
    measured = _measure(network, draw, batches)
    drift = max((_drift(a, b) for a, b in zip(moving, measured, strict=True)), default=0.0)
    _write(network, measured if drift > TOLERATED_DRIFT else moving)
    return drift


def _measure(
    network: keras.Model, draw: Callable[[int], NDArray[np.float32]], batches: int
) -> list[Statistics]:
    """Average batch statistics, all layers at once, without dropout (inference has none)."""
    dropouts = _layers(network, keras.layers.Dropout)
    rates = [layer.rate for layer in dropouts]
    norms = _layers(network, keras.layers.BatchNormalization)
    momenta = [layer.momentum for layer in norms]
    for layer in dropouts:
        layer.rate = 0.0
    try:
        for i in range(batches):
            for layer in norms:
                layer.momentum = i / (i + 1)  # makes the moving average a plain average
            network(draw(i), training=True)
        return _read(network)
    finally:
        for layer, rate in zip(dropouts, rates, strict=True):
            layer.rate = rate
        for layer, momentum in zip(norms, momenta, strict=True):
            layer.momentum = momentum


def _drift(moving: Statistics, measured: Statistics) -> float:
    # A dead channel has no variance of its own; the layer's epsilon keeps it harmless.
    spread = np.sqrt(measured.variance + 1e-3)
    shift = (moving.mean - measured.mean) / spread
    scale = 0.5 * np.log((moving.variance + 1e-3) / (measured.variance + 1e-3))
    return float(np.sqrt(np.mean(shift**2) + np.mean((scale - scale.mean()) ** 2)))


def _layers(network: keras.Model, kind: type[keras.layers.Layer]) -> list[keras.layers.Layer]:
    """Layers of a kind, those of joined networks (`training.network.ensemble`) among them."""
    found = []
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            found += _layers(layer, kind)
        elif isinstance(layer, kind):
            found.append(layer)
    return found


def _read(network: keras.Model) -> list[Statistics]:
    return [
        Statistics(
            np.asarray(layer.moving_mean, np.float64).copy(),
            np.asarray(layer.moving_variance, np.float64).copy(),
        )
        for layer in _layers(network, keras.layers.BatchNormalization)
    ]


def _write(network: keras.Model, statistics: list[Statistics]) -> None:
    norms = _layers(network, keras.layers.BatchNormalization)
    for layer, values in zip(norms, statistics, strict=True):
        layer.moving_mean.assign(values.mean.astype(np.float32))
        layer.moving_variance.assign(values.variance.astype(np.float32))
