"""The closed list of outcomes of a frame or an attempt."""

from enum import StrEnum


class Outcome(StrEnum):
    """How a frame or an attempt ended. Every outcome but ``ACCEPTED`` is a refusal.

    ``NO_MATCH``: the face matches no reference. ``NO_FACE`` to ``POOR_DEPTH``: the frame cannot be used, and
    the person may simply try again. ``SPOOF``: the face is not live. ``NOT_ENROLLED``: nobody is enrolled
    with such frames. ``UNPROVEN``: no camera vouches for the frames, or one that does not count here, and the
    policy of the store asks for it. ``STALE``: the frames are too old, were used before, or do not follow one
    another. ``LOCKED_OUT`` and ``CREDENTIAL_REQUIRED``: faces are not compared now, because of too
    many failures, or because the credential has to be shown first.
    """

    ACCEPTED = "accepted"
    NO_MATCH = "no_match"
    NO_FACE = "no_face"
    SEVERAL_FACES = "several_faces"
    TOO_NEAR = "too_near"
    TOO_FAR = "too_far"
    CUT_OFF = "cut_off"
    POOR_POSE = "poor_pose"
    POOR_DEPTH = "poor_depth"
    SPOOF = "spoof"
    NOT_ENROLLED = "not_enrolled"
    UNPROVEN = "unproven"
    STALE = "stale"
    LOCKED_OUT = "locked_out"
    CREDENTIAL_REQUIRED = "credential_required"
