"""A page of HTML that loads nothing and runs nothing: its parts, and the templates that put them together.

Every text in a part is plain: the templates escape it, so no name of a person or a file is ever HTML, and
show only what is printable of it, so that none turns the text round it or ends its line.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, ClassVar, Final

from faceid_fast.printable import printable

from .drawing import check_installed

if TYPE_CHECKING:
    from jinja2 import Environment

UNCLAIMED: Final = "cannot be claimed with this data"
_TEMPLATES: Final = ("page.html", "blocks.html")


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph."""

    kind: ClassVar = "paragraph"
    text: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A PNG within the page, with a text for people who do not see it, and a caption."""

    kind: ClassVar = "figure"
    picture: bytes
    alt: str
    caption: str

    @property
    def base64(self) -> str:
        """The picture as text."""
        return base64.b64encode(self.picture).decode("ascii")


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table: a text, and smaller lines below it."""

    text: str
    below: tuple[str, ...] = ()
    is_unclaimed: bool = False

    @classmethod
    def unclaimed(cls) -> Cell:
        """Make a cell that says that the data cannot show this figure."""
        return cls(UNCLAIMED, is_unclaimed=True)


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its headings, and rows of as many cells."""

    kind: ClassVar = "table"
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    @classmethod
    def of(cls, head: Sequence[str], rows: Iterable[tuple[str, Iterable[str | Cell]]]) -> Table:
        """Make a table; each row has a name, and cells that are `Cell` or plain text."""
        return cls(
            tuple(head),
            tuple(
                (Cell(name), *(Cell(cell) if isinstance(cell, str) else cell for cell in cells))
                for name, cells in rows
            ),
        )


Block = Paragraph | Figure | Table


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page under a heading."""

    title: str
    blocks: tuple[Block, ...]

    @classmethod
    def of(cls, title: str, *blocks: Block) -> Section:
        """Make a section of its blocks."""
        return cls(title, blocks)


def write(title: str, facts: Sequence[str], sections: Sequence[Section]) -> str:
    """Put a page together.

    Parameters
    ----------
    title : its name.
    facts : what was measured, with what, when; a line each.
    sections : in order.

    Raises
    ------
    InvalidInputError
        If jinja2 is missing.
    """
    check_installed("jinja2")
    return _environment().get_template("page.html").render(title=title, facts=facts, sections=sections)


@cache
def _environment() -> Environment:
    """Load the templates; every value is escaped, and a missing one is an error."""
    from jinja2 import DictLoader, Environment, StrictUndefined  # noqa: PLC0415  # optional

    folder = resources.files(__package__).joinpath("templates")
    return Environment(
        loader=DictLoader({name: folder.joinpath(name).read_text("utf-8") for name in _TEMPLATES}),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _shown(value: object) -> object:
    """Show only what is printable of a text; what a template has made of one was shown before."""
    return printable(value) if isinstance(value, str) and not hasattr(value, "__html__") else value
