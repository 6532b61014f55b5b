"""References on disk, encrypted: what a door can be trusted with.

```
key        where the store's key comes from            keys.py
directory  whose it is, what it lies on                directory.py
record     one person as bytes, and back               record.py
sealing    bytes encrypted and bound to their place    sealing.py
database   rows that are there whole or not at all     database.py
epoch      a second place that knows how new they are  epoch.py
Vault      all of it                                   vault.py
```
"""

from .vault import Vault, default_directory

__all__ = ["Vault", "default_directory"]
