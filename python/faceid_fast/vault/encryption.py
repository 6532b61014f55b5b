"""Encryption of records, each bound to its place; the only module that imports `cryptography`.

All keys are derived from the store's key and the store's random id, so that no store can read a record of
another one.

```
store key --HKDF(store id)--> wrapping key   AES-256-GCM: the key of each record
                          --> manifest key   HMAC-SHA-256: the state, the list of records, the log, the epoch
                          --> ledger key     AES-256-GCM: the security state
                          --> log key        AES-256-GCM: the events of the log
                          --> evidence key   HMAC-SHA-256: thresholds that were measured for this vault
        record key (random, one per version) ------> AES-256-GCM: the record
```

Every version of a record has a new random key. So no key is ever used with the same nonce twice, and without
its wrapped key a record cannot be read.
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
"""A record in the list that is authenticated: its row, version, and the tags of its key and content."""
_TAG: Final = slice(-16, None)


class SealedRecord(NamedTuple):
    """A row of the database; without the key it reveals nothing about a person.

    Attributes
    ----------
    row_id : a random number.
    version : number of changes of this row, from 1.
    wrapped_key : nonce, encrypted record key, tag.
    sealed : nonce, encrypted record, tag.
    """

    row_id: int
    version: int
    wrapped_key: bytes
    sealed: bytes

    @property
    def listed(self) -> ListedRecord:
        """The record as it stands in the list that is authenticated."""
        return self.row_id, self.version, self.wrapped_key[_TAG], self.sealed[_TAG]


class Sealer:
    """Seals (encrypts and authenticates) and opens the data of one store.

    Parameters
    ----------
    key : the store's key, 32 bytes.
    store_id : 16 bytes.
    schema : version of the format, to which all data are bound.
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
        self._evidence_key = derived(b"evidence")
        self.key_check = hmac.digest(derived(b"check"), b"", "sha256")
        """Tells a wrong key from damaged data; it reveals nothing about the right key."""

    def __repr__(self) -> str:
        """No content: the object holds keys."""
        return "<Sealer>"

    def __reduce__(self) -> NoReturn:
        """Refuse: a pickle would hold the keys."""
        message = "keys are not pickled"
        raise TypeError(message)

    def new_row_id(self) -> int:
        """Return the number of a new row: random, so that it reveals no order."""
        return 1 + secrets.randbelow((1 << 63) - 1)

    def seal(self, row_id: int, version: int, record: bytes) -> SealedRecord:
        """Encrypt a record with a new random key."""
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
            If any part of the row differs from the row that was sealed.
        """
        row_id, version, wrapped_key, sealed = row
        try:
            place = self._bound_to + _PLACE.pack(row_id, version)
            key = _decrypt(self._wrapping, wrapped_key, b"key" + place)
            return _decrypt(AESGCM(key), sealed, b"record" + place)
        except (InvalidTag, ValueError, TypeError, struct.error):
            raise damaged(Part.RECORD) from None

    def seal_ledger(self, content: bytes) -> bytes:
        """Encrypt the security state, in bytes; the manifest tells which one is the newest."""
        return _encrypt(self._ledger, content, b"ledger" + self._bound_to)

    def open_ledger(self, sealed: bytes) -> bytes:
        """Decrypt the security state.

        Raises
        ------
        VaultDamagedError
            If the bytes differ from those that were sealed.
        """
        try:
            return _decrypt(self._ledger, sealed, b"ledger" + self._bound_to)
        except (InvalidTag, ValueError, TypeError):
            raise damaged(Part.LEDGER) from None

    def seal_event(self, number: int, content: bytes) -> bytes:
        """Encrypt an entry of the log, bound to its number."""
        return _encrypt(self._log, content, b"event" + self._bound_to + struct.pack(">Q", number))

    def open_event(self, number: int, sealed: bytes) -> bytes:
        """Decrypt an entry of the log.

        Raises
        ------
        VaultDamagedError
            If the entry or its number differs from what was sealed.
        """
        try:
            return _decrypt(self._log, sealed, b"event" + self._bound_to + struct.pack(">Q", number))
        except (InvalidTag, ValueError, TypeError, struct.error):
            raise damaged(Part.LOG) from None

    def chained(self, before: bytes, number: int, sealed: bytes) -> bytes:
        """Return the MAC of an entry of the log and of `before`, the MAC of the previous entry: 32 bytes."""
        content = before + struct.pack(">Q", number) + sealed
        return hmac.digest(self._manifest_key, b"event" + self._bound_to + content, "sha256")

    def records_mac(self, rows: Iterable[ListedRecord]) -> bytes:
        """Return the MAC of the list of all records: 32 bytes.

        Parameters
        ----------
        rows : the list, sorted.

        Raises
        ------
        VaultDamagedError
            If a value of a row has another type.
        """
        try:
            listed = b"".join([_MANIFEST_ROW.pack(*row) for row in rows])
        except struct.error:
            raise damaged(Part.MANIFEST) from None
        return hmac.digest(self._manifest_key, b"records" + self._bound_to + listed, "sha256")

    def manifest(self, epoch: int, records_mac: bytes, log: bytes, ledger: bytes) -> bytes:
        """Return the MAC of a state of the store (epoch, records, log, security state): 32 bytes."""
        content = struct.pack(">QI", epoch, len(log)) + records_mac + log + ledger
        return hmac.digest(self._manifest_key, b"state" + self._bound_to + content, "sha256")

    def evidence_mac(self, content: bytes) -> bytes:
        """Return the MAC of a threshold that was measured for this store, as bytes: 32 bytes."""
        return hmac.digest(self._evidence_key, b"evidence" + self._bound_to + content, "sha256")

    def epoch_mac(self, epoch: int) -> bytes:
        """Return the MAC of an epoch in the places that record it: 32 bytes."""
        return hmac.digest(self._manifest_key, b"epoch" + self._bound_to + struct.pack(">Q", epoch), "sha256")


def same(a: object, b: bytes) -> bool:
    """Compare two MACs in constant time."""
    return isinstance(a, bytes) and hmac.compare_digest(a, b)


def _encrypt(cipher: AESGCM, plain: bytes, place: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, plain, place)


def _decrypt(cipher: AESGCM, sealed: bytes, place: bytes) -> bytes:
    return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place)
