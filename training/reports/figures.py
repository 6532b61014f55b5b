"""Figures on rendered identities as JSON: each with its 95 % interval and what supports it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceid_fast.evaluate.claims import support
from faceid_fast.evaluate.scores import accept_rate, tar_at_far
from training.data.batches import TensorSet
from training.metrics.intervals import bootstrap
from training.metrics.verification import all_pairs, measure

Floats = NDArray[np.float32]

RESAMPLED_WHOLE = 2_000_000  # impostor pairs: no more than a second or two of work


def describe(embeddings: Floats, held: TensorSet, thresholds: dict[str, float]) -> dict[str, Any]:
    """Compute every figure with its interval, by modality, as JSON.

    Parameters
    ----------
    embeddings : (n, D) float32 unit rows.
    thresholds : the model's, by modality; FMR and FNMR are given there (``far_at_threshold``,
        ``frr_at_threshold``) and at 0.4.

    Returns
    -------
    dict
        By modality: numbers of identities, captures and comparisons, and ``figures``: name ->
        ``{"value": v, "interval": [low, high]}``, for those at an FMR also its
        `faceid_fast.evaluate.claims.Support`; v None where the pairs are too few to support it,
        the interval None where most resamples do not have the figure.
    """
    described = {}
    for name, rows in held.rows_of_modalities().items():
        part = TensorSet(
            held.tensors[:0], held.identities[rows], held.clusters[rows], held.modalities[rows], held.aligner
        )
        at = {"0.4": 0.4} | ({"threshold": thresholds[name]} if name in thresholds else {})
        described[name] = _describe_one(embeddings[rows], part, at)
    return described


def _describe_one(embeddings: Floats, held: TensorSet, thresholds: dict[str, float]) -> dict[str, Any]:
    pairs = all_pairs(embeddings, held)
    figures = asdict(measure(pairs))
    counts = {key: figures.pop(key) for key in ("n_genuine", "n_impostor", "n_hard")}
    del figures["hard_mean"]  # of a few clusters: no interval to put beside it
    figures["tar_at_far_1e_4"] = tar_at_far(pairs.genuine, pairs.impostor, 10_000)
    figures["hard_tar_at_far_1e_4"] = tar_at_far(pairs.genuine, pairs.hard, 10_000)
    for name, at in thresholds.items():
        figures[f"far_at_{name}"] = accept_rate(pairs.impostor, at)
        figures[f"hard_far_at_{name}"] = accept_rate(pairs.hard, at)
        figures[f"frr_at_{name}"] = 1.0 - float(np.mean(pairs.genuine <= at))
    # Of many impostors the near ones decide every rate; twice as many as err leave room for resamples.
    reached = 1.0 if len(pairs.impostor) < RESAMPLED_WHOLE else min(1.0, max(0.02, 2.0 * figures["eer"]))
    place = min(len(pairs.impostor) - 1, int(reached * len(pairs.impostor)))
    reach = float(np.partition(pairs.impostor, place)[place])
    intervals = bootstrap(embeddings, held.identities, held.clusters, reach=reach, thresholds=thresholds)
    named = {
        key: {"value": _rounded(value), "interval": _rounded(intervals[key])}
        for key, value in figures.items()
    }
    people, alike = _identity_pairs(held)
    for key, inverse in {"1e_2": 100, "1e_3": 1000, "1e_4": 10_000}.items():
        named[f"tar_at_far_{key}"]["support"] = support(len(pairs.impostor), people, inverse)
        named[f"hard_tar_at_far_{key}"]["support"] = support(len(pairs.hard), alike, inverse)
    return {
        "n_identities": len(np.unique(held.identities)),
        "n_captures": len(held.identities),
        **counts,
        "n_identity_pairs": people,
        "n_hard_identity_pairs": alike,
        "figures": named,
    }


def _identity_pairs(held: TensorSet) -> tuple[int, int]:
    """Pairs of two identities, and of two of one cluster."""
    names, rows = np.unique(held.identities, return_index=True)
    clusters = held.clusters[rows]
    sizes = np.unique(clusters[clusters >= 0], return_counts=True)[1]
    return len(names) * (len(names) - 1) // 2, int((sizes * (sizes - 1) // 2).sum())


def _rounded(value: float | tuple[float, float] | None) -> float | list[float] | None:
    if isinstance(value, tuple):
        return [round(end, 6) for end in value]
    return None if value is None else round(float(value), 6)
