"""A page of HTML that loads nothing and runs nothing: its parts, and how they are put together."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from importlib import resources
from string import Template
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faceid_fast.calibration.binomial import Interval


def page(title: str, facts: Sequence[str], sections: Sequence[str]) -> str:
    """Put a page together.

    Parameters
    ----------
    title : plain text.
    facts : what was measured, with what, when; plain text.
    sections : HTML, see `section`.
    """
    template = Template(resources.files(__package__).joinpath("report.html").read_text("utf-8"))
    return template.substitute(
        title=escape(title), facts="<br>".join(map(escape, facts)), sections="\n".join(sections)
    )


def percent(share: float | None) -> str:
    """A share, 0 to 1, as a cell; - for none."""
    return "-" if share is None else f"{share:.1%}"


def rate(share: float | None, interval: Interval | None, mark: str = "") -> str:
    """A rate as a cell, with its interval below."""
    if share is None:
        return "-"
    between = "" if interval is None else f"<small>{interval[0]:.1%} to {interval[1]:.1%}</small>"
    return f"{share:.2%}{mark}{between}"


def distance(mean: float | None, interval: Interval | None) -> str:
    """A mean distance as a cell, with its interval below."""
    if mean is None:
        return "-"
    between = "" if interval is None else f"<small>{interval[0]:.3f} to {interval[1]:.3f}</small>"
    return f"{mean:.3f}{between}"


def section(title: str, *parts: str) -> str:
    """A part of the page: its title in plain text, its content as HTML."""
    return f"<section>\n<h2>{escape(title)}</h2>\n" + "\n".join(parts) + "\n</section>"


def text(content: str) -> str:
    """A paragraph of plain text."""
    return f"<p>{escape(content)}</p>"


def figure(picture: bytes, alt: str, caption: str) -> str:
    """A PNG within the page; what it shows, for who does not see it; what to read from it. Plain text."""
    source = "data:image/png;base64," + base64.b64encode(picture).decode("ascii")
    image = f'<img src="{source}" alt="{escape(alt)}">'
    return f"<figure>{image}\n<figcaption>{escape(caption)}</figcaption></figure>"


def table(head: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    """A table: its head and the first cell of each row in plain text, the other cells as HTML."""
    lines = ["<tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in head) + "</tr>"]
    for name, cells in rows:
        lines.append(f"<tr><td>{escape(name)}</td>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return '<div class="wide"><table>\n' + "\n".join(lines) + "\n</table></div>"
