"""Where the key of a vault comes from: never out of nothing, never into a log."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import warnings
from pathlib import Path
from typing import Final

from faceid_fast.errors import VaultKeyBesideDataWarning, VaultKeyError

from .directory import read_private, write_whole

KEY_BYTES: Final = 32
_KEY_FILE: Final = "key"
_CREDENTIAL: Final = "faceid-key"
_HEX: Final = re.compile(rb"[0-9a-f]{64}\n?")


def find_key(directory: Path, given: bytes | None, *, new: bool) -> bytes:
    """Return a vault's key: 32 bytes.

    In this order: `given`; the file that the environment variable FACEID_KEY_FILE names; the credential
    ``faceid-key`` that systemd hands to a service; the file ``key`` in the vault's directory, made for a new
    vault, with a warning, because who copies the directory then has the key too.

    Raises
    ------
    VaultKeyError
        If what was found is no key, or nothing was found for a vault that is not new.
    """
    if given is not None:
        return _checked(given)
    if named := os.environ.get("FACEID_KEY_FILE"):
        return _read(Path(named), "FACEID_KEY_FILE")
    if handed := os.environ.get("CREDENTIALS_DIRECTORY"):
        credential = Path(handed, _CREDENTIAL)
        if credential.exists():
            return _read(credential, "systemd credential")
    beside = directory / _KEY_FILE
    if new and not beside.exists():
        warnings.warn(
            "the vault's key is kept in the vault's directory: whoever copies both can read it. "
            "FACEID_KEY_FILE, or a systemd credential named faceid-key, keeps it elsewhere",
            VaultKeyBesideDataWarning,
            stacklevel=5,
        )
        with contextlib.suppress(FileExistsError):  # another process was faster: its key counts
            write_whole(beside, new_key().hex().encode() + b"\n", replace=False)
    return _read(beside, "key file")


def new_key() -> bytes:
    """Draw a key from the operating system's generator."""
    return secrets.token_bytes(KEY_BYTES)


def _checked(key: object) -> bytes:
    if isinstance(key, bytes) and len(key) == KEY_BYTES:
        return key
    got = f"{len(key)} bytes" if isinstance(key, bytes) else type(key).__name__
    message = f"key: expected {KEY_BYTES} bytes, got {got}"
    raise VaultKeyError(message)


def _read(path: Path, origin: str) -> bytes:
    try:
        content = read_private(path)
    except OSError as error:
        message = (
            f"key: expected a {origin} at {str(path)!a}, got: {error.strerror}. Without the key nobody can "
            "read the vault: put it back, or enrol everybody anew in another directory"
        )
        raise VaultKeyError(message) from error
    if not _HEX.fullmatch(content):
        message = f"key: expected 64 hexadecimal digits in {str(path)!a}, got other content"
        raise VaultKeyError(message)
    return bytes.fromhex(content.decode("ascii"))
