"""A hook of MkDocs: pages that stand outside of docs/, where readers of the repository look for them.

They become pages of the site, and links to them from docs/, and from them, lead there. A program becomes a
page of code, a notebook one of its text and code.
"""

from __future__ import annotations

import json
import posixpath
import re
from pathlib import Path
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).resolve().parents[1]
PAGES: Final = {
    "CHANGELOG.md": "CHANGELOG.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "MODEL_CARD.md": "MODEL_CARD.md",
    "NOTICE": "NOTICE.md",
    "training/README.md": "training.md",
    "training/EXPERIMENTS.md": "training-experiments.md",
    **{
        f"examples/{path.name}": f"examples/{path.stem}.md"
        for path in sorted((ROOT / "examples").iterdir())
        if path.suffix in {".py", ".ipynb"}
    },
}
"""Path in the repository -> path among the pages."""
_LINK: Final = re.compile(r"(?<=\]\()([^)#\s:]+)(?=[)#])")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    for path, page in PAGES.items():
        files.append(File.generated(config, page, content=content_of(path)))
    return files


def content_of(path: str) -> str:
    """Markdown of a file of the repository."""
    text = (ROOT / path).read_text("utf-8")
    name = posixpath.basename(path)
    match posixpath.splitext(path)[1]:
        case ".md":
            return text
        case ".ipynb":
            return "\n\n".join(
                _cell(cell["cell_type"], "".join(cell["source"])) for cell in json.loads(text)["cells"]
            )
        case ".py":
            return f"# {name}\n\n{_fenced('python', text)}"
        case _:
            return f"# {name}\n\n{_fenced('text', text)}"


def _cell(kind: str, source: str) -> str:
    """One cell of a notebook."""
    return source if kind == "markdown" else _fenced("python", source)


def _fenced(language: str, text: str) -> str:
    return f"```{language}\n{text.strip()}\n```\n"


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Lead links to where their pages stand on the site."""
    site = page.file.src_uri
    source = next((path for path, there in PAGES.items() if there == site), f"docs/{site}")

    def relinked(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), match[1]))
        there = PAGES.get(target, target.removeprefix("docs/"))
        return posixpath.relpath(there, posixpath.dirname(site) or ".")

    return _LINK.sub(relinked, markdown)
