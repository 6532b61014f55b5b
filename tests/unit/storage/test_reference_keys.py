"""The keys of references: what is kept of them, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceid_fast.errors import InvalidInputError
from faceid_fast.storage.keys import Keys
from faceid_fast.storage.memory import InMemoryStore
from faceid_fast.storage.references import Adapted, Consent, Origin, References
from faceid_fast.storage.security_state import Presence, SecurityState
from faceid_fast.storage.store import amended, get, put
from stand_ins import keys, references, unit

HALF = unit(0, 8)[None].astype(np.float16)


@pytest.mark.parametrize("name", ["shape", "picture"])
@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [[1.0, 0.0]],
        np.float16(1.0),
        HALF[0],
        HALF.astype(np.float32),
        HALF.astype(">f2"),
        HALF * np.float16(1.01),
        HALF * np.float16(np.nan),
        np.zeros((1, 0), np.float16),
        np.concatenate([HALF, HALF]),
        np.broadcast_to(HALF, (1 << 40, 8)),
    ],
)
def test_what_are_no_keys(name: str, wrong: Any) -> None:
    whole = {"shape": HALF, "picture": HALF}
    assert len(Keys(**whole)) == 1
    with pytest.raises(InvalidInputError, match=r"^keys\.\w+: expected .*, got ") as caught:
        Keys(**{**whole, name: wrong})
    assert "0." not in str(caught.value)


MANY = np.broadcast_to(unit(0, 8), (1 << 40, 8))


@pytest.mark.parametrize("wrong", [None, HALF, [1.0], unit(0, 8)[None] * np.float32(1e6), MANY])
def test_what_cannot_be_rounded_to_keys(wrong: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"^keys\.shape: expected"):
        Keys.of(wrong, unit(0, 8)[None])


@given(st.integers(0, 1000))
def test_rounding_moves_no_key_by_a_thousandth(seed: int) -> None:
    vectors = np.random.default_rng(seed).standard_normal((4, 64))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    kept = Keys.of(vectors, vectors)
    assert (np.linalg.norm(kept.shape.astype(np.float64) - vectors, axis=1) < 5e-4).all()
    np.testing.assert_array_equal(Keys(kept.shape, kept.picture).shape, kept.shape)  # rounded once


def test_keys_are_copies_and_show_their_size_only() -> None:
    given_shape = HALF.copy()
    kept = Keys(given_shape, HALF)
    given_shape[:] = 0
    assert kept.shape[0, 0] == 1
    assert not kept.shape.flags.writeable
    assert repr(kept) == "<Keys of 1 references: 8 and 8 values>"


def test_keys_go_with_their_references() -> None:
    first = replace(references("ada", unit(0), unit(1)), keys=keys(1).joined(keys(1, shape=0.5)))
    colour = replace(references("ada", unit(2), modality="color"), keys=keys(1, picture=0.5))
    both = first.joined(colour)
    assert both.keys is not None
    assert len(both.keys) == 3
    for made in (both.rows([1, 2]), both.with_consent(Consent("form", 1.0)), both.with_adapted(())):
        assert made.keys is not None
        np.testing.assert_array_equal(made.keys.shape[-2:], both.keys.shape[1:])
        np.testing.assert_array_equal(made.keys.picture[-2:], both.keys.picture[1:])
    infrared, color = both.keys_of("infrared"), both.keys_of("color")
    assert infrared is not None
    assert color is not None
    np.testing.assert_array_equal(infrared.shape, both.keys.shape[:2])
    np.testing.assert_array_equal(color.picture, both.keys.picture[2:])
    assert first.keys_of("infrared") is first.keys
    assert first.keys_of("color") is None
    assert replace(first, keys=None).keys_of("infrared") is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"keys": keys(2)}, "keys: expected one for each of 1 vectors, got 2"),
        ({"keys": unit(0)}, "keys: expected Keys, got ndarray"),
        (
            {"adapted": "other"},
            "adapted: expected keys of the same sizes as the enrolled references', got oth",
        ),
        (
            {"adapted": "none"},
            "adapted: expected keys of the same sizes as the enrolled references', got others",
        ),
    ],
)
def test_keys_that_do_not_fit_their_references(changes: dict[str, Any], message: str) -> None:
    of = {"other": Keys.of(unit(0, 8)[None], unit(0, 8)[None]), "none": None}
    whole = references("ada", unit(0))
    if (kind := changes.get("adapted")) is not None:
        adapted = (Adapted(unit(0), "infrared", Origin.SUCCESS, 1.0, 5, keys=of[kind]),)
        changes = {"adapted": adapted}
        with pytest.raises(InvalidInputError, match=f"^{message}"):
            whole.with_adapted(adapted)
    with pytest.raises(InvalidInputError, match=f"^{message}"):
        replace(whole, **changes)


def test_an_adapted_reference_has_one_of_each_key() -> None:
    with pytest.raises(InvalidInputError, match="keys: expected one for each of 1 vectors, got 2"):
        Adapted(unit(0), "infrared", Origin.SUCCESS, 1.0, 5, keys=keys(2))


def test_references_with_keys_and_without_do_not_join() -> None:
    with_keys = references("ada", unit(0))
    without = replace(references("ada", unit(1)), keys=None)
    for one, other in ((with_keys, without), (without, with_keys)):
        with pytest.raises(InvalidInputError, match="others: expected keys of references if these have some"):
            one.joined(other)
    assert without.joined(without).keys is None
    sizes = replace(references("ada", unit(1)), keys=Keys.of(unit(0, 8)[None], unit(0, 8)[None]))
    with pytest.raises(InvalidInputError, match=r"keys: expected those of \(64, 32\) values, got \(8, 8\)"):
        with_keys.joined(sizes)
    for wrong in (None, with_keys):
        with pytest.raises(InvalidInputError, match="others: expected Keys, got"):
            keys(1).joined(wrong)  # type: ignore[arg-type]
    for rows in ([2], [-1], [True], None, [0.5]):
        with pytest.raises(InvalidInputError, match="kept: expected rows from 0 to 1"):
            keys(2).rows(rows)  # type: ignore[arg-type]


def test_a_store_keeps_keys() -> None:
    store = InMemoryStore()
    put(store, references("ada", unit(0)))
    kept = get(store, "ada").keys
    assert kept is not None
    np.testing.assert_array_equal(kept.shape, keys(1).shape)


def test_changed_keys_are_changed_references() -> None:
    """Policy "door" asks for the credential again, as after any change of what is enrolled."""
    state = SecurityState(presence=Presence("boot", 1.0, 1.0))
    before: References = references("ada", unit(0))
    same = before.with_consent(Consent("form", 1.0))
    assert amended(state, before, same, "ada") is state
    other = References.checked_before(
        *(getattr(before, name) for name in References.__slots__ if name != "keys"), keys(1, shape=0.5)
    )
    assert other.vectors is before.vectors
    assert amended(state, before, other, "ada").presence is None
