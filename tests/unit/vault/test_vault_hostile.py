"""A vault's files in the hands of somebody who can write them, and has no key."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import numpy as np
import pytest

from faceid_fast.errors import (
    InvalidInputError,
    VaultDamagedError,
    VaultError,
    VaultMissingError,
    VaultRolledBackError,
)
from faceid_fast.storage.store import put, remove
from faceid_fast.vault import Vault, contents, erase, restore
from faceid_fast.vault.database import Database
from faceid_fast.vault.directory import PrivateDirectory
from stand_ins import references, unit

KEY = bytes(range(32))
needs_posix = pytest.mark.skipif(os.name != "posix", reason="owners and modes are POSIX's")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place = tmp_path / "vault"
    with Vault.open(place, key=KEY, create=True) as vault:
        for axis, name in enumerate(("ada", "ben", "cy")):
            put(vault, references(name, unit(axis)))
    return place


def attack(place: Path, *statements: str) -> None:
    connection = apsw.Connection(str(place / "vault.db"))
    for statement in statements:
        connection.execute(statement)
    connection.close()


def names(place: Path) -> list[str]:
    with Vault.open(place, key=KEY) as vault:
        return sorted(vault.snapshot())


COPY = "CREATE TABLE mine AS SELECT * FROM records"
UNDO = """CREATE TRIGGER t AFTER DELETE ON records BEGIN
    INSERT INTO records VALUES (old.id, old.version, old.wrapped_key, old.sealed); END"""
BRING_BACK = """CREATE TRIGGER t AFTER INSERT ON records BEGIN
    INSERT OR IGNORE INTO records SELECT * FROM mine; END"""
INSERT_THROUGH = """CREATE TRIGGER u INSTEAD OF INSERT ON records BEGIN
    INSERT OR REPLACE INTO mine VALUES (new.id, new.version, new.wrapped_key, new.sealed); END"""
SCHEMAS = {
    "a trigger that undoes a removal": (UNDO,),
    "a trigger that swallows a change": (
        "CREATE TRIGGER t BEFORE INSERT ON records BEGIN SELECT RAISE(IGNORE); END",
    ),
    "a trigger that keeps what is erased": (
        COPY,
        "CREATE TRIGGER t BEFORE DELETE ON records BEGIN INSERT INTO mine SELECT * FROM records; END",
    ),
    "a trigger that brings rows back": (COPY, BRING_BACK),
    "a view in place of the table": (
        "ALTER TABLE records RENAME TO mine",
        "CREATE VIEW records AS SELECT * FROM mine",
        "CREATE TRIGGER t INSTEAD OF DELETE ON records BEGIN SELECT 1; END",
        INSERT_THROUGH,
    ),
    "an index": ("CREATE INDEX i ON records (version)",),
    "a generated column": ("ALTER TABLE records ADD COLUMN more TEXT AS (hex(sealed))",),
    "a column": ("ALTER TABLE records ADD COLUMN more BLOB",),
    "a table": ("CREATE TABLE more (x)",),
    "a table of statistics": ("ANALYZE",),
    "another text of the same table": (
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET sql = replace(sql, 'STRICT', '') WHERE name = 'records'",
    ),
    "conflicts that are ignored": (
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET sql = replace(sql, 'PRIMARY KEY', 'PRIMARY KEY ON CONFLICT IGNORE')",
    ),
    "two tables on one page": (
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET rootpage = 3 WHERE name = 'events'",
    ),
}


@pytest.mark.parametrize("statements", SCHEMAS.values(), ids=SCHEMAS)
def test_another_schema_is_refused_when_it_is_opened(place: Path, statements: tuple[str, ...]) -> None:
    attack(place, *statements)
    with pytest.raises(VaultDamagedError, match="the schema of the database"):
        names(place)


CALLS: dict[str, Callable[[Vault], Any]] = {
    "remove": lambda vault: remove(vault, "ada"),
    "replace": lambda vault: put(vault, references("ada", unit(7))),
    "add": lambda vault: put(vault, references("dan", unit(7))),
    "put_all": lambda vault: vault.put_all([references("dan", unit(7))]),
    "amend": lambda vault: vault.amend(lambda ledger: (ledger, ())),
    "events": Vault.events,
    "snapshot": Vault.snapshot,
    "info": Vault.info,
    "check": Vault.check,
    "rotate": lambda vault: vault.rotate_key(bytes(32)),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("statements", SCHEMAS.values(), ids=SCHEMAS)
def test_another_schema_is_refused_while_it_is_open(
    place: Path, statements: tuple[str, ...], call: str
) -> None:
    with Vault.open(place, key=KEY) as vault:
        vault.snapshot()
        attack(place, *statements)
        with pytest.raises(VaultDamagedError):
            CALLS[call](vault)


@pytest.mark.parametrize("statements", SCHEMAS.values(), ids=SCHEMAS)
def test_a_backup_with_another_schema_is_not_restored(
    place: Path, tmp_path: Path, statements: tuple[str, ...]
) -> None:
    file = tmp_path / "backups" / "vault.db"
    file.parent.mkdir()
    with Vault.open(place, key=KEY) as vault:
        vault.backup(file)
    attack(file.parent, *statements)
    with pytest.raises(VaultDamagedError):
        restore(file, tmp_path / "elsewhere", key=KEY)
    assert not (tmp_path / "elsewhere" / "vault.db").exists()


def test_what_is_restored_is_a_new_file(place: Path, tmp_path: Path) -> None:
    file = tmp_path / "backup"
    with Vault.open(place, key=KEY) as vault:
        vault.backup(file)
    hidden = b"in a page that nothing names"
    file.write_bytes(file.read_bytes() + hidden.ljust(4096, b"\0"))
    restore(file, tmp_path / "elsewhere", key=KEY)
    assert names(tmp_path / "elsewhere") == ["ada", "ben", "cy"]
    assert hidden not in (tmp_path / "elsewhere" / "vault.db").read_bytes()


@pytest.fixture
def unwatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody compares the schema, and triggers run: what is meant must still be compared with what is."""
    monkeypatch.setattr(contents, "check_schema", lambda _: None)
    monkeypatch.setattr("faceid_fast.vault.bootstrap.check_schema", lambda _: None)
    monkeypatch.setattr("faceid_fast.vault.database._SETTINGS", ())
    monkeypatch.setattr("faceid_fast.vault.database.Database._is_allowed", lambda *_: apsw.SQLITE_OK)


