"""Baseline: PCA + LDA on the aligned maps, which a network must beat.

``python -m training.reports.baseline --data DIR`` prints its figures on the validation identities.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.data.batches import TensorSet, load_split
from training.metrics.verification import all_pairs, choose_threshold, figures_at

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class LinearEmbedding:
    """Unit vectors of linear features: row = (flattened tensor - mean) @ projection.

    Attributes
    ----------
    mean : (F,) float32.
    projection : (F, D) float32.
    """

    mean: Floats
    projection: Floats

    def embed(self, tensors: NDArray[np.float16]) -> Floats:
        """Embed (N, 4, 72, 64) tensors: (N, D) float32 unit rows."""
        rows = (_flatten(tensors) - self.mean) @ self.projection
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def fit_pca_lda(
    data: TensorSet, components: int = 250, size: int = 128, images: int = 6000
) -> LinearEmbedding:
    """Fit PCA, then LDA, on at most ``images`` images, identity by identity.

    Parameters
    ----------
    data : training tensors.
    components : principal components kept.
    size : D, discriminant directions kept.
    images : bounds time and memory.
    """
    order = np.argsort(data.identities, kind="stable")[:images]
    rows, who = _flatten(data.tensors[order]), data.identities[order]
    mean = rows.mean(axis=0)
    rows = rows - mean
    _, vectors = np.linalg.eigh((rows.T @ rows).astype(np.float64) / len(rows))
    basis = vectors[:, ::-1][:, :components]
    rows = rows @ basis
    _, index, counts = np.unique(who, return_inverse=True, return_counts=True)
    sums = np.zeros((len(counts), rows.shape[1]))
    np.add.at(sums, index, rows)
    centres = sums / counts[:, None]
    inner = rows - centres[index]
    within = inner.T @ inner / len(rows)
    # Shrunk a little towards a multiple of the identity: the smallest directions are noise.
    within += 0.02 * np.trace(within) / len(within) * np.eye(len(within))
    values, axes = np.linalg.eigh(within)
    whiten = axes / np.sqrt(values)
    _, directions = np.linalg.eigh(np.cov((centres @ whiten).T))
    projection = basis @ whiten @ directions[:, ::-1][:, :size]
    return LinearEmbedding(mean, projection.astype(np.float32))


def _flatten(tensors: NDArray[np.float16]) -> Floats:
    """Every second cell's mean of four: (N, 4, 72, 64) to (N, 4608)."""
    content = tensors.astype(np.float32)
    pooled = content.reshape(len(content), content.shape[1], 36, 2, 32, 2).mean(axis=(3, 5))
    return pooled.reshape(len(content), -1)


def main() -> None:
    """Print the baseline's figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of rendered shards")
    data, held = load_split(parser.parse_args().data)
    pairs = all_pairs(fit_pca_lda(data).embed(held.tensors), held)
    print(json.dumps(figures_at(pairs, choose_threshold(pairs)), indent=2))


if __name__ == "__main__":
    main()
