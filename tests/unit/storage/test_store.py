from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faceid_fast.errors import InvalidInputError, UnknownIdentityError
from faceid_fast.storage.memory import InMemoryStore
from faceid_fast.storage.references import References, check_identity
from faceid_fast.storage.store import get, put, remove
from faceid_fast.vault import Vault
from stand_ins import MODEL_SHA256, references, unit


@pytest.mark.parametrize("name", ["", " ada", "ada ", "a\nb", "a\x00b", "\ud800", "x" * 201, 7, None, b"ada"])
def test_names_that_cannot_be_kept(name: Any) -> None:
    with pytest.raises(InvalidInputError, match="identity: expected 1 to 200 printable characters"):
        check_identity(name)


@pytest.mark.parametrize("name", ["a", "Ada Lovelace", "Ægir", "李", "x" * 200])
def test_names_that_can(name: str) -> None:
    assert check_identity(name) == name


def test_two_spellings_of_a_name_are_not_two_people() -> None:
    composed, decomposed = "Ren\u00e9", "Rene\u0301"
    assert check_identity(composed) == composed
    with pytest.raises(InvalidInputError, match=r"composed form, .*NFC.*, got 'Rene\\u0301'"):
        check_identity(decomposed)


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
        References("ada", vectors, ("frontal",) * len(vectors), ("color",) * len(vectors), MODEL_SHA256)
    assert part in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"poses": ("frontal", "left")}, "poses: expected one for each of 1 vectors, got 2"),
        ({"modalities": ()}, "modalities: expected one for each of 1 vectors, got 0"),
        ({"modalities": ("depth",)}, "modalities: expected infrared or color, got 'depth'"),
        ({"modalities": ("col\nor",)}, r"modalities: .*, got 'col\\nor'"),
        ({"model_sha256": "5E" * 32}, "model_sha256: expected 64 hexadecimal digits, got '5E"),
        ({"model_sha256": "5e" * 32 + "\n"}, "model_sha256: expected 64"),
        ({"model_sha256": None}, "model_sha256: expected 64 hexadecimal digits, got None"),
        ({"identity": "Rene\u0301"}, "identity: expected"),
        (
            {"vectors": np.broadcast_to(unit(0), (1 << 40, 128))},
            r"vectors: .* got shape \(1099511627776, 128\)",
        ),
        ({"poses": itertools.repeat("frontal")}, "poses: expected a tuple of str, got repeat$"),
        ({"poses": (0.25,)}, "poses: expected a tuple of str, got float$"),
        ({"poses": None}, "poses: expected a tuple of str, got NoneType$"),
        ({"modalities": unit(0)}, "modalities: expected a tuple of str, got ndarray$"),
        ({"poses": ("\ud800",)}, "poses: expected a tuple of str, got str$"),
        ({"consent": unit(0)}, "consent: expected a Consent, got ndarray$"),
        ({"adapted": unit(0)}, "adapted: expected a tuple of Adapted, got ndarray$"),
        ({"adapted": (None,)}, "adapted: expected a tuple of Adapted, got NoneType$"),
        ({"model_sha256": unit(0)}, "model_sha256: expected 64 hexadecimal digits, got ndarray$"),
    ],
)
def test_columns_that_are_not_kept(changes: dict[str, Any], message: str) -> None:
    fields = {"poses": ("frontal",), "modalities": ("infrared",), "model_sha256": MODEL_SHA256, **changes}
    with pytest.raises(InvalidInputError, match=f"^{message}"):
        References(**{"identity": "ada", "vectors": unit(0)[None], **fields})


def test_references_by_modality() -> None:
    kept = references("ada", unit(0)).joined(references("ada", unit(1), unit(2), modality="color"))
    assert kept.modalities == ("infrared", "color", "color")
    assert kept.poses == ("frontal",) * 3
    np.testing.assert_array_equal(kept.of("infrared"), [unit(0)])
    np.testing.assert_array_equal(kept.of("color"), [unit(1), unit(2)])
    assert references("ada", unit(0)).of("color").shape == (0, 128)


def test_only_references_of_one_person_and_model_join() -> None:
    ada = references("ada", unit(0))
    other_model = References("ada", unit(1)[None], ("left",), ("infrared",), "00" * 32)
    for others in (references("ben", unit(1)), other_model):
        with pytest.raises(
            InvalidInputError, match="others: expected references of the same person and model"
        ):
            ada.joined(others)


def test_references_are_copies_and_say_nothing_of_their_content() -> None:
    vectors = unit(0)[None].copy()
    kept = References("ada", vectors, ("frontal",), ("infrared",), MODEL_SHA256)
    vectors[:] = 0
    assert kept.vectors[0, 0] == 1
    assert not kept.vectors.flags.writeable
    assert repr(kept) == "<References 'ada': 1 of 128 dimensions>"


def test_of_and_rows_and_joined_refuse_what_they_cannot_mean() -> None:
    kept = references("ada", unit(0), unit(1))
    for modality in (None, unit(0)):
        with pytest.raises(InvalidInputError, match="modality: expected infrared or color, got"):
            kept.of(modality)  # type: ignore[arg-type]
    for rows, given in (([2], "int"), ([-1], "int"), ([0.5], "float"), (None, "NoneType"), ([True], "bool")):
        with pytest.raises(InvalidInputError, match=f"kept: expected rows from 0 to 1, got {given}$"):
            kept.rows(rows)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="others: expected References, got str"):
        kept.joined("ada")  # type: ignore[arg-type]


def test_long_names_are_cut_where_they_are_shown() -> None:
    for call in (get, remove):
        with pytest.raises(UnknownIdentityError) as caught:
            call(InMemoryStore(), "\U0001f600" * 200)
        assert len(str(caught.value)) < 300


@pytest.mark.parametrize("kind", ["memory", "vault"])
def test_stores_refuse_what_is_not_theirs_and_keep_what_they_have(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "vault"
    store: Any = InMemoryStore() if kind == "memory" else Vault.open(place, key=bytes(32), create=True)
    put(store, references("ada", unit(0)))
    for name in (None, unit(0), ["ada"], "a\0b"):
        for call in (get, remove):
            with pytest.raises(InvalidInputError, match="identity: expected"):
                call(store, name)
        with pytest.raises(InvalidInputError, match="identity: expected"):
            store.alter(name, lambda before: (before, ()))
    with pytest.raises(InvalidInputError, match="references: expected References, got NoneType"):
        put(store, None)  # type: ignore[arg-type]
    for change in (
        None,
        lambda _: None,
        lambda kept: (kept, (1,)),
        lambda _: ({}, ()),
        lambda kept: (kept, None),
    ):
        with pytest.raises(InvalidInputError, match="alter: expected"):
            store.alter("ada", change)
        with pytest.raises(InvalidInputError, match="amend: expected"):
            store.amend(change)
    assert list(store.snapshot()) == ["ada"]
    assert store.amend(lambda ledger: (ledger, ())).tallies == {}


def test_in_memory_store() -> None:
    store = InMemoryStore()
    assert tuple(sorted(store.snapshot())) == ()
    for call in (get, remove):
        with pytest.raises(UnknownIdentityError, match=r"^identity: expected somebody enrolled, got 'ada'$"):
            call(store, "ada")
    first, second = references("ada", unit(0)), references("ada", unit(1))
    put(store, first)
    put(store, references("Ben", unit(2)))
    assert tuple(sorted(store.snapshot())) == ("Ben", "ada")
    assert get(store, "ada") is first
    put(store, second)
    assert get(store, "ada") is second
    remove(store, "ada")
    assert tuple(sorted(store.snapshot())) == ("Ben",)
