"""How long it takes from a frame to a decision, beside other ways to do it.

``python -m benchmarks.aligning [--json FILE]`` (`make bench-frames`) prints medians with their quartiles, and
how many times as long each other way takes. Everybody has one thread and the same frames of 640 x 480 in
memory, takes turns, and must give the same answer, except for ways that say that they do other work. What
cannot be timed here (the core alone without cargo, the notebook's network without TensorFlow) is left out,
and named.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from shutil import which
from typing import Final

import cv2
import numpy as np
from threadpoolctl import threadpool_limits

from faceid_fast.authenticator import Authenticator
from faceid_fast.face.aligner import FaceAligner
from faceid_fast.face.crop import FaceCrop
from faceid_fast.frame import Frame
from faceid_fast.sources.layouts.kinect_v2 import captures
from faceid_fast.vault import Vault
from training.camera.degraded import degraded, single_holes

from .core import CARGO, KEPT_MM, ROOT, Stage, hand_over
from .opencv.align import Aligner
from .opencv.crop import crop
from .opencv.holes import filled
from .opencv.patch import cut, surface
from .rooms import heads, in_room, room
from .turns import Answer, Asked, Contest, Elsewhere, Result, keep, measure, result, table

OURS: Final = "faceid_fast"
WHO: Final = "ada"
SEEDS: Final = 2
"""Rooms for each pose that is enrolled: ten references."""
HOLES: Final = 0.05
"""Share of the pixels that a frame with holes lacks."""
REAL: Final = slice(24, None, 54)
"""Of the captures in the kinect_v2 layout: the first frontal one of each person."""
ALIGNED: Final = 0.01
"""A tensor is the same if 99 % of its numbers are no farther apart: pose and shape come of sums in single
precision, which others take in another order."""
CLEANED: Final = (0.01, 1e-3)
"""So are cells if they are as near (millimetres; log light) in all but a thousandth."""

IMPORT: Final = """
import time
began = time.perf_counter()
import faceid_fast
print(time.perf_counter() - began)
"""
FIRST: Final = """
import sys, time
import numpy as np
import faceid_fast
with np.load(sys.argv[1]) as file:
    k = faceid_fast.Intrinsics(*file["intrinsics"].tolist())
    frame = faceid_fast.Frame(color=file["color"], depth=file["depth"], depth_unit_m=0.001, intrinsics=k)
began = time.perf_counter()
decision = faceid_fast.verify(frame, sys.argv[2])
print(time.perf_counter() - began)
sys.exit(not decision.accepted)
"""


# --- alignment


def alignment(frames: Sequence[Frame], title: str = "frame to aligned tensor") -> Contest:
    """Every frame to the network's tensor, (N, 4, 72, 64); all must show a face."""
    ours, peer = FaceAligner.bundled(), Aligner()

    def tensor(frame: Frame) -> Answer:
        found = ours.align(frame)
        assert isinstance(found, FaceCrop), found  # noqa: S101  # of such frames only
        return found.tensor

    def each(work: Callable[[Frame], Answer | None]) -> Callable[[], Answer]:
        return lambda: np.stack([np.asarray(work(frame), np.float32) for frame in frames])

    smaller = "OpenCV: a rectangle at the head, scaled (far less work)"
    ways = {OURS: each(tensor), "OpenCV + numpy, the same work": each(peer.align), smaller: each(crop)}
    return Contest(title, ways, things=len(frames), agrees=same_tensors, other_work=frozenset({smaller}))


def same_tensors(ours: Answer, other: Answer) -> bool:
    """Whether both are (N, 4, 72, 64), and near enough one by one."""
    if ours.shape != other.shape:
        return False
    return bool((np.quantile(np.abs(ours - other), 0.99, axis=(1, 2, 3)) <= ALIGNED).all())


# --- clean-up


def clean_up(stage: Stage, infrared: Frame, title: str) -> Contest:
    """Units, missing depth, small holes, noise, torn edges and light of a whole frame: cells (2, H, W)."""
    region = (0, 0, *infrared.depth.shape)

    def peer() -> Answer:
        patch = cut(filled(infrared), region, KEPT_MM)
        return np.stack(surface(patch))

    ways = {f"{OURS} (its core)": stage, "OpenCV + numpy": peer}
    return Contest(title, ways, agrees=same_cells)


