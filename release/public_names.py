"""Writes the stub of the package's public names: ``python -m release.public_names``.

Type checkers read names from a file; the package loads them from a table when they are first used. The stub
is that table in their words.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import faceid_fast

STUB: Final = Path(faceid_fast.__file__).with_suffix(".pyi")


def stub() -> str:
    """What the stub says: every public name, and the module that it comes from."""
    lines = ["# Written by `python -m release.public_names` of the table in __init__.py.", ""]
    for home, names in sorted(faceid_fast._HOMES.items()):  # noqa: SLF001  # of this project
        lines += [f"from .{home} import {name} as {name}" for name in sorted(names)]
    return "\n".join([*lines, "", "__version__: str", ""])


if __name__ == "__main__":
    STUB.write_text(stub(), "utf-8")
