from __future__ import annotations

import multiprocessing
import os
import pickle
import shutil
import stat
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faceid_fast.errors import (
    InvalidInputError,
    UnknownIdentityError,
    VaultDamagedError,
    VaultError,
    VaultKeyBesideDataWarning,
    VaultKeyError,
    VaultMissingError,
    VaultRolledBackError,
    VaultTooNewError,
)
from faceid_fast.storage.references import References
from faceid_fast.storage.store import get, put, remove
from faceid_fast.vault import Vault, default_directory
from faceid_fast.vault.directory import file_system
from stand_ins import MODEL_SHA256

KEY = bytes(range(32))


def person(name: str, *seeds: int) -> References:
    """Make references of a person, one for each seed."""
    vectors = np.stack([np.random.default_rng(seed).standard_normal(128) for seed in seeds])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    count = len(seeds)
    return References(
        name, vectors.astype(np.float32), ("frontal",) * count, ("color",) * count, MODEL_SHA256
    )


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "vault"


@pytest.fixture
def filled(place: Path) -> Path:
    """Three people."""
    with Vault.open(place, key=KEY, create=True) as vault:
        for code, name in enumerate(("ada", "ben", "cy")):
            put(vault, person(name, code, code + 3))
    return place


@pytest.mark.parametrize("directory", [7, b"people", "a\0b", "x" * 5000])
def test_what_is_no_directory(directory: Any) -> None:
    with pytest.raises(InvalidInputError, match="directory: expected a str or Path"):
        Vault.open(directory, key=KEY)


Content = dict[str, tuple[bytes, tuple[str, ...], tuple[str, ...], str]]


def content(people: Mapping[str, References]) -> Content:
    return {
        name: (kept.vectors.tobytes(), kept.poses, kept.modalities, kept.model_sha256)
        for name, kept in people.items()
    }


def what_opens(place: Path) -> Content:
    with Vault.open(place, key=KEY) as vault:
        return content(vault.snapshot())


def test_what_is_put_is_there_after_opening_anew(place: Path) -> None:
    kept = References(
        "Ren\u00e9 李", person("x", 1, 2).vectors, ("frontal", "left"), ("infrared", "color"), MODEL_SHA256
    )
    with Vault.open(place, key=KEY, create=True) as vault:
        assert tuple(sorted(vault.snapshot())) == ()
        put(vault, kept)
        put(vault, person("ada", 3))
        remove(vault, "ada")
    with Vault.open(place, key=KEY) as vault:
        assert tuple(sorted(vault.snapshot())) == (kept.identity,)
        found = get(vault, kept.identity)
        assert content({"": found}) == content({"": kept})
        assert not found.vectors.flags.writeable
        for missing in ("ada", "nobody"):
            with pytest.raises(UnknownIdentityError):
                get(vault, missing)
            with pytest.raises(UnknownIdentityError):
                remove(vault, missing)


def test_who_did_not_change_is_the_same_object(filled: Path) -> None:
    with Vault.open(filled, key=KEY) as vault:
        before = vault.snapshot()
        put(vault, person("ben", 7))
        after = vault.snapshot()
        assert after["ada"] is before["ada"]
        assert after["ben"] is not before["ben"]


def test_another_vault_on_the_same_files_is_seen_at_once(filled: Path) -> None:
    with Vault.open(filled, key=KEY) as ours, Vault.open(filled, key=KEY) as theirs:
        revision = ours.revision()
        assert ours.revision() == revision
        put(theirs, person("dan", 9))
        assert ours.revision() != revision
        assert "dan" in ours.snapshot()
        remove(theirs, "ada")
        with pytest.raises(UnknownIdentityError):
            get(ours, "ada")


def test_nothing_readable_is_written(filled: Path) -> None:
    with Vault.open(filled, key=KEY) as vault:
        put(vault, References("Ludovica", person("x", 1).vectors, ("frontal",), ("color",), MODEL_SHA256))
        vectors = get(vault, "Ludovica").vectors.tobytes()
        for file in filled.iterdir():  # the log is still there
            written = file.read_bytes()
            for secret in (b"Ludovica", b"frontal", MODEL_SHA256.encode(), vectors[:32], KEY):
                assert secret not in written, file.name


