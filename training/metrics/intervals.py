"""Bootstrap over identities in bounded memory: 95 % intervals of figures on rendered identities.

The definitions are those of `faceid_fast.evaluate.intervals`. A thousand identities have half a
million pairs and 50 million comparisons, so distances are counted in bins, and of the impostors only
the near ones, which decide every rate: the far ones are counted in the totals and the mean alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceid_fast.calibration.binomial import Interval
from faceid_fast.evaluate.intervals import draw_people, equal_error_rates, interval, tars_at_far

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

STEP = 0.0005
"""Width of a bin: no figure of interest changes by more than its rounding within one."""
FARTHEST = 2.0 + STEP
BLOCK = 256
CHUNK = 2048


@dataclass(frozen=True)
class Block:
    """A block of the matrix of distances: some rows, against all rows from the first of them on.

    Attributes
    ----------
    start : the first row; the block holds rows ``start`` to ``start + r - 1``.
    distances : (r, n - start) float32, Euclidean.
    once : (r, n - start) bool; true where the second row comes after the first, so that every pair of
        rows is in one block once.
    """

    start: int
    distances: Floats
    once: NDArray[np.bool_]


def blocks(embeddings: Floats) -> Iterator[Block]:
    """Yield the distances of all pairs of (n, D) unit rows in blocks: n * n floats would need gigabytes."""
    for start in range(0, len(embeddings), BLOCK):
        rows = embeddings[start : start + BLOCK]
        squared = 2.0 - 2.0 * (rows @ embeddings[start:].T)
        distances = np.sqrt(np.clip(squared, 0.0, 4.0)).astype(np.float32)
        once = np.arange(distances.shape[1])[None] > np.arange(len(rows))[:, None]
        yield Block(start, distances, once)


class BinnedDistances:
    """Weights of binned comparisons in R resamples, as `faceid_fast.evaluate.intervals.Weighted`.

    Parameters
    ----------
    counts : (E, R) int64; weight of the comparisons in (edge k - 1, edge k].
    edges : (E,) ascending; what is asked for must be one of them.
    total : (R,) int64, of all comparisons, those beyond the last edge included.
    """

    def __init__(self, counts: Ints, edges: NDArray[np.float64], total: Ints) -> None:
        self._below = np.cumsum(counts, axis=0)
        self._edges = edges
        self.total = total

    def accepted(self, thresholds: NDArray[np.float64]) -> Ints:
        """Weight (R,) of the comparisons at or below a threshold (R,) of each resample."""
        rows = np.searchsorted(self._edges, thresholds)
        weights: Ints = np.take_along_axis(self._below, rows[None], axis=0)[0]
        return weights


@dataclass(frozen=True)
class _Near:
    """Near comparisons of one kind, by bin: who with whom."""

    bins: Ints
    first: Ints
    second: Ints


def bootstrap(
    embeddings: Floats,
    identities: NDArray[np.int32],
    clusters: NDArray[np.int32],
    *,
    reach: float,
    thresholds: dict[str, float],
) -> dict[str, Interval | None]:
    """Compute the intervals of all figures, under the names that `training.reports.figures.describe` uses.

    Parameters
    ----------
    embeddings : (n, D) float32 unit rows of one modality.
    identities, clusters : (n,), as in `training.data.batches.TensorSet`.
    reach : impostor distance up to which pairs are resampled; a few times as many impostors as are
        accepted at the equal error rate should lie nearer.
    thresholds : name -> distance, at which FMR and FNMR are given.
    """
    order = np.argsort(identities, kind="stable")
    rows, cluster = embeddings[order], clusters[order]
    _, starts, who = np.unique(identities[order], return_index=True, return_inverse=True)
    people = len(starts)
    edges = np.unique([-1.0, *np.arange(0.0, FARTHEST, STEP), *thresholds.values()])
    reach = max(reach, *thresholds.values())
    sums = np.zeros((people, people))
    genuine_bins = np.zeros((people, len(edges)), np.int64)
    strangers, look_alikes = _Collector(edges, reach), _Collector(edges, FARTHEST)
    for block in blocks(rows):
        mine, theirs = who[block.start : block.start + len(block.distances)], who[block.start :]
        same = mine[:, None] == theirs[None]
        a, b = np.nonzero(same & block.once)
        np.add.at(genuine_bins, (mine[a], np.searchsorted(edges, block.distances[a, b])), 1)
        _add_by_identity(sums, np.where(block.once, block.distances, 0.0).astype(np.float32), mine, theirs)
        other = ~same & block.once
        strangers.take(block, other, mine, theirs)
        alike = cluster[block.start : block.start + len(mine), None] == cluster[None, block.start :]
        look_alikes.take(block, other & alike & (cluster[None, block.start :] >= 0), mine, theirs)

    draws = draw_people(people)
    captures = np.bincount(who)
    compared = np.outer(captures, captures)
    genuine = BinnedDistances(
        genuine_bins.T @ draws, edges, (captures * (captures - 1) // 2) @ draws
    )  # of every draw of a person: their own pairs
    near = edges <= reach
    impostor = BinnedDistances(
        strangers.weights(draws)[near], edges[near], _between(np.triu(compared, 1), draws).astype(np.int64)
    )
    hard_counts = look_alikes.weights(draws)
    hard = BinnedDistances(hard_counts, edges, hard_counts.sum(axis=0))
    impostor_sum = _between(np.triu(sums, 1), draws)
    return {
        **_rates("", genuine, impostor, edges[near], thresholds),
        **_rates("hard_", genuine, hard, edges, thresholds),
        **{
            f"frr_at_{name}": interval(1.0 - _share(genuine.accepted(_all(at, draws)), genuine.total))
            for name, at in thresholds.items()
        },
        "genuine_mean": interval(_share(np.diag(sums) @ draws, genuine.total)),
        "impostor_mean": interval(_share(impostor_sum, impostor.total)),
    }


def _rates(
    prefix: str,
    genuine: BinnedDistances,
    impostor: BinnedDistances,
    edges: NDArray[np.float64],
    thresholds: dict[str, float],
) -> dict[str, Interval | None]:
    tars = {"1e_2": 100, "1e_3": 1000, "1e_4": 10_000}
    return {
        f"{prefix}eer": interval(equal_error_rates(genuine, impostor, edges)),
        **{
            f"{prefix}tar_at_far_{key}": interval(tars_at_far(genuine, impostor, edges, inverse))
            for key, inverse in tars.items()
        },
        **{
            f"{prefix}far_at_{name}": interval(
                _share(impostor.accepted(_all(at, impostor.total)), impostor.total)
            )
            for name, at in thresholds.items()
        },
    }


class _Collector:
    """Gathers the near comparisons of one kind, then weighs them."""

    def __init__(self, edges: NDArray[np.float64], reach: float) -> None:
        self._edges = edges
        self._reach = reach
        self._found: list[_Near] = []

    def take(self, block: Block, chosen: NDArray[np.bool_], mine: Ints, theirs: Ints) -> None:
        a, b = np.nonzero(chosen & (block.distances <= self._reach))
        bins = np.searchsorted(self._edges, block.distances[a, b])
        self._found.append(_Near(bins, mine[a].astype(np.int32), theirs[b].astype(np.int32)))

    def weights(self, draws: Ints) -> Ints:
        """Weight (E, R) of every bin in every resample."""
        bins = np.concatenate([near.bins for near in self._found])
        order = np.argsort(bins, kind="stable")
        bins = bins[order]
        first = np.concatenate([near.first for near in self._found])[order]
        second = np.concatenate([near.second for near in self._found])[order]
        # How often somebody is drawn is a small number: two bytes hold the product of two of them.
        times = draws.astype(np.uint16)
        counts = np.zeros((len(self._edges), draws.shape[1]), np.int64)
        for start in range(0, len(bins), CHUNK):
            part = slice(start, start + CHUNK)
            weight = times[first[part]]
            weight *= times[second[part]]
            present, starts = np.unique(bins[part], return_index=True)
            counts[present] += np.add.reduceat(weight, starts, axis=0, dtype=np.int32)
        return counts


def _add_by_identity(sums: NDArray[np.float64], values: Floats, mine: Ints, theirs: Ints) -> None:
    """Add (r, m) values to ``sums`` by identity of row and column, both ascending."""
    down, across = (np.flatnonzero(np.diff(who, prepend=-1)) for who in (mine, theirs))
    wide = np.add.reduceat(np.add.reduceat(values.astype(np.float64), down, axis=0), across, axis=1)
    sums[np.ix_(mine[down], theirs[across])] += wide


def _between(table: NDArray[np.float64] | Ints, draws: Ints) -> NDArray[np.float64]:
    """Sum (R,) of a table over the pairs of people that are drawn, times how often both are."""
    times = draws.astype(np.float64)
    total: NDArray[np.float64] = np.einsum("ar,ar->r", times, table.astype(np.float64) @ times)
    return np.round(total) if np.issubdtype(table.dtype, np.integer) else total


def _all(threshold: float, like: Ints) -> NDArray[np.float64]:
    return np.full(like.shape[-1], threshold)


def _share(part: NDArray[np.float64] | Ints, whole: Ints) -> NDArray[np.float64]:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)
