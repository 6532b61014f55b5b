from __future__ import annotations

import contextlib
import shutil
import sys
import threading
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from faceid_fast.errors import (
    InvalidInputError,
    VaultDamagedError,
    VaultError,
    VaultKeyBesideDataWarning,
    VaultKeyError,
    VaultRolledBackError,
)
from faceid_fast.storage.audit import Event, EventKind
from faceid_fast.storage.references import Consent
from faceid_fast.storage.security_state import Presence, Tally
from faceid_fast.storage.store import MAX_EVENTS, get, put, remove
from faceid_fast.vault import Vault, erase, restore
from stand_ins import references, unit

KEY, OTHER = bytes(range(32)), bytes(32)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place = tmp_path / "vault"
    with Vault.open(place, key=KEY, create=True) as vault:
        for axis, name in enumerate(("ada", "ben", "cy")):
            put(vault, references(name, unit(axis)))
    return place


@pytest.fixture
def key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "the key"
    file.write_text(KEY.hex())
    file.chmod(0o600)
    monkeypatch.setenv("FACEID_KEY_FILE", str(file))
    return file


def names(place: Path, key: bytes | None = KEY) -> list[str]:
    with Vault.open(place, key=key, create=True) as vault:
        return sorted(vault.snapshot())


def kinds(vault: Vault) -> list[str]:
    return [event.kind for event in vault.events()]


def test_another_key_seals_everything_anew(place: Path) -> None:
    before = (place / "vault.db").read_bytes()
    with Vault.open(place, key=KEY) as vault:
        vault.rotate_key(OTHER)
        put(vault, references("dan", unit(3)))
        assert sorted(vault.snapshot()) == ["ada", "ben", "cy", "dan"]
        assert kinds(vault) == ["enrolled"] * 3 + ["key_rotated", "enrolled"]
    with pytest.raises(VaultKeyError, match="another one"):
        names(place, KEY)
    assert names(place, OTHER) == ["ada", "ben", "cy", "dan"]
    (place / "vault.db").write_bytes(before)
    for key in (KEY, OTHER):
        with pytest.raises(VaultError):
            names(place, key)


def test_others_who_have_it_open_are_told_of_another_key(place: Path) -> None:
    with Vault.open(place, key=KEY) as ours, Vault.open(place, key=KEY) as theirs:
        ours.rotate_key(OTHER)
        for call in (theirs.snapshot, theirs.events, lambda: put(theirs, references("dan", unit(3)))):
            with pytest.raises(VaultKeyError, match="it was changed: open it anew"):
                call()
    assert names(place, OTHER) == ["ada", "ben", "cy"]


def test_a_key_that_came_as_an_argument_needs_another(place: Path) -> None:
    with Vault.open(place, key=KEY) as vault:
        for wrong in (None, b"", "5e" * 32):
            with pytest.raises(VaultKeyError):
                vault.rotate_key(wrong)  # type: ignore[arg-type]
        assert len(vault.snapshot()) == 3
    assert names(place) == ["ada", "ben", "cy"]


def test_a_key_file_is_exchanged(tmp_path: Path, key_file: Path) -> None:
    place = tmp_path / "vault"
    with Vault.open(place, create=True) as vault:
        put(vault, references("ada", unit(0)))
        vault.rotate_key()
        vault.rotate_key()
    assert key_file.read_text().strip() != KEY.hex()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["the key", "vault"]
    assert names(place, None) == ["ada"]


def test_a_change_of_the_key_that_was_cut_off_comes_to_its_end(tmp_path: Path) -> None:
    place = tmp_path / "vault"
    with pytest.warns(VaultKeyBesideDataWarning):
        vault = Vault.open(place, create=True)
    with vault:
        put(vault, references("ada", unit(0)))
        old = (place / "key").read_bytes()
        vault.rotate_key()
    new = (place / "key").read_bytes()
    (place / "key").write_bytes(old)
    (place / "key.next").write_bytes(new)
    (place / "key.next").chmod(0o600)
    assert names(place, None) == ["ada"]
    assert (place / "key").read_bytes() == new
    assert not (place / "key.next").exists()
    (place / "key.next").write_bytes(old)  # one that never came to hold
    (place / "key.next").chmod(0o600)
    assert names(place, None) == ["ada"]


