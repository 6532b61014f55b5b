"""References that follow how somebody looks, without following anybody else. Pure: the time is given.

What was enrolled never changes. Beside it a person may have a few *adapted* references: of their own
modality, for some uses or weeks, and never more than the enrolment bears:

- A face that only an adapted reference accepts must still lie within the *floor* of the enrolment: a
  distance with a measured false match rate (`faceid_fast.calibration.impostor_tail`).
- No adapted reference ever helps to admit another. What is admitted lies within the floor of the enrolment
  itself.
- At most one is admitted while another is younger than a day.

So no sequence of attempts, however clever, and not even somebody who knows the credential, gets a face
accepted that lies beyond the floor. References that move (an average of what was accepted) or that must only
resemble an anchor do not have that property: an attacker walks away with them in two or three steps.

``confirmed``: after a near miss somebody shows the credential, and the next picture is kept (two at a time,
50 uses, 30 days). ``anchored``: besides, a picture that the enrolment accepts with room to spare is kept
(one, 20 uses, 14 days).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from faceid_fast.matching.decision import accepts
from faceid_fast.matching.gallery import nearest_distance
from faceid_fast.storage.references import Adapted, Origin

CONFIRM_WITHIN_S: Final = 10.0
"""From a near miss to the credential, and from there to the next picture."""
DAY_S: Final = 86_400.0
MAX_MISSES: Final = 10
"""Faces of the person that an adapted reference does not accept, until it is dropped."""
STRONG_SHARE: Final = 0.8
"""Of the threshold: how near the enrolment a picture must be for `Mode.ANCHORED` to keep it."""


class Mode(StrEnum):
    """Whether references follow a person's look, and on whose word."""

    NEVER = "never"
    CONFIRMED = "confirmed"
    ANCHORED = "anchored"


class _Terms(NamedTuple):
    slots: int
    uses: int
    days: float


_TERMS: Final = {Origin.CONFIRMED: _Terms(2, 50, 30.0), Origin.SUCCESS: _Terms(1, 20, 14.0)}


class Limits(NamedTuple):
    """How near a face must be: to be accepted, and to the enrolment in any case. Both are Euclidean."""

    threshold: float
    floor: float


class Verdict(NamedTuple):
    """What adaptation makes of a face.

    Attributes
    ----------
    accepted : whether the face is let in, be it by an adapted reference.
    near_miss : whether a credential, shown now, has the next picture kept.
    adapted : the person's adapted references from now on; the very ones given if nothing changed.
    admitted, ended : how many of them are new, and how many are gone.
    """

    accepted: bool
    near_miss: bool
    adapted: tuple[Adapted, ...]
    admitted: int = 0
    ended: int = 0


def judge(
    query: NDArray[np.float32],
    modality: str,
    to_enrolled: float,
    adapted: tuple[Adapted, ...],
    *,
    limits: Limits,
    mode: Mode,
    now: float,
    confirmed: bool = False,
    counted: bool = True,
) -> Verdict:
    """Decide about the face of somebody who claims to be a person, and what is kept of it.

    Parameters
    ----------
    query : (D,) float32 unit vector.
    modality : of the picture.
    to_enrolled : distance from the nearest of the person's enrolled references of this modality.
    adapted : the person's adapted references.
    limits : of this modality.
    mode : which references may be used and admitted.
    now : seconds since 1970.
    confirmed : whether the credential has just been shown after a near miss.
    counted : whether this is the picture that the attempt was accepted by; others use and keep nothing but
        what was confirmed.
    """
    direct = accepts(to_enrolled, limits.threshold)
    within = accepts(to_enrolled, limits.floor)
    if mode is Mode.NEVER:
        return Verdict(direct, near_miss=False, adapted=adapted)
    kept = [each for each in adapted if not _is_over(each, mode, now)]
    accepted = direct
    for place, each in enumerate(kept):
        if each.modality != modality:
            continue
        matched = accepts(nearest_distance(each.vector[None], query), limits.threshold)
        if counted:
            kept[place] = _seen(each, direct=direct, matched=matched, used=within and not accepted)
        accepted = accepted or (within and matched)
    kept = [each for each in kept if each.uses_left > 0 and each.misses < MAX_MISSES]
    # Never by `accepted`: what was let in by an adapted reference must not make another one.
    origin = None
    if confirmed and within:
        origin = Origin.CONFIRMED
    elif counted and mode is Mode.ANCHORED and accepts(to_enrolled, STRONG_SHARE * limits.threshold):
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
        kept.append(Adapted(_own(query), modality, origin, now, terms.uses))
        admitted = 1
    changed = admitted or ended or any(map(_differ, kept, adapted))
    return Verdict(accepted, within and not direct, tuple(kept) if changed else adapted, admitted, ended)


def _seen(each: Adapted, *, direct: bool, matched: bool, used: bool) -> Adapted:
    """A reference after a face that the enrolment accepts (`direct`), or that it may have let in (`used`)."""
    if direct:
        return replace(each, misses=0 if matched else each.misses + 1)
    return replace(each, uses_left=each.uses_left - 1, misses=0) if used and matched else each


def _is_over(each: Adapted, mode: Mode, now: float) -> bool:
    """Whether its time has passed, or its kind is no longer wanted; so is one that is from the future."""
    age_s = now - each.made_at
    wanted = mode is Mode.ANCHORED or each.origin is Origin.CONFIRMED
    return not (wanted and 0.0 <= age_s <= _TERMS[each.origin].days * DAY_S)


def _may_admit(kept: Sequence[Adapted], origin: Origin, now: float) -> bool:
    same = [each for each in kept if each.origin is origin]
    if origin is Origin.SUCCESS and len(same) == _TERMS[origin].slots:
        return False  # it serves until it is used up: a fresh one every day would only be work
    return all(now - each.made_at >= DAY_S for each in kept)


def _differ(a: Adapted, b: Adapted) -> bool:
    return (a.uses_left, a.misses) != (b.uses_left, b.misses)


def _own(query: NDArray[np.float32]) -> NDArray[np.float32]:
    vector = np.array(query, np.float32, copy=True)
    vector.flags.writeable = False
    return vector
