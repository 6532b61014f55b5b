"""Checkpoints: what an interrupted training needs to resume as if nothing had happened."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np


def save_checkpoint(
    path: Path, network: keras.Model, optimizer: keras.Optimizer, step: int, best_score: float
) -> None:
    """Write weights, BatchNorm statistics, dropout seeds, optimiser moments and progress to one file.

    The file appears whole or not at all: it is written beside its place, then renamed.
    """
    content = {f"network_{i}": np.asarray(v) for i, v in enumerate(network.variables)}
    content |= {f"optimizer_{i}": np.asarray(v) for i, v in enumerate(optimizer.variables)}
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.savez(file, step=step, best_score=best_score, **content)
    partial.replace(path)


def restore_checkpoint(path: Path, network: keras.Model, optimizer: keras.Optimizer) -> tuple[int, float]:
    """Load what `save_checkpoint` wrote; return the step and the best validation score so far.

    Raises
    ------
    ValueError
        The checkpoint is of another network or optimiser.
    """
    with np.load(path) as content:
        for kind, variables in (("network", network.variables), ("optimizer", optimizer.variables)):
            names = [name for name in content.files if name.startswith(f"{kind}_")]
            if len(names) != len(variables):
                message = f"{path}: expected {len(variables)} {kind} variables, got {len(names)}"
                raise ValueError(message)
            for i, variable in enumerate(variables):
                variable.assign(content[f"{kind}_{i}"])
        return int(content["step"]), float(content["best_score"])


def save_network(path: Path, network: keras.Model) -> None:
    """Save a network as ``.keras``; the file appears whole or not at all."""
    partial = path.with_name(f"{path.stem}.partial.keras")
    network.save(partial)
    partial.replace(path)
