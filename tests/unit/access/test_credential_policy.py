from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceid_fast.access import credential
from faceid_fast.access.boot_clock import Clock
from faceid_fast.access.credential_policy import why_credential
from faceid_fast.authenticator import Authenticator
from faceid_fast.errors import CredentialError, InvalidInputError
from faceid_fast.face.liveness import LivenessCheck
from faceid_fast.outcome import Outcome
from faceid_fast.storage.audit import EventKind
from faceid_fast.storage.memory import InMemoryStore
from faceid_fast.storage.security_state import Presence
from faceid_fast.storage.store import ReferenceStore
from faceid_fast.vault import Vault
from stand_ins import LIVE_LIMITS, StandInAligner, StandInEmbedder, Time, for_stand_ins, frame_of

ADA, BEN = 1, 2
PIN = "1234"
HOUR = 3600.0


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credential, "_MEMORY_KIB", 64)


@pytest.fixture
def now() -> Time:
    return Time()


@pytest.fixture(params=["memory", "vault"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "memory":
        yield InMemoryStore()
        return
    with for_stand_ins(Vault.open(tmp_path / "vault", key=bytes(32), create=True)) as vault:
        yield vault


def door(store: ReferenceStore, now: Time, **options: Any) -> Authenticator:
    auth = Authenticator(
        store=store,
        aligner=StandInAligner({}).as_aligner(),
        embedder=StandInEmbedder().as_embedder(),
        liveness=LivenessCheck(LIVE_LIMITS),
        policy="door",
        **options,
    )
    auth._limiter.clock = now
    return auth


def outcome(auth: Authenticator, code: int = ADA) -> Outcome:
    verified = auth.verify(frame_of(code), "ada")
    assert auth.identify(frame_of(code)).outcome == verified.outcome
    return verified.outcome


def test_the_credential_comes_first_after_enrolling_starting_and_idling(
    store: ReferenceStore, now: Time
) -> None:
    auth = door(store, now)
    auth.set_credential(PIN)
    auth.enroll("ada", frame_of(ADA))
    assert outcome(auth) is Outcome.CREDENTIAL_REQUIRED
    assert "references were last changed" in auth.verify(frame_of(ADA), "ada").reasons[0]
    auth.unlock(credential=PIN)
    assert outcome(auth) is Outcome.ACCEPTED
    auth.enroll("ada", frame_of(BEN), strangers="keep")
    assert outcome(auth) is Outcome.CREDENTIAL_REQUIRED
    auth.unlock("ada", credential=PIN)
    assert outcome(auth) is Outcome.ACCEPTED
    now.boot, now.seconds = 1, 5.0
    assert outcome(door(store, now)) is Outcome.CREDENTIAL_REQUIRED
    auth.unlock("ada", credential=PIN)
    now.seconds += 47 * HOUR
    assert outcome(auth) is Outcome.ACCEPTED
    now.seconds += 49 * HOUR
    assert outcome(auth) is Outcome.CREDENTIAL_REQUIRED
    auth.unlock("ada", credential=PIN)
    for _ in range(5):
        now.seconds += 40 * HOUR
        if now.seconds - 1000 > 0 and outcome(auth) is Outcome.CREDENTIAL_REQUIRED:
            break
    else:
        pytest.fail("a credential of six and a half days ago still held")


def test_removing_somebody_asks_for_nothing(store: ReferenceStore, now: Time) -> None:
    auth = door(store, now)
    for name, code in (("ada", ADA), ("ben", BEN)):
        auth.enroll(name, frame_of(code))
    auth.unlock()
    auth.remove("ben")
    assert outcome(auth) is Outcome.ACCEPTED


def test_whoever_is_asked_gets_in_with_the_credential_and_the_face(store: ReferenceStore, now: Time) -> None:
    typed: list[str | None] = [None, "4321", PIN]
    reasons: list[str] = []

    def ask(reason: str) -> str | None:
        reasons.append(reason)
        return typed.pop(0)

    auth = door(store, now, ask_credential=ask)
    auth.set_credential(PIN)
    auth.enroll("ada", frame_of(ADA))
    assert auth.verify(frame_of(ADA), "ada").outcome is Outcome.CREDENTIAL_REQUIRED
    wrong = auth.verify(frame_of(ADA), "ada")
    assert wrong.outcome is Outcome.CREDENTIAL_REQUIRED
    assert wrong.reasons == ("credential: expected the one that is set, got another one",)
    assert auth.verify(frame_of(BEN), "ada").outcome is Outcome.NO_MATCH  # right, but not their face
    assert auth.verify(frame_of(ADA), "ada").accepted  # not asked again
    assert len(reasons) == 3


def test_guesses_at_the_credential_lock_it_for_a_while(store: ReferenceStore, now: Time) -> None:
    auth = door(store, now)
    auth.set_credential(PIN)
    for _ in range(5):
        with pytest.raises(CredentialError, match="expected the one that is set, got another one"):
            auth.unlock(credential="0000")
    with pytest.raises(CredentialError, match="too many failures: wait 30 s"):
        auth.unlock(credential=PIN)
    for _ in range(30):  # but never for good: nothing else would open it
        now.seconds += HOUR
        with pytest.raises(CredentialError, match="got another one"):
            auth.unlock(credential="0000")
    now.seconds += HOUR
    auth.unlock(credential=PIN)
    kinds = [event.kind for event in store.events()]
    assert kinds[0] is EventKind.CREDENTIAL_SET
    assert kinds.count(EventKind.LOCKED) == 1  # the others were waited for
    assert kinds[-1] is EventKind.UNLOCKED


def test_only_who_knows_the_credential_sets_another(store: ReferenceStore, now: Time) -> None:
    auth = door(store, now)
    auth.unlock()  # a program may answer for a credential of its own
    with pytest.raises(CredentialError, match="expected one to be set"):
        auth.unlock(credential=PIN)
    auth.set_credential(PIN)
    for current in (None, "4321"):
        with pytest.raises(CredentialError):
            auth.set_credential("5678", current)
    auth.set_credential("5678", PIN)
    with pytest.raises(CredentialError):
        auth.unlock(credential=PIN)
    with pytest.raises(CredentialError, match="got none"):
        auth.unlock()
    auth.unlock(credential="5678")


@pytest.mark.parametrize("given", ["123", "x" * 1025, 1234, None, b"1234"])
def test_what_is_no_credential(given: Any) -> None:
    auth = door(InMemoryStore(), Time())
    with pytest.raises(InvalidInputError, match="credential: expected a str of 4 to 1024 characters"):
        auth.set_credential(given)


def test_the_credential_is_kept_as_its_hash(
    now: Time, store: ReferenceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    auth = door(store, now)
    auth.set_credential("open sesame")
    kept = store.amend(lambda ledger: (ledger, ())).credential
    assert kept is not None
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert "sesame" not in kept


@given(st.floats() | st.floats(0, 1e6), st.floats() | st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_face_alone_is_enough_only_while_everything_is_known(
    credential_s: float, accepted_s: float, seconds: float
) -> None:
    reason = why_credential(Presence("0", credential_s, accepted_s), Clock("0", seconds))
    enough = 0 <= credential_s <= seconds and 0 <= accepted_s <= seconds
    idle, age = seconds - accepted_s, seconds - credential_s
    if math.isnan(idle) or math.isnan(age) or idle < 0 or age < 0:
        assert reason is not None
    elif enough:
        assert (reason is None) == (idle <= 48 * HOUR and (age <= 156 * HOUR or idle <= 4 * HOUR))
    assert why_credential(Presence("1", credential_s, accepted_s), Clock("0", seconds)) is not None
    assert why_credential(None, Clock("0", seconds)) is not None
