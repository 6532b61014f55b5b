"""The rules of adapted references, which follow a person's changing look. Pure: the time is given.

Enrolled references never change. Beside them a person may have a few *adapted* references, each of one
modality and for a limited number of uses and days, under these rules:

- A probe that matches only an adapted reference must still lie within the *floor*: a joined distance to the
  nearest enrolled reference, with a measured false match rate (`faceid_fast.calibration.impostor_tail`).
- Both keys of a probe, its shape and its picture, must agree with the enrolled references in any case
  (`faceid_fast.matching.keys`). An adapted reference matches a probe as an enrolled one does, its own keys
  included; that asks for more, and never widens what the enrolled keys allow.
- An adapted reference never helps to admit another one. An admitted probe lies within the floor of the
  enrolled references themselves.
- Only a probe whose keys agree with the enrolled references is a near miss, or admitted.
- None is admitted while another one is younger than a day.

So no sequence of attempts, not even with the credential, gets a face accepted that lies beyond the floor.
References that move (an average of accepted probes), or that must only resemble an enrolled one, do not have
that property: an attacker leads them away in two or three steps.

``confirmed``: after a near miss somebody shows the credential, and the next probe is admitted (at most two
references, 50 uses, 30 days each). ``anchored``: in addition a probe that lies well within the threshold of
the enrolled references is admitted (one reference, 20 uses, 14 days).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from faceid_fast.matching.gallery import nearest_distance
from faceid_fast.matching.keys import Distances, KeyLimits, key_distances
from faceid_fast.storage.keys import Keys
from faceid_fast.storage.policy import Mode
from faceid_fast.storage.references import Adapted, Origin

if TYPE_CHECKING:
    from faceid_fast.face.embedding import Embedding

CONFIRM_WITHIN_S: Final = 10.0
"""Most seconds from a near miss to the credential, and from the credential to the next probe."""
DAY_S: Final = 86_400.0
MAX_MISSES: Final = 10
"""An adapted reference ends after so many accepted probes in a row that it does not match."""
STRONG_SHARE: Final = 0.8
"""`Mode.ANCHORED` admits a probe that is at most this share of the threshold from an enrolled reference."""


class _Terms(NamedTuple):
    slots: int
    uses: int
    days: float


_TERMS: Final = {Origin.CONFIRMED: _Terms(2, 50, 30.0), Origin.SUCCESS: _Terms(1, 20, 14.0)}


class Limits(NamedTuple):
    """The limits of a modality, Euclidean distances between unit vectors.

    Attributes
    ----------
    threshold : largest joined distance to a reference, enrolled or adapted, that accepts the probe.
    floor : largest joined distance to the nearest enrolled reference in any case.
    keys : largest distance of each key to the enrolled references, in any case, too.
    """

    threshold: float
    floor: float
    keys: KeyLimits


class Verdict(NamedTuple):
    """The result of the rules for one probe.

    Attributes
    ----------
    accepted : whether the probe matches, be it only an adapted reference.
    near_miss : whether the probe is within the floor but beyond the threshold of the enrolled references, and
        both keys agree; the credential, shown now, has the next probe admitted.
    adapted : the person's new adapted references; the same tuple that was given if nothing changed.
    admitted, ended : numbers of adapted references that were added and dropped.
    """

    accepted: bool
    near_miss: bool
    adapted: tuple[Adapted, ...]
    admitted: int = 0
    ended: int = 0


def judge(
    query: Embedding,
    modality: str,
    to_enrolled: Distances,
    adapted: tuple[Adapted, ...],
    *,
    limits: Limits,
    mode: Mode,
    now: float,
    confirmed: bool = False,
    counted: bool = True,
) -> Verdict:
    """Decide whether a probe matches the claimed person, and how the adapted references change.

    Parameters
    ----------
    query : the probe.
    modality : of the probe.
    to_enrolled : distances to the person's enrolled references of this modality.
    adapted : the person's adapted references.
    limits : of this modality.
    mode : which references may be used and admitted.
    now : seconds since 1970.
    confirmed : whether the credential has just been shown after a near miss.
    counted : whether this is the one probe that stands for an accepted attempt. Any other probe uses no
        adapted reference up, and is admitted only if `confirmed`.
    """
    direct = to_enrolled.accepted(limits.threshold, limits.keys)
    within = to_enrolled.accepted(limits.floor, limits.keys)
    if mode is Mode.NEVER:
        return Verdict(direct, near_miss=False, adapted=adapted)
    kept = [each for each in adapted if not _is_over(each, mode, now)]
    accepted = direct
    for place, each in enumerate(kept):
        if each.modality != modality:
            continue
        matched = _matches(each, query, limits)
        if counted:
            kept[place] = _seen(each, direct=direct, matched=matched, used=within and not accepted)
        accepted = accepted or (within and matched)
    kept = [each for each in kept if each.uses_left > 0 and each.misses < MAX_MISSES]
    # `accepted` must not decide here: a match with an adapted reference must not admit another one.
    origin, strong = None, STRONG_SHARE * limits.threshold
    if confirmed and within:
        origin = Origin.CONFIRMED
    elif counted and mode is Mode.ANCHORED and to_enrolled.accepted(strong, limits.keys):
        origin = Origin.SUCCESS
    ended = len(adapted) - len(kept)
    admitted = 0
    if origin is not None and _may_admit(kept, origin, now):
        terms = _TERMS[origin]
        same = [each for each in kept if each.origin is origin]
        if len(same) == terms.slots:
            oldest = min(same, key=lambda each: each.made_at)
            kept = [each for each in kept if each is not oldest]
            ended += 1
        keys = Keys.of(query.shape[None], query.picture[None])
        kept.append(Adapted(_own(query.joined), modality, origin, now, terms.uses, keys=keys))
        admitted = 1
    changed = admitted or ended or any(map(_differ, kept, adapted))
    return Verdict(accepted, within and not direct, tuple(kept) if changed else adapted, admitted, ended)


def _matches(each: Adapted, query: Embedding, limits: Limits) -> bool:
    """Whether a probe matches an adapted reference: the three questions that are asked of every reference."""
    distance = nearest_distance(each.vector[None], query.joined)
    return Distances(distance, key_distances(each.keys, query)).accepted(limits.threshold, limits.keys)


def _seen(each: Adapted, *, direct: bool, matched: bool, used: bool) -> Adapted:
    """Update the counts of an adapted reference after a probe.

    Parameters
    ----------
    direct : whether the probe matches an enrolled reference.
    matched : whether it matches this one.
    used : whether a match with this one decides that the probe is accepted.
    """
    if direct:
        return replace(each, misses=0 if matched else each.misses + 1)
    return replace(each, uses_left=each.uses_left - 1, misses=0) if used and matched else each


def _is_over(each: Adapted, mode: Mode, now: float) -> bool:
    """Whether an adapted reference is too old, dated in the future, or of an origin that `mode` excludes."""
    age_s = now - each.made_at
    wanted = mode is Mode.ANCHORED or each.origin is Origin.CONFIRMED
    return not (wanted and 0.0 <= age_s <= _TERMS[each.origin].days * DAY_S)


def _may_admit(kept: Sequence[Adapted], origin: Origin, now: float) -> bool:
    same = [each for each in kept if each.origin is origin]
    if origin is Origin.SUCCESS and len(same) == _TERMS[origin].slots:
        return False  # it serves until it ends: a new one every day would have no use
    return all(now - each.made_at >= DAY_S for each in kept)


def _differ(a: Adapted, b: Adapted) -> bool:
    return (a.uses_left, a.misses) != (b.uses_left, b.misses)


def _own(query: NDArray[np.float32]) -> NDArray[np.float32]:
    vector = np.array(query, np.float32, copy=True)
    vector.flags.writeable = False
    return vector
