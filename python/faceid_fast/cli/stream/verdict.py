"""What a stream tells whoever stands before its camera."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faceid_fast.face.crop import NoFace

if TYPE_CHECKING:
    from faceid_fast.stream import Moment


def verdict_of(moment: Moment) -> str:
    """Say the decision on whoever is there; before there is one, what they should do."""
    decision = moment.standing
    if decision is None:
        if moment.attempted:
            return "step away to try again"
        if isinstance(moment.look, NoFace):
            return moment.look.reasons[0]
        return f"hold still ({moment.gathered})"
    if decision.accepted:
        return f"accepted: {decision.identity}"
    reason = f": {decision.reasons[0]}" if decision.reasons else ""
    return f"rejected: {decision.outcome}{reason}; step away to try again"
