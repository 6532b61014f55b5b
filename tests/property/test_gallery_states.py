"""Any sequence of changes and searches equals a list of vectors searched by numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from faceid_fast import _core
from faceid_fast.errors import InvalidInputError, UnknownIdentityError
from faceid_fast.matching.gallery import Gallery

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAMES = st.sampled_from(["ada", "bob", "eve", "Łukasz", "明"])


@dataclass
class Reference:
    """One row of the model."""

    index: int
    name: str
    vector: NDArray[np.float32]


def unit(cells: NDArray[np.float64]) -> NDArray[np.float32]:
    """Scale rows to norms as far from 1 as is allowed; equal rows stay equal.

    Rows of (almost) nothing become the first axis.
    """
    cells = cells.copy()
    cells[np.linalg.norm(cells, axis=1) < 1e-6] = np.eye(1, cells.shape[1])
    checksums = (cells * np.arange(1, cells.shape[1] + 1)).sum(axis=1, keepdims=True)
    norms = 1 + 9e-4 * np.sin(checksums)
    return np.asarray(cells / np.linalg.norm(cells, axis=1, keepdims=True) * norms, np.float32)


def vectors(dim: int, least: int, most: int) -> st.SearchStrategy[NDArray[np.float32]]:
    """(M, dim) unit vectors: a coarse grid, where copies and ties abound, and any finite values."""
    coarse = st.integers(-1, 1).map(float)
    fine = st.floats(-1, 1, width=32)
    counts = st.integers(least, most)
    return counts.flatmap(
        lambda count: st.one_of(
            arrays(np.float64, (count, dim), elements=coarse),
            arrays(np.float64, (count, dim), elements=fine),
        )
    ).map(unit)


class GalleryStates(RuleBasedStateMachine):
    """A gallery beside its model."""

    backend: str

    @initialize(dim=st.sampled_from([1, 2, 3, 7, 8, 9, 16, 33, 130]))
    def start(self, dim: int) -> None:
        self.dim = dim
        self.gallery = Gallery(dim, backend=self.backend)
        self.model: list[Reference] = []
        self.added = 0

    def append(self, name: str, rows: NDArray[np.float32], indices: NDArray[np.int64]) -> None:
        assert indices.tolist() == list(range(self.added, self.added + len(rows)))
        self.added += len(rows)
        self.model += [Reference(int(index), name, row) for index, row in zip(indices, rows, strict=True)]

    def known(self, name: str) -> bool:
        return any(reference.name == name for reference in self.model)

    def brute_force(self, query: NDArray[np.float32]) -> list[tuple[float, Reference]]:
        if not self.model:
            return []
        rows = np.stack([reference.vector for reference in self.model]).astype(np.float64)
        distances = np.sqrt(((query.astype(np.float64) - rows) ** 2).sum(axis=-1))
        return [(float(distances[i]), self.model[i]) for i in np.argsort(distances, kind="stable")]

    @rule(name=NAMES, data=st.data())
    def add(self, name: str, data: st.DataObject) -> None:
        rows = data.draw(vectors(self.dim, 1, 80))
        self.append(name, rows, self.gallery.add(name, rows))

    @precondition(lambda self: self.model)
    @rule(name=NAMES, data=st.data())
    def add_a_copy(self, name: str, data: st.DataObject) -> None:
        row = data.draw(st.sampled_from(self.model)).vector
        self.append(name, row[None], self.gallery.add(name, row))

    @rule(name=NAMES)
    def remove(self, name: str) -> None:
        if not self.known(name):
            with pytest.raises(UnknownIdentityError):
                self.gallery.remove(name)
            return
        left = [reference for reference in self.model if reference.name != name]
        assert self.gallery.remove(name) == len(self.model) - len(left)
        self.model = left

    @rule(name=NAMES, data=st.data())
    def replace(self, name: str, data: st.DataObject) -> None:
        rows = data.draw(vectors(self.dim, 1, 5))
        if not self.known(name):
            with pytest.raises(UnknownIdentityError):
                self.gallery.replace(name, rows)
            return
        indices = self.gallery.replace(name, rows)
        self.model = [reference for reference in self.model if reference.name != name]
        self.append(name, rows, indices)

    @rule(name=NAMES, data=st.data(), bad=st.sampled_from([np.nan, np.inf, -np.inf, 1.5, 1e30]))
    def add_with_a_bad_row(self, name: str, data: st.DataObject, bad: float) -> None:
        rows = data.draw(vectors(self.dim, 1, 6))
        row = data.draw(st.integers(0, len(rows) - 1))
        rows[row, data.draw(st.integers(0, self.dim - 1))] = bad
        for change in (self.gallery.add, self.gallery.replace):
            with pytest.raises(InvalidInputError, match=f"in row {row}$"):
                change(name, rows)
        with pytest.raises(InvalidInputError, match=f"queries: .* in row {row}$"):
            self.gallery.nearest(rows)

    @rule(data=st.data(), k=st.integers(1, 12))
    def nearest(self, data: st.DataObject, k: int) -> None:
        queries = data.draw(vectors(self.dim, 0, 7))
        found = self.gallery.nearest(queries, k)
        assert found.distance.shape == found.index.shape == found.identity.shape
        assert found.index.shape == (len(queries), k)
        for i, query in enumerate(queries):
            expected = self.brute_force(query)[:k]
            short = k - len(expected)
            assert found.index[i].tolist() == [r.index for _, r in expected] + [-1] * short
            assert found.names[i].tolist() == [r.name for _, r in expected] + [None] * short
            distances = [float(np.float32(d)) for d, _ in expected] + [np.inf] * short
            assert found.distance[i].tolist() == distances
            assert self.gallery.nearest(query, k).index.tolist() == found.index[i].tolist()

    @rule(data=st.data(), limit=st.one_of(st.floats(0, 2.1), st.sampled_from([0.0, 2**0.5, 2.0])))
    def thresholds(self, data: st.DataObject, limit: float) -> None:
        queries = data.draw(vectors(self.dim, 0, 7))
        within = self.gallery.within(queries, limit)
        best = self.gallery.best_identity(queries, limit)
        assert within.offsets[0] == 0
        assert within.offsets[-1] == len(within.index)
        for i, query in enumerate(queries):
            expected = [(d, r) for d, r in self.brute_force(query) if d <= limit]
            span = slice(within.offsets[i], within.offsets[i + 1])
            assert within.index[span].tolist() == [r.index for _, r in expected]
            assert within.names[span].tolist() == [r.name for _, r in expected]
            assert best.index[i] == (expected[0][1].index if expected else -1)
            assert best.names[i] == (expected[0][1].name if expected else None)
            assert np.isfinite(best.distance[i]) == bool(expected)

    @rule(name=NAMES, data=st.data())
    def distance_to(self, name: str, data: st.DataObject) -> None:
        query = data.draw(vectors(self.dim, 1, 1))[0]
        if not self.known(name):
            with pytest.raises(UnknownIdentityError):
                self.gallery.distance_to(name, query)
            return
        nearest = min(d for d, reference in self.brute_force(query) if reference.name == name)
        assert self.gallery.distance_to(name, query) == nearest

    @invariant()
    def same_people(self) -> None:
        if not hasattr(self, "model"):
            return
        assert len(self.gallery) == len(self.model)
        assert set(self.gallery.identities) == {reference.name for reference in self.model}


class OnAvx512(GalleryStates):
    """The machine on AVX-512 with VNNI."""

    backend = "avx512-vnni"


class OnAvx2(GalleryStates):
    """The machine on AVX2."""

    backend = "avx2+fma"


class OnPortable(GalleryStates):
    """The machine on plain Rust."""

    backend = "portable"


EFFORT = settings(max_examples=60, stateful_step_count=25, deadline=None)


def on_this_cpu(states: type[GalleryStates]) -> type[RuleBasedStateMachine.TestCase]:
    """The machine's test, skipped where the CPU lacks the instructions."""
    missing = states.backend not in _core.backends()
    test = pytest.mark.skipif(missing, reason=f"no {states.backend} on this CPU")(states.TestCase)
    test.settings = EFFORT
    return test


TestAvx512 = on_this_cpu(OnAvx512)
TestAvx2 = on_this_cpu(OnAvx2)
TestPortable = on_this_cpu(OnPortable)
