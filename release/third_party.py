"""The licences of the Rust crates that are linked into a wheel: ``THIRD_PARTY``.

``python -m release.third_party`` writes the file anew, from Cargo.lock and the crates' own licence files;
``--check`` only says whether it is as it would be written. Crates of every platform are in it; what only
runs while the core is compiled (procedural macros, build scripts) is not linked, and not in it.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
FILE: Final = ROOT / "THIRD_PARTY"
LINKED_INTO: Final = "faceid-py"
TAKEN: Final = ("MIT", "Zlib", "BSD-2-Clause", "Apache-2.0", "Unicode-3.0")
"""Where a crate offers several licences: the first of these that it brings the text of."""
_FILE_WORDS: Final = {
    "MIT": "MIT",
    "Zlib": "ZLIB",
    "BSD-2-Clause": "BSD",
    "Apache-2.0": "APACHE",
    "Unicode-3.0": "UNICODE",
}
_HEAD: Final = """\
The compiled part of faceid_fast, faceid_fast/_core, contains the works below, unchanged.
Written by `python -m release.third_party`; faceid_fast's own licence stands in LICENSE.

"""
_STANDARD_LIBRARY: Final = "The Rust standard library, (c) The Rust Project contributors: Apache-2.0"


@dataclass(frozen=True, slots=True)
class Crate:
    """A crate that is linked in, the licence it is used under, and that licence's text.

    A crate with data of somebody else's is under two licences.
    """

    name: str
    version: str
    licence: str
    text: str


def linked_crates() -> list[Crate]:
    """Everything that ends up in the compiled module on some platform, by name.

    Raises
    ------
    ValueError
        If a crate brings no text of a licence in `TAKEN`.
    """
    tree = _cargo("tree", "--package", LINKED_INTO, "--edges", "normal,no-proc-macro", "--target", "all",
                  "--prefix", "none", "--format", "{p}")  # fmt: skip
    linked = {tuple(line.split()[:2]) for line in tree.splitlines()}
    packages = json.loads(_cargo("metadata", "--format-version", "1"))["packages"]
    foreign = (
        each
        for each in packages
        if each["source"] is not None and (each["name"], f"v{each['version']}") in linked
    )
    return sorted(map(_crate, foreign), key=lambda crate: (crate.name, crate.version))


def _cargo(*arguments: str) -> str:
    command = ("cargo", *arguments, "--locked")
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def _crate(package: dict[str, Any]) -> Crate:
    found = [_licence(package, offered.strip("()")) for offered in package["license"].split(" AND ")]
    names, texts = zip(*found, strict=True)
    return Crate(package["name"], package["version"], " and ".join(names), "\n\n".join(texts))


def _licence(package: dict[str, Any], choice: str) -> tuple[str, str]:
    """Name and text of one of the licences that a crate leaves the choice of."""
    offered = re.split(r" OR |/", choice)
    files = sorted(Path(package["manifest_path"]).parent.glob("LICENSE*"))
    for licence in TAKEN:
        for file in files if licence in offered else ():
            if _FILE_WORDS[licence] in file.name or (len(offered) == 1 and file.name == "LICENSE"):
                return licence, file.read_text("utf-8").replace("\r\n", "\n").strip("\n")
    message = f"{package['name']}: expected a licence of {', '.join(TAKEN)} and its text, got {offered}"
    raise ValueError(message)


def written(crates: list[Crate]) -> str:
    """The file: a list, then every text once, with the crates that it is of."""
    lines = [f"{crate.name} {crate.version}: {crate.licence}" for crate in crates]
    by_text: dict[str, list[Crate]] = {}
    for crate in crates:
        by_text.setdefault(_without_blanks(crate.text), []).append(crate)
    parts = [_HEAD + "\n".join([*lines, _STANDARD_LIBRARY])]
    for same in by_text.values():
        names = ", ".join(crate.name for crate in same)
        parts.append(f"{'-' * 80}\n{names}: {same[0].licence}\n\n{same[0].text}")
    return "\n\n".join(parts) + "\n"


def _without_blanks(text: str) -> str:
    return " ".join(text.split())


def main() -> None:
    """Write or check the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if it would change")
    arguments = parser.parse_args()
    text = written(linked_crates())
    if not arguments.check:
        FILE.write_text(text, encoding="utf-8")
    elif not FILE.exists() or FILE.read_text("utf-8") != text:
        sys.exit(f"{FILE.name} is not what Cargo.lock asks for: python -m release.third_party")


if __name__ == "__main__":
    main()
