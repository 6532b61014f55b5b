"""The Python face of the gallery: shapes, dtypes, names, refusals, threads."""

from __future__ import annotations

import gc
import re
import struct
import sys
import threading
import zlib
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from faceid_fast.errors import FaceIDError, InvalidInputError, UnknownIdentityError
from faceid_fast.matching.gallery import Gallery, Matches, RaggedMatches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

AXES = np.eye(4, dtype=np.float32)
GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "gallery-1"


@pytest.fixture
def gallery() -> Gallery:
    """ada on the first two axes, bob on the third."""
    made = Gallery(dim=4)
    made.add("ada", AXES[:2])
    made.add("bob", AXES[2])
    return made


def test_shapes_and_dtypes(gallery: Gallery) -> None:
    """One query has no axis of queries."""
    for queries, shape in ((AXES[0], (2,)), (AXES[:1], (1, 2)), (AXES, (4, 2)), (AXES[:0], (0, 2))):
        found = gallery.nearest(queries, k=2)
        best = gallery.best_identity(queries)
        within = gallery.within(queries, 0.5)
        assert isinstance(found, Matches)
        assert isinstance(within, RaggedMatches)
        assert found.distance.shape == found.index.shape == found.identity.shape == shape
        assert best.distance.shape == best.index.shape == best.names.shape == shape[:-1]
        assert within.offsets.shape == (len(np.atleast_2d(queries)) + 1,)
        for matches in (found, best, within):
            assert matches.distance.dtype == np.float32
            assert matches.index.dtype == matches.identity.dtype == np.int64
            assert matches.names.shape == matches.identity.shape
    assert gallery.within(AXES[0], 0.5).offsets.tolist() == [0, 1]
    assert gallery.within(AXES, 0.5).offsets.tolist() == [0, 1, 2, 3, 3]


def test_matches_are_frozen_and_name_their_people(gallery: Gallery) -> None:
    """Names are resolved when asked for; -1 has none."""
    found = gallery.nearest(AXES[2], k=4)
    assert found.names.tolist() == ["bob", "ada", "ada", None]
    assert found.distance[0] == 0
    with pytest.raises(AttributeError):
        found.distance = found.distance  # type: ignore[misc]


def test_arrays_are_made_once_and_stay_the_same(gallery: Gallery) -> None:
    found = gallery.nearest(AXES[0], k=2)
    assert found.distance is found.distance
    assert found.index is found.index
    assert found.identity is found.identity
    assert found.gallery is gallery
    with pytest.raises(TypeError):
        type(found)()
    assert repr(found) == "<Matches of shape (2,)>"
    assert repr(gallery.within(AXES[:2], 2.0)) == "<RaggedMatches of shape (6,)>"


def test_matches_keep_a_gallery_that_nobody_else_does() -> None:
    found = Gallery.from_arrays(AXES, list("abcd")).best_identity(AXES[0])
    gc.collect()
    assert found.names.item() == "a"
    assert found.names.shape == ()


def test_removed_people_are_not_named(gallery: Gallery) -> None:
    """Not even once somebody else, or the same name, has joined."""
    found = gallery.nearest(AXES[2])
    assert gallery.remove("bob") == 1
    assert found.names.tolist() == [None]
    gallery.add("eve", AXES[3])
    gallery.add("bob", AXES[2])
    assert found.names.tolist() == [None]
    assert gallery.nearest(AXES[2]).identity > found.identity
    assert gallery.nearest(AXES[2]).index > found.index


def test_an_empty_gallery_matches_nothing() -> None:
    """Infinity is never within a threshold."""
    empty = Gallery(dim=4)
    assert len(empty) == 0
    assert empty.identities == []
    found = empty.best_identity(AXES)
    assert found.distance.tolist() == [np.inf] * 4
    assert found.index.tolist() == found.identity.tolist() == [-1] * 4
    assert empty.within(AXES, 2.0).offsets.tolist() == [0] * 5
    with pytest.raises(UnknownIdentityError):
        empty.distance_to("ada", AXES[0])


def test_what_it_says_about_itself(gallery: Gallery) -> None:
    """Counts, names in order of arrival, memory."""
    assert len(gallery) == 3
    assert gallery.identities == ["ada", "bob"]
    assert "ada" in gallery
    assert "eve" not in gallery
    assert 3 not in gallery
    assert gallery.dim == 4
    assert gallery.nbytes >= 3 * 4 * 4
    assert Gallery().dim == 128


