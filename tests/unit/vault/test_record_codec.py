"""Records as bytes: with keys and, as they were before, without."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceid_fast.errors import ModelError, VaultDamagedError, VaultTooNewError
from faceid_fast.storage.keys import Keys
from faceid_fast.storage.references import Adapted, Consent, Origin, References, check_model
from faceid_fast.storage.store import put
from faceid_fast.vault import Vault, bootstrap, restore
from faceid_fast.vault.record_codec import decode, encode
from stand_ins import MODEL_SHA256, keys, references, unit

KEY = bytes(range(32))


def old_bytes(kept: References) -> bytes:
    """What was written before there were keys, by the description that the format had then."""
    name = kept.identity.encode()

    def text(value: Any) -> bytes:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()

    common = text([kept.poses, kept.modalities, kept.model_sha256])
    consent = kept.consent and [kept.consent.note, kept.consent.at]
    adapted = [
        [each.modality, each.origin, each.made_at, each.uses_left, each.misses] for each in kept.adapted
    ]
    own = text([consent, adapted]) if consent or adapted else b""
    head = struct.pack("<HII", len(name), len(common), len(own)) + name + common + own
    head += b"\0" * (-len(head) % 16)
    vectors = [kept.vectors, *(each.vector[None] for each in kept.adapted)]
    return head + np.concatenate(vectors).astype("<f4").tobytes()


def vectors_of(rng: np.random.Generator, count: int, size: int) -> Any:
    vectors = rng.standard_normal((count, size))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def made(
    seed: int, count: int, adapted: int, sizes: tuple[int, int, int], *, has_keys: bool, consents: bool
) -> References:
    rng = np.random.default_rng(seed)
    dim, *of_keys = sizes

    def drawn(rows: int) -> Keys | None:
        return Keys.of(*(vectors_of(rng, rows, size) for size in of_keys)) if has_keys else None

    return References(
        f"Ren\u00e9 {seed}",
        vectors_of(rng, count, dim),
        ("frontal",) * count,
        tuple(rng.choice(["infrared", "color"], count).tolist()),
        MODEL_SHA256,
        Consent("form 7", 1.7e9) if consents else None,
        tuple(
            Adapted(vector, "infrared", Origin.CONFIRMED, 1.7e9, 40, 2, drawn(1))
            for vector in vectors_of(rng, adapted, dim)
        ),
        drawn(count),
    )


def same(one: References, other: References) -> bool:
    def content(kept: References) -> list[Any]:
        each = [(kept.vectors, kept.keys), *((one.vector, one.keys) for one in kept.adapted)]
        values = [
            (vectors.tobytes(), None if of is None else (of.sizes, of.shape.tobytes(), of.picture.tobytes()))
            for vectors, of in each
        ]
        counts = [(one.modality, one.origin, one.made_at, one.uses_left, one.misses) for one in kept.adapted]
        return [kept.identity, kept.poses, kept.modalities, kept.model_sha256, kept.consent, values, counts]

    return content(one) == content(other)


some = st.builds(
    made,
    st.integers(0, 10_000),
    st.integers(1, 7),
    st.integers(0, 3),
    st.tuples(st.sampled_from([4, 128]), st.sampled_from([4, 60, 64]), st.sampled_from([4, 32, 64])),
    has_keys=st.booleans(),
    consents=st.booleans(),
)


@given(some)
def test_what_is_written_is_read(kept: References) -> None:
    found = decode(encode(kept))
    assert same(found, kept)
    assert not found.vectors.flags.writeable
    if found.keys is not None:
        assert not found.keys.shape.flags.writeable
    assert encode(found) == encode(kept)


@given(some)
def test_a_record_of_before_there_were_keys_is_read_and_asks_to_enrol_anew(kept: References) -> None:
    before = replace(kept, keys=None, adapted=tuple(replace(each, keys=None) for each in kept.adapted))
    found = decode(old_bytes(before))
    assert same(found, before)
    assert encode(found) == old_bytes(before)
    with pytest.raises(ModelError, match="enrol again"):
        check_model(found, "ab" * 32)
    with pytest.raises(ModelError, match="enrol again"):
        check_model(found, MODEL_SHA256)


@given(some, st.data())
def test_a_record_that_ends_too_soon_is_damaged(kept: References, data: st.DataObject) -> None:
    content = encode(kept)
    cut = content[: data.draw(st.integers(0, len(content) - 1))]
    try:
        found = decode(cut)
    except VaultDamagedError:
        return
    # Fewer values may still be as many vectors of a smaller size; no vault gets so far, see `integrity`.
    assert found.vectors.shape[1] < kept.vectors.shape[1]


def test_half_a_key_costs_half() -> None:
    kept = references("ada", *(unit(axis) for axis in range(5)))
    grown = len(encode(kept)) - len(encode(replace(kept, keys=None)))
    assert grown <= 5 * 2 * (64 + 32) + 16 + 8


def test_a_vault_of_before_gets_the_newest_format_with_its_next_change(tmp_path: Path) -> None:
    place = tmp_path / "vault"
    with Vault.open(place, key=KEY, create=True) as vault:
        put(vault, replace(references("ada", unit(0)), keys=None))
        vault._database.execute("PRAGMA user_version = 1")
    with Vault.open(place, key=KEY) as vault:
        assert vault.info().format == 1
        assert vault.snapshot()["ada"].keys is None
        put(vault, references("ben", unit(1)))
        assert vault.info().format == 2
        vault.backup(tmp_path / "backup")
        vault.rotate_key(bytes(32))
        vault.check()
    restore(tmp_path / "backup", tmp_path / "restored", key=KEY)
    for each, key in ((place, bytes(32)), (tmp_path / "restored", KEY)):
        with Vault.open(each, key=key) as vault:
            assert vault.info().format == 2
            found = vault.snapshot()
            assert found["ada"].keys is None
            kept = found["ben"].keys
            assert kept is not None
            np.testing.assert_array_equal(kept.shape, keys(1).shape)


def test_an_older_version_says_that_the_vault_is_too_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Vault.open(tmp_path / "vault", key=KEY, create=True) as vault:
        put(vault, references("ada", unit(0)))
    monkeypatch.setattr(bootstrap, "FORMAT", 1)
    monkeypatch.setattr(bootstrap, "FORMATS", frozenset({1}))
    with pytest.raises(VaultTooNewError, match="expected format 1 or older, got 2"):
        Vault.open(tmp_path / "vault", key=KEY)
