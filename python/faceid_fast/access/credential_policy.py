"""When the credential is asked for before a face is compared. Pure: the time is given.

`storage.policy.Policy.DOOR` follows the rules of phones. The credential is asked for after a start
of the computer, after a change of anybody's references, after two days without an accepted face and, if the
credential has not been shown for six and a half days, after four hours without an accepted face.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from faceid_fast.storage.security_state import Presence

    from .boot_clock import Clock

IDLE_S: Final = 48 * 3600.0
CREDENTIAL_AGE_S: Final = 156 * 3600.0
IDLE_WITH_OLD_CREDENTIAL_S: Final = 4 * 3600.0


def why_credential(presence: Presence | None, now: Clock) -> str | None:
    """Return why the credential is needed before a face is compared; None if it is not.

    Parameters
    ----------
    presence : when the credential and a face were accepted last; None if the credential was not shown since
        references were last changed.
    now : the time.
    """
    if presence is None:
        return "nobody has shown the credential since references were last changed"
    idle_s = now.seconds - presence.accepted_s
    age_s = now.seconds - presence.credential_s
    # Written so that the credential is needed for NaN and after a clock that went back.
    if presence.boot_id != now.boot_id or not (idle_s >= 0.0 and age_s >= 0.0):
        return "nobody has shown the credential since the computer was started"
    if not idle_s <= IDLE_S:
        return f"no face was accepted for {IDLE_S / 3600:g} hours"
    if not (age_s <= CREDENTIAL_AGE_S or idle_s <= IDLE_WITH_OLD_CREDENTIAL_S):
        return f"nobody has shown the credential for {CREDENTIAL_AGE_S / 3600:g} hours"
    return None
