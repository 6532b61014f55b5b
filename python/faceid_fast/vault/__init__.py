"""References on disk, encrypted: what a door can be trusted with.

```
key        where the store's key comes from            keys.py
directory  whose it is, what it lies on                directory.py
record     one person as bytes, and back               record.py
sealing    bytes encrypted and bound to their place    sealing.py
schema     the tables, and nothing else                schema.py
database   rows that are there whole or not at all     database.py
epoch      other places that know how new they are     epoch.py
log        what happened, chained                      log.py
contents   state, records, log within a transaction    contents.py
begin      made, or seen to be ours                    begin.py
Vault      all of it                                   vault.py
backup     made of a backup, or destroyed              backup.py
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
