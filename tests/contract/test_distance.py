"""The core's searches against plain numpy in float64, bit for bit, on every back end of this CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from faceid_fast import _core
from faceid_fast.matching.gallery import Gallery

if TYPE_CHECKING:
    from numpy.typing import NDArray

EVERY_BACKEND = ["avx512-vnni", "avx2+fma", "portable"]


@pytest.fixture(params=EVERY_BACKEND)
def backend(request: pytest.FixtureRequest) -> str:
    """Each back end; those that this CPU lacks are reported as skipped."""
    name = str(request.param)
    if name not in _core.backends():
        pytest.skip(f"no {name} on this CPU")
    return name


def unit_vectors(rng: np.random.Generator, count: int, dim: int) -> NDArray[np.float32]:
    """Return (count, dim) vectors whose norms stray as far from 1 as is allowed."""
    vectors = rng.standard_normal((count, dim))
    norms = rng.uniform(0.9991, 1.0009, (count, 1))
    vectors *= norms / np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32)


def brute_force(
    query: NDArray[np.float32], references: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """All references by distance: indices and float64 distances, ties in order of index."""
    difference = query.astype(np.float64) - references.astype(np.float64)
    distance = np.sqrt((difference**2).sum(axis=-1))
    order = np.argsort(distance, kind="stable")
    return order, distance[order]


@pytest.mark.parametrize("dim", [1, 2, 7, 8, 9, 31, 100, 127, 128, 129, 136, 300, 512, 1000, 2048])
def test_searches_equal_numpy_bit_for_bit(backend: str, dim: int) -> None:
    """Every width, with tails, and more references than one block holds."""
    rng = np.random.default_rng(dim)
    references, queries = unit_vectors(rng, 211, dim), unit_vectors(rng, 8, dim)
    gallery = Gallery(dim, backend=backend)
    gallery.add("ada", references[:100])
    gallery.add("bob", references[100:])
    assert gallery.backend == backend
    found = gallery.nearest(queries, k=5)
    within = gallery.within(queries, 1.3)
    for i, query in enumerate(queries):
        order, distance = brute_force(query, references)
        np.testing.assert_array_equal(found.index[i], order[:5])
        np.testing.assert_array_equal(found.distance[i], distance[:5].astype(np.float32))
        np.testing.assert_array_equal(found.identity[i], order[:5] >= 100)
        span = slice(within.offsets[i], within.offsets[i + 1])
        np.testing.assert_array_equal(within.index[span], order[distance <= 1.3])
        assert gallery.distance_to("ada", query) == distance[order < 100][0]


def test_near_ties_are_ordered_by_float64(backend: str) -> None:
    """References that float32 scores cannot tell apart, in descending order of distance."""
    rng = np.random.default_rng(1)
    query = unit_vectors(rng, 1, 128)[0]
    references = np.repeat(unit_vectors(rng, 1, 128), 300, axis=0)
    for i in range(300):  # one step of the last place, in one value, at a time
        references[i:, i % 128] = np.nextafter(references[i, i % 128], -2, dtype=np.float32)
    order, distance = brute_force(query, references)
    assert not np.array_equal(order, np.arange(300))
    assert np.ptp(distance) < 1e-4
    found = (gallery := Gallery(backend=backend)).add("ada", references)
    assert found.tolist() == list(range(300))
    np.testing.assert_array_equal(gallery.nearest(query, k=300).index, order)
    np.testing.assert_array_equal(gallery.nearest(query, k=1).index, order[:1])
    np.testing.assert_array_equal(gallery.nearest(query, k=20).index, order[:20])
    limit = float(distance[50])
    np.testing.assert_array_equal(gallery.within(query, limit).index, order[distance <= limit])


@pytest.mark.parametrize("dim", [100, 128, 129, 136, 300, 512, 2048])
def test_permuted_references_are_ordered_by_the_rounding_of_the_sum(backend: str, dim: int) -> None:
    """Equal distances on paper: the last bit of numpy's sum, in numpy's order, decides."""
    rng = np.random.default_rng(dim)
    query = np.full(dim, dim**-0.5, np.float32)
    reference = unit_vectors(rng, 1, dim)[0]
    # Beyond a distance of sqrt(2), the square root keeps most of the last bit apart.
    reference *= -np.sign(reference.sum())
    references = np.stack([rng.permutation(reference) for _ in range(300)])
    order, distance = brute_force(query, references)
    assert len(np.unique(distance)) > 1
    assert np.ptp(distance) < 1e-13
    gallery = Gallery(dim, backend=backend)
    gallery.add("ada", references)
    np.testing.assert_array_equal(gallery.nearest(query, k=300).index, order)
    np.testing.assert_array_equal(gallery.nearest(query, k=3).index, order[:3])


def test_a_threshold_is_compared_in_float64_and_included(backend: str) -> None:
    """The distance itself is within; the number just below it is not."""
    rng = np.random.default_rng(2)
    reference, query = unit_vectors(rng, 2, 128)
    gallery = Gallery(backend=backend)
    gallery.add("ada", reference)
    distance = float(brute_force(query, reference[None])[1][0])
    assert gallery.within(query, distance).index.tolist() == [0]
    assert gallery.within(query, np.nextafter(distance, 0)).index.tolist() == []
    assert gallery.best_identity(query, distance).identity == 0
    assert gallery.best_identity(query, np.nextafter(distance, 0)).identity == -1


def test_ten_thousand_references_in_batches(backend: str) -> None:
    """Many blocks, ragged tiles of queries, few and many results."""
    rng = np.random.default_rng(3)
    references, queries = unit_vectors(rng, 10_007, 128), unit_vectors(rng, 20, 128)
    references[5000:5100] = references[:100]  # copies: ties
    queries[:5] = references[:5]
    gallery = Gallery(128, backend=backend)
    gallery.add("ada", references)
    for k in (1, 2, 10, 100):
        found = gallery.nearest(queries, k)
        for i, query in enumerate(queries):
            order, distance = brute_force(query, references)
            np.testing.assert_array_equal(found.index[i], order[:k])
            np.testing.assert_array_equal(found.distance[i], distance[:k].astype(np.float32))


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_people_in_groups(backend: str, threads: int) -> None:
    """So many that the references of a person are ruled out together; on several threads."""
    rng = np.random.default_rng(4)
    people = unit_vectors(rng, 2_000, 128)
    apart = unit_vectors(rng, 20_000, 128)
    references = np.repeat(people, 10, axis=0) + rng.choice([0.0, 0.1, 0.3, 2.0], (20_000, 1)) * apart
    references /= np.linalg.norm(references, axis=1, keepdims=True)
    references = references.astype(np.float32)
    gallery = Gallery(128, backend=backend)
    for person in range(2_000):
        gallery.add(str(person), references[10 * person : 10 * person + 10])
    queries = np.concatenate([references[::2_500], unit_vectors(rng, 5, 128)])
    found = gallery.nearest(queries, k=12, threads=threads)
    best = gallery.best_identity(queries, 0.4, threads=threads)
    within = gallery.within(queries, 0.4, threads=threads)
    for i, query in enumerate(queries):
        order, distance = brute_force(query, references)
        np.testing.assert_array_equal(found.index[i], order[:12])
        np.testing.assert_array_equal(found.distance[i], distance[:12].astype(np.float32))
        span = slice(within.offsets[i], within.offsets[i + 1])
        np.testing.assert_array_equal(within.index[span], order[distance <= 0.4])
        assert best.index[i] == (order[0] if distance[0] <= 0.4 else -1)


def test_unknown_back_ends_are_refused() -> None:
    """The message lists those that there are."""
    with pytest.raises(ValueError, match=r"backend: expected one of .*portable, got avx1024"):
        Gallery(backend="avx1024")
