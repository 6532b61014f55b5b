"""Enrolment of real people: frames of somebody else are never among those that are taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from faceid_fast import Authenticator, Frame, Outcome
from faceid_fast.sources.layouts.kinect_v2 import captures_of

EXPRESSION = 2
FRONTAL, LEFT, RIGHT, UP, DOWN = 4, 3, 5, 1, 7


@pytest.fixture(scope="module")
def people(kinect_v2: Path) -> list[dict[int, Frame]]:
    """Of each person one frame of each pose."""
    folders = sorted(path for path in kinect_v2.iterdir() if path.is_dir())
    return [
        {each.pose: each.read() for each in captures_of(folder) if each.number % 6 == EXPRESSION}
        for folder in folders
    ]


def test_two_of_five_frames_are_somebody_else_s(people: list[dict[int, Frame]]) -> None:
    auth = Authenticator()
    for number, own in enumerate(people):
        other = people[number - 1]
        frames = [own[FRONTAL], other[FRONTAL], own[LEFT], other[UP], own[RIGHT]]
        result = auth.enroll(f"person {number}", frames)
        outcomes = {frame.index: frame.outcome for frame in result.rejected}
        assert (outcomes[1], outcomes[3]) == (Outcome.NO_MATCH, Outcome.NO_MATCH)
        assert result.accepted in {0, 3}  # 0: no more than two of the three agreed


def test_nobody_is_added_to_somebody_else_s_references(people: list[dict[int, Frame]]) -> None:
    auth = Authenticator()
    whole = 0
    for number, own in enumerate(people):
        whole += not auth.enroll(f"person {number}", list(own.values())).rejected
        others = list(people[number - 1].values())
        result = auth.enroll(f"person {number}", others)
        assert (result.accepted, len(result.rejected)) == (0, len(others))
    assert whole >= 4  # of six people, nine poses each: a head turned far may match no other frame
