from __future__ import annotations

import itertools
import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceid_fast.access import boot_clock, lockout
from faceid_fast.access.attempt_limiter import AttemptLimiter
from faceid_fast.access.boot_clock import Clock
from faceid_fast.access.lockout import DEVICE, SEARCH, charged, wait_s
from faceid_fast.authenticator import Authenticator
from faceid_fast.errors import InvalidInputError, UnknownIdentityError, VaultDamagedError
from faceid_fast.face.liveness import LivenessCheck
from faceid_fast.outcome import Outcome
from faceid_fast.storage import security_state
from faceid_fast.storage.audit import EventKind
from faceid_fast.storage.memory import InMemoryStore
from faceid_fast.storage.security_state import Presence, SecurityState, Tally
from faceid_fast.storage.store import ReferenceStore
from faceid_fast.vault import Vault
from stand_ins import (
    LIVE_LIMITS,
    StandInAligner,
    StandInEmbedder,
    Time,
    crop_of,
    for_stand_ins,
    frame_of,
    no_face,
    takes_of,
)

ADA, BEN, NOBODY, FLAT = 1, 2, 90, 91
KEY = bytes(32)


def door(store: ReferenceStore, now: Time) -> Authenticator:
    aligner = StandInAligner({NOBODY: no_face(), FLAT: crop_of(FLAT, live=False)})
    auth = Authenticator(
        store=store,
        aligner=aligner.as_aligner(),
        embedder=StandInEmbedder().as_embedder(),
        liveness=LivenessCheck(LIVE_LIMITS),
        diagnostics=True,
    )
    auth._limiter.clock = now
    return auth


