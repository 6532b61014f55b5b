"""Rendered frames that ship with the package, for ``faceid demo``.

``python -m training.ship.demo_frames`` writes ``python/faceid_fast/demo_frames``: three made-up people, each
enrolled in five poses and trying twice, a flat print of the first, and the second with a beard that grows.
The seed was not searched for; how long the beard is in each picture was chosen for the story. All but the
beards were written by an earlier renderer, and stay as they are: today's would draw them a little otherwise.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from faceid_fast.sources.renders import KINDS
from training.attacks.print_in_room import render_print
from training.camera.raster import Pose
from training.heads.ict import DEFAULT_PATH, ParametricHead
from training.people.person import Identity, Studio
from training.people.skin import bearded
from training.scenes.capture import Capture
from training.scenes.crops import head_crop, render_head
from training.scenes.poses import random_expression

SEED = 5
PEOPLE = ("ada", "ben", "cleo")
ENROLLED = ((0.0, 0.0), (18.0, 0.0), (-18.0, 0.0), (0.0, -14.0), (0.0, 16.0))
"""(yaw, pitch) in degrees: frontal, left, right, up, down."""
PROBED = ((5.0, 3.0), (-8.0, 8.0))
DISTANCES_MM = (650.0, 950.0)
PRINTED, BEARDED = 0, 1
"""Of `PEOPLE`: whose print is shown, and whose beard grows."""
BEARDS_MM = (2.0, 5.0, 5.0, 5.2, 14.0)
"""A first one; two pictures of a longer one; a little later; and much later."""
PRINT_DISTANCE_MM = 450.0
PRINT_SIDE_PX = 160


def person_frame(
    rng: np.random.Generator, studio: Studio, identity: Identity, turn: tuple[float, float], *, neutral: bool
) -> Capture:
    """Render one person in a pose, at a random distance before a random background."""
    distance = float(rng.uniform(*DISTANCES_MM))
    camera, origin = head_crop(rng, distance)
    expression = random_expression(rng, studio.head) * (0.0 if neutral else 0.6)
    pose = Pose(turn[0], turn[1], float(rng.normal(0, 3)), camera.unproject(*origin, distance))
    return render_head(rng, studio, identity, expression, pose, camera)


def cut(capture: Capture, side: int) -> Capture:
    """Cut a square around the face out of a capture; the principal point moves along."""
    camera = capture.camera
    u, v = camera.project(capture.eye_midpoint_mm)[0]
    left = int(np.clip(u - side / 2, 0, camera.width - side))
    top = int(np.clip(v - side / 2, 0, camera.height - side))
    window = np.s_[top : top + side, left : left + side]
    return replace(
        capture,
        depth_mm=capture.depth_mm[window],
        infrared=None if capture.infrared is None else capture.infrared[window],
        camera=replace(camera, cx=camera.cx - left, cy=camera.cy - top, width=side, height=side),
    )


def write_frame(capture: Capture, folder: Path, name: str) -> None:
    """Write infrared, depth and camera."""
    folder.mkdir(parents=True, exist_ok=True)
    best = [cv2.IMWRITE_PNG_COMPRESSION, 9]
    for kind, pixels in (("ir", capture.infrared), ("depth", capture.depth_mm)):
        if pixels is None or not cv2.imwrite(str(folder / f"{name}_{kind}.png"), pixels, best):
            message = f"{folder / name}: no {kind} written"
            raise OSError(message)
    camera = {key: round(float(getattr(capture.camera, key)), 3) for key in ("fx", "fy", "cx", "cy")}
    text = json.dumps({**camera, "depth_unit_m": 0.001})
    (folder / f"{name}_camera.json").write_text(text + "\n", encoding="utf-8")


def main() -> None:
    """Write the frames anew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--head", type=Path, default=DEFAULT_PATH, help="the parametric head")
    parser.add_argument("--out", type=Path, default=Path("python/faceid_fast/sources/demo_frames"))
    parser.add_argument(
        "--kinds", nargs="+", choices=KINDS, default=KINDS, help="leave the others as they are"
    )
    arguments = parser.parse_args()
    studio = Studio(ParametricHead.load(arguments.head))
    for number, person in enumerate(PEOPLE):
        for name, capture in frames_of(studio, number):
            if name.partition("_")[0] in arguments.kinds:
                write_frame(capture, arguments.out / person, name)


def frames_of(studio: Studio, number: int) -> Iterator[tuple[str, Capture]]:
    """Yield the names and captures of one of `PEOPLE`."""
    rng = np.random.default_rng([SEED, number])
    weights = rng.standard_normal(studio.head.identity_count).astype(np.float32)
    identity = studio.identity(rng, weights, hair_varies=False)
    for kind, turns in (("enroll", ENROLLED), ("probe", PROBED)):
        for index, turn in enumerate(turns):
            yield f"{kind}_{index}", person_frame(rng, studio, identity, turn, neutral=kind == "enroll")
    if number == PRINTED:
        flat = render_print(rng, studio, identity, distance_mm=PRINT_DISTANCE_MM)
        yield "print_0", cut(flat, PRINT_SIDE_PX)
    if number == BEARDED:
        rng = np.random.default_rng([SEED, number, 1])  # whatever was drawn for the frames above
        beard = studio.paint.beard(rng)
        for index, length_mm in enumerate(BEARDS_MM):
            older = replace(identity, skin=bearded(identity.skin, beard, length_mm))
            yield f"beard_{index}", person_frame(rng, studio, older, PROBED[0], neutral=True)


if __name__ == "__main__":
    main()