def measured_everywhere(frame: Frame) -> Frame:
    """Return the frame with the far end of what is kept where nothing was measured."""
    depth = np.where(frame.depth == 0, np.uint16(KEPT_MM[1] - 10), frame.depth)
    return replace(frame, depth=depth)


def same_cells(ours: Answer, other: Answer) -> bool:
    """Whether the same cells have depth, and as much of it and of light."""
    if ours.shape != other.shape:
        return False
    near = [
        np.isclose(one, another, rtol=0.0, atol=most, equal_nan=True)
        for one, another, most in zip(ours, other, CLEANED, strict=True)
    ]
    return bool(np.mean(near) > 1 - 1e-3)


# --- verification


def enrolled(vault: Vault | None = None) -> Authenticator:
    """Somebody with ten references in colour, in memory or in a vault."""
    auth = Authenticator(store=vault)
    poses = [render for render in heads("enroll") if render.person == WHO]
    rooms = [room(render, seed) for render in poses for seed in range(SEEDS)]
    found = auth.enroll(WHO, rooms, strangers="keep")
    assert found.references == len(rooms), found  # noqa: S101  # of such frames only
    return auth


@cache
def shown() -> list[Frame]:
    """Somebody who is let in, looking here and there."""
    return [room(render, SEEDS) for render in heads("probe") if render.person == WHO]


def verification(memory: Authenticator, disk: Authenticator, notebook: Elsewhere | None) -> Contest:
    """One unlock with ten references."""
    frames = shown()

    def accepted(auth: Authenticator) -> Answer:
        return np.array([auth.verify(frame, WHO).accepted for frame in frames])

    ways: dict[str, Callable[[], Answer]] = {
        f"{OURS}: verify()": partial(accepted, memory),
        f"{OURS}: verify(), failures counted on the disk": partial(accepted, disk),
    }
    name = "the notebook's network: predict() of ten pairs"
    if notebook is not None:
        ways[name] = notebook
    title = "frame to decision, ten references"
    return Contest(title, ways, things=len(frames), other_work=frozenset({name}))


def parts(auth: Authenticator, kind: str, rounds: int) -> list[Result]:
    """What a verification is made of, and which share each has in it."""
    laps = [dict(auth.verify(frame, WHO).timings_ms) for _ in range(3 * rounds) for frame in shown()]
    totals = [lap.pop("total") for lap in laps]
    return [
        result(
            f"of verify(){kind}",
            stage,
            [1e-3 * lap[stage] for lap in laps],
            [lap[stage] / total for lap, total in zip(laps, totals, strict=True)],
        )
        for stage in laps[0]
    ]


class Pairs(Elsewhere):
    """Ten pairs for each frame, by the notebook's network in its own environment."""

    def __init__(self, program: Asked) -> None:
        self._program = program

    def seconds(self, calls: int) -> float:
        """See `Elsewhere`."""
        frames = len(shown())
        return frames * self._program.seconds("predict", frames * calls)

    def __call__(self) -> Answer:
        """Nothing: its weights are random."""
        self.seconds(1)
        return np.empty(0)


# --- fresh processes


class Fresh(Elsewhere):
    """A process of Python that runs a program, which prints how long its part of it took.

    Parameters
    ----------
    program, arguments : as after ``python -c``.
    environment : of the process.
    whole : whether all of it is timed, from start to end.
    """

    def __init__(
        self, program: str, arguments: Sequence[str], environment: dict[str, str], *, whole: bool
    ) -> None:
        self._command = [sys.executable, "-c", program, *arguments]
        self._environment, self._whole = environment, whole

    def seconds(self, calls: int) -> float:
        """See `Elsewhere`."""
        return sum(self._once() for _ in range(calls)) / calls

    def _once(self) -> float:
        began = time.perf_counter()
        said = subprocess.run(  # noqa: S603
            self._command, env=self._environment, stdout=subprocess.PIPE, check=True, text=True
        ).stdout
        return time.perf_counter() - began if self._whole else float(said)

    def __call__(self) -> Answer:
        """Whether it did what it should."""
        self._once()
        return np.array(True)  # noqa: FBT003  # an array