SWALLOWED = [
    ("a trigger that undoes a removal", "remove"),
    ("a trigger that swallows a change", "replace"),
    ("a trigger that swallows a change", "add"),
    ("a trigger that swallows a change", "put_all"),
    ("a view in place of the table", "remove"),
]


@pytest.mark.usefixtures("unwatched")
@pytest.mark.parametrize(("which", "call"), SWALLOWED)
def test_a_change_that_was_swallowed_is_no_change(place: Path, which: str, call: str) -> None:
    with Vault.open(place, key=KEY) as vault:
        attack(place, *SCHEMAS[which])
        with pytest.raises(VaultDamagedError):
            CALLS[call](vault)


@pytest.mark.usefixtures("unwatched")
@pytest.mark.parametrize(
    "trigger",
    [
        "CREATE TRIGGER t AFTER UPDATE ON store BEGIN UPDATE store SET ledger = old.ledger; END",
        "CREATE TRIGGER t BEFORE UPDATE ON store BEGIN SELECT RAISE(IGNORE); END",
    ],
)
def test_a_failure_that_was_not_counted_is_noticed(place: Path, trigger: str) -> None:
    with Vault.open(place, key=KEY) as vault:
        attack(place, trigger)
        with pytest.raises(VaultDamagedError):
            vault.amend(charged)


@pytest.mark.usefixtures("unwatched")
def test_an_entry_of_the_log_that_was_swallowed_is_noticed(place: Path) -> None:
    with Vault.open(place, key=KEY) as vault:
        attack(place, "CREATE TRIGGER t AFTER INSERT ON events BEGIN DELETE FROM events; END")
        with pytest.raises(VaultDamagedError):
            remove(vault, "ada")


def charged(ledger: Any, failures: int = 1) -> Any:
    from dataclasses import replace

    from faceid_fast.storage.security_state import Tally

    return replace(ledger, tallies={"ada": Tally(failures, "boot", 1.0)}), ()


def test_another_key_does_not_sign_rows_that_came_back(place: Path, tmp_path: Path) -> None:
    """A row that was removed is sealed rightly; who seals everything anew must not take it for theirs."""
    with Vault.open(place, key=KEY) as vault:
        attack(place, f"VACUUM INTO '{tmp_path / 'old.db'}'")
        remove(vault, "ada")
        vault.snapshot()
        connection = apsw.Connection(str(place / "vault.db"))
        connection.execute(f"ATTACH '{tmp_path / 'old.db'}' AS old")
        connection.execute("INSERT OR IGNORE INTO records SELECT * FROM old.records")
        connection.close()
        with pytest.raises(VaultDamagedError):
            vault.rotate_key(bytes(32))


