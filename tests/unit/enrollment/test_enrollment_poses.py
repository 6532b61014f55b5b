"""What is said of a pose that an enrolment does not cover: how near to it the head came."""

from __future__ import annotations

import pytest

from faceid_fast.enrollment.poses import POSES, TURNED_DEG, nearest_to, pose_name
from faceid_fast.enrollment.result import summarise
from stand_ins import crop_of


def warnings_of(*held: tuple[float, float]) -> tuple[str, ...]:
    """What is warned of when heads were held so: (yaw, pitch) in degrees."""
    poses = [crop_of(1, yaw_deg=yaw, pitch_deg=pitch).pose for yaw, pitch in held]
    names = [pose_name(pose) for pose in poses]
    return summarise(
        "ada", names, accepted=len(poses), references=len(poses), rejected=(), held=poses
    ).warnings


def test_who_did_look_up_is_told_how_far() -> None:
    found = warnings_of((0.0, 0.0), (20.0, 0.0), (-20.0, 0.0), (0.0, -6.4), (0.0, 12.0))
    assert found == ("up: at most 6 degrees of the 10 that count; faces held so may be refused",)
    assert warnings_of((0.0, 0.0), (20.0, 0.0), (-20.0, 0.0), (0.0, 9.99), (0.0, -12.0)) == (
        "down: at most 9 degrees of the 10 that count; faces held so may be refused",
    )


def test_who_did_not_is_not_told_of_degrees() -> None:
    assert warnings_of((0.0, 0.3), (20.0, 2.0), (-20.0, 3.0), (0.0, 12.0)) == (
        "no reference looks up: faces held so may be refused",
    )


def test_a_turn_within_a_larger_one_is_told_as_such() -> None:
    found = warnings_of((0.0, 0.0), (30.0, -14.0), (-20.0, 0.0), (0.0, 12.0))
    assert found == ("up: 14 degrees, but only with a larger turn to a side; faces held so may be refused",)
    found = warnings_of((0.0, 0.0), (-30.0, 0.0), (12.0, -20.0), (0.0, 12.0))
    assert found == (
        "left: 12 degrees, but only with a larger turn up or down; faces held so may be refused",
    )
    assert any(
        each.startswith("frontal: turned by at least 12 ") for each in warnings_of((12.0, 0.0), (30.0, 0.0))
    )


@pytest.mark.parametrize("name", POSES)
def test_nothing_is_said_of_no_frames(name: str) -> None:
    assert nearest_to(name, ()) == ""
    assert TURNED_DEG == 10.0  # as the messages above have it
