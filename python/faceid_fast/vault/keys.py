"""Where the key of a vault comes from, and where it is kept."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import secrets
import warnings
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn, Protocol

from faceid_fast.checks import text_of
from faceid_fast.errors import VaultKeyBesideDataWarning, VaultKeyError

from .directory import PrivateDirectory

KEY_BYTES: Final = 32
_KEY_FILE: Final = "key"
_CREDENTIAL: Final = "faceid-key"
_SERVICE: Final = "faceid_fast"
_HEX: Final = re.compile(r"[0-9a-fA-F]{64}")


class KeyPlace(Protocol):
    """The place where a vault's key is kept."""

    origin: str

    def read(self) -> bytes:
        """Return the key, 32 bytes; VaultKeyError if it is not there."""

    def staged(self) -> bytes | None:
        """Return the new key that a change of the key has left when it was cut off; None if there is none."""

    def stage(self, key: bytes) -> None:
        """Keep a new key beside the present one; VaultKeyError if this package may not write there."""

    def settle(self, key: bytes) -> None:
        """Make a staged key the key."""

    def erase(self) -> None:
        """Erase the key, if this package may write there."""


def find_key(directory: Path, given: bytes | None, *, new: bool) -> KeyPlace:
    """Find the place of a vault's key; the first of these that applies.

    1. the key that is `given`;
    2. the file that the environment variable FACEID_KEY_FILE names;
    3. the credential ``faceid-key`` that systemd passes to a service;
    4. the keyring of the operating system, if the environment variable FACEID_KEYRING is set (the extra
       ``faceid-fast[keyring]``);
    5. the file ``key`` in the vault's directory. For a new vault it is made, with a warning, because whoever
       copies the directory has the key too.

    Parameters
    ----------
    directory : of the vault.
    given : a key of the caller; None: none.
    new : whether the vault is new, so that a missing key is made in a keyring or in the directory.

    Raises
    ------
    VaultKeyError
        If the given key is not 32 bytes, or the keyring fails.
    """
    if given is not None:
        return GivenKey(checked_key(given))
    named = os.environ.get("FACEID_KEY_FILE")
    if named == "":
        # The key would be looked for beside the data, where whoever set the variable did not want it.
        message = "FACEID_KEY_FILE: expected the name of a file, got an empty one: unset it, or name the file"
        raise VaultKeyError(message)
    if named is not None:
        return KeyFile(Path(named), "FACEID_KEY_FILE")
    if handed := os.environ.get("CREDENTIALS_DIRECTORY"):
        credential = Path(handed, _CREDENTIAL)
        if credential.exists():
            return KeyFile(credential, "systemd credential", ours=False)
    if os.environ.get("FACEID_KEYRING"):
        entry = KeyringEntry(directory)
        if new and entry.is_empty():
            entry.write(new_key())
        return entry
    beside = directory / _KEY_FILE
    if new and not beside.exists():
        warnings.warn(
            "the vault's key is kept in the vault's directory: whoever copies both can read it. "
            "FACEID_KEY_FILE, a systemd credential named faceid-key, or FACEID_KEYRING=1 keeps it elsewhere",
            VaultKeyBesideDataWarning,
            stacklevel=5,
        )
        with contextlib.suppress(FileExistsError):  # another process was faster: its key counts
            _write(beside, new_key(), replace=False)
    return KeyFile(beside, "key file")


class KeyKept(NamedTuple):
    """Where a vault's key is kept, in words, and whether that is in the vault's own directory."""

    origin: str
    beside_data: bool


def key_kept(directory: Path) -> KeyKept:
    """Return where the key of a vault is, or would be, kept; no key is read or made."""
    place = find_key(directory, None, new=False)
    beside = isinstance(place, KeyFile) and place.path.resolve().is_relative_to(directory.resolve())
    return KeyKept(place.origin, beside)


def new_key() -> bytes:
    """Return a random key from the operating system's generator."""
    return secrets.token_bytes(KEY_BYTES)


class GivenKey:
    """A key that the caller keeps."""

    origin = "argument"

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __reduce__(self) -> NoReturn:
        """Refuse: a pickle would hold the key."""
        message = "keys are not pickled"
        raise TypeError(message)

    def read(self) -> bytes:
        """Return the key."""
        return self._key

    def staged(self) -> None:
        """Return None: the caller knows which key is valid."""
        return

    def stage(self, key: bytes) -> None:
        """Do nothing: the caller keeps the new key."""

    def settle(self, key: bytes) -> None:
        """Use the new key from now on."""
        self._key = key

    def erase(self) -> None:
        """Do nothing: the caller keeps the key."""


