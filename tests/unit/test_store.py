from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from faceid_fast.errors import InvalidInputError, UnknownIdentityError
from faceid_fast.store import InMemoryStore, References, check_identity
from stand_ins import unit


@pytest.mark.parametrize("name", ["", " ada", "ada ", "a\nb", "a\x00b", "\ud800", "x" * 201, 7, None, b"ada"])
def test_names_that_cannot_be_kept(name: Any) -> None:
    with pytest.raises(InvalidInputError, match="identity: expected 1 to 200 printable characters"):
        check_identity(name)


@pytest.mark.parametrize("name", ["a", "Ada Lovelace", "Ægir", "李", "x" * 200])
def test_names_that_can(name: str) -> None:
    assert check_identity(name) == name


@pytest.mark.parametrize(
    ("vectors", "part"),
    [
        (np.zeros((1, 4), np.float32), "length of 0 in row 0"),
        (np.full((1, 4), np.nan, np.float32), "length of nan in row 0"),
        (np.full((1, 4), np.inf, np.float32), "length of inf in row 0"),
        (np.stack([unit(0, 4), 100 * unit(1, 4)]), "length of 100 in row 1"),
        (np.zeros((0, 4), np.float32), "shape (0, 4)"),
        (unit(0, 4), "shape (4,)"),
        (unit(0, 4)[None].astype(np.float64), "float64"),
        ([[1.0, 0.0]], "list"),
    ],
)
def test_vectors_that_are_not_kept(vectors: Any, part: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        References("ada", vectors, ("frontal",) * len(vectors))
    assert part in str(caught.value)


def test_one_pose_for_each_vector() -> None:
    with pytest.raises(InvalidInputError, match="poses: expected one for each of 1 vectors, got 2"):
        References("ada", unit(0)[None], ("frontal", "left"))


def test_references_are_copies_and_say_nothing_of_their_content() -> None:
    vectors = unit(0)[None].copy()
    kept = References("ada", vectors, ("frontal",))
    vectors[:] = 0
    assert kept.vectors[0, 0] == 1
    assert not kept.vectors.flags.writeable
    assert repr(kept) == "<References 'ada': 1 of 128 dimensions>"


def test_in_memory_store() -> None:
    store = InMemoryStore()
    assert store.identities() == ()
    for call in (store.get, store.remove):
        with pytest.raises(UnknownIdentityError, match=r"^identity: expected somebody enrolled, got 'ada'$"):
            call("ada")
    first = References("ada", unit(0)[None], ("frontal",))
    second = References("ada", unit(1)[None], ("left",))
    store.put(first)
    store.put(References("Ben", unit(2)[None], ("frontal",)))
    assert store.identities() == ("Ben", "ada")
    assert store.get("ada") is first
    store.put(second)
    assert store.get("ada") is second
    store.remove("ada")
    assert store.identities() == ("Ben",)