def test_what_a_process_has_seen_cannot_be_put_back(place: Path, tmp_path: Path) -> None:
    """The whole directory is put back while a process has the vault open."""
    with Vault.open(place, key=KEY) as vault, Vault.open(place, key=KEY) as other:
        older = tmp_path / "older"
        shutil.copytree(place, older)
        remove(other, "ada")
        assert "ada" not in vault.snapshot()
        for name in ("vault.db", "vault.db-wal", "vault.db-shm", "epoch"):
            (place / name).write_bytes((older / name).read_bytes())
        with pytest.raises(VaultError):
            vault.check()


def test_a_revision_does_not_rest_on_sqlite_alone(place: Path) -> None:
    with Vault.open(place, key=KEY) as vault:
        before = vault.revision()
        line = (place / "epoch").read_bytes()
        (place / "epoch").unlink()
        (place / "epoch").write_bytes(line)
        assert vault.revision() != before


def test_what_a_process_writes_itself_is_no_revision(place: Path) -> None:
    """Else everybody would be looked at again after every attempt, which is charged."""
    with Vault.open(place, key=KEY) as vault, Vault.open(place, key=KEY) as other:
        before = vault.revision()
        for failures in range(1, 4):
            vault.amend(lambda ledger, failures=failures: charged(ledger, failures))
        assert vault.revision() == before
        other.amend(charged)
        assert vault.revision() != before


def test_a_journal_is_refused(place: Path) -> None:
    (place / "vault.db-journal").write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7")
    with pytest.raises(VaultDamagedError):
        names(place)


def test_databases_are_not_attached(place: Path) -> None:
    with Vault.open(place, key=KEY) as vault:
        for statement in (
            "ATTACH ':memory:' AS more",
            "CREATE TABLE more (x)",
            "CREATE TEMP TABLE more (x)",
            "SELECT load_extension('x')",
            "PRAGMA journal_mode = DELETE; PRAGMA writable_schema = ON; PRAGMA schema_version = 7",
        ):
            with pytest.raises(VaultDamagedError):
                vault._database.execute(statement)
        assert vault._database._connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, -1) == 1


@needs_posix
@pytest.mark.parametrize("name", ["vault.db", "vault.db-wal", "epoch", "key"])
@pytest.mark.parametrize("what", ["link", "pipe", "folder"])
def test_what_is_no_file_is_refused(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, what: str
) -> None:
    monkeypatch.delenv("FACEID_KEY_FILE", raising=False)
    (place / "key").write_text(KEY.hex())
    (place / "key").chmod(0o600)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes((place / name).read_bytes() if (place / name).exists() else b"")
    elsewhere.chmod(0o600)
    (place / name).unlink(missing_ok=True)
    if what == "pipe":
        os.mkfifo(place / name, 0o600)
    elif what == "folder":
        (place / name).mkdir()
    else:
        (place / name).symlink_to(elsewhere)
    if (name, what) == ("key", "link"):
        Vault.open(place).close()  # some services are handed their secrets as links
        return
    with pytest.raises(VaultError):
        Vault.open(place)


@needs_posix
def test_nobody_else_may_write_above_it(tmp_path: Path) -> None:
    above = tmp_path / "above"
    above.mkdir()
    above.chmod(0o777)
    with pytest.raises(VaultError, match=r"expected nobody else to write in '.*above', .* got mode 777"):
        Vault.open(above / "vault", key=KEY, create=True)
    assert not (above / "vault").exists()
    above.chmod(0o1777)  # as /tmp is: there only owners exchange what is theirs
    Vault.open(above / "vault", key=KEY, create=True).close()
    above.chmod(0o777)
    with pytest.raises(VaultError, match="expected nobody else to write"):
        names(above / "vault")


@needs_posix
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("whose", ["the directory above", "a link on the way", "the database"])
def test_nothing_on_the_way_may_be_somebody_elses(tmp_path: Path, whose: str) -> None:
    place = tmp_path / "above" / "vault"
    with Vault.open(place, key=KEY, create=True):
        pass
    if whose == "the directory above":
        os.chown(place.parent, 12345, -1)
    elif whose == "the database":
        os.chown(place / "vault.db", 12345, -1)
    else:
        link = tmp_path / "link"
        link.symlink_to(place.parent)
        assert names(link / "vault") == []
        os.chown(link, 12345, -1, follow_symlinks=False)
        place = link / "vault"
    with pytest.raises(VaultError, match="to be yours or root's, got the owner 12345"):
        names(place)