def test_a_removal_leaves_nothing_behind(filled: Path) -> None:
    before = [file.read_bytes() for file in filled.iterdir() if file.name.startswith("vault.db")]
    with Vault.open(filled, key=KEY) as vault:
        row_id = vault._contents.row_of("ada")
        ((wrapped, sealed),) = vault._database._connection.execute(
            "SELECT wrapped_key, sealed FROM records WHERE id = ?", (row_id,)
        )
        remove(vault, "ada")
    after = [file.read_bytes() for file in filled.iterdir()]
    for part in (wrapped, sealed[:64], sealed[-64:]):
        assert any(part in written for written in before)
        assert not any(part in written for written in after)


def test_only_its_owner_can_look_into_it(filled: Path) -> None:
    assert stat.S_IMODE(filled.stat().st_mode) == 0o700
    filled.chmod(0o750)
    with pytest.raises(VaultError, match="closed to others, got mode 750: chmod 700"):
        Vault.open(filled, key=KEY)


def test_the_key_file_is_made_once_with_a_warning(place: Path) -> None:
    with pytest.warns(VaultKeyBesideDataWarning, match="kept in the vault's directory"):
        vault = Vault.open(place, create=True)
    put(vault, person("ada", 1))
    vault.close()
    key = place / "key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    with Vault.open(place) as again:  # no warning, which would be an error here
        assert tuple(sorted(again.snapshot())) == ("ada",)
    key.chmod(0o644)
    with pytest.raises(VaultError, match="got mode 644: chmod 600"):
        Vault.open(place)
    key.unlink()
    with pytest.raises(VaultKeyError, match="Without the key nobody can read the vault"):
        Vault.open(place)
    assert not key.exists()


def test_where_keys_come_from(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "elsewhere"
    file.write_text(KEY.hex())
    file.chmod(0o600)
    monkeypatch.setenv("FACEID_KEY_FILE", str(file))
    with Vault.open(place, create=True) as vault:
        put(vault, person("ada", 1))
    assert what_opens(place).keys() == {"ada"}
    monkeypatch.delenv("FACEID_KEY_FILE")
    handed = tmp_path / "credentials"
    handed.mkdir()
    shutil.copy(file, handed / "faceid-key")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(handed))
    with Vault.open(place) as vault:
        assert tuple(sorted(vault.snapshot())) == ("ada",)
    monkeypatch.setenv("FACEID_KEY_FILE", str(tmp_path / "missing"))
    with pytest.raises(VaultKeyError, match="expected a FACEID_KEY_FILE at"):
        Vault.open(place)


@pytest.mark.parametrize("key", [b"", bytes(31), bytes(33), "0" * 32, bytearray(32)])
def test_what_is_no_key(place: Path, key: bytes) -> None:
    with pytest.raises(VaultKeyError, match="key: expected 32 bytes, got"):
        Vault.open(place, key=key, create=True)


def test_another_key_is_told_from_damage(filled: Path) -> None:
    with pytest.raises(VaultKeyError, match="got another one"):
        Vault.open(filled, key=bytes(32))


