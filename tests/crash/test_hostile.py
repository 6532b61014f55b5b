"""Whatever is written to a vault's files without its key: it is noticed, or nothing has changed."""

from __future__ import annotations

import itertools
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import apsw
import pytest

from faceid_fast.access.lockout import DEVICE
from faceid_fast.errors import VaultError
from faceid_fast.storage.security_state import Tally
from faceid_fast.storage.store import put, remove
from faceid_fast.vault import Vault, contents, restore
from hostile import Attacker, Spoils
from story import KEY, State, digest_of, person, state_of

PARTS = 2
MEMORY = Path("/dev/shm")  # noqa: S108  # a hundred thousand vaults, and nothing that must last
WAYS = ("statements", "pages", "log", "epoch", "exchange", "backup")


@dataclass
class Owner:
    """Uses a vault, and knows what must be in it."""

    rng: random.Random
    people: State
    failures: int = 0
    entries: int = 0
    done: list[str] = field(default_factory=list)

    def look(self, vault: Vault) -> None:
        """See that everything is as it was left."""
        found = state_of(vault)
        assert found.keys() <= self.people.keys(), "somebody is accepted whom the owner did not enrol"
        assert found == self.people, "somebody is not as they were left"
        assert len(vault.events()) == self.entries, "the log"
        assert _failures(vault) == self.failures, "the failures"

    def use(self, vault: Vault) -> None:
        """Do something, and see that it was done."""
        match self.rng.randrange(6):
            case 0 if self.people:
                name = self.rng.choice(sorted(self.people))
                self.done.append(f"remove {name}")
                remove(vault, name)
                del self.people[name]
                self.entries += 1
            case 1:
                some = [
                    person(f"new {self.rng.randrange(99)} {i}", self.rng.randrange(999)) for i in range(3)
                ]
                self.done.append("put_all")
                vault.put_all(some)
                self.people |= {each.identity: digest_of(each) for each in some}
                self.entries += 3
            case 2 | 3:
                name = self.rng.choice([*self.people, f"new {self.rng.randrange(99)}"])
                one = person(name, self.rng.randrange(999))
                self.done.append(f"put {name}")
                put(vault, one)
                self.people[name] = digest_of(one)
                self.entries += 1
            case 4:
                self.done.append("charge")
                tally = Tally(self.failures + 1, "boot", 1.0)
                vault.amend(lambda ledger: (replace(ledger, tallies={DEVICE: tally}), ()))
                self.failures += 1
            case _:
                self.done.append("check")
                vault.check()
        self.look(vault)


def _failures(vault: Vault) -> int:
    tally = vault.amend(lambda ledger: (ledger, ())).tallies.get(DEVICE)
    return tally.failures if tally else 0


@dataclass(frozen=True)
class World:
    """A vault at the end of a story: some were enrolled, changed, removed.

    Attributes
    ----------
    places : folders of the vault, with its log of changes and without.
    backup : of the same moment.
    """

    places: tuple[Path, ...]
    spoils: Spoils
    backup: Path
    people: State
    failures: int
    entries: int


def world_at(folder: Path) -> World:
    """Make one: what the attacker has kept are its older states."""
    place = folder / "vault"
    owner = Owner(random.Random(7), {})
    older: list[Path] = []
    with Vault.open(folder / "other", key=KEY, create=True) as vault:
        for number, name in enumerate(("eve", "mallory")):
            put(vault, person(name, 500 + number))
    for step, name in enumerate(("eve", "ada", "ben", "ada", None, "dan", None)):
        with Vault.open(place, key=KEY, create=True) as vault:
            if name is None:
                gone = "eve" if "eve" in owner.people else "dan"
                remove(vault, gone)
                del owner.people[gone]
            else:
                one = person(name, 100 + step)
                put(vault, one)
                owner.people[name] = digest_of(one)
            tally = Tally(step + 1, "boot", 1.0)
            vault.amend(lambda ledger, tally=tally: (replace(ledger, tallies={DEVICE: tally}), ()))
        older.append(folder / f"older {step}")
        shutil.copytree(place, older[-1])
    logged = folder / "with a log"
    with Vault.open(place, key=KEY) as vault:
        backup = folder / "backup"
        vault.backup(backup)
        shutil.copytree(place, logged)
        owner.entries = len(vault.events())
        owner.failures = _failures(vault)
    (logged / "vault.db-shm").unlink()
    spoils = Spoils(tuple(older), folder / "other")
    return World((place, logged), spoils, backup, owner.people, owner.failures, owner.entries)


@cache
def pages_of(place: Path) -> bytes:
    return (place / "vault.db").read_bytes()


def attempt(world: World, place: Path, seed: int) -> str:
    """One attack, and what the owner does then; returns how it ended, or raises an AssertionError."""
    rng = random.Random(seed)
    attacker = Attacker(rng, world.spoils)
    owner = Owner(rng, dict(world.people), world.failures, world.entries)
    way = rng.choices(WAYS, (6, 4, 2, 1, 1, 2))[0]
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(mode=0o700)
    state_file = place / "state" if rng.random() < 0.3 else None
    vault_at = place / "vault"
    if way == "backup":
        return from_backup(world, attacker, owner, place)
    shutil.copytree(rng.choice(world.places), vault_at)
    if state_file is not None:
        Vault.open(vault_at, key=KEY, create=True, state_file=state_file).close()
    changed = False
    try:
        if rng.random() < 0.5 and way in ("statements", "pages", "epoch"):
            with Vault.open(vault_at, key=KEY, state_file=state_file) as vault:
                for _ in range(rng.randrange(3)):
                    owner.use(vault)
                changed = strike(attacker, way, vault_at, elsewhere=state_file is not None)
                for _ in range(rng.randint(1, 3)):
                    owner.use(vault)
        else:
            changed = strike(attacker, way, vault_at, elsewhere=state_file is not None)
        for _ in range(2):
            with Vault.open(vault_at, key=KEY, state_file=state_file) as vault:
                owner.look(vault)
                owner.use(vault)
    except VaultError as error:
        return f"{way}: {type(error).__name__}"
    assert not changed, "another schema goes unnoticed"
    return f"{way}: without effect"


