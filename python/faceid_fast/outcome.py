"""The closed list of what can come out of a frame."""

from enum import StrEnum


class Outcome(StrEnum):
    """How the look at one frame ended. Everything but ``ACCEPTED`` is a refusal.

    ``LOCKED_OUT`` and ``CREDENTIAL_REQUIRED`` say that the frame was not looked at. ``NO_FACE`` to
    ``POOR_DEPTH`` say that the frame could not be used (the person may simply try again), ``SPOOF`` that it
    shows no live face, ``NO_MATCH`` that it shows somebody else.
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
    LOCKED_OUT = "locked_out"
    CREDENTIAL_REQUIRED = "credential_required"
