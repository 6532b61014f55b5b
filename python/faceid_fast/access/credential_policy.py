"""When a face alone is not enough. Pure: the time is given.

The rules of phones, for whoever puts a door behind a face (`Policy.DOOR`): the credential is asked for after
the computer was started, after anybody's references changed, after two days without a face that was
accepted, and, if the credential has not been shown for six and a half days, after four hours without one.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from faceid_fast.storage.security_state import Presence

from .boot_clock import Clock

IDLE_S: Final = 48 * 3600.0
CREDENTIAL_AGE_S: Final = 156 * 3600.0
IDLE_WITH_OLD_CREDENTIAL_S: Final = 4 * 3600.0


class Policy(StrEnum):
    """What is asked for besides a face: nothing but after too many failures, or as `why_credential` says."""

    DEFAULT = "default"
    DOOR = "door"


def why_credential(presence: Presence | None, now: Clock) -> str | None:
    """Say why a credential is needed before a face is looked at; None if it is not.

    Parameters
    ----------
    presence : when the credential and a face were accepted last.
    now : the time.
    """
    if presence is None:
        return "nobody has shown the credential since references were last changed"
    idle_s = now.seconds - presence.accepted_s
    age_s = now.seconds - presence.credential_s
    # Written so that NaN, or a clock that went back, asks.
    if presence.boot_id != now.boot_id or not (idle_s >= 0.0 and age_s >= 0.0):
        return "nobody has shown the credential since the computer was started"
    if not idle_s <= IDLE_S:
        return f"no face was accepted for {IDLE_S / 3600:g} hours"
    if not (age_s <= CREDENTIAL_AGE_S or idle_s <= IDLE_WITH_OLD_CREDENTIAL_S):
        return f"nobody has shown the credential for {CREDENTIAL_AGE_S / 3600:g} hours"
    return None
