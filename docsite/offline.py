"""See to it that the built site loads nothing from elsewhere: it works without a network, and tells nobody.

``python -m docsite.offline build/site`` exits with 1 and names what it found. Links that a reader may follow
are fine.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

_LOADED: Final = frozenset(("src", "srcset", "data", "poster", "background"))
"""Attributes whose targets a browser fetches, whatever element they stand at (`data`: of an object)."""
_FOLLOWED_RELS: Final = frozenset(("canonical", "next", "prev", "alternate", "license", "author"))
"""What a ``<link>`` may name without it being fetched."""
_ELSEWHERE: Final = re.compile(r"\s*(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
_IN_STYLE: Final = re.compile(r"(?:url\(|@import)\s*[\"']?\s*((?:https?:)?//[^\"')\s;]+)", re.IGNORECASE)
_FETCHING_CLASSES: Final = frozenset(("mermaid",))
"""The theme loads a program from elsewhere for these."""


class _Loads(HTMLParser):
    """Collects what a page loads from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        for name, value in given.items():
            if name in _LOADED:
                self.found += [part for part in value.split(",") if _ELSEWHERE.match(part)]
        rels = set(given.get("rel", "").lower().split())
        if tag == "link" and not rels & _FOLLOWED_RELS and _ELSEWHERE.match(given.get("href", "")):
            self.found.append(given["href"])
        self.found += _IN_STYLE.findall(given.get("style", ""))
        self.found += [f"class {name}" for name in _FETCHING_CLASSES & set(given.get("class", "").split())]

    def handle_data(self, data: str) -> None:
        if self.lasttag == "style":
            self.found += _IN_STYLE.findall(data)


def loads_of(name: str, text: str) -> list[str]:
    """What a page or style sheet loads from elsewhere, by the ending of its name; nothing for other files."""
    if name.endswith((".html", ".svg")):
        page = _Loads()
        page.feed(text)
        return page.found
    return _IN_STYLE.findall(text) if name.endswith(".css") else []


def check(site: Path) -> Iterator[str]:
    """Say of each file of a site what it loads from elsewhere."""
    files = [path for path in sorted(site.rglob("*")) if path.suffix in {".html", ".css", ".svg"}]
    if not any(path.suffix == ".html" for path in files):
        yield f"{site}: expected a built site, got no page"
    for path in files:
        for target in loads_of(path.name, path.read_text("utf-8")):
            yield f"{path}: loads {target}"


if __name__ == "__main__":
    problems = list(check(Path(sys.argv[1])))
    print("\n".join(problems) or "nothing is loaded from elsewhere")
    sys.exit(bool(problems))
