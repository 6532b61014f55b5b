"""Do modules of the Rust code import each other in a circle?

``python -m release.rust_circles [FOLDER ...]`` reads crates by their folders of sources, prints the files of
every circle, and ends with 1 if there is one.

A file imports another if a ``use`` or a path in its code (from ``crate``, ``super``, ``self`` or a module it
declares) leads to an item of that file, through any ``pub use`` on the way. A ``pub use`` itself is no import
unless its name is used in the same file. Methods, and modules of tests, are not looked at.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
FOLDERS: Final = (ROOT / "rust/core/src", ROOT / "rust/python/src")

Names = tuple[str, ...]
"""A module, or a path, from the crate's root."""
_NO_CODE: Final = re.compile(r"""//[^\n]*|/\*.*?\*/|'\\?.'|"(?:\\.|[^"\\])*"|\bpub\(in [\w:]+\)""", re.DOTALL)
"""Comments, texts, and what only says who may see an item."""
_TESTS: Final = re.compile(r"#\[cfg\(test\)\]\s*mod\s+(\w+)\s*;")
_TESTS_HERE: Final = re.compile(r"#\[cfg\(test\)\]\s*mod\s+\w+\s*\{")
_CHILD: Final = re.compile(r"\bmod\s+(\w+)\s*;")
_USE: Final = re.compile(r"(\bpub(?:\([^)]*\))?\s+)?\buse\s+([^;]+);")
_PATH: Final = re.compile(r"(?<![\w:])(\w+(?:::\w+)+)")


@dataclass
class Module:
    """What a file says of others."""

    children: set[str]
    paths: set[Names] = field(default_factory=set)
    exported: dict[str, Names] = field(default_factory=dict)
    """Name -> path, of each ``pub use``."""


def main() -> None:
    """Print every circle of the crates given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path, default=FOLDERS, help="sources of a crate")
    found = [circle for folder in parser.parse_args().folders for circle in circles(folder)]
    for circle in found:
        print(f"circle of {len(circle)}: {', '.join(circle)}")
    sys.exit(1 if found else 0)


def circles(folder: Path) -> list[list[str]]:
    """Files of a crate that import each other, circle by circle."""
    files = {_module(file.relative_to(folder)): file for file in sorted(folder.rglob("*.rs"))}
    tests = {(*at, name) for at, file in files.items() for name in _TESTS.findall(_code(file))}
    files = {at: file for at, file in files.items() if not any(at[: len(test)] == test for test in tests)}
    crate = {at: _read(file) for at, file in files.items()}
    reached = {at: _reach(crate, at) for at in crate}
    groups = {frozenset(other for other in reached[at] if at in reached[other]) for at in crate}
    names = {at: file.relative_to(folder).as_posix() for at, file in files.items()}
    return sorted(sorted(names[at] for at in group) for group in groups if group)


def _module(path: Path) -> Names:
    """The module that a file holds."""
    *folders, name = path.with_suffix("").parts
    return tuple(folders) if name in {"lib", "main", "mod"} else (*folders, name)


def _code(path: Path) -> str:
    """What of a file is neither comment nor text."""
    return _NO_CODE.sub(lambda found: "pub" if found[0].startswith("pub") else "", path.read_text("utf-8"))


def _read(path: Path) -> Module:
    """Read a file without its tests."""
    code, *_ = _TESTS_HERE.split(_code(path))  # clippy sees to it that nothing stands behind them
    module = Module(set(_CHILD.findall(code)))
    rest = _USE.sub("", code)
    words = set(re.findall(r"\w+", rest))
    for public, tree in _USE.findall(code):
        for name, path_of_it in _leaves(tree):
            if public:
                module.exported[name] = path_of_it
            if not public or name in words:
                module.paths.add(path_of_it)
    starts = {"crate", "super", "self", *module.children}
    module.paths |= {names for path in _PATH.findall(rest) if (names := tuple(path.split("::")))[0] in starts}
    return module


def _leaves(tree: str, before: Names = ()) -> Iterator[tuple[str, Names]]:
    """Every name of a ``use``, and its path."""
    head, brace, inner = tree.strip().partition("{")
    path, _, other_name = head.partition(" as ")
    names = (*before, *(name for name in path.strip().split("::") if name and name != "*"))
    if not brace:
        names = names[:-1] if names[-1] == "self" and len(names) > 1 else names
        yield other_name or names[-1], names
        return
    depth, part = 0, ""
    for letter in inner.rstrip().removesuffix("}") + ",":
        depth += {"{": 1, "}": -1}.get(letter, 0)
        part += letter if letter != "," or depth else ""
        if letter == "," and not depth:
            yield from _leaves(part, names) if part.strip() else ()
            part = ""


def _owner(crate: dict[Names, Module], at: Names, path: Names, exports: int = 0) -> Names | None:
    """The module that holds what a path in module `at` leads to; None outside of the crate."""
    names = list(path)
    if names[0] in {"crate", "self"}:
        at = at if names.pop(0) == "self" else ()
    elif names[0] != "super" and names[0] not in crate[at].children:
        return None
    while names and names[0] == "super":
        at, names = at[:-1], names[1:]
    for place, name in enumerate(names, 1):
        if (*at, name) in crate:
            at = (*at, name)
        elif name in crate[at].exported and exports < len(crate):
            return _owner(crate, at, (*crate[at].exported[name], *names[place:]), exports + 1)
        else:
            break
    return at


def _reach(crate: dict[Names, Module], start: Names) -> set[Names]:
    """The modules that one leads to."""
    reached: set[Names] = set()
    waiting = [start]
    while waiting:
        at = waiting.pop()
        owners = {_owner(crate, at, path) for path in crate[at].paths}
        found = {owner for owner in owners if owner not in {None, at}}
        waiting += found - reached
        reached |= found
    return reached


if __name__ == "__main__":
    main()
