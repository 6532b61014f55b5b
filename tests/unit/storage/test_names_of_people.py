from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from faceid_fast import _core
from faceid_fast.authenticator import Authenticator
from faceid_fast.errors import InvalidInputError
from faceid_fast.face.liveness import LivenessCheck
from faceid_fast.storage.memory import InMemoryStore
from faceid_fast.storage.names import Looks, check_new_identity
from faceid_fast.storage.references import check_identity
from faceid_fast.storage.store import ReferenceStore, get, put, remove
from faceid_fast.vault import Vault
from stand_ins import LIVE_LIMITS, StandInAligner, StandInEmbedder, for_stand_ins, frame_of, references, unit

KEY = bytes(32)
CYRILLIC_ACE = "\u0430\u0441\u0435"
"""Looks like "ace", and is of one script."""
OLD = "ad\u3164a"
"""Could be enrolled once: somebody may still have it."""


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "7",
        "p01",
        "Ada Lovelace",
        "O'Neill-S\u00f8nderg\u00e5rd",
        "O\u2019Neill, J. (left)",
        "ada_l+face@example.org",
        "R&D/door #2",
        "Nguy\u1ec5n Th\u1ecb \u00c1nh",
        "\u0130nci I\u015f\u0131k",
        "Bj\u00f6rk Gu\u00f0mundsd\u00f3ttir",
        "\u0410\u0434\u0430 \u041b\u0430\u0432\u043b\u0435\u0439\u0441",
        "\u0395\u03bb\u03ad\u03bd\u03b7",
        "\u0645\u062d\u0645\u062f \u0639\u0644\u064a \u0663",
        "\u05d9\u05d5\u05e1\u05e3",
        "\u0938\u0902\u091c\u092f \u0967\u0968",
        "\u0e2a\u0e21\u0e0a\u0e32\u0e22 \u0e19\u0e49\u0e33",
        "\u0edc\u0eb9 \u0e84\u0eb3",
        "\u1000\u103c\u103d\u103e\u1031\u1037",
        "\u674e\u5c0f\u9f8d",
        "\u674e Bruce",
        "\u3055\u304f\u3089 \u30b5\u30af\u30e9 Sakura",
        "\uae40\ubbfc\uc900 Kim",
        "\u13e3\u13b3\u13a9",
        "x" * 200,
    ],
)
def test_names_that_new_people_may_have(name: str) -> None:
    assert check_new_identity(name) == name


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        (OLD, r"the character U\+3164, which names do not have, in 'ad\\u3164a'"),
        ("\u3164", r"U\+3164"),
        ("ad\u115fa", r"U\+115F"),
        ("ada\ufe0f", r"U\+FE0F"),
        ("ada\U000e0100", r"U\+E0100"),
        ("ad\u034fa", r"U\+034F"),
        ("ad\u2800a", r"U\+2800"),
        ("\uff41\uff44\uff41", r"U\+FF41"),
        ("\U0001d41ada", r"U\+1D41A"),
        ("ada\U0001f600", r"U\+1F600"),
        ("<b>ada", r"U\+003C"),
        ("=1+1", r"U\+003D"),
        ("\u0430da", "a mixture of scripts"),
        ("\u0430\u0501\u0430", r"U\+0501"),
        ("ad\u03b1", "a mixture of scripts"),
        ("\u057dam", "a mixture of scripts"),
        ("\u0639\u0644\u064a 1\u0663", "digits of several systems"),
        ("\u0938 1\u0967", "digits of several systems"),
        ("ada  lovelace", "two blanks in a row"),
        ("-", "neither a letter nor a digit"),
        ("...", "neither a letter nor a digit"),
        ("\u0301ada", r"the mark U\+0301 without a letter"),
        ("ada \u0301", r"the mark U\+0301 without a letter"),
        ("q\u0307\u0307", r"the mark U\+0307 twice in a row"),
        ("x\u0323\u0331\u0301\u0306\u030c", "more than 4 marks in a row"),
    ],
)
def test_names_that_new_people_may_not_have(name: str, fault: str) -> None:
    assert check_identity(name) == name  # whoever has it keeps it
    with pytest.raises(InvalidInputError, match=f"^identity: expected a name .*, got .*{fault}"):
        check_new_identity(name)


@pytest.mark.parametrize("name", ["", " ada", "a\nb", "\ud800", "x" * 201, 7, None, "Rene\u0301", "a\u200db"])
def test_names_that_nobody_may_have(name: Any) -> None:
    with pytest.raises(InvalidInputError, match="identity: expected 1 to 200 printable characters"):
        check_new_identity(name)


@pytest.mark.parametrize("function", ["name_mixes_scripts", "name_skeleton", "stray_in_name"])
def test_the_core_takes_texts_only(function: str) -> None:
    for value in (None, 7, b"ada", "\ud800"):
        with pytest.raises(InvalidInputError, match=r"^name: expected .*, got"):
            getattr(_core, function)(value)


LOOK_ALIKES = [
    ("ace", CYRILLIC_ACE),
    ("paypal1", "paypall"),
    ("O'Neill", "O\u2019Neill"),
    ("inci", "i\u0307nci"),
    ("p0", "pO"),
    ("\u0627", "1"),
]


@pytest.mark.parametrize(("first", "second"), LOOK_ALIKES)
def test_names_that_look_like_another_s(first: str, second: str) -> None:
    looks = Looks().of({first: None, "ben": None})
    for name in (first, second):
        check_new_identity(name)
    with pytest.raises(InvalidInputError) as caught:
        looks.add(second)
    assert f"got {second!a}, which is taken for {first!a}" in str(caught.value)
    Looks().of({"ben": None}).add(second)


