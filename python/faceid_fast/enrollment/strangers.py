"""Strangers among the frames of an enrolment: frames that seem to show somebody else. Pure.

Frames of one person in different poses may lie farther apart than the threshold, but poses in between link
them: a frame belongs to a group if its joined vector is within the threshold of any frame's of it. Frames
of somebody else form another group. Of a group those frames belong to the person whose keys both agree, each
with another frame that belongs, or with a reference (`faceid_fast.matching.keys`).

- Somebody who has references is known by them: a group belongs to the person if one of its frames matches
  them as a probe does. A frame whose joined vector is nearer to somebody else's, within the threshold,
  never counts, whether the keys agree with them or not.
- Somebody new is known by the majority: the group of more than half of the frames. If there is none, nobody
  can tell which frames show the person, and none is taken.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from faceid_fast.matching.gallery import Gallery, nearest_distance
from faceid_fast.matching.keys import within_limits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from faceid_fast.matching.keys import KeyLimits
    from faceid_fast.storage.references import References

    Vectors = NDArray[np.float32]
    FindOthers = Callable[[str, References], Sequence[Sequence["Other"]]]

SAME_PICTURE: Final = 1e-3
"""Largest distance between vectors of one picture: rounding. Pictures of a face held still lie 0.1 apart."""
_UNLIKE: Final = "matches none of the references that this person has"
_NEARER: Final = "nearer to somebody else than to this person"
_MINORITY: Final = "unlike most of these frames"
UNCONFIRMED: Final = "no more than half of these frames match the references that this person has"
_DIVIDED: Final = "no more than half of these frames agree on one person"


class Strangers(StrEnum):
    """What becomes of frames that seem to show somebody else: by default they are left out."""

    LEAVE_OUT = "leave_out"
    KEEP = "keep"


class Other(NamedTuple):
    """Another person who is enrolled, and whose joined vectors are within the threshold.

    Attributes
    ----------
    identity : the name.
    distance : Euclidean, of the joined vector to the nearest of their references.
    keys_agree : whether both keys agree, too: whether it would be accepted as theirs.
    """

    identity: str
    distance: float
    keys_agree: bool


class Questions(NamedTuple):
    """What two frames of one modality must meet to be taken for one face.

    Attributes
    ----------
    threshold : the largest joined distance.
    limits : of the two keys.
    """

    threshold: float
    limits: KeyLimits


class Matches(NamedTuple):
    """Which of n references are within which limit of which of m others: (n, m) bool each."""

    joined: NDArray[np.bool_]
    shape: NDArray[np.bool_]
    picture: NDArray[np.bool_]

    @property
    def person(self) -> NDArray[np.bool_]:
        """(n,) bool: it matches the person whom the m are of, as a probe would."""
        return np.asarray(np.array([each.any(axis=1) for each in self]).all(axis=0))


def matches(first: References, second: References, modality: str, asked: Questions) -> Matches:
    """Compare references of a modality with others of it; without keys nothing is within a limit of them."""
    joined = within(first.of(modality), second.of(modality), asked.threshold)
    mine, theirs = first.keys_of(modality), second.keys_of(modality)
    if mine is None or theirs is None:
        return Matches(joined, np.zeros_like(joined), np.zeros_like(joined))
    return Matches(joined, *within_limits(mine, theirs, asked.limits))


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
    asked: Mapping[str, Questions],
    find_others: FindOthers,
) -> dict[int, str]:
    """Return the rows of `fresh` that seem to show somebody else, each with the reason in words.

    Parameters
    ----------
    fresh : references made of the frames.
    rows : those rows of `fresh` to look at; no two of one picture.
    kept : the references that the person has; None: the person is new.
    asked : what two frames of one face must meet, by modality.
    find_others : returns, for each of the references of a modality, the other people who are within the
        threshold, nearest first.
    """
    found: dict[int, str] = {}
    for modality in sorted({fresh.modalities[row] for row in rows}):
        chosen = [row for row in _rows_of(fresh, modality) if row in rows]
        candidates = fresh.rows(chosen)
        others = find_others(modality, candidates)
        alike = matches(candidates, candidates, modality, asked[modality])
        if kept is not None and len(own := kept.of(modality)):
            known = matches(candidates, kept, modality, asked[modality])
            odd = _unlike(_nearer(candidates.vectors, own, others), alike, known)
        else:
            odd = _minority(alike)
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


def _nearer(vectors: Vectors, own: Vectors, others: Sequence[Sequence[Other]]) -> list[int]:
    """Return the frames that are nearer to somebody else than to the person's own references."""
    return [
        at
        for at, vector in enumerate(vectors)
        if others[at] and others[at][0].distance < nearest_distance(own, vector)
    ]


def _unlike(nearer: list[int], alike: Matches, known: Matches) -> dict[int, str]:
    """Return the strangers, with the reasons, among frames of somebody who has references.

    Parameters
    ----------
    nearer : frames that are nearer to somebody else.
    alike : the n frames among each other.
    known : the n frames with the m references.
    """
    rest = np.delete(np.arange(len(alike.joined)), nearer)
    belong: set[int] = set()
    for group in _groups(alike.joined[np.ix_(rest, rest)]):
        if known.person[rest[group]].any():
            belong |= set(_agreeing(rest[group], alike, known).tolist())
    strange = [int(row) for row in rest if int(row) not in belong]
    return dict.fromkeys(nearer, _NEARER) | dict.fromkeys(strange, _UNLIKE)


def _minority(alike: Matches) -> dict[int, str]:
    """Return the strangers, with the reasons, among frames of somebody new."""
    groups = [_agreeing(np.array(group), alike) for group in _groups(alike.joined)]
    largest = set(max(groups, key=len).tolist())
    every = range(len(alike.joined))
    if 2 * len(largest) <= len(every):
        return dict.fromkeys(every, _DIVIDED)
    return dict.fromkeys((row for row in every if row not in largest), _MINORITY)


def _agreeing(group: NDArray[np.intp], alike: Matches, known: Matches | None = None) -> NDArray[np.intp]:
    """Return those of a group whose keys both agree with another that stays, or with a reference.

    A frame that is alone from the beginning, of somebody new, has nobody to agree with, and stays.
    """
    if known is None and len(group) == 1:
        return group
    while len(group):
        stays = np.ones(len(group), np.bool_)
        for key in ("shape", "picture"):
            among = getattr(alike, key)[np.ix_(group, group)] & ~np.eye(len(group), dtype=np.bool_)
            stays &= among.any(axis=1) | (known is not None and getattr(known, key)[group].any(axis=1))
        if stays.all():
            break
        group = group[stays]
    return group


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