def fresh(folder: Path) -> list[Contest]:
    """Import the package, and verify for the first time, with the vault of ten references below `folder`."""
    key, file = folder / "key", folder / "frame.npz"
    key.touch(mode=0o600)
    key.write_text(os.urandom(32).hex())
    environment = os.environ | {"XDG_DATA_HOME": str(folder), "FACEID_KEY_FILE": str(key)}
    with Vault.open(folder / "faceid", key=bytes.fromhex(key.read_text()), create=True) as vault:
        enrolled(vault)
    frame = shown()[0]
    k = frame.intrinsics
    intrinsics = np.array([k.fx, k.fy, k.cx, k.cy])
    np.savez(file, color=frame.picture, depth=frame.depth, intrinsics=intrinsics)

    def ways(name: str, program: str, *arguments: str) -> dict[str, Callable[[], Answer]]:
        started = partial(Fresh, program, arguments, environment)
        return {name: started(whole=False), "the whole process": started(whole=True)}

    return [
        Contest(
            "a fresh process",
            ways("import faceid_fast", IMPORT)
            | {"Python without it": Fresh("pass", (), environment, whole=True)},
        ),
        Contest(
            "a fresh process", ways("first verify(): vault opened, models loaded", FIRST, str(file), WHO)
        ),
    ]


# --- all of it


def main() -> None:
    """Hold every contest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--data", type=Path, help="real people in the kinect_v2 layout, set into rooms too")
    parser.add_argument(
        "--keras", type=Path, default=ROOT / ".venv-train/bin/python", help="a Python that has TensorFlow"
    )
    parser.add_argument("--stages", action="store_true", help="only the stages of the core, one by one")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    with threadpool_limits(1), ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        handed, cells = folder / "frame", folder / "cells"
        probe = heads("probe")[0]  # no second candidate, so that the stages are those of `align`
        hand_over(room(probe), room(probe, infrared=True), handed)
        if given.stages:
            subprocess.run([*CARGO, handed], cwd=ROOT, check=True)  # noqa: S603
            return
        results, missing = [], []
        results += measure(alignment([room(render) for render in heads("probe")]), given.rounds)
        if given.data:
            real = [in_room(capture.read()) for capture in captures(given.data)[REAL]]
            results += measure(alignment(real, "the same, real heads"), given.rounds)
        if which(CARGO[0]):
            both = [measured_everywhere(room(probe, infrared=kind)) for kind in (False, True)]
            holed = [degraded(frame, single_holes(HOLES), seed=0) for frame in both]
            for title, (color, infrared) in {
                "depth clean-up, no holes": both,
                f"depth clean-up, {HOLES:.0%} single holes": holed,
            }.items():
                hand_over(color, infrared, handed)
                core = stack.enter_context(Asked([*CARGO, handed, cells], ROOT))
                stage = Stage(core, "clean", cells)
                results += measure(clean_up(stage, infrared, title), given.rounds)
        else:
            missing.append("depth clean-up: there is no cargo to build the core's bench with")
        notebook = None
        if given.keras.exists():
            quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
            command = [given.keras, "-m", "benchmarks.siamese"]
            notebook = Pairs(stack.enter_context(Asked(command, ROOT, os.environ | quiet)))
        else:
            missing.append(f"the notebook's network: there is no {given.keras} (make train-smoke builds it)")
        memory = enrolled()
        disk = enrolled(stack.enter_context(Vault.open(folder / "vault", key=bytes(32), create=True)))
        results += measure(verification(memory, disk, notebook), given.rounds)
        results += parts(memory, "", given.rounds) + parts(disk, " counting on the disk", given.rounds)
        for contest in fresh(folder):
            results += measure(contest, given.rounds)
    print(table(results))
    for each in missing:
        print(f"Left out: {each}")
    keep(results, given.json)


if __name__ == "__main__":
    main()
