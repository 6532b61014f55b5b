"""Strangers among the frames of an enrolment: frames that seem to show somebody else. Pure.

Frames of one person in different poses may lie farther apart than the threshold, but poses in between link
them: a frame belongs to a group if it matches any frame of it. Frames of somebody else form another group.

- Somebody who has references is known by them: a group belongs to the person if one of its frames matches a
  reference. A frame that is nearer to somebody else who is enrolled never counts.
- Somebody new is known by the majority: the group of more than half of the frames. If there is none, nobody
  can tell which frames show the person, and none is taken.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from faceid_fast.matching.gallery import Gallery, nearest_distance

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from faceid_fast.storage.references import References

    Vectors = NDArray[np.float32]
    FindOthers = Callable[[str, Vectors], Sequence[Sequence["Other"]]]

SAME_PICTURE: Final = 1e-3
"""Largest distance between vectors of one picture: rounding. Pictures of a face held still lie 0.1 apart."""
_UNLIKE: Final = "matches none of the references that this person has"
_NEARER: Final = "nearer to somebody else than to this person"
_MINORITY: Final = "unlike most of these frames"
_DIVIDED: Final = "no more than half of these frames agree on one person"


class Strangers(StrEnum):
    """What becomes of frames that seem to show somebody else: by default they are left out."""

    LEAVE_OUT = "leave_out"
    KEEP = "keep"


class Other(NamedTuple):
    """Another person who is enrolled and matches a vector.

    Attributes
    ----------
    identity : the name.
    distance : Euclidean, to the nearest of their references.
    """

    identity: str
    distance: float


def find_copies(fresh: References, kept: References | None) -> dict[int, int | None]:
    """Return the rows of `fresh` whose picture is there already.

    Returns
    -------
    dict
        For each such row the earlier row of `fresh` that it is a copy of; None: of a kept reference.
    """
    copies: dict[int, int | None] = {}
    for modality in sorted(set(fresh.modalities)):
        rows = _rows_of(fresh, modality)
        vectors = fresh.vectors[rows]
        again = within(vectors, vectors, SAME_PICTURE)
        known = _any_within(vectors, _of(kept, modality, vectors), SAME_PICTURE)
        for at, row in enumerate(rows):
            first = rows[int(np.argmax(again[at]))]
            if known[at]:
                copies[row] = None
            elif first != row:
                copies[row] = first
    return copies


def find_strangers(
    fresh: References,
    rows: Sequence[int],
    kept: References | None,
    thresholds: Mapping[str, float],
    find_others: FindOthers,
) -> dict[int, str]:
    """Return the rows of `fresh` that seem to show somebody else, each with the reason in words.

    Parameters
    ----------
    fresh : references made of the frames.
    rows : those rows of `fresh` to look at; no two of one picture.
    kept : the references that the person has; None: the person is new.
    thresholds : the largest distance to accept, by modality.
    find_others : returns, for a modality and (n, D) vectors, the other people who match each, nearest first.
    """
    found: dict[int, str] = {}
    for modality in sorted({fresh.modalities[row] for row in rows}):
        chosen = [row for row in _rows_of(fresh, modality) if row in rows]
        vectors = fresh.vectors[chosen]
        own = _of(kept, modality, vectors)
        others = find_others(modality, vectors)
        threshold = thresholds[modality]
        odd = _unlike(vectors, own, threshold, others) if len(own) else _minority(vectors, threshold)
        for at, reason in odd.items():
            like = f" (like {others[at][0].identity!a}, who is enrolled)" if others[at] else ""
            found[chosen[at]] = reason + like
    return found


def within(queries: Vectors, references: Vectors, threshold: float) -> NDArray[np.bool_]:
    """Return which references match which vectors: (n, D) and (m, D) give (n, m) bool."""
    matched: NDArray[np.bool_] = np.zeros((len(queries), len(references)), dtype=np.bool_)
    if matched.size:
        found = Gallery.from_arrays(references, ["one"] * len(references)).within(queries, threshold)
        matched[np.repeat(np.arange(len(queries)), np.diff(found.offsets)), found.index] = True
    return matched


def _any_within(queries: Vectors, references: Vectors, threshold: float) -> NDArray[np.bool_]:
    """Return whether each vector matches any reference: (n,) bool."""
    return np.asarray(within(queries, references, threshold).any(axis=1))


def _unlike(
    vectors: Vectors, own: Vectors, threshold: float, others: Sequence[Sequence[Other]]
) -> dict[int, str]:
    """Return the strangers, with the reasons, among frames of somebody who has references, `own`."""
    nearer = [
        at
        for at, vector in enumerate(vectors)
        if others[at] and others[at][0].distance < nearest_distance(own, vector)
    ]
    rest = np.delete(np.arange(len(vectors)), nearer)
    matched = _any_within(vectors, own, threshold)
    strange = [
        int(row)
        for group in _groups(within(vectors[rest], vectors[rest], threshold))
        if not matched[rest[group]].any()
        for row in rest[group]
    ]
    return dict.fromkeys(nearer, _NEARER) | dict.fromkeys(strange, _UNLIKE)


def _minority(vectors: Vectors, threshold: float) -> dict[int, str]:
    """Return the strangers, with the reasons, among frames of somebody new."""
    groups = _groups(within(vectors, vectors, threshold))
    largest = max(groups, key=len)
    if 2 * len(largest) <= len(vectors):
        return dict.fromkeys(range(len(vectors)), _DIVIDED)
    return dict.fromkeys((row for group in groups if group is not largest for row in group), _MINORITY)


def _groups(linked: NDArray[np.bool_]) -> list[list[int]]:
    """Return the connected components of a graph: (n, n) bool, symmetric."""
    left = set(range(len(linked)))
    groups = []
    while left:
        reached = {min(left)}
        group: set[int] = set()
        while reached:
            row = reached.pop()
            group.add(row)
            reached |= set(map(int, np.flatnonzero(linked[row]))) - group
        left -= group
        groups.append(sorted(group))
    return groups


def _rows_of(references: References, modality: str) -> list[int]:
    return [row for row, each in enumerate(references.modalities) if each == modality]


def _of(kept: References | None, modality: str, like: Vectors) -> Vectors:
    """Return a person's vectors of a modality, (m, D); none if the person has none."""
    return like[:0] if kept is None else kept.of(modality)