@pytest.fixture(params=["memory", "vault"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "memory":
        return InMemoryStore()
    return for_stand_ins(Vault.open(tmp_path / "vault", key=KEY, create=True))


@pytest.fixture
def now() -> Time:
    return Time()


def fail(auth: Authenticator, times: int) -> list[Outcome]:
    return [auth.verify(frame_of(BEN), "ada").outcome for _ in range(times)]


def test_how_long_a_lock_is() -> None:
    waits = [
        wait_s({DEVICE: Tally(failures, "0", 5.0)}, (DEVICE,), Clock("0", 5.0)) for failures in range(22)
    ]
    assert waits[:5] == [0.0] * 5
    assert waits[5:12] == [30.0, 60.0, 120.0, 240.0, 480.0, 960.0, 1920.0]
    assert waits[12:20] == [3600.0] * 8
    assert waits[20:] == [math.inf] * 2


def test_five_failures_lock_even_the_person_out(store: ReferenceStore, now: Time) -> None:
    auth = door(store, now)
    auth.enroll("ada", frame_of(ADA))
    assert fail(auth, 7) == [Outcome.NO_MATCH] * 5 + [Outcome.LOCKED_OUT] * 2
    locked = auth.verify(frame_of(ADA), "ada")
    assert (locked.outcome, locked.distance) == (Outcome.LOCKED_OUT, None)
    assert locked.reasons == ("too many failures: wait 30 s",)
    assert auth.identify(frame_of(ADA)).outcome is Outcome.LOCKED_OUT  # the same device
    now.seconds += 29.9
    assert auth.verify(frame_of(ADA), "ada").reasons == ("too many failures: wait 1 s",)
    now.seconds += 0.1
    assert auth.verify(frame_of(ADA), "ada").accepted
    assert fail(auth, 6) == [Outcome.NO_MATCH] * 5 + [Outcome.LOCKED_OUT]  # counted from nothing again


def test_every_further_failure_locks_for_longer(store: ReferenceStore, now: Time) -> None:
    auth = door(store, now)
    auth.enroll("ada", frame_of(ADA))
    fail(auth, 5)
    for wait in (30, 60, 120):
        assert auth.verify(frame_of(BEN), "ada").reasons == (f"too many failures: wait {wait} s",)
        now.seconds += wait
        assert fail(auth, 2) == [Outcome.NO_MATCH, Outcome.LOCKED_OUT]


def test_from_the_twentieth_on_only_a_credential_helps(store: ReferenceStore, now: Time) -> None:
    auth = door(store, now)
    auth.enroll("ada", frame_of(ADA))
    fail(auth, 5)
    for _ in range(15):
        now.seconds += 3600
        assert fail(auth, 1) == [Outcome.NO_MATCH]
    now.seconds += 1e9
    locked = auth.verify(frame_of(ADA), "ada")
    assert locked.reasons == ("too many failures: somebody with another credential has to unlock",)
    auth.unlock("ada")
    assert auth.verify(frame_of(ADA), "ada").accepted
    fail(auth, 5)
    auth.unlock()
    assert auth.verify(frame_of(ADA), "ada").accepted


def test_what_counts(store: ReferenceStore, now: Time) -> None:
    auth = door(store, now)
    auth.enroll("ada", frame_of(ADA))
    for _ in range(10):  # a poor picture is no guess
        assert auth.verify(frame_of(NOBODY), "ada").outcome is Outcome.NO_FACE
    assert fail(auth, 4) == [Outcome.NO_MATCH] * 4
    assert auth.verify(frame_of(ADA), "ada").accepted  # and a success clears
    outcomes = [auth.verify(frame_of(FLAT), "ada").outcome for _ in range(4)]  # a spoof counts twice
    assert outcomes == [Outcome.SPOOF] * 3 + [Outcome.LOCKED_OUT]


def test_failed_searches_slow_searches_and_lock_nobody(store: ReferenceStore, now: Time) -> None:
    """Ten prints before `identify` once locked everybody out until somebody typed the credential."""
    auth = door(store, now)
    auth.enroll("ada", frame_of(ADA))
    outcomes = [auth.identify(frame_of(BEN)).outcome for _ in range(6)]
    assert outcomes == [Outcome.NO_MATCH] * 5 + [Outcome.LOCKED_OUT]
    assert list(store.amend(lambda ledger: (ledger, ())).tallies) == [SEARCH]
    assert auth.verify(frame_of(ADA), "ada").accepted  # a claim is counted apart
    for _ in range(200):
        now.seconds += 30.0
        assert auth.identify(frame_of(BEN)).outcome is Outcome.NO_MATCH
        assert auth.identify(frame_of(BEN)).reasons == ("too many failures: wait 30 s",)
    # At 20 failures, and at 40, 80 and 160.
    assert [event.kind for event in store.events()].count(EventKind.ALARM) == 4
    assert EventKind.LOCKED not in {event.kind for event in store.events()}
    now.seconds += 30.0
    assert auth.identify(frame_of(ADA)).identity == "ada"
    assert auth.identify(frame_of(BEN)).outcome is Outcome.NO_MATCH  # and a success clears


def test_guesses_at_several_people_lock_the_device(store: ReferenceStore, now: Time) -> None:
    auth = door(store, now)
    for name in ("ada", "ben", "cy"):
        auth.enroll(name, frame_of(ADA))
    outcomes = [auth.verify(frame_of(BEN), name).outcome for name in ("ada", "ben", "cy") * 2]
    assert outcomes == [Outcome.NO_MATCH] * 5 + [Outcome.LOCKED_OUT]


def test_a_restart_begins_the_lock_anew_and_no_more(tmp_path: Path, now: Time) -> None:
    with for_stand_ins(Vault.open(tmp_path / "vault", key=KEY, create=True)) as vault:
        auth = door(vault, now)
        auth.enroll("ada", frame_of(ADA))
        fail(auth, 5)
    now.seconds += 25
    now.restart()
    with Vault.open(tmp_path / "vault", key=KEY) as vault:
        assert door(vault, now).verify(frame_of(ADA), "ada").reasons == ("too many failures: wait 30 s",)
    now.seconds += 20
    with Vault.open(tmp_path / "vault", key=KEY) as vault:  # remembered from the first look after it
        assert door(vault, now).verify(frame_of(ADA), "ada").reasons == ("too many failures: wait 10 s",)
    now.seconds -= 15  # the clock goes back: as if restarted
    with Vault.open(tmp_path / "vault", key=KEY) as vault:
        assert door(vault, now).verify(frame_of(ADA), "ada").outcome is Outcome.LOCKED_OUT
        now.seconds += 30
        assert door(vault, now).verify(frame_of(ADA), "ada").accepted


def test_who_is_removed_leaves_no_count(store: ReferenceStore, now: Time) -> None:
    auth = door(store, now)
    auth.enroll("ada", frame_of(ADA))
    fail(auth, 3)
    assert "ada" in store.amend(lambda ledger: (ledger, ())).tallies
    auth.remove("ada")
    assert list(store.amend(lambda ledger: (ledger, ())).tallies) == [DEVICE]


def test_counts_that_cannot_be_read_lock(tmp_path: Path, now: Time) -> None:
    import apsw

    place = tmp_path / "vault"
    with for_stand_ins(Vault.open(place, key=KEY, create=True)) as vault:
        auth = door(vault, now)
        auth.enroll("ada", frame_of(ADA))
        connection = apsw.Connection(str(place / "vault.db"))
        connection.execute("UPDATE store SET ledger = randomblob(64)")
        connection.close()
        with pytest.raises(VaultDamagedError):
            auth.verify(frame_of(ADA), "ada")


def test_without_lockout_nothing_is_counted() -> None:
    store = InMemoryStore()
    auth = Authenticator(
        store=store,
        aligner=StandInAligner({}).as_aligner(),
        embedder=StandInEmbedder().as_embedder(),
        liveness=LivenessCheck(LIVE_LIMITS),
        lockout=False,
    )
    auth.enroll("ada", frame_of(ADA))
    assert fail(auth, 30) == [Outcome.NO_MATCH] * 30
    assert not store.amend(lambda ledger: (ledger, ())).tallies


def test_the_time_is_not_the_wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    before = boot_clock.now()
    monkeypatch.setattr(time, "time", lambda: 4e9)
    after = boot_clock.now()
    assert after.boot_id == before.boot_id
    assert 0 <= after.seconds - before.seconds < 60


TALLIES = st.dictionaries(
    st.text(max_size=5),
    st.builds(
        Tally,
        st.integers(0, 100),
        st.text(max_size=5),
        st.floats(-1e9, 1e9, allow_nan=False),
        st.booleans(),
    ),
    max_size=5,
)


PRESENCES = st.none() | st.builds(Presence, st.text(max_size=5), st.floats(0, 1e9), st.floats(0, 1e9))


@given(st.builds(SecurityState, TALLIES, PRESENCES, st.none() | st.text(max_size=9)))
def test_ledgers_come_back(ledger: SecurityState) -> None:
    assert SecurityState.decode(ledger.encode()) == ledger


GOOD = b'{"tallies":{},"presence":null,"credential":null}'


@given(
    st.binary(max_size=60)
    | st.sampled_from([b"[]", b"{}", GOOD.replace(b"{}", b"[]"), GOOD.replace(b"{}", b'{"a":[1]}')])
    | st.sampled_from([GOOD.replace(b"{}", b'{"a":[1,"",NaN]}'), GOOD.replace(b"{}", b'{"a":[-1,"",0]}')])
    | st.sampled_from([GOOD.replace(b"null", b"7"), GOOD.replace(b"null", b'["",1,NaN]', 1)])
)
def test_other_bytes_are_no_ledger(content: bytes) -> None:
    with pytest.raises((ValueError, TypeError, AttributeError)):
        SecurityState.decode(content)


STEPS = st.lists(
    st.one_of(
        st.just("guess"),
        st.just("restart"),
        st.floats(0, 4000).map(lambda s: ("pass", s)),
        st.floats(0, 4000).map(lambda s: ("back", s)),
    ),
    max_size=60,
)


@given(STEPS)
def test_no_sequence_of_restarts_and_clocks_buys_a_guess(steps: list[Any]) -> None:
    """Real time counts, whatever the clock says of it."""
    guard_time, store = Time(), InMemoryStore()
    guard = AttemptLimiter(store, clock=guard_time)
    real = 0.0
    scored: list[float] = []
    for step in steps:
        if step == "restart":
            guard_time.restart()
        elif step == "guess":
            if guard.charge(("ada", DEVICE)) is None:
                scored.append(real)
        elif step[0] == "pass":
            guard_time.seconds += step[1]
            real += step[1]
        else:
            guard_time.seconds -= step[1]
    for failures, (earlier, later) in enumerate(itertools.pairwise(scored), start=1):
        if failures >= lockout.FREE_FAILURES:
            lock = min(lockout.LONGEST_LOCK_S, lockout.FIRST_LOCK_S * 2 ** (failures - lockout.FREE_FAILURES))
            assert later - earlier >= lock - 1e-6


def test_charging_one_does_not_touch_others() -> None:
    now = Clock("0", 1.0)
    tallies = charged({"ben": Tally(3, "0", 0.5)}, ("ada",), now)
    assert tallies["ben"] == Tally(3, "0", 0.5)
    assert wait_s(tallies, ("nobody",), now) == 0.0


def test_several_frames_are_one_attempt(store: ReferenceStore, now: Time) -> None:
    auth = door(store, now)
    auth.enroll("ada", frame_of(ADA))
    refused = auth.verify(takes_of(BEN, 9), "ada")
    assert refused.frames == (Outcome.NO_MATCH,) * 9
    # Which of them would have matched is not told: that would be many guesses for the price of one.
    assert set(auth.verify([frame_of(ADA), *takes_of(BEN, 8)], "ada").frames) == {Outcome.NO_MATCH}
    auth.unlock("ada")
    auth.verify(frame_of(BEN), "ada")
    assert store.amend(lambda ledger: (ledger, ())).tallies["ada"].failures == 1
    mixed = auth.verify([*takes_of(ADA, 2), frame_of(BEN), frame_of(NOBODY)], "ada")
    assert mixed.accepted  # two of the three with a face
    assert mixed.frames == (*[Outcome.ACCEPTED] * 3, Outcome.NO_FACE)
    half = [frame_of(ADA), frame_of(BEN)]
    assert auth.verify(half, "ada").outcome is Outcome.NO_MATCH
    assert auth.identify(half).outcome is Outcome.NO_MATCH
    assert auth.verify([frame_of(ADA), frame_of(FLAT)], "ada").outcome is Outcome.NO_MATCH
    assert auth.identify([frame_of(NOBODY), frame_of(ADA)]).identity == "ada"
    with pytest.raises(InvalidInputError, match="frames: expected those of one modality, got"):
        auth.verify([frame_of(ADA), frame_of(ADA, "color")], "ada")
    with pytest.raises(InvalidInputError, match="frames: expected at most 256 at once, got more"):
        auth.identify([frame_of(ADA)] * 257)


def test_who_is_locked_is_not_found_either(store: ReferenceStore, now: Time) -> None:
    auth = door(store, now)
    auth.enroll("ada", frame_of(ADA))
    auth.enroll("ben", frame_of(BEN))
    for _ in range(4):
        assert auth.verify(frame_of(BEN), "ada").outcome is Outcome.NO_MATCH
    auth.verify(frame_of(BEN), "ada")
    now.seconds += 25.0
    store.amend(
        lambda ledger: (replace(ledger, tallies=security_state.cleared(ledger.tallies, (DEVICE,))), ())
    )
    found = auth.identify(frame_of(ADA))
    assert (found.outcome, found.identity) == (Outcome.LOCKED_OUT, None)
    assert found.nearest == "ada"  # with diagnostics
    assert auth.verify(frame_of(ADA), "ada").outcome is Outcome.LOCKED_OUT
    assert auth.identify(frame_of(BEN)).identity == "ben"
    now.seconds += 6.0
    assert auth.identify(frame_of(ADA)).accepted


def test_unlocking_nobody_is_refused(store: ReferenceStore, now: Time) -> None:
    with pytest.raises(UnknownIdentityError):
        door(store, now).unlock("1234")