def test_from_arrays_keeps_the_order() -> None:
    """One identity per row, in any order, also from an array of str."""
    names = ["bob", "ada", "bob", "eve"]
    for identities in (names, tuple(names), np.array(names), iter(names)):
        made = Gallery.from_arrays(AXES, identities)
        assert made.identities == ["bob", "ada", "eve"]
        assert made.nearest(AXES).names.ravel().tolist() == names
    assert len(Gallery.from_arrays(AXES[:0], [])) == 0


def test_subclasses_stay_what_they_are() -> None:
    """A classmethod makes its class."""

    class Mine(Gallery):
        pass

    assert type(Mine.from_arrays(AXES, ["ada"] * 4)) is Mine


@pytest.mark.parametrize("count", [10_000, 30_000])
def test_memory_is_that_of_the_data(count: int) -> None:
    """At most 1.3 times the float32 values, loaded at once or piece by piece, alike or not."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((count, 128), dtype=np.float32)
    vectors[: count // 2] = 0.1 * vectors[: count // 2] + np.repeat(vectors[: count // 20], 10, axis=0)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    names = [str(i // 10) for i in range(count)]
    made = Gallery.from_arrays(vectors, names)
    grown = Gallery()
    for start in range(0, count, 10):
        grown.add(names[start], vectors[start : start + 10])
    for gallery in (made, grown):
        assert vectors.nbytes < gallery.nbytes <= 1.3 * vectors.nbytes


@pytest.mark.skipif(
    Gallery().backend == "portable", reason="codes of five bits are for kernels that multiply bytes"
)
def test_where_codes_have_five_bits_searches_are_exact() -> None:
    """Many references of one vector each: less memory, and what float64 says."""
    rng = np.random.default_rng(3)
    vectors = rng.standard_normal((140_000, 128), dtype=np.float32)
    vectors[100_000:100_040] = vectors[7]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    gallery = Gallery.from_arrays(vectors, map(str, range(len(vectors))))
    assert gallery.code_nbytes < 0.63 * vectors.size
    assert vectors.nbytes < gallery.nbytes <= 1.25 * vectors.nbytes
    queries = np.concatenate([vectors[[7, 139_999]], rng.standard_normal((9, 128), dtype=np.float32)])
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    # What float32 leaves near the tenth, in float64.
    scores = queries @ vectors.T
    for k in (1, 10, 45):
        found = gallery.nearest(queries, k)
        singles = [gallery.nearest(query, k, threads=1 + i % 2) for i, query in enumerate(queries)]
        for i, query in enumerate(queries):
            near = np.flatnonzero(scores[i] >= np.partition(scores[i], -k)[-k] - 1e-4)
            exact = np.sqrt(((query.astype(np.float64) - vectors[near]) ** 2).sum(1))
            order = np.lexsort((near, exact))[:k]
            for matches in (found.index[i], singles[i].index):
                np.testing.assert_array_equal(matches, near[order])
            for distances in (found.distance[i], singles[i].distance):
                np.testing.assert_array_equal(distances, exact[order].astype(np.float32))


def test_bytes_hold_everything(gallery: Gallery, tmp_path: Path) -> None:
    """Indices, numbers and names; in memory or mapped from a file."""
    gallery.remove("ada")
    gallery.add("Łukasz", AXES[3])
    data = gallery.to_bytes()
    (path := tmp_path / "gallery.bin").write_bytes(data)
    for read in (Gallery.from_bytes(data), Gallery.open(path), Gallery.open(str(path))):
        assert isinstance(read, Gallery)
        assert read.identities == ["bob", "Łukasz"]
        for mine, theirs in zip(_found(read), _found(gallery), strict=True):
            np.testing.assert_array_equal(mine, theirs)
        assert read.to_bytes() == data
    copy = Gallery.from_bytes(data)
    assert copy.add("eve", AXES[0]).tolist() == [4]
    mapped = Gallery.open(path)
    with pytest.raises(InvalidInputError, match=r"gallery: expected one in memory"):
        mapped.add("eve", AXES[0])
    assert mapped.identities == ["bob", "Łukasz"]


def _found(gallery: Gallery) -> tuple[NDArray[Any], ...]:
    matches = gallery.nearest(AXES, k=3)
    return matches.distance, matches.index, matches.identity, matches.names


def test_damaged_bytes_are_refused(gallery: Gallery, tmp_path: Path) -> None:
    """Without showing any of them."""
    data = gallery.to_bytes()
    for bad in (b"", data[:-1], data + b"\0", data[:80] + b"\7" + data[81:], b"x" + data[1:]):
        with pytest.raises(InvalidInputError, match=r"^data: expected "):
            Gallery.from_bytes(bad)
    (path := tmp_path / "cut.bin").write_bytes(data[:-1])
    with pytest.raises(InvalidInputError, match=r"^data: expected "):
        Gallery.open(path)
    with pytest.raises(FileNotFoundError):
        Gallery.open(tmp_path / "none.bin")


@pytest.mark.parametrize("at", [40, 48])
@pytest.mark.parametrize("count", [2**63 - 1, 2**62 + 1, -1])
def test_counters_that_nobody_reaches_are_refused(
    gallery: Gallery, tmp_path: Path, at: int, count: int
) -> None:
    """Of references at byte 40, of identities at 48: the next `add` would go beyond what a number holds."""
    data = _with_counter(gallery.to_bytes(), at, count)
    (path := tmp_path / "gallery.bin").write_bytes(data)
    for load in (lambda: Gallery.from_bytes(data), lambda: Gallery.open(path)):
        with pytest.raises(InvalidInputError, match=r"^data: expected counts of insertions that can be"):
            load()


def test_what_would_go_beyond_a_counter_changes_nothing(gallery: Gallery) -> None:
    """The message says what to do instead."""
    last = Gallery.from_bytes(_with_counter(gallery.to_bytes(), 40, 2**62 - 1))
    refusal = (
        r"^gallery: expected at most 4611686018427387904 references .*a new gallery.* got \d+ and 2 more$"
    )
    with pytest.raises(InvalidInputError, match=refusal):
        last.add("eve", AXES[2:])
    with pytest.raises(InvalidInputError, match=refusal):
        last.replace("ada", AXES[2:])
    assert last.identities == ["ada", "bob"]
    assert len(last) == 3
    assert last.add("eve", AXES[3]).tolist() == [2**62 - 1]
    assert last.nearest(AXES[3]).index.tolist() == [2**62 - 1]
    people = Gallery.from_bytes(_with_counter(gallery.to_bytes(), 48, 2**62))
    with pytest.raises(InvalidInputError, match=r"^gallery: .* identities ever added"):
        people.add("eve", AXES[3])
    assert people.add("ada", AXES[3]).tolist() == [3]
    assert Gallery.from_bytes(people.to_bytes()).to_bytes() == people.to_bytes()


def _with_counter(data: bytes, at: int, count: int) -> bytes:
    changed = bytearray(data)
    struct.pack_into("<q", changed, at, count)
    struct.pack_into("<I", changed, 56, zlib.crc32(changed[:56] + changed[60:]))
    return bytes(changed)


FORTRAN = np.asfortranarray(np.eye(4, dtype=np.float32)[[1, 2, 3, 0]])
BAD_QUERIES: list[tuple[Any, str]] = [
    (AXES.astype(np.float64), r"\(4,\) or \(M, 4\), got float64 of shape \(4, 4\)$"),
    (AXES.astype(np.int32), r"got int32 of shape \(4, 4\)$"),
    (AXES.astype(np.float16), r"got float16 of shape \(4, 4\)$"),
    (AXES.astype(">f4"), r"got byte-swapped >f4 of shape \(4, 4\)$"),
    (AXES.astype(object), r"got object of shape \(4, 4\)$"),
    (AXES[:, :3].copy(), r"got float32 of shape \(4, 3\)$"),
    (AXES[0, :3], r"got float32 of shape \(3,\)$"),
    (AXES[None], r"got float32 of shape \(1, 4, 4\)$"),
    (np.float32(1), r"got float32$"),
    (np.array(1, np.float32), r"got float32 of shape \(\)$"),
    (FORTRAN, r"got float32 of shape \(4, 4\), not C-contiguous"),
    (np.eye(8, dtype=np.float32)[::2, ::2], r"shape \(4, 4\), not C-contiguous"),
    (AXES.tolist(), r"got list$"),
    (None, r"got NoneType$"),
    (AXES * 1.0011, r"norm 1\.0011 in row 0$"),
    (np.diag(np.array([1, 1, 0, 1], np.float32)), r"norm 0\.0000 in row 2$"),
    (np.diag(np.array([1, np.nan, 1, 1], np.float32)), r"NaN or infinity in row 1$"),
    (np.diag(np.array([1, 1, 1, -np.inf], np.float32)), r"NaN or infinity in row 3$"),
]


@pytest.mark.parametrize(("bad", "message"), BAD_QUERIES)
def test_bad_arrays_are_refused_everywhere(gallery: Gallery, bad: Any, message: str) -> None:
    """By every entrance, naming the argument; nothing changes."""
    entrances: list[tuple[str, Callable[[Any], object]]] = [
        ("queries", gallery.nearest),
        ("queries", lambda bad: gallery.within(bad, 1.0)),
        ("queries", gallery.best_identity),
        ("vectors", lambda bad: gallery.add("eve", bad)),
        ("vectors", lambda bad: gallery.replace("ada", bad)),
    ]
    for argument, call in entrances:
        with pytest.raises(InvalidInputError, match=f"^{argument}: expected .*{message}"):
            call(bad)
    assert gallery.identities == ["ada", "bob"]
    assert gallery.nearest(AXES).index.ravel().tolist() == [0, 1, 2, 0]


def test_unaligned_arrays_are_refused(gallery: Gallery) -> None:
    """Four bytes that start between two floats."""
    buffer = bytearray(17)
    buffer[1:] = AXES[0].tobytes()
    shifted = np.frombuffer(buffer, np.float32, offset=1)
    with pytest.raises(InvalidInputError, match="C-contiguous"):
        gallery.nearest(shifted)


def test_messages_hold_no_values(gallery: Gallery) -> None:
    """A template must not end up in a log."""
    secret = np.array([0.123456, np.nan, 0.654321, 0], np.float32)
    with pytest.raises(InvalidInputError) as caught:
        gallery.add("eve", secret)
    assert "123" not in str(caught.value)
    assert "654" not in str(caught.value)


def test_other_bad_arguments(gallery: Gallery) -> None:
    """Each a FaceIDError that is also the builtin that fits."""
    query = AXES[0]
    bad_calls: list[tuple[Callable[[], object], str]] = [
        (lambda: gallery.nearest(query, 0), "k: expected at least 1.* got 0$"),
        (lambda: gallery.nearest(query, -1), "k: expected at least 0, got -1$"),
        (lambda: gallery.nearest(query, 2**40), "k: expected"),
        (lambda: gallery.nearest(query, threads=0), "threads: expected at least 1, got 0$"),
        (lambda: gallery.within(query, 1.0, threads=-1), "threads: expected at least 0, got -1$"),
        (lambda: gallery.within(query, np.nan), "threshold: expected a finite"),
        (lambda: gallery.within(query, np.inf), "threshold: expected a finite"),
        (lambda: gallery.within(query, -0.1), "threshold: expected a finite"),
        (lambda: gallery.best_identity(query, np.nan), "threshold: expected a finite"),
        (lambda: gallery.add("", query), "identity: expected a name"),
        (lambda: gallery.add("\ud800", query), "identity: expected text that UTF-8"),
        (lambda: gallery.add("eve", AXES[:0]), "vectors: expected at least one row"),
        (lambda: gallery.distance_to("ada", AXES[:1]), r"query: .*\(4,\), got .*\(1, 4\)"),
        (lambda: Gallery(0), "dim: expected 1 to 2048, got 0"),
        (lambda: Gallery(2049), "dim: expected 1 to 2048, got 2049"),
        (lambda: Gallery(-1), "dim: expected at least 0, got -1$"),
        (lambda: Gallery.from_arrays(AXES, ["ada"]), r"identities: .*\(4\), got 1"),
        (lambda: Gallery.from_arrays(AXES, "adab"), "identities: expected a sequence of str"),
        (lambda: Gallery.from_arrays(AXES, [1, 2, 3, 4]), "identities: .* got int"),  # type: ignore[list-item]
        (lambda: Gallery.from_arrays(AXES, 4), "identities: .* got int"),  # type: ignore[arg-type]
        (lambda: Gallery.from_arrays(AXES, ["a", "b", "", "d"]), "identity: expected a name"),
        (lambda: Gallery.from_arrays(AXES[0], ["a"]), r"vectors: .*\(M, D\)"),
        (lambda: Gallery.from_arrays(AXES, memoryview(AXES)), "identities: .* got memoryview$"),  # type: ignore[arg-type]
        (lambda: Gallery.from_arrays(AXES, repeat("a")), r"identities: .*\(4\), got 5"),
        (lambda: gallery.nearest(query, k="1"), "k: expected a whole number, got str$"),  # type: ignore[arg-type]
        (lambda: gallery.nearest(query, k=True), "k: expected a whole number, got bool$"),
        (lambda: gallery.nearest(query, 10**30), "k: expected a number of 64 bits, got a larger one$"),
        (lambda: gallery.nearest(query, threads=0.5), "threads: .* got float$"),  # type: ignore[arg-type]
        (lambda: gallery.within(query, "1"), "threshold: expected a number .* got str$"),  # type: ignore[arg-type]
        (lambda: gallery.within(query, 10**400), "threshold: expected a number .* got int$"),
        (lambda: gallery.within(query, True), "threshold: expected a number .* got bool$"),
        (lambda: gallery.add(7, query), "identity: expected a str, got int$"),  # type: ignore[arg-type]
        (lambda: gallery.names_of([0]), r"numbers: .* int64 .*, got list$"),  # type: ignore[arg-type]
        (lambda: gallery.names_of(np.arange(4)[::2]), r"numbers: .* got int64 .*, not C-contiguous"),
        (lambda: Gallery("4"), "dim: expected a whole number, got str$"),  # type: ignore[arg-type]
        (lambda: Gallery(4, backend=7), "backend: expected a str, got int$"),  # type: ignore[arg-type]
        (lambda: Gallery(4, backend="x" * 999), "backend: expected one of .*, got x{80}$"),
        (lambda: Gallery.from_bytes("x"), "data: expected bytes, got str$"),  # type: ignore[arg-type]
        (lambda: Gallery.open(7), "path: expected a str or os.PathLike .* got int$"),  # type: ignore[arg-type]
        (lambda: Gallery.open("a\0b"), "path: expected a str or os.PathLike .* got str$"),
        (lambda: Gallery.open("/"), "path: expected a file, got a folder, a pipe or a device$"),
    ]
    for call, message in bad_calls:
        with pytest.raises(InvalidInputError) as caught:
            call()
        assert re.match(message, str(caught.value))  # without the notes that PyO3 adds
    for unknown in (
        lambda: gallery.remove("eve"),
        lambda: gallery.replace("eve", query),
        lambda: gallery.distance_to("eve", query),
    ):
        with pytest.raises(UnknownIdentityError) as caught:
            unknown()
        assert isinstance(caught.value, KeyError)
        assert isinstance(caught.value, FaceIDError)
    assert gallery.identities == ["ada", "bob"]
    assert len(gallery) == 3


def test_searches_see_a_change_whole_or_not_at_all() -> None:
    """One writer swaps the two references of ada; readers must find both or neither."""
    before, after = AXES[:2], AXES[2:]
    gallery = Gallery(dim=4)
    gallery.add("ada", before)
    stop = threading.Event()
    torn: list[NDArray[np.float32]] = []

    def read() -> None:
        while not stop.is_set():
            zeros = (gallery.nearest(AXES, 1).distance[:, 0] == 0).tolist()
            if zeros not in ([True, True, False, False], [False, False, True, True]):
                torn.append(gallery.nearest(AXES, 1).distance)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for i in range(2000):
        gallery.replace("ada", (after, before)[i % 2])
    stop.set()
    for reader in readers:
        reader.join()
    assert not torn


@pytest.fixture
def eager_switching() -> Iterator[None]:
    """Let a waiting thread have the GIL at once."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("eager_switching")