def test_names_that_are_near_but_not_alike() -> None:
    looks = Looks()
    for name in ("ace", "Ada", "ada 1", "ada 2", "\u00e5da", "\u0430\u0434\u0430", *map(str, range(1000))):
        looks.add(name)


def test_looks_follow_who_is_there() -> None:
    looks = Looks().of({"ace": None})
    looks.of({}).add(CYRILLIC_ACE)
    with pytest.raises(InvalidInputError, match="taken for"):
        looks.add("ace")
    looks.of({"ace": None, CYRILLIC_ACE: None, OLD: None}).add("ben")  # of before there was this rule


@pytest.fixture(params=["memory", "vault"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ReferenceStore:
    if request.param == "memory":
        return InMemoryStore()
    return for_stand_ins(Vault.open(tmp_path / "vault", key=KEY, create=True))


def without_the_rule(monkeypatch: pytest.MonkeyPatch, store: ReferenceStore, *names: str) -> None:
    """Enrol people as a release before this rule did."""
    with monkeypatch.context() as before:
        before.setattr(Looks, "add", lambda _looks, _name: None)
        for axis, name in enumerate(names):
            put(store, references(name, unit(axis)))


def door(store: ReferenceStore) -> Authenticator:
    return Authenticator(
        store=store,
        aligner=StandInAligner({}).as_aligner(),
        embedder=StandInEmbedder().as_embedder(),
        liveness=LivenessCheck(LIVE_LIMITS),
    )


def test_a_store_adds_nobody_whose_name_cannot_be_told(store: ReferenceStore) -> None:
    put(store, references("ace", unit(0)))
    for name in (OLD, CYRILLIC_ACE, "\u0430da"):
        with pytest.raises(InvalidInputError, match="identity: expected a name that"):
            put(store, references(name, unit(1)))
    assert list(store.snapshot()) == ["ace"]
    put(store, references("ben", unit(1)))
    remove(store, "ace")
    put(store, references(CYRILLIC_ACE, unit(0)))
    with pytest.raises(InvalidInputError, match="which is taken for"):
        put(store, references("ace", unit(0)))
    assert sorted(store.snapshot()) == ["ben", CYRILLIC_ACE]


def test_many_people_together_are_told_apart(tmp_path: Path) -> None:
    with Vault.open(tmp_path / "vault", key=KEY, create=True) as vault:
        for names in (("ace", CYRILLIC_ACE), ("ace", OLD)):
            with pytest.raises(InvalidInputError, match="identity: expected a name that"):
                vault.put_all([references(name, unit(axis)) for axis, name in enumerate(names)])
            assert not vault.snapshot()
        vault.put_all([references("ace", unit(0)), references("ben", unit(1))])
        with pytest.raises(InvalidInputError, match="which is taken for 'ace'"):
            vault.put_all([references(CYRILLIC_ACE, unit(2))])
        vault.put_all([references("ace", unit(2))])
        assert sorted(vault.snapshot()) == ["ace", "ben"]


def test_somebody_new_is_refused_before_their_frames_are_looked_at(store: ReferenceStore) -> None:
    auth = door(store)
    assert auth.enroll("ace", frame_of(1)).enrolled
    auth._enroller._look = None  # type: ignore[assignment,method-assign]  # a call would be a TypeError
    for name in (OLD, CYRILLIC_ACE):
        for options in ({}, {"new": True}, {"replace": True}):
            with pytest.raises(InvalidInputError, match="identity: expected a name that"):
                auth.enroll(name, frame_of(2), **options)


def test_whoever_has_such_a_name_keeps_it(store: ReferenceStore, monkeypatch: pytest.MonkeyPatch) -> None:
    without_the_rule(monkeypatch, store, "ace", CYRILLIC_ACE, OLD)
    auth = door(store)
    for code, name in enumerate(("ace", CYRILLIC_ACE, OLD)):
        assert auth.verify(frame_of(code), name).accepted
        assert auth.identify(frame_of(code)).identity == name
        assert get(store, name).identity == name
        auth.unlock(name)
    assert auth.enroll(OLD, frame_of(12)).enrolled
    assert auth.enroll(CYRILLIC_ACE, frame_of(13), replace=True).enrolled
    put(store, references(OLD, unit(14)))
    auth.remove(OLD)
    with pytest.raises(InvalidInputError, match="U\\+3164"):
        auth.enroll(OLD, frame_of(2))
    auth.remove("ace")
    with pytest.raises(InvalidInputError, match="which is taken for"):
        auth.enroll("ace", frame_of(3))


def test_an_old_vault_is_opened_and_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "vault"
    with for_stand_ins(Vault.open(place, key=KEY, create=True)) as vault:
        without_the_rule(monkeypatch, vault, "ace", CYRILLIC_ACE, OLD)
    with Vault.open(place, key=KEY) as vault:
        assert sorted(vault.snapshot()) == sorted(["ace", CYRILLIC_ACE, OLD])
        assert vault.info().people == 3
        assert door(vault).verify(frame_of(2), OLD).accepted
        put(vault, references("ben", unit(5)))
        vault.put_all([references(OLD, unit(6)), references("cy", unit(7))])
        remove(vault, OLD)
        assert sorted(vault.snapshot()) == sorted(["ace", CYRILLIC_ACE, "ben", "cy"])
