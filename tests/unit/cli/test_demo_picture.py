"""The demo's picture explains itself, and shows the depth of every frame."""

from __future__ import annotations

import numpy as np
import pytest

from faceid_fast.cli.demo.picture import (
    HALF_WIDTH,
    TILE_HEIGHT,
    Pixels,
    Row,
    Thresholds,
    Tile,
    colored_depth,
    draw_demo,
    explained,
    tile_of,
)
from stand_ins import crop_of, frame_of, no_face

THRESHOLDS = Thresholds(verification=0.474, identification=0.405, people=3)
FACE: Pixels = np.full((TILE_HEIGHT, HALF_WIDTH, 3), (250, 0, 250), np.uint8)
DEPTH: Pixels = np.full((TILE_HEIGHT, HALF_WIDTH, 3), (0, 250, 250), np.uint8)


def tile(*lines: str, accepted: bool | None = None) -> Tile:
    return Tile(FACE, DEPTH, lines, accepted)


def test_every_frame_stands_beside_its_depth() -> None:
    tried = [tile("who? ada", "own 0.21, others 1.15", accepted=True), tile("who? nobody", accepted=False)]
    drawn = draw_demo([Row("ada", ("frontal",), [tile()] * 5, tried)], THRESHOLDS)
    for shade in (FACE[0, 0], DEPTH[0, 0]):
        shown = int((drawn == shade).all(axis=2).sum())
        inside = (HALF_WIDTH - 3) * (TILE_HEIGHT - 4)  # less what the frames around them cover
        assert shown >= 7 * inside
    faces, depths = ((drawn == shade).all(axis=2).any(axis=0) for shade in (FACE[0, 0], DEPTH[0, 0]))
    assert not (faces & depths).any()


def test_what_is_in_it_is_explained_and_nothing_else() -> None:
    probe = tile("who? ada", "own 0.21, others 1.15", accepted=True)
    kept = tile("as ben: refused", "0.57, kept", accepted=False)
    plain = " ".join(explained([Row("ada", (), [], [probe])], THRESHOLDS))
    for said in (
        "yellow near, blue 25 cm farther",
        "up to 0.474 where somebody says who they are (verification, 1:1), up to 0.405 ",
        "(identification, 1:3)",
    ):
        assert said in plain
    assert "kept" not in plain
    assert "as NAME" not in plain
    told = " ".join(explained([Row("ben", (), [], [probe, kept])], THRESHOLDS))
    assert "verification of somebody who says to be NAME" in told
    assert "right PIN was typed, so this picture was kept beside the references" in told
    locked = " ".join(explained([Row("ben", (), [], [tile("as ben: refused", "locked out")])], THRESHOLDS))
    assert "locked out: after too many failures" in locked


def test_what_explains_it_is_not_cut_off() -> None:
    row = Row("a name that is longer than its place", ("up",), [tile()] * 9, [tile("x", "y")])
    drawn = draw_demo([row] * 6, THRESHOLDS)
    assert (drawn[:, -10:] == 255).all()  # nothing runs over the edge
    assert drawn.shape[1] < 2000


@pytest.mark.parametrize("nearest", [None, 500.0])
def test_depth_is_colored_from_near_to_far(nearest: float | None) -> None:
    depth = np.full((20, 20), 500.0, np.float32)
    depth[:, 10:] = 750.0
    depth[0, 0], depth[0, 1] = 0.0, np.nan
    colored = colored_depth(depth, nearest)
    near, far = colored[5, 5].astype(int), colored[5, 15].astype(int)
    assert near[1:].min() > 200  # yellow, as BGR
    assert near[0] < 100
    assert far[0] > far[1]  # blue
    assert not colored[0, :2].any()  # what was not measured is black
    assert not colored_depth(np.zeros((4, 4), np.float32)).any()


def test_a_tile_shows_the_same_part_of_both() -> None:
    for look in (crop_of(9), no_face()):
        made = tile_of(frame_of(9), look, ("x",), accepted=True)
        assert made.picture.shape == made.depth.shape == (TILE_HEIGHT, HALF_WIDTH, 3)
