"""Names that come from elsewhere, as they are shown to people: on a terminal, on a page, in a picture.

A name of a folder or a file may hold what moves the cursor, turns the direction of the text round it, or ends
its line. JSON is for programs, and keeps such characters as escapes.
"""

from __future__ import annotations


def printable(text: str) -> str:
    """Replace control and format characters, and what could not be encoded, by a sign that is seen."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
