"""A page of HTML that loads nothing and runs nothing: its parts, and the templates that put them together.

Every text in a part is plain: the templates escape it, so no name of a person or a file is ever HTML.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, ClassVar, Final

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
    """A PNG within the page; what it shows, for who does not see it; what to read from it."""

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
    """A cell of a table: a figure, and what stands below it in small."""

    text: str
    below: tuple[str, ...] = ()
    is_unclaimed: bool = False

    @classmethod
    def unclaimed(cls) -> Cell:
        """A cell that says that there is no figure."""
        return cls(UNCLAIMED, is_unclaimed=True)


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its headings, and rows of as many cells."""

    kind: ClassVar = "table"
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    @classmethod
    def of(cls, head: Sequence[str], rows: Iterable[tuple[str, Iterable[str | Cell]]]) -> Table:
        """Make one of rows that have a name, and cells of which some are only text."""
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
        """Make one of what stands in it."""
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
    """The templates; whatever they put in is escaped, and what they lack is an error."""
    from jinja2 import DictLoader, Environment, StrictUndefined  # noqa: PLC0415  # optional

    folder = resources.files(__package__).joinpath("templates")
    return Environment(
        loader=DictLoader({name: folder.joinpath(name).read_text("utf-8") for name in _TEMPLATES}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