@needs_posix
def test_a_directory_that_is_exchanged_while_it_is_opened_is_refused(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Exchanging(Database):
        def __init__(self, path: Path, *, make: bool = False) -> None:
            place.rename(tmp_path / "away")
            shutil.copytree(tmp_path / "away", place)
            super().__init__(path, make=make)

    monkeypatch.setattr("faceid_fast.vault.vault.Database", Exchanging)
    with pytest.raises(VaultError, match="but it was moved"):
        Vault.open(place, key=KEY)


@needs_posix
def test_a_way_of_links_is_followed(place: Path, tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to(tmp_path)
    (tmp_path / "round").symlink_to("round")
    with PrivateDirectory.open(tmp_path / "one" / ".." / tmp_path.name / "vault") as opened:
        assert opened.path == place
    with pytest.raises(VaultError, match="Too many levels of symbolic links"):
        Vault.open(tmp_path / "round" / "vault", key=KEY)


@pytest.fixture
def guarded(tmp_path: Path) -> tuple[Path, Path]:
    """A vault whose state file lies elsewhere."""
    place, state = tmp_path / "guarded", tmp_path / "state" / "faceid"
    with Vault.open(place, key=KEY, create=True, state_file=state) as vault:
        put(vault, references("ada", unit(0)))
        assert vault.info().state_file == str(state)
    return place, state


@pytest.mark.parametrize("state_file", [np.zeros(2), 7, b"state", [], {}])
def test_what_is_no_state_file_is_refused(tmp_path: Path, state_file: Any) -> None:
    with pytest.raises(InvalidInputError, match="state_file: expected a str or Path"):
        Vault.open(tmp_path / "vault", key=KEY, create=True, state_file=state_file)


def test_a_state_file_remembers_what_the_directory_cannot(guarded: tuple[Path, Path], tmp_path: Path) -> None:
    place, state = guarded
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    older = tmp_path / "older"
    shutil.copytree(place, older)
    with Vault.open(place, key=KEY, state_file=state) as vault:
        remove(vault, "ada")
    shutil.rmtree(place)
    shutil.copytree(older, place)
    assert names(place) == ["ada"]  # who names none does not notice
    with pytest.raises(VaultRolledBackError):
        Vault.open(place, key=KEY, state_file=state)


@pytest.mark.parametrize("create", [False, True])
def test_a_state_file_remembers_that_there_was_a_vault(guarded: tuple[Path, Path], create: bool) -> None:
    place, state = guarded
    shutil.rmtree(place)
    if not create:
        with pytest.raises(VaultMissingError):
            Vault.open(place, key=KEY, state_file=state)
        return
    with pytest.raises(VaultDamagedError):
        Vault.open(place, key=KEY, state_file=state, create=create)


def test_a_state_file_knows_its_vault(guarded: tuple[Path, Path], place: Path) -> None:
    with pytest.raises(VaultDamagedError, match="the state file"):
        Vault.open(place, key=KEY, state_file=guarded[1])


def test_a_state_file_that_is_gone_is_missed(
    guarded: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    place, state = guarded
    monkeypatch.setenv("FACEID_STATE_FILE", str(state))
    assert names(place) == ["ada"]
    state.unlink()
    with pytest.raises(VaultDamagedError, match="the state file"):
        names(place)
    with Vault.open(place, key=KEY, create=True) as vault:  # which asks for whatever is missing
        assert sorted(vault.snapshot()) == ["ada"]
    assert names(place) == ["ada"]
    with pytest.raises(InvalidInputError, match="outside of the vault's directory"):
        Vault.open(place, key=KEY, state_file=place / "state")


def test_a_state_file_outlives_another_key_and_a_restored_backup(
    guarded: tuple[Path, Path], tmp_path: Path
) -> None:
    place, state = guarded
    new = bytes(32)
    with Vault.open(place, key=KEY, state_file=state) as vault:
        vault.rotate_key(new)
        put(vault, references("ben", unit(1)))
        vault.backup(tmp_path / "backup")
        latest = vault.info().epoch
    (place / "vault.db").unlink()
    restore(tmp_path / "backup", place, key=new, state_file=state)
    with Vault.open(place, key=new, state_file=state) as vault:
        assert vault.info().epoch > latest
        assert sorted(vault.snapshot()) == ["ada", "ben"]
    with pytest.raises(VaultDamagedError, match="the state file"):  # mistyped: nothing is gone then
        erase(place, state_file=tmp_path / "nothing" / "faceid")
    with Vault.open(place, key=new, state_file=state) as vault:
        assert len(vault.snapshot()) == 2
    erase(place, state_file=state)
    assert not state.exists()


def test_a_state_file_refuses_the_backup_of_another_vault(
    guarded: tuple[Path, Path], place: Path, tmp_path: Path
) -> None:
    with Vault.open(place, key=KEY) as vault:
        vault.backup(tmp_path / "backup")
    (guarded[0] / "vault.db").unlink()
    with pytest.raises(VaultDamagedError, match="the state file"):
        restore(tmp_path / "backup", guarded[0], key=KEY, state_file=guarded[1])
