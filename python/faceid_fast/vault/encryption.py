"""Encryption of records, each bound to its place; the only module that imports `cryptography`.

Everything is derived from the store's key and the store's random id, which never change together by
accident: a record of one store is noise to another.

```
store key --HKDF(store id)--> wrapping key   AES-256-GCM: the key of each record
                          --> manifest key   HMAC-SHA-256: which records there are
                          --> ledger key, log key   AES-256-GCM: what happened
        record key (random, one per version) ------> AES-256-GCM: the record
```

A record's key is drawn anew with every version, so that no nonce can meet its key twice, and throwing away
the wrapped key throws away the record.
"""

from __future__ import annotations

import hmac
import secrets
import struct
from collections.abc import Iterable
from typing import Final, NamedTuple, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from .integrity import Part, damaged

ID_BYTES: Final = 16
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_PLACE: Final = struct.Struct(">QQ")
_MANIFEST_ROW: Final = struct.Struct(">QQ16s16s")


ListedRecord = tuple[int, int, bytes, bytes]
"""What stands for a record where all are authenticated: row, version, and the tags of key and record."""
_TAG: Final = slice(-16, None)


class SealedRecord(NamedTuple):
    """A row of the database: nothing in it says anything about a person without the key.

    Attributes
    ----------
    row_id : a random number.
    version : counts the changes of this row, from 1.
    wrapped_key : nonce, encrypted record key, tag.
    sealed : nonce, encrypted record, tag.
    """

    row_id: int
    version: int
    wrapped_key: bytes
    sealed: bytes

    @property
    def listed(self) -> ListedRecord:
        """What stands for it where all are authenticated."""
        return self.row_id, self.version, self.wrapped_key[_TAG], self.sealed[_TAG]


class Sealer:
    """Seals and opens the records of one store.

    Parameters
    ----------
    key : the store's key, 32 bytes.
    store_id : 16 bytes.
    schema : version of the format, which everything is bound to.
    """

    def __init__(self, key: bytes, store_id: bytes, schema: int) -> None:
        self.store_id = store_id
        self._bound_to = b"faceid vault" + struct.pack(">I", schema) + store_id

        def derived(purpose: bytes) -> bytes:
            return HKDF(SHA256(), _KEY_BYTES, store_id, self._bound_to + purpose).derive(key)

        self._wrapping = AESGCM(derived(b"wrapping"))
        self._manifest_key = derived(b"manifest")
        self._ledger = AESGCM(derived(b"ledger"))
        self._log = AESGCM(derived(b"log"))
        self.key_check = hmac.digest(derived(b"check"), b"", "sha256")
        """Tells a wrong key from damaged data, and nothing about the right one."""

    def __repr__(self) -> str:
        """Say nothing."""
        return "<Sealer>"

    def __reduce__(self) -> NoReturn:
        """Refuse: a pickle would hold the keys."""
        message = "keys are not pickled"
        raise TypeError(message)

    def new_row_id(self) -> int:
        """Number of a row that is new: random, so that it says nothing about when."""
        return 1 + secrets.randbelow((1 << 63) - 1)

    def seal(self, row_id: int, version: int, record: bytes) -> SealedRecord:
        """Encrypt a record with a key of its own."""
        place = _PLACE.pack(row_id, version)
        key = AESGCM.generate_key(8 * _KEY_BYTES)
        return SealedRecord(
            row_id,
            version,
            _encrypt(self._wrapping, key, b"key" + self._bound_to + place),
            _encrypt(AESGCM(key), record, b"record" + self._bound_to + place),
        )

    def open(self, row: SealedRecord) -> bytes:
        """Decrypt a record.

        Raises
        ------
        VaultDamagedError
            If anything of the row is not as it was sealed.
        """
        row_id, version, wrapped_key, sealed = row
        try:
            place = self._bound_to + _PLACE.pack(row_id, version)
            key = _decrypt(self._wrapping, wrapped_key, b"key" + place)
            return _decrypt(AESGCM(key), sealed, b"record" + place)
        except (InvalidTag, ValueError, TypeError, struct.error):
            raise damaged(Part.RECORD) from None

    def seal_ledger(self, content: bytes) -> bytes:
        """Encrypt the ledger; the manifest says which is the newest."""
        return _encrypt(self._ledger, content, b"ledger" + self._bound_to)

    def open_ledger(self, sealed: bytes) -> bytes:
        """Decrypt it.

        Raises
        ------
        VaultDamagedError
            If it is not as it was sealed.
        """
        try:
            return _decrypt(self._ledger, sealed, b"ledger" + self._bound_to)
        except (InvalidTag, ValueError, TypeError):
            raise damaged(Part.LEDGER) from None

    def seal_event(self, number: int, content: bytes) -> bytes:
        """Encrypt an entry of the log."""
        return _encrypt(self._log, content, b"event" + self._bound_to + struct.pack(">Q", number))

    def open_event(self, number: int, sealed: bytes) -> bytes:
        """Decrypt one.

        Raises
        ------
        VaultDamagedError
            If it is not as it was sealed.
        """
        try:
            return _decrypt(self._log, sealed, b"event" + self._bound_to + struct.pack(">Q", number))
        except (InvalidTag, ValueError, TypeError, struct.error):
            raise damaged(Part.LOG) from None

    def chained(self, before: bytes, number: int, sealed: bytes) -> bytes:
        """Authenticate an entry of the log and all before it: 32 bytes."""
        content = before + struct.pack(">Q", number) + sealed
        return hmac.digest(self._manifest_key, b"event" + self._bound_to + content, "sha256")

    def records_mac(self, rows: Iterable[ListedRecord]) -> bytes:
        """Authenticate which records there are: 32 bytes.

        Parameters
        ----------
        rows : sorted.

        Raises
        ------
        VaultDamagedError
            If something of a row is of another type.
        """
        try:
            listed = b"".join([_MANIFEST_ROW.pack(*row) for row in rows])
        except struct.error:
            raise damaged(Part.MANIFEST) from None
        return hmac.digest(self._manifest_key, b"records" + self._bound_to + listed, "sha256")

    def manifest(self, epoch: int, records_mac: bytes, log: bytes, ledger: bytes) -> bytes:
        """Authenticate a state of the store: its epoch, its records, its log, its ledger. 32 bytes."""
        content = struct.pack(">QI", epoch, len(log)) + records_mac + log + ledger
        return hmac.digest(self._manifest_key, b"state" + self._bound_to + content, "sha256")

    def epoch_mac(self, epoch: int) -> bytes:
        """Authenticate an epoch in its second place: 32 bytes."""
        return hmac.digest(self._manifest_key, b"epoch" + self._bound_to + struct.pack(">Q", epoch), "sha256")


def same(a: object, b: bytes) -> bool:
    """Compare two authenticators in constant time."""
    return isinstance(a, bytes) and hmac.compare_digest(a, b)


def _encrypt(cipher: AESGCM, plain: bytes, place: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, plain, place)


def _decrypt(cipher: AESGCM, sealed: bytes, place: bytes) -> bytes:
    return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place)
