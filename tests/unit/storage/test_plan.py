"""Plans of changes: applied as they were made, or not at all."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from faceid_fast.authenticator import Authenticator
from faceid_fast.errors import IdentityTakenError, VaultBusyError
from faceid_fast.face.liveness import LivenessCheck
from faceid_fast.storage.audit import Event, EventKind
from faceid_fast.storage.memory import InMemoryStore
from faceid_fast.storage.plan import MAX_PLANS, Plan, carry_out
from faceid_fast.storage.references import References
from faceid_fast.storage.store import Change, ReferenceStore, get, put, remove
from faceid_fast.vault import Vault
from stand_ins import LIVE_LIMITS, StandInAligner, StandInEmbedder, for_stand_ins, frame_of, references, unit

KEY = bytes(32)


@pytest.fixture(params=["memory", "vault"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[ReferenceStore, ReferenceStore]:
    """Two ways into one store, as two processes have them."""
    if request.param == "memory":
        store = InMemoryStore()
        return store, store
    place = tmp_path / "vault"
    return for_stand_ins(Vault.open(place, key=KEY, create=True)), Vault.open(place, key=KEY)


def adding(row: int) -> Callable[[References | None], Plan[int]]:
    """Plan to add a reference; the result is how many there are."""

    def make(seen: References | None) -> Plan[int]:
        one = references("ada", unit(row))
        after = one if seen is None else seen.joined(one)
        return Plan(seen, after, (Event.now(EventKind.ADDED, "ada"),), len(after.vectors))

    return make


def overtaken(
    make: Callable[[References | None], Plan[int]], *by: Callable[[], object]
) -> Callable[..., Plan[int]]:
    """Plan, but each time that is left somebody else is quicker."""
    others = list(by)

    def slow(seen: References | None) -> Plan[int]:
        plan = make(seen)
        if others:
            others.pop(0)()
        return plan

    return slow


def test_what_was_planned_is_applied(stores: tuple[ReferenceStore, ReferenceStore]) -> None:
    ours, theirs = stores
    plan = carry_out(ours, "ada", adding(0))
    assert (plan.seen, plan.result) == (None, 1)
    assert carry_out(theirs, "ada", adding(1)).result == 2
    assert len(get(ours, "ada").vectors) == 2
    assert [event.kind for event in ours.events()] == [EventKind.ADDED] * 2


def test_a_plan_that_was_overtaken_is_made_again(stores: tuple[ReferenceStore, ReferenceStore]) -> None:
    ours, theirs = stores
    put(theirs, references("ada", unit(5)))
    slow = overtaken(
        adding(0),
        lambda: carry_out(theirs, "ada", adding(1)),
        lambda: remove(theirs, "ada"),
        lambda: put(theirs, references("ada", unit(5))),
        lambda: put(theirs, references("ben", unit(6))),  # somebody else does not matter
    )
    assert carry_out(ours, "ada", slow).result == 2
    assert [int(vector.argmax()) for vector in get(theirs, "ada").vectors] == [5, 0]


def test_a_plan_without_a_change_opens_no_transaction(stores: tuple[ReferenceStore, ReferenceStore]) -> None:
    ours, _ = stores
    before = ours.revision()
    assert carry_out(ours, "ada", lambda seen: Plan(seen, seen, (), "nothing")).result == "nothing"
    assert (ours.revision(), ours.events()) == (before, ())


def test_a_plan_that_is_always_overtaken_ends() -> None:
    class Busy(InMemoryStore):
        count = 0

        def alter(self, identity: str, alter: Callable[[References | None], Change]) -> References | None:
            self.count += 1
            put_in = references("ada", unit(self.count % 100))
            super().alter(identity, lambda _: (put_in, ()))
            return super().alter(identity, alter)

    store = Busy()
    with pytest.raises(VaultBusyError, match=f"'ada', whom others changed meanwhile {MAX_PLANS} times"):
        carry_out(store, "ada", adding(0))
    assert len(get(store, "ada").vectors) == 1


def door(store: ReferenceStore) -> Authenticator:
    return Authenticator(
        store=store,
        aligner=StandInAligner({}).as_aligner(),
        embedder=StandInEmbedder().as_embedder(),
        liveness=LivenessCheck(LIVE_LIMITS),
    )


def test_of_two_who_enrol_a_new_name_the_second_is_refused(
    stores: tuple[ReferenceStore, ReferenceStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = stores
    first, second = door(ours), door(theirs)
    alter = type(ours).alter

    def late(self: ReferenceStore, identity: str, change: Callable[..., Change]) -> References | None:
        if self.snapshot().get(identity) is None:
            monkeypatch.undo()
            assert second.enroll(identity, frame_of(2), new=True).references == 1
        return alter(self, identity, change)

    monkeypatch.setattr(type(ours), "alter", late)
    with pytest.raises(IdentityTakenError):
        first.enroll("ada", frame_of(1), new=True)
    assert [int(vector.argmax()) for vector in get(ours, "ada").vectors] == [2]
    assert second.verify(frame_of(2), "ada").accepted
    assert not first.verify(frame_of(1), "ada").accepted


RACE = """
import sys
from faceid_fast.errors import IdentityTakenError
from faceid_fast.vault import Vault
from stand_ins import frame_of
from test_plan import KEY, door

place, code = sys.argv[1:]
auth = door(Vault.open(place, key=KEY))
print("ready", flush=True)
sys.stdin.readline()
for name in range(20):
    try:
        auth.enroll(f"person {name}", frame_of(int(code)), new=True)
        print(name, flush=True)
    except IdentityTakenError:
        pass
"""


def test_of_two_processes_that_enrol_new_names_each_name_is_one_s(tmp_path: Path) -> None:
    store = for_stand_ins(Vault.open(tmp_path / "vault", key=KEY, create=True))
    here, shared = Path(__file__).parent, Path(__file__).parents[2]
    program = f"import sys; sys.path[:0] = [{str(here)!r}, {str(shared)!r}]\n{RACE}"
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path / "vault"), str(code)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for code in (1, 2)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    won = [[int(line) for line in racer.communicate()[0].split()] for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0]
    assert sorted(won[0] + won[1]) == list(range(20))
    for code, names in zip((1, 2), won, strict=True):
        for name in names:
            assert [int(vector.argmax()) for vector in get(store, f"person {name}").vectors] == [code]