class KeyFile:
    """A key in a file of 64 hexadecimal digits that nobody else may read.

    Parameters
    ----------
    path : of the file.
    origin : name of the file's kind, for messages.
    ours : whether this package may write it.
    """

    def __init__(self, path: Path, origin: str, *, ours: bool = True) -> None:
        self.origin = origin
        self.path = path
        self._next = path.with_name(f"{path.name}.next")
        self._ours = ours

    def read(self) -> bytes:
        """Return the key."""
        try:
            content = _read(self.path)
        except OSError as error:
            message = (
                f"key: expected a {self.origin} at {str(self.path)!a}, got: {error.strerror}. Without the "
                "key nobody can read the vault: put it back, or enrol everybody anew in another directory"
            )
            raise VaultKeyError(message) from error
        return _parsed(text_of(content), str(self.path))

    def staged(self) -> bytes | None:
        """Return the new key that a change has left when it was cut off; None if there is none."""
        try:
            return _parsed(text_of(_read(self._next)), str(self._next))
        except OSError:
            return None

    def stage(self, key: bytes) -> None:
        """Write a new key to a second file beside the first."""
        if not self._ours:
            message = (
                f"key: expected a place that can be written, got a {self.origin}: open the vault with "
                "Vault.open(key=...), and keep the new key yourself"
            )
            raise VaultKeyError(message)
        _write(self._next, key)

    def settle(self, key: bytes) -> None:
        """Write the key to its file, and delete the second one."""
        _write(self.path, key)
        self._next.unlink(missing_ok=True)

    def erase(self) -> None:
        """Overwrite and delete the files; a disk may still keep old blocks of them."""
        for path in (self.path, self._next):
            if self._ours and path.exists():
                with path.open("r+b") as file:
                    file.write(secrets.token_bytes(path.stat().st_size))
                    file.flush()
                    os.fsync(file.fileno())
                path.unlink()


class KeyringEntry:
    """A key in the keyring of the operating system, through the package `keyring`.

    Parameters
    ----------
    directory : of the vault; the entry has its path as the user name.
    """

    origin = "keyring"

    def __init__(self, directory: Path) -> None:
        self._user = str(directory.resolve())

    def is_empty(self) -> bool:
        """Whether there is no key yet."""
        return self._call("get_password", self._user) is None

    def write(self, key: bytes) -> None:
        """Write a key to the keyring."""
        self._call("set_password", self._user, _written(key))

    def read(self) -> bytes:
        """Return the key."""
        found = self._call("get_password", self._user)
        if found is None:
            message = f"key: expected an entry of {_SERVICE} in the keyring for this vault, got none"
            raise VaultKeyError(message)
        return _parsed(found, "the keyring")

    def staged(self) -> bytes | None:
        """Return the new key that a change has left when it was cut off; None if there is none."""
        found = self._call("get_password", f"{self._user} next")
        return None if found is None else _parsed(found, "the keyring")

    def stage(self, key: bytes) -> None:
        """Write a new key to a second entry."""
        self._call("set_password", f"{self._user} next", _written(key))

    def settle(self, key: bytes) -> None:
        """Write the key to its entry, and delete the second one."""
        self.write(key)
        if self.staged() is not None:
            self._call("delete_password", f"{self._user} next")

    def erase(self) -> None:
        """Delete the entries."""
        for user in (self._user, f"{self._user} next"):
            if self._call("get_password", user) is not None:
                self._call("delete_password", user)

    @staticmethod
    def _call(name: str, *arguments: str) -> Any:  # noqa: ANN401  # a str or None
        try:
            return getattr(importlib.import_module("keyring"), name)(_SERVICE, *arguments)
        except ImportError:
            message = "key: expected the package keyring, which FACEID_KEYRING asks for: faceid-fast[keyring]"
            raise VaultKeyError(message) from None
        except Exception as error:
            # The back ends of keyring raise exceptions of any type. A plain file is never used instead.
            message = (
                "key: expected a keyring that works, which FACEID_KEYRING asks for, "
                f"got {type(error).__name__}"
            )
            raise VaultKeyError(message) from error


def checked_key(key: object) -> bytes:
    """Check that a key is 32 bytes and return it.

    Raises
    ------
    VaultKeyError
        If it is anything else.
    """
    if isinstance(key, bytes) and len(key) == KEY_BYTES:
        return key
    got = f"{len(key)} bytes" if isinstance(key, bytes) else type(key).__name__
    message = f"key: expected {KEY_BYTES} bytes, got {got}"
    raise VaultKeyError(message)


def _read(path: Path) -> bytes:
    """Return the content of a file, which nobody else may be able to read, change or replace."""
    with PrivateDirectory.open(path.parent, closed=False) as directory:
        return directory.read(path.name, follow=True)  # some services get their secrets as symbolic links


def _write(path: Path, key: bytes, *, replace: bool = True) -> None:
    with PrivateDirectory.open(path.parent, closed=False) as directory:
        directory.write(path.name, _written(key).encode(), replace=replace)


def _written(key: bytes) -> str:
    return f"{key.hex()}\n"


def _parsed(content: object, where: str) -> bytes:
    if not isinstance(content, str) or not _HEX.fullmatch(content := content.strip()):
        message = f"key: expected 64 hexadecimal digits in {where!a}, got other content"
        raise VaultKeyError(message)
    return bytes.fromhex(content)