def test_no_changed_bit_goes_unnoticed(filled: Path) -> None:
    """It is refused, or it lies where nothing is: between records, in what SQLite leaves free."""
    original = what_opens(filled)
    rng = np.random.default_rng(5)
    for name in ("vault.db", "epoch"):
        file = filled / name
        written = file.read_bytes()
        refused = 0
        for bit in rng.choice(8 * len(written), 250, replace=False).tolist():
            changed = bytearray(written)
            changed[bit // 8] ^= 1 << bit % 8
            file.write_bytes(changed)
            try:
                opened = what_opens(filled)
            except VaultError:
                refused += 1
            else:
                assert opened == original
        file.write_bytes(written)
        assert refused > 50


@pytest.mark.parametrize("name", ["vault.db", "epoch"])
@pytest.mark.parametrize("left", [0.0, 0.3, 0.6, 0.9])
def test_what_is_cut_off_is_refused(filled: Path, name: str, left: float) -> None:
    file = filled / name
    written = file.read_bytes()
    file.write_bytes(written[: int(left * len(written))])
    with pytest.raises(VaultError):
        Vault.open(filled, key=KEY)


@pytest.mark.parametrize("name", ["vault.db", "epoch"])
def test_what_is_gone_is_missed(filled: Path, name: str) -> None:
    (filled / name).unlink()
    for _ in range(2):  # nor is it made anew
        with pytest.raises(VaultDamagedError):
            Vault.open(filled, key=KEY)


def statements(place: Path, *several: str) -> None:
    import apsw

    connection = apsw.Connection(str(place / "vault.db"))
    for statement in several:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM records WHERE id = (SELECT max(id) FROM records)",
        "UPDATE records SET sealed = (SELECT sealed FROM records LIMIT 1)",
        "UPDATE records SET version = version + 1",
        "UPDATE records SET id = id - 1",
        "UPDATE records SET wrapped_key = randomblob(60)",
        "UPDATE records SET sealed = x''",
        "UPDATE records SET sealed = CAST(substr(sealed, 1, 400) || x'00' || substr(sealed, 402) AS BLOB)",
        "INSERT INTO records SELECT 7, version, wrapped_key, sealed FROM records LIMIT 1",
        "UPDATE store SET epoch = epoch + 1",
        "UPDATE store SET epoch = epoch - 1",
        "UPDATE store SET manifest = x''",
        "UPDATE store SET schema = 0",
        "UPDATE store SET id = randomblob(16)",
        "DELETE FROM store",
        "DROP TABLE records",
        "DROP TABLE store",
        "PRAGMA user_version = 0",
    ],
)
def test_changes_by_others_are_refused(filled: Path, statement: str) -> None:
    statements(filled, statement)
    with pytest.raises(VaultError):
        Vault.open(filled, key=KEY)


