"""Names of new people: which there may be, and which look like another's.

The rules are those of Unicode's Technical Standard 39 (https://www.unicode.org/reports/tr39/): people choose
a name from a list by its looks, and type it. They hold when somebody is added. Whoever is in a store keeps
the name they have, by the weaker rules of `check_identity`.
"""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Mapping
from typing import Final, Self

from faceid_fast import _core
from faceid_fast.errors import InvalidInputError

from .references import check_identity

MAX_MARKS: Final = 4
"""Most nonspacing marks in a row, as the standard counts them (section 5.4)."""
_NONSPACING: Final = {"Mn", "Me"}


def check_new_identity(identity: object) -> str:
    """Check that somebody new may have a name, and return it.

    Raises
    ------
    InvalidInputError
        If `check_identity` refuses it; it has no letter or digit, a character that names do not have, scripts
        that nobody writes together, digits of several systems, two blanks in a row, or marks in excess.
    """
    name = check_identity(identity)
    if fault := _fault(name):
        expected = "identity: expected a name that people can read and tell from others"
        message = f"{expected}, got {fault} in {name!a:.240}"
        raise InvalidInputError(message)
    return name


def _fault(name: str) -> str | None:
    """Say what is wrong with the characters of a name, if anything is."""
    if (stray := _core.stray_in_name(name)) is not None:
        return f"the character U+{ord(stray):04X}, which names do not have,"
    if not any(each.isalnum() for each in name):
        return "neither a letter nor a digit"
    if "  " in name:
        return "two blanks in a row"
    if _core.name_mixes_scripts(name):
        return "a mixture of scripts"
    if len({ord(each) - unicodedata.decimal(each) for each in name if each.isdecimal()}) > 1:
        return "digits of several systems"
    return _fault_of_marks(unicodedata.normalize("NFD", name))


def _fault_of_marks(decomposed: str) -> str | None:
    """Say what is wrong with the combining marks, if anything is."""
    kinds = [unicodedata.category(each) for each in decomposed]
    for (before, kind), each in zip(itertools.pairwise(["Zs", *kinds]), decomposed, strict=True):
        if kind[0] == "M" and before[0] not in "LMN":
            return f"the mark U+{ord(each):04X} without a letter"
    for mark, run in itertools.groupby(zip(decomposed, kinds, strict=True)):
        if mark[1] in _NONSPACING and len(list(run)) > 1:
            return f"the mark U+{ord(mark[0]):04X} twice in a row"
    for is_mark, marks in itertools.groupby(kind in _NONSPACING for kind in kinds):
        if is_mark and len(list(marks)) > MAX_MARKS:
            return f"more than {MAX_MARKS} marks in a row"
    return None


class Looks:
    """What the names in a store look like, kept from one new name to the next. Not for several threads."""

    def __init__(self) -> None:
        self._look_of: dict[str, str] = {}
        self._name_of: dict[str, str] = {}

    def of(self, enrolled: Mapping[str, object]) -> Self:
        """Know these names, and no others."""
        if self._look_of.keys() != enrolled.keys():
            known = self._look_of
            self._look_of = {name: known.get(name) or _core.name_skeleton(name) for name in enrolled}
            self._name_of = {look: name for name, look in self._look_of.items()}
        return self

    def add(self, identity: str) -> None:
        """Add the name of somebody new.

        Raises
        ------
        InvalidInputError
            If `check_new_identity` refuses it, or it looks like the name of somebody who is here.
        """
        look = _core.name_skeleton(check_new_identity(identity))
        if (other := self._name_of.get(look)) is not None:
            message = (
                f"identity: expected a name that looks like nobody else's here, got {identity!a:.240}, which "
                f"is taken for {other!a:.240}: choose another name"
            )
            raise InvalidInputError(message)
        self._look_of[identity] = look
        self._name_of[look] = identity
