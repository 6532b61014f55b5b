"""The vault: a store on disk, encrypted and authenticated.

```
where the vault's key comes from                     keys.py
the directory: owner, permissions, file system       directory.py
one person as bytes, and back                        record_codec.py
encryption of bytes, each bound to its place         encryption.py
the tables, and nothing else                         schema.py
transactions of the SQLite file                      database.py
the epoch, kept in other places against a rollback   rollback.py
the audit log, chained                               audit_log.py
errors for a damaged or rolled-back vault            integrity.py
state, records and log within a transaction          contents.py
make a vault, or check that it is ours               bootstrap.py
the store itself                                     vault.py
restore a backup, or erase a vault                   backup.py
```
"""

from .backup import erase, restore
from .bootstrap import DATABASE
from .keys import KeyKept, key_kept
from .vault import Vault, VaultInfo, default_directory

__all__ = [
    "DATABASE",
    "KeyKept",
    "Vault",
    "VaultInfo",
    "default_directory",
    "erase",
    "key_kept",
    "restore",
]