def test_rows_of_another_vault_are_refused(filled: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    with Vault.open(other, key=KEY, create=True) as vault:
        put(vault, person("eve", 5))
    statements(
        filled,
        f"ATTACH '{other / 'vault.db'}' AS other",
        "INSERT INTO records SELECT * FROM other.records",
    )
    with pytest.raises(VaultDamagedError):
        Vault.open(filled, key=KEY)


def test_an_older_file_put_back_is_noticed(filled: Path) -> None:
    older = (filled / "vault.db").read_bytes()
    with Vault.open(filled, key=KEY) as vault:
        remove(vault, "ada")
    (filled / "vault.db").write_bytes(older)
    with pytest.raises(VaultRolledBackError, match="put back old files"):
        Vault.open(filled, key=KEY)


def test_a_newer_format_is_left_alone(filled: Path) -> None:
    statements(filled, "PRAGMA user_version = 9")
    with pytest.raises(VaultTooNewError, match="expected format 2 or older, got 9: use a newer"):
        Vault.open(filled, key=KEY)


def test_only_who_stores_something_makes_a_vault(place: Path) -> None:
    for _ in range(2):
        with pytest.raises(VaultMissingError, match=r"vault: expected one in '.*vault', got none: enrol"):
            Vault.open(place)
        assert not place.exists()
    with Vault.open(place, key=KEY, create=True) as vault:
        assert vault.is_new
    with Vault.open(place, key=KEY, create=True) as vault:
        assert not vault.is_new


def test_a_vault_whose_making_was_interrupted_is_made(place: Path) -> None:
    with Vault.open(place, key=KEY, create=True) as vault:
        store = vault.info().store
    (place / "vault.db").unlink()  # the epoch is written first
    with pytest.raises(VaultMissingError):
        Vault.open(place, key=KEY)
    with Vault.open(place, key=KEY, create=True) as vault:
        assert vault.info().store == store
        put(vault, person("ada", 1))
    (place / "vault.db").unlink()  # but not once it held anybody
    for create in (False, True):
        with pytest.raises(VaultDamagedError):
            Vault.open(place, key=KEY, create=create)


@pytest.mark.parametrize("create", [False, True])
def test_an_emptied_vault_is_not_a_new_one(filled: Path, create: bool) -> None:
    (filled / "vault.db").write_bytes(b"")
    with pytest.raises(VaultDamagedError):
        Vault.open(filled, key=KEY, create=create)
    (filled / "epoch").unlink()  # which is asked for first
    with pytest.raises(VaultDamagedError):
        Vault.open(filled, key=KEY, create=create)
    (filled / "vault.db").unlink()  # nothing tells now but that nobody asked for a vault
    with pytest.raises(VaultMissingError):
        Vault.open(filled, key=KEY)


def test_a_closed_vault_refuses(filled: Path) -> None:
    vault = Vault.open(filled, key=KEY)
    vault.close()
    vault.close()
    for call in (
        vault.snapshot,
        vault.events,
        vault.info,
        lambda: vault.rotate_key(KEY),
        lambda: put(vault, person("x", 1)),
    ):
        with pytest.raises(VaultError, match="it was closed: open it anew"):
            call()


def test_nothing_of_it_is_shown_or_pickled(filled: Path) -> None:
    with Vault.open(filled, key=KEY) as vault:
        assert repr(vault) == f"<Vault {str(vault.directory)!r} of 3 people>"
        for secret in (vault, vault._contents.sealer):
            with pytest.raises(TypeError, match="not pickled"):
                pickle.dumps(secret)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_must_open_it_anew(filled: Path) -> None:
    with Vault.open(filled, key=KEY) as vault:
        child = os.fork()
        if child == 0:
            try:
                vault.snapshot()
            except VaultError:
                os._exit(7)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert len(vault.snapshot()) == 3


def test_a_disk_that_fails_ends_it(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Vault.open(filled, key=KEY) as vault:
        monkeypatch.setattr("faceid_fast.vault.directory.write_whole", failing)
        put(vault, person("dan", 4))  # the change itself lasts
        monkeypatch.undo()
        with pytest.raises(VaultError, match="could not be written: open it anew"):
            vault.snapshot()
    assert what_opens(filled).keys() == {"ada", "ben", "cy", "dan"}


def failing(*_: object, **__: object) -> None:
    raise OSError(28, "no space")


def add_people(place: Path, first: int, count: int) -> None:
    with Vault.open(place, key=KEY) as vault:
        for code in range(first, first + count):
            put(vault, person(f"p{code}", code))
            one = person("all of them", code)
            vault.alter("all of them", lambda kept, one=one: (kept.joined(one) if kept else one, ()))


@pytest.mark.parametrize("how", ["processes", "threads"])
def test_no_update_is_lost(place: Path, how: str) -> None:
    with Vault.open(place, key=KEY, create=True):
        pass
    make = multiprocessing.get_context("spawn").Process if how == "processes" else threading.Thread
    several = [make(target=add_people, args=(place, 10 * i, 10)) for i in range(3)]
    for one in several:
        one.start()
    for one in several:
        one.join()
    assert len(what_opens(place)) == 31
    with Vault.open(place, key=KEY) as vault:
        assert len(get(vault, "all of them").vectors) == 30


MOUNTS = """\
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
22 21 0:5 / /home rw shared:2 - nfs4 server:/home rw
23 22 0:6 / /home/ada/local\\040disk rw - xfs /dev/sdb1 rw
broken line
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib", "ext4"),
        ("/home/ada", "nfs4"),
        ("/home/ada/local disk/faceid", "xfs"),
        ("/homely", "ext4"),
    ],
)
def test_file_systems_are_found(tmp_path: Path, path: str, kind: str) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    assert file_system(Path(path), mounts) == kind
    assert file_system(Path(path), tmp_path / "none") is None


def test_network_file_systems_are_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faceid_fast.vault.directory.file_system", lambda _: "cifs")
    with pytest.raises(VaultError, match="expected a local file system, got cifs"):
        Vault.open(place, key=KEY, create=True)


def test_where_it_lies_by_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_directory() == tmp_path / "faceid"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert default_directory() == Path.home() / ".local/share/faceid"


def test_the_dimension_is_kept(place: Path) -> None:
    vectors = np.eye(3, 128, dtype=np.float32)
    with Vault.open(place, key=KEY, create=True) as vault:
        put(vault, References("ada", vectors, ("frontal",) * 3, ("color",) * 3, MODEL_SHA256))
    with Vault.open(place, key=KEY) as vault:
        assert get(vault, "ada").vectors.shape == (3, 128)