def test_searches_release_the_gil() -> None:
    """While one thread searches for a long time, this one goes on."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((20_000, 128), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    gallery = Gallery.from_arrays(vectors, ["ada"] * len(vectors))
    started, done = threading.Event(), threading.Event()

    def search() -> None:
        started.set()
        gallery.nearest(vectors[:4000])
        done.set()

    thread = threading.Thread(target=search)
    thread.start()
    started.wait()
    steps = 0
    while not done.is_set():
        steps += 1
    thread.join()
    # With the GIL held, a few steps are possible before and after the search.
    assert steps > 10_000
    assert len(gallery) == 20_000


def test_a_gallery_of_before_is_read_and_written_as_it_was() -> None:
    """Written by the release before: 20 references of 16 values, one identity removed, one replaced."""
    written = GOLDEN.read_bytes()
    gallery = Gallery.from_bytes(written)
    assert gallery.identities == ["p0", "p2", "p3", "p4"]
    assert gallery.to_bytes() == Gallery.open(GOLDEN).to_bytes() == written
    rng = np.random.default_rng(5)
    vectors = rng.standard_normal((20, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    kept = np.concatenate([vectors[:4], vectors[:2], vectors[12:]])
    found = gallery.nearest(vectors, k=3)
    wide = np.linalg.norm(vectors[:, None].astype(float) - kept[None].astype(float), axis=2)
    np.testing.assert_allclose(found.distance, np.sort(wide, axis=1)[:, :3], rtol=1e-6, atol=1e-7)
