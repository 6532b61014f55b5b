"""Docstrings of this package say what a value is where numpy's style has its type: said in numpy's way."""

from __future__ import annotations

import re
from typing import Final

_SECTIONS: Final = {"Parameters", "Attributes"}
_ENTRY: Final = re.compile(r"(\*{0,2}\w+(?:, \*{0,2}\w+)*) : (.+)")
_ROLE: Final = re.compile(r":\w+:`~?([^`]+)`")
_RULE: Final = re.compile(r"-{3,}")


def reworded(docstring: str) -> str:
    """Return a docstring with descriptions where its words described, and code where its roles stood.

    ``name : what it is, in words`` becomes a description, and the type is left to the signature. Where a
    description follows on lines of its own, the words before it are kept as the type: "(H, W) uint8". So is a
    single name: "bool".
    """
    lines = _ROLE.sub(r"`\1`", docstring).splitlines()
    section, made = "", []
    for at, line in enumerate(lines):
        after = lines[at + 1] if at + 1 < len(lines) else ""
        if _RULE.fullmatch(after):
            section = line
        entry = _ENTRY.fullmatch(line) if section in _SECTIONS else None
        if entry is None or after.lstrip()[:1].isupper() or (entry[2].isidentifier() and after[:1] != " "):
            made.append(line)
        else:
            made += [entry[1], f"    {entry[2]}"]
    return "\n".join(made)