def test_systemds_credential_is_not_ours_to_write(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed = tmp_path / "faceid-key"
    handed.write_text(KEY.hex())
    handed.chmod(0o600)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    with (
        Vault.open(place) as vault,
        pytest.raises(VaultKeyError, match="expected a place that"),
    ):
        vault.rotate_key()
    assert names(place, None) == ["ada", "ben", "cy"]


def test_a_backup_is_restored_and_newer_than_what_was_lost(place: Path, tmp_path: Path) -> None:
    file = tmp_path / "backup"
    with Vault.open(place, key=KEY) as vault:
        vault.backup(file)
        with pytest.raises(VaultError, match="backup: expected a new file"):
            vault.backup(file)
        remove(vault, "ada")
        put(vault, references("eve", unit(9)))
        wal = (place / "vault.db-wal").read_bytes()
        latest = vault.info().epoch
    assert b"ada" not in file.read_bytes()
    assert file.stat().st_mode & 0o077 == 0
    with pytest.raises(VaultError, match="restore: expected a directory without a vault"):
        restore(file, place, key=KEY)
    elsewhere = tmp_path / "elsewhere"
    with pytest.raises(VaultKeyError, match="another one"):
        restore(file, elsewhere, key=OTHER)
    restore(file, elsewhere, key=KEY)
    assert names(elsewhere) == ["ada", "ben", "cy"]
    assert sorted(path.name for path in elsewhere.iterdir()) == ["epoch", "key.lock", "vault.db"]
    (place / "vault.db").unlink()
    (place / "vault.db-wal").write_bytes(wal)  # as a power failure leaves it
    with pytest.raises(VaultDamagedError):
        names(place)
    restore(file, place, key=KEY)
    with Vault.open(place, key=KEY) as vault:
        assert vault.info().epoch > latest
        assert kinds(vault) == ["enrolled"] * 3 + ["backed_up", "restored"]
    shutil.copy(file, place / "vault.db")
    with pytest.raises(VaultRolledBackError):
        names(place)


def test_restoring_elsewhere_says_which_key_it_needs_and_where_it_looked(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FACEID_KEY_FILE", "FACEID_KEYRING", "CREDENTIALS_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    file, elsewhere, carried = tmp_path / "backup", tmp_path / "elsewhere", tmp_path / "carried"
    with Vault.open(place, key=KEY) as vault:
        vault.backup(file)
        which = f"expected the key that vault {vault.info().store} had when the backup was made"

    def said() -> str:
        with pytest.raises(VaultKeyError) as refused:
            restore(file, elsewhere)
        message = str(refused.value)
        assert which in message
        assert "`faceid vault info` says where its key is" in message
        assert KEY.hex() not in message
        return message

    assert f"in '{elsewhere / 'key'}', since neither FACEID_KEY_FILE nor FACEID_KEYRING is set; " in said()
    assert "got: No such file or directory. " in said()
    monkeypatch.setenv("FACEID_KEY_FILE", str(carried))
    assert f"in '{carried}', which FACEID_KEY_FILE names; got: No such file" in said()
    carried.write_text(OTHER.hex())
    carried.chmod(0o600)
    assert f"in '{carried}', which FACEID_KEY_FILE names; got another one: of another vault" in said()
    carried.write_text("a phrase")
    assert "expected 64 hexadecimal digits" in said()
    with pytest.raises(VaultKeyError, match=rf"{which}; looked for it in the argument key; got another one"):
        restore(file, elsewhere, key=OTHER)
    carried.write_text(KEY.hex())
    restore(file, elsewhere)
    assert names(elsewhere) == ["ada", "ben", "cy"]


@pytest.mark.parametrize("damage", ["cut off", "changed", "empty", "missing", "open to others"])
def test_what_is_no_backup_is_not_restored(place: Path, tmp_path: Path, damage: str) -> None:
    file, elsewhere = tmp_path / "backup", tmp_path / "elsewhere"
    with Vault.open(place, key=KEY) as vault:
        vault.backup(file)
    content = bytearray(file.read_bytes())
    for at in range(5000, len(content), 500):
        content[at] ^= 1
    if damage == "cut off":
        file.write_bytes(content[: len(content) // 2])
    elif damage == "changed":
        file.write_bytes(content)
    elif damage == "empty":
        file.write_bytes(b"")
    elif damage == "missing":
        file.unlink()
    else:
        file.chmod(0o644)
    with pytest.raises(VaultError):
        restore(file, elsewhere, key=KEY)
    assert not elsewhere.exists() or [path.name for path in elsewhere.iterdir()] == ["key.lock"]


def test_names_that_no_file_can_have_are_refused(place: Path) -> None:
    with (
        Vault.open(place, key=KEY) as vault,
        pytest.raises(InvalidInputError, match="file: expected the name"),
    ):
        vault.backup(".")
    with pytest.raises(VaultError, match="File name too long"):
        erase("x" * 1000)


@pytest.mark.filterwarnings("ignore::faceid_fast.errors.VaultKeyBesideDataWarning")
def test_an_erased_vault_is_gone(tmp_path: Path) -> None:
    place = tmp_path / "vault"
    with Vault.open(place, create=True) as vault:
        put(vault, references("ada", unit(0)))
    (place / "not ours").touch()
    erase(place)
    assert [path.name for path in place.iterdir()] == ["not ours"]
    with pytest.raises(VaultError, match="vault: expected one in"):
        erase(place)
    assert names(place, None) == []  # a new one


def test_the_log_names_nobody_who_was_removed(place: Path) -> None:
    with Vault.open(place, key=KEY) as vault:
        remove(vault, "ada")
        put(vault, references("ben", unit(7)))
        assert [(event.kind, event.identity) for event in vault.events()] == [
            (EventKind.ENROLLED, None),
            (EventKind.ENROLLED, "ben"),
            (EventKind.ENROLLED, "cy"),
            (EventKind.REMOVED, None),
            (EventKind.REPLACED, "ben"),
        ]


def test_the_log_is_bounded(place: Path) -> None:
    event = Event.now(EventKind.BACKED_UP)
    with Vault.open(place, key=KEY) as vault:
        for _ in range(9):
            vault.amend(lambda ledger: (ledger, (event,) * (MAX_EVENTS // 8)))
        assert MAX_EVENTS // 2 < len(vault.events()) <= MAX_EVENTS
    with Vault.open(place, key=KEY) as vault:
        vault.check()
        assert len(vault.events()) <= MAX_EVENTS


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM events WHERE number = 1",
        "DELETE FROM events WHERE number = 2",
        "UPDATE events SET number = 9 WHERE number = 1",
        "UPDATE events SET sealed = (SELECT sealed FROM events WHERE number = 0) WHERE number = 1",
        "INSERT INTO events SELECT 3, sealed FROM events WHERE number = 2",
        "DELETE FROM events",
    ],
)
def test_a_changed_log_is_noticed(place: Path, change: str) -> None:
    import apsw

    connection = apsw.Connection(str(place / "vault.db"))
    connection.execute(change)
    connection.close()
    with pytest.raises(VaultDamagedError, match="the log"):
        names(place)


@pytest.mark.parametrize(
    ("note", "at"), [("\ud800", 1e9), ("form 7", None), ("form 7", float("nan")), ("", 1e9)]
)
def test_what_is_no_consent(note: str, at: float) -> None:
    with pytest.raises(InvalidInputError, match="consent: expected"):
        Consent(note, at)


def test_consent_is_kept(place: Path) -> None:
    agreed = Consent("form 7", 1e9)
    with Vault.open(place, key=KEY) as vault:
        put(vault, references("ada", unit(0)).with_consent(agreed))
    with Vault.open(place, key=KEY) as vault:
        assert get(vault, "ada").consent == agreed
        info = vault.info()
        assert (info.people, info.references, info.adapted, info.credential) == (3, 3, 0, False)
        assert info.key == "argument"


class FakeKeyring(types.ModuleType):
    def __init__(self) -> None:
        super().__init__("keyring")
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, user: str) -> str | None:
        return self.kept.get((service, user))

    def set_password(self, service: str, user: str, password: str) -> None:
        self.kept[service, user] = password

    def delete_password(self, service: str, user: str) -> None:
        del self.kept[service, user]


def test_the_keyring_keeps_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keyring = FakeKeyring()
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    monkeypatch.setenv("FACEID_KEYRING", "1")
    place = tmp_path / "vault"
    with Vault.open(place, create=True) as vault:
        put(vault, references("ada", unit(0)))
        first = dict(keyring.kept)
        vault.rotate_key()
        assert vault.info().key == "keyring"
    assert len(keyring.kept) == 1
    assert keyring.kept != first
    assert names(place, None) == ["ada"]
    assert not (place / "key").exists()
    keyring.kept.clear()
    with pytest.raises(VaultKeyError, match="expected an entry of faceid_fast in the keyring"):
        names(place, None)


def test_a_keyring_that_does_not_work_is_no_reason_for_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEID_KEYRING", "1")
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(VaultKeyError, match=r"faceid-fast\[keyring\]"):
        Vault.open(tmp_path / "vault", create=True)
    broken = FakeKeyring()
    broken.kept = None  # type: ignore[assignment]
    monkeypatch.setitem(sys.modules, "keyring", broken)
    with pytest.raises(VaultKeyError, match="expected a keyring that works"):
        Vault.open(tmp_path / "vault", create=True)
    assert not (tmp_path / "vault" / "key").exists()


@pytest.mark.parametrize("people", [None, 7, ["ada"], memoryview(bytes(4)).cast("B", (2, 2))])
def test_many_who_are_nobody(place: Path, people: Any) -> None:
    with Vault.open(place, key=KEY) as vault:
        with pytest.raises(InvalidInputError, match="people: expected References"):
            vault.put_all(people)
        assert sorted(vault.snapshot()) == ["ada", "ben", "cy"]


def test_many_are_kept_at_once_or_none(place: Path) -> None:
    people = [references(f"person {axis}", unit(axis)) for axis in range(20)]
    with Vault.open(place, key=KEY) as vault:
        vault.put_all([*people, references("ada", unit(5))])
        assert len(vault.snapshot()) == 23
        assert (get(vault, "ada").vectors == unit(5)).all()
        with pytest.raises(InvalidInputError, match="people: expected each person once, got 'eve' again"):
            vault.put_all([references("eve", unit(6)), references("eve", unit(7))])
        assert len(vault.snapshot()) == 23
    with Vault.open(place, key=KEY) as vault:
        assert len(vault.snapshot()) == 23
        assert kinds(vault) == ["enrolled"] * 23 + ["references_replaced"]


@pytest.mark.usefixtures("key_file")
def test_only_a_key_is_a_key(tmp_path: Path) -> None:
    with Vault.open(tmp_path / "vault", create=True) as vault:
        for wrong in (b"", b"x" * 16, "5e" * 32):
            with pytest.raises(VaultKeyError, match="key: expected 32 bytes"):
                vault.rotate_key(wrong)  # type: ignore[arg-type]
    assert names(tmp_path / "vault", None) == []


@pytest.mark.usefixtures("key_file")
def test_keys_that_change_at_once_are_not_lost(tmp_path: Path) -> None:
    place = tmp_path / "vault"
    with Vault.open(place, create=True) as vault:
        put(vault, references("ada", unit(0)))
    for _ in range(5):
        both = [Vault.open(place), Vault.open(place)]
        gate = threading.Barrier(2)

        def rotate(vault: Vault, gate: threading.Barrier = gate) -> None:
            gate.wait()
            with contextlib.suppress(VaultKeyError):  # somebody was faster
                vault.rotate_key()

        threads = [threading.Thread(target=rotate, args=(vault,)) for vault in both]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for vault in both:
            vault.close()
        assert names(place, None) == ["ada"]


def test_who_writes_late_does_not_undo_another_key(place: Path) -> None:
    late = Vault.open(place, key=KEY)
    with Vault.open(place, key=KEY) as vault:
        committed = vault.info().epoch + 1
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(late._contents, "remember", lambda _: None)
            put(late, references("dan", unit(3)))  # committed, but not remembered yet
        vault.rotate_key(OTHER)
    late._contents.remember(committed)
    late.close()
    assert names(place, OTHER) == ["ada", "ben", "cy", "dan"]


def test_after_restoring_the_credential_is_to_be_shown(place: Path, tmp_path: Path) -> None:
    shown = Presence("boot", 1.0, 1.0)
    with Vault.open(place, key=KEY) as vault:
        vault.amend(lambda ledger: (replace(ledger, presence=shown), ()))
        vault.backup(tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "elsewhere", key=KEY)
    with Vault.open(tmp_path / "elsewhere", key=KEY) as vault:
        assert vault.amend(lambda ledger: (ledger, ())).presence is None


def test_what_would_damage_it_is_refused(place: Path) -> None:
    with Vault.open(place, key=KEY) as vault:
        for wrong in (
            lambda: vault.alter("ada", lambda _: (references("ben", unit(5)), ())),
            lambda: vault.amend(lambda ledger: (replace(ledger, tallies={"ada": Tally(-1, "", 0.0)}), ())),
            lambda: Event("nonsense", None, 1.0),  # type: ignore[arg-type]
            lambda: Event(EventKind.LOCKED, None, float("nan")),
        ):
            with pytest.raises(InvalidInputError):
                wrong()
        assert repr(vault.amend(lambda ledger: (ledger, ()))) == "<SecurityState of 0 counts>"
    assert names(place) == ["ada", "ben", "cy"]
    assert (place / "vault.db").stat().st_mode & 0o077 == 0