def strike(attacker: Attacker, way: str, place: Path, *, elsewhere: bool) -> bool:
    """Attack; returns whether there is another schema now."""
    match way:
        case "statements":
            try:
                return attacker.statements(place / "vault.db")
            except apsw.Error:
                return False
        case "pages":
            attacker.pages(place / "vault.db", pages_of)
        case "log":
            attacker.log(place, pages_of)
        case "epoch":
            attacker.epoch(place)
        case _:
            attacker.exchange(place)
            if elsewhere:  # both put back go unnoticed without a state file: a limit that is named
                attacker.epoch(place)
    return False


def from_backup(world: World, attacker: Attacker, owner: Owner, place: Path) -> str:
    """Change a backup, and restore it."""
    file = place / "vault.db"
    shutil.copyfile(world.backup, file)
    changed = strike(attacker, attacker.rng.choice(("statements", "pages")), place, elsewhere=False)
    for log in ("vault.db-wal", "vault.db-shm"):
        (place / log).unlink(missing_ok=True)
    file.chmod(0o600)
    owner.entries += 1  # that it was restored
    try:
        restore(file, place / "vault", key=KEY)
        with Vault.open(place / "vault", key=KEY) as vault:
            owner.look(vault)
            owner.use(vault)
    except VaultError as error:
        return f"backup: {type(error).__name__}"
    assert not changed or _is_in_wal_only(file), "another schema goes unnoticed"
    return "backup: without effect"


def _is_in_wal_only(file: Path) -> bool:
    """Whether a change was left in a log that a backup does not have."""
    connection = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return len(list(connection.execute("SELECT 1 FROM sqlite_schema"))) == 3
    finally:
        connection.close()


def attempts(folder: Path, seeds: range) -> tuple[Counter[str], list[str]]:
    """Many of them, in one process."""
    world = world_at(folder / f"world {seeds.start}")
    ended: Counter[str] = Counter()
    wrong: list[str] = []
    for seed in seeds:
        try:
            ended[attempt(world, folder / f"place {seeds.start}", seed)] += 1
        except AssertionError as error:
            wrong.append(f"{seed}: {str(error).splitlines()[0]}")
        except Exception as error:  # noqa: BLE001  # whatever is not typed is a finding
            wrong.append(f"{seed}: {type(error).__name__}: {error!s:.200}")
    return ended, wrong


@contextmanager
def in_memory() -> Iterator[Path]:
    """A folder that costs no disk."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder)


def test_nothing_is_swallowed_and_nobody_comes_back(long: bool) -> None:
    count = 100_000 if long else 2_000
    with in_memory() as folder, ProcessPoolExecutor(PARTS) as pool:
        parts = [range(part * count // PARTS, (part + 1) * count // PARTS) for part in range(PARTS)]
        found = list(pool.map(attempts, itertools.repeat(folder), parts))
    ended: Counter[str] = sum((each for each, _ in found), Counter())
    wrong = list(itertools.chain.from_iterable(each for _, each in found))
    print(f"\n{count} attacks: {len(wrong)} wrong; {dict(sorted(ended.items()))}")
    assert not wrong, wrong[:20]
    for way in WAYS:
        refused = sum(each for how, each in ended.items() if how.startswith(way) and "without" not in how)
        assert refused > 0, way


def signs_what_it_reads_back(self: Any, state: contents.State) -> contents.State:
    """As it was once: whatever stands in the database after a change is what was meant."""
    rows = self._database.execute(contents._LISTED_ROWS)
    return state._replace(records_mac=self.sealer.records_mac(rows))


def writes_without_a_look(self: Any, state: contents.State) -> contents.State:
    state = state._replace(epoch=state.epoch + 1)
    self._database.execute(
        "UPDATE store SET key_check = ?, epoch = ?, records_mac = ?, log = ?, ledger = ?, manifest = ?",
        (self.sealer.key_check, *state, self.sealer.manifest(*state)),
    )
    return state


@pytest.mark.parametrize(
    "leave_out",
    [
        pytest.param(lambda _: None, id="the schema"),
        pytest.param(
            lambda patch: (
                patch.setattr(contents.Contents, "listed", signs_what_it_reads_back),
                patch.setattr(contents.Contents, "write", writes_without_a_look),
                patch.setattr("faceid_fast.vault.database._SETTINGS", ()),
                patch.setattr("faceid_fast.vault.database.Database._is_allowed", lambda *_: apsw.SQLITE_OK),
            ),
            id="all that was added",
        ),
    ],
)
def test_the_control_is_noticed(
    monkeypatch: pytest.MonkeyPatch, leave_out: Callable[[pytest.MonkeyPatch], object]
) -> None:
    for module in ("contents", "bootstrap"):
        monkeypatch.setattr(f"faceid_fast.vault.{module}.check_schema", lambda _: None)
    leave_out(monkeypatch)
    with in_memory() as folder:
        _, wrong = attempts(folder, range(500))
    print(f"\n{len(wrong)} of 500: {Counter(each.partition(': ')[2] for each in wrong).most_common(5)}")
    assert wrong
